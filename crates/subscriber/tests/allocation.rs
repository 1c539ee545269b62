//! After its start the receive thread allocates nothing.

#![allow(unsafe_code, reason = "a counting allocator is an allocator")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use support::{Checker, Feed, assert_kept, retransmit, serve, thread, wait_for_end};
use tickcast_latency::{Histograms, Stage, StallBoard, StallLog};
use tickcast_net::Idle;
use tickcast_subscriber::{InstrumentGroups, Origin, SessionStart, Strategy, SubscriberBuilder};
use tickcast_wire::{Symbol, Tick};

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

/// Counts the allocations of the receive thread, which calls it, while a session runs.
struct Watch;

impl Strategy for Watch {
    fn on_tick(&mut self, _tick: &Tick, _origin: &Origin) {}

    fn on_session(&mut self, _start: &SessionStart) {
        COUNTING.set(true);
    }

    fn on_end(&mut self, _session: u64, _last_seq: u64) {
        COUNTING.set(false);
    }
}

/// One test, since the counter is one for the whole process.
#[test]
fn the_receive_thread_allocates_nothing() {
    COUNTING.set(true);
    drop(std::hint::black_box(Box::new(1)));
    COUNTING.set(false);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), 1, "the counter counts");

    let mut feed = Feed::new();
    let mut config = feed.subscriber(Some(serve(retransmit)));
    // Everything that can be measured is; the meter of the receive thread needs it to spin.
    config.idle = Idle::Spin;
    config.time_strategies = true;
    let board = StallBoard::new();
    config.stalls = Some(board.clone());
    let symbol = Symbol::new(b"AAA");
    config.groups = InstrumentGroups::new(&[vec![symbol]]).unwrap();
    let mut builder = SubscriberBuilder::new(config);
    builder.attach_inline(Watch);
    let checker = builder
        .attach(Checker::default(), &thread("tc-checker"))
        .unwrap();
    let mut subscriber = builder.start().unwrap();
    let mut latency = Histograms::new(&[]);
    for round in 0..3_000 {
        match round % 10 {
            // Held until line B brings what comes before.
            2 => {
                let (first, second) = (feed.data(21), feed.data(21));
                feed.send_on(0, &second);
                feed.send_on(1, &first);
            }
            // Healed by retransmit.
            7 => feed.skip(21),
            _ => feed.publish(21),
        }
        if round % 100 == 0 {
            subscriber.request_latency();
            subscriber.collect_latency(&mut latency);
            std::thread::yield_now();
        }
    }
    feed.end();
    wait_for_end(&mut subscriber);
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&checker).unwrap();
    assert_kept(&outcome, 3_300 * 21);
    let counters = stopped.stats.counters;
    assert!(
        counters.gaps > 0 && counters.retransmitted > 0,
        "{counters:?}"
    );
    assert!(
        counters.lines.iter().all(|line| line.held > 0),
        "{counters:?}"
    );
    stopped.collect_latency(&mut latency);
    assert!(!latency.slowest().is_empty());
    for stage in [Stage::Strategy, Stage::Service, Stage::Total, Stage::Heal] {
        let sum = latency.sum(stage).unwrap();
        assert!(!sum.histogram().is_empty(), "{stage}");
    }
    let mut log = StallLog::default();
    board.collect(&mut log);
    let threads: Vec<_> = log.threads.iter().map(|it| &*it.thread).collect();
    assert_eq!(threads, ["tc-receive"]);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), 1);
}
