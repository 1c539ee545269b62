//! Stalls: times at which the machine had taken a spinning thread's core away. A thread that does
//! nothing but look for work is its own meter: what lies between two of its looks was not its own.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;

use crate::{Hiccup, Series, StageHistogram};

/// A gap between two looks that is longer is a stall, ns. A round that finds nothing takes less than
/// one of them, system calls included.
pub const STALL_NS: u64 = 10_000;

/// Stalls of one thread that wait to be collected; more are counted, not kept.
const WAITING: usize = 4_096;

/// Stalls of one thread that a [`StallLog`] keeps, with their times; later ones are only counted.
pub const STALLS_KEPT: usize = 65_536;

/// A time at which a thread stood still, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Its last look before.
    pub from_ns: u64,
    /// Its first look after.
    pub to_ns: u64,
}

impl Stall {
    /// How long it was.
    #[must_use]
    pub const fn length_ns(&self) -> u64 {
        self.to_ns.saturating_sub(self.from_ns)
    }

    /// Whether it shares a moment with the time from `from_ns` to `to_ns`.
    #[must_use]
    pub const fn overlaps(&self, from_ns: u64, to_ns: u64) -> bool {
        self.from_ns < to_ns && from_ns < self.to_ns
    }
}

/// What the meters of a process share. Clones are the same board: a publisher and a subscriber of
/// one process are given one.
#[derive(Clone, Debug, Default)]
pub struct StallBoard {
    latest: Arc<CachePadded<AtomicU64>>,
    /// Taken by whoever starts a thread and whoever collects; never by a meter.
    meters: Arc<Mutex<Vec<Arc<Meter>>>>,
}

/// What a meter leaves for whoever collects.
#[derive(Debug)]
struct Meter {
    thread: String,
    core: Option<usize>,
    waiting: ArrayQueue<Stall>,
    missed: AtomicU64,
}

impl StallBoard {
    /// A board without meters.
    #[must_use]
    pub fn new() -> StallBoard {
        StallBoard::default()
    }

    /// A meter for the thread of this name, on this core if it is pinned. Only a thread that never
    /// gives up its core can have one: gaps of one that yields or sleeps are its own doing.
    #[must_use]
    pub fn meter(&self, thread: &str, core: Option<usize>) -> StallMeter {
        let meter = Arc::new(Meter {
            thread: thread.to_owned(),
            core,
            waiting: ArrayQueue::new(WAITING),
            missed: AtomicU64::new(0),
        });
        self.meters().push(Arc::clone(&meter));
        StallMeter(Some(Looks {
            last: None,
            latest: Arc::clone(&self.latest),
            meter,
        }))
    }

    /// When the stall that ended last did so; 0 before the first. A tick that was due before then
    /// has met it, if it was still under way.
    #[inline]
    #[must_use]
    pub fn latest_end_ns(&self) -> u64 {
        self.latest.load(Ordering::Acquire)
    }

    /// Takes what every meter has seen since the last call, whoever made it, into `log`.
    pub fn collect(&self, log: &mut StallLog) {
        let meters = self.meters();
        for meter in meters.iter().skip(log.threads.len()) {
            log.threads.push(ThreadStalls::new(meter));
        }
        for (meter, stalls) in meters.iter().zip(&mut log.threads) {
            while let Some(stall) = meter.waiting.pop() {
                stalls.take(stall);
            }
            stalls.missed += meter.missed.swap(0, Ordering::Relaxed);
        }
    }

