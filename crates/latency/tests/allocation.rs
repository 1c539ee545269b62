//! Recording and swapping allocate nothing, and free nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use tickcast_latency::{Histograms, LONGEST_NS, Stage, stages};

/// Counts what the current thread asks of the allocator.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn calls() -> u64 {
    CALLS.with(Cell::get)
}

// SAFETY: every call goes to the system allocator unchanged; counting touches only a constant
// thread local, which neither allocates nor has a destructor.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller keeps the contract; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn recording_and_swapping_allocate_nothing() {
    let (mut recorder, mut reporter) = stages(&Stage::ALL);
    let mut totals = Histograms::new(&Stage::ALL);
    let before = calls();
    assert!(before > 0, "the counter counts");
    for round in 0..100u64 {
        reporter.request();
        for stage in Stage::ALL {
            recorder.record(stage, 0, round * round * 1_000, 21);
            recorder.record(stage, 1, 0, 1);
            recorder.record(stage, 0, LONGEST_NS + round + 1, 1);
        }
        recorder.poll_swap();
        recorder.poll_swap();
        assert!(reporter.collect(&mut totals));
    }
    drop(recorder);
    let after = calls();
    assert_eq!(after, before);
    assert!(reporter.collect(&mut totals));
}
