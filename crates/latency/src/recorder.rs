//! A recorder and a reporter that pass two sets of counters back and forth, so that neither
//! waits for the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;

use crate::tallies::Tallies;
use crate::{Histograms, Provenance, Stage, Way};

/// One set is being recorded into, one is empty or on its way.
const SETS: usize = 2;

/// Makes a recorder of these stages and the reporter that collects from it. All memory of both is
/// allocated and touched here.
pub fn stages(list: &[Stage]) -> (Recorder, Reporter) {
    stages_and_groups(list, 0)
}

/// The same, which also records for each of so many groups of instruments the stages that
/// [have groups](Stage::has_groups). A group takes 3.4 MiB.
pub fn stages_and_groups(list: &[Stage], groups: usize) -> (Recorder, Reporter) {
    let exchange = Arc::new(Exchange {
        wanted: CachePadded::new(AtomicBool::new(false)),
        filled: ArrayQueue::new(SETS),
        empty: ArrayQueue::new(SETS),
    });
    let spare = exchange.empty.push(Box::new(Tallies::new(list, groups)));
    debug_assert!(spare.is_ok(), "a new queue has room");
    let active = Box::new(Tallies::new(list, groups));
    (
        Recorder {
            active,
            nothing: Some(Box::new(Tallies::new(&[], 0))),
            exchange: Arc::clone(&exchange),
        },
        Reporter { exchange },
    )
}

/// Boxes go round: recorder -> `filled` -> reporter -> `empty` -> recorder.
#[derive(Debug)]
struct Exchange {
    /// The reporter asks for a set.
    wanted: CachePadded<AtomicBool>,
    filled: ArrayQueue<Box<Tallies>>,
    empty: ArrayQueue<Box<Tallies>>,
}

/// The end on the measuring thread. It never allocates, locks or waits. When dropped, it hands
/// over what it has recorded.
#[derive(Debug)]
pub struct Recorder {
    active: Box<Tallies>,
    /// Takes its place when the last is handed over.
    nothing: Option<Box<Tallies>>,
    exchange: Arc<Exchange>,
}

impl Recorder {
    /// Records that `count` ticks took from `from_ns` to `to_ns` for a stage, `of` which they are,
    /// with what brought them. A stamp of several ticks, such as a packet's, stands for all of
    /// them.
    ///
    /// # Panics
    /// If the stage is not one of those given to [`stages`], or has no such provenance.
    #[inline]
    pub fn record(&mut self, of: (Stage, Provenance), from_ns: u64, to_ns: u64, count: u64) {
        self.active.record(of, from_ns, to_ns, count);
    }

    /// Records the same for a group of instruments, by its number from 0. It is not in what
    /// [`Recorder::record`] records: whoever wants both records both.
    ///
    /// # Panics
    /// If there is no such group, or the stage [has none](Stage::has_groups).
    pub fn record_group(&mut self, of: (Stage, usize), from_ns: u64, to_ns: u64, count: u64) {
        self.active.record_group(of, from_ns, to_ns, count);
    }

    /// Whether a tick that took `total_ns` is among the slowest of this set, so that its way is
    /// worth being put together for [`Recorder::keep`]: one compare.
    #[inline]
    #[must_use]
    pub fn is_among_slowest(&self, total_ns: u64) -> bool {
        self.active.is_among_slowest(total_ns)
    }

    /// Keeps the way of a tick if it is among the slowest.
    #[cold]
    pub fn keep(&mut self, way: &Way) {
        self.active.keep(way);
    }

    /// Hands over what is recorded so far, if the reporter asked for it. Call it between batches,
    /// and when idle; it costs one relaxed load when nothing is asked.
    #[inline]
    pub fn poll_swap(&mut self) {
        if self.exchange.wanted.load(Ordering::Relaxed) {
            self.swap();
        }
    }

    #[cold]
    fn swap(&mut self) {
        // Without an empty set, the reporter has not collected the last one: it stays wanted.
        if let Some(empty) = self.exchange.empty.pop() {
            self.hand_over(empty);
            // What was handed over is there for whoever sees that nothing is wanted any more.
            self.exchange.wanted.store(false, Ordering::Release);
        }
    }

    /// Hands over what is recorded so far, and goes on with this set.
    fn hand_over(&mut self, empty: Box<Tallies>) {
        let full = std::mem::replace(&mut self.active, empty);
        let pushed = self.exchange.filled.push(full);
        debug_assert!(
            pushed.is_ok(),
            "there are never more sets than room for them"
        );
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(nothing) = self.nothing.take() {
            self.hand_over(nothing);
        }
    }
}

/// The end on the reporting thread.
#[derive(Debug)]
pub struct Reporter {
    exchange: Arc<Exchange>,
}

impl Reporter {
    /// Asks the recorder to hand over what it has at its next [`Recorder::poll_swap`].
    pub fn request(&self) {
        self.exchange.wanted.store(true, Ordering::Relaxed);
    }

    /// Whether the recorder has still to hand over what it was asked for. One that was dropped has
    /// nothing more to hand over.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        let has_recorder = Arc::strong_count(&self.exchange) > 1;
        has_recorder && self.exchange.wanted.load(Ordering::Acquire)
    }

    /// Adds all that has been handed over to `into`, and returns whether there was anything.
    /// Collect after [`Reporter::request`], when [`Reporter::is_waiting`] no longer or a few
    /// milliseconds later, and once more when the recorder has been dropped.
    pub fn collect(&mut self, into: &mut Histograms) -> bool {
        let mut any = false;
        while let Some(mut set) = self.exchange.filled.pop() {
            set.move_to(into);
            let pushed = self.exchange.empty.push(set);
            debug_assert!(
                pushed.is_ok(),
                "there are never more sets than room for them"
            );
            any = true;
        }
        any
    }
}