    fn meters(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Meter>>> {
        // Nothing is left half done by whoever panics with it.
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The meter of a spinning thread, which that thread tells when it looks for work. It never
/// allocates, locks or waits.
#[derive(Debug)]
pub struct StallMeter(Option<Looks>);

#[derive(Debug)]
struct Looks {
    /// The last look, if nothing was done since.
    last: Option<u64>,
    latest: Arc<CachePadded<AtomicU64>>,
    meter: Arc<Meter>,
}

impl StallMeter {
    /// One that sees nothing: for a thread that does not spin, or when nobody wants to know.
    #[must_use]
    pub const fn off() -> StallMeter {
        StallMeter(None)
    }

    /// Whether it sees anything.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The thread looks at the clock, having done nothing but look for work since it looked last.
    /// `now_ns` is of any clock, the same at every look; `realtime_ns` is asked for the time since
    /// the Unix epoch when there was a stall.
    #[inline]
    pub fn look(&mut self, now_ns: u64, realtime_ns: impl FnOnce() -> u64) {
        if let Some(looks) = &mut self.0
            && let Some(last) = looks.last.replace(now_ns)
            && now_ns.saturating_sub(last) > STALL_NS
        {
            looks.note(now_ns - last, realtime_ns());
        }
    }

    /// The thread has found work: until its next look, the time is its own.
    #[inline]
    pub fn work(&mut self) {
        if let Some(looks) = &mut self.0 {
            looks.last = None;
        }
    }
}

impl Looks {
    #[cold]
    fn note(&self, length_ns: u64, to_ns: u64) {
        let stall = Stall {
            from_ns: to_ns.saturating_sub(length_ns),
            to_ns,
        };
        self.latest.fetch_max(to_ns, Ordering::Release);
        if self.meter.waiting.push(stall).is_err() {
            self.meter.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What was collected from the meters of a board.
#[derive(Clone, Debug, Default)]
pub struct StallLog {
    /// A meter each, in the order in which they were made.
    pub threads: Vec<ThreadStalls>,
}

impl StallLog {
    /// How long the longest stall was that shares a moment with this time, of any thread; 0 without
    /// one. `None` without meters.
    #[must_use]
    pub fn longest_ns(&self, from_ns: u64, to_ns: u64) -> Option<u64> {
        let lengths = self.overlapping(from_ns, to_ns);
        let longest = lengths.map(|(_, stall)| stall.length_ns()).max();
        (!self.threads.is_empty()).then(|| longest.unwrap_or(0))
    }

    /// The stalls that share a moment with this time, with the thread that stood still.
    pub fn overlapping(
        &self,
        from_ns: u64,
        to_ns: u64,
    ) -> impl Iterator<Item = (&ThreadStalls, Stall)> {
        self.threads.iter().flat_map(move |thread| {
            let first = thread
                .stalls
                .partition_point(|stall| stall.to_ns <= from_ns);
            let later = thread.stalls[first..].iter();
            let overlapping = later.take_while(move |stall| stall.overlaps(from_ns, to_ns));
            overlapping.map(move |stall| (thread, *stall))
        })
    }
}

/// The stalls of one thread.
#[derive(Clone, Debug)]
pub struct ThreadStalls {
    /// The thread.
    pub thread: String,
    /// Its core, when it is pinned.
    pub core: Option<usize>,
    /// How long they were, all that were collected.
    pub lengths: StageHistogram,
    /// How long they were together, ns.
    pub stalled_ns: u64,
    /// The first [`STALLS_KEPT`], in order.
    pub stalls: Vec<Stall>,
    /// Stalls that are in no figure, because too many waited to be collected.
    pub missed: u64,
}

impl ThreadStalls {
    fn new(meter: &Meter) -> ThreadStalls {
        ThreadStalls {
            thread: meter.thread.clone(),
            core: meter.core,
            lengths: StageHistogram::new(),
            stalled_ns: 0,
            stalls: Vec::new(),
            missed: 0,
        }
    }

    /// As it is shown, of a run that took so long. The share is at most all of it, though a stall may
    /// have begun before the run.
    #[must_use]
    pub fn hiccup(&self, duration_ns: u64) -> Hiccup {
        let mut lengths = Series::new();
        lengths.add(&self.lengths);
        Hiccup {
            thread: self.thread.clone(),
            core: self.core,
            stalls: lengths.figures("stalls"),
            share: (self.stalled_ns as f64 / duration_ns.max(1) as f64).min(1.0),
        }
    }

    fn take(&mut self, stall: Stall) {
        self.lengths.record(stall.from_ns, stall.to_ns, 1);
        self.stalled_ns = self.stalled_ns.saturating_add(stall.length_ns());
        if self.stalls.len() < STALLS_KEPT {
            self.stalls.push(stall);
        }
    }
}
