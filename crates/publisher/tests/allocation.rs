//! After its start the send loop allocates nothing.

#![allow(unsafe_code, reason = "a counting allocator is an allocator")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use support::{config, line, ticks};
use tickcast_latency::StallBoard;
use tickcast_net::Idle;
use tickcast_publisher::{InMemory, Prefetched, Publisher, Source, SourceError, Supply};

thread_local! {
    /// Whether the allocations of this thread count.
    static COUNTING: Cell<bool> = const { Cell::new(false) };
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct CountingAllocator;

impl CountingAllocator {
    fn count() {
        // A thread that is ending has no flag any more.
        if COUNTING.try_with(Cell::get).unwrap_or(false) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract;
// counting neither allocates nor unwinds (the flag is const-initialised and has no destructor).
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CountingAllocator::count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`; `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Counts the allocations of the thread that reads it, from the tenth look to the last.
struct Watched<S>(S, u32);

impl<S: Source> Source for Watched<S> {
    fn peek(&mut self) -> Result<Supply<'_>, SourceError> {
        self.1 += 1;
        if self.1 == 10 {
            COUNTING.set(true);
        }
        let supply = self.0.peek()?;
        if matches!(supply, Supply::End) {
            COUNTING.set(false);
        }
        Ok(supply)
    }

    fn take(&mut self, count: usize) {
        self.0.take(count);
    }
}

fn publish(source: impl Source, speed: &str) -> u64 {
    let mut config = config(line([239, 192, 94, 1]).1);
    config.line_b = Some(line([239, 192, 94, 2]).1);
    config.speed = speed.parse().unwrap();
    config.linger = Duration::from_millis(20);
    // Its meter is on.
    config.idle = Idle::Spin;
    config.stalls = Some(StallBoard::new());
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let publisher = Publisher::start(config, Watched(source, 0)).unwrap();
    publisher.join().unwrap();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// One test, since the counter is one for the whole process.
#[test]
fn the_send_loop_allocates_nothing() {
    COUNTING.set(true);
    drop(std::hint::black_box(Box::new(1)));
    COUNTING.set(false);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), 1, "the counter counts");

    assert_eq!(publish(InMemory::new(ticks(200_000)), "max"), 0);
    assert_eq!(publish(InMemory::new(ticks(2000)), "20000/s"), 0);
    let ticks = ticks(200_000);
    let chunks: Vec<Vec<_>> = ticks.chunks(1_000).map(<[_]>::to_vec).collect();
    let chunks = chunks.into_iter().map(Ok::<_, std::io::Error>);
    assert_eq!(publish(Prefetched::start(chunks).unwrap(), "max"), 0);
}
