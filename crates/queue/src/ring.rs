//! What producer and readers share: the slots and the two counters that guard them.

use crossbeam_utils::CachePadded;

use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering};
use crate::{Producer, Reader};

/// Words in a line: eight, which is one cache line.
///
/// Under loom and shuttle there are two: enough for a line to be torn, few enough to try many
/// interleavings.
pub const LINE_WORDS: usize = if cfg!(any(loom, shuttle)) { 2 } else { 8 };

/// One line of the ring: 64 bytes, whose meaning is the users' business.
pub type Line = [u64; LINE_WORDS];

/// The lines of a ring that the producer keeps for itself, at most; see [`ring`].
pub const KEPT_LINES: usize = 256;

/// The part of a small ring that the producer keeps for itself: an eighth.
///
/// Under loom and shuttle it is half, so that claims of several lines are tried too.
const KEPT_PART: usize = if cfg!(any(loom, shuttle)) { 2 } else { 8 };

/// Slots from the head on that the producer clears before it needs them, at most: a batch shorter
/// than this is published without waiting for the cache line of the slot behind it.
///
/// More would only take lines away from readers that are about to read them.
const CLEARED_AHEAD: usize = if cfg!(any(loom, shuttle)) { 1 } else { 4 };

/// Makes a ring of `lines` lines, rounded up to a power of two and at least 2, and returns its one
/// producer and a handle that makes readers.
///
/// The producer keeps an eighth of the ring, at least a line and at most [`KEPT_LINES`], to write
/// ahead; a reader may be behind by the rest, the [`Ring::capacity`].
///
/// All memory (64 bytes a line) is allocated and touched here.
pub fn ring(lines: usize) -> (Producer, Ring) {
    let lines = lines.next_power_of_two().max(2);
    let kept = (lines / KEPT_PART).clamp(1, KEPT_LINES);
    let ahead = kept.min(CLEARED_AHEAD);
    let shared = Arc::new(Shared {
        head: CachePadded::new(AtomicU64::new(0)),
        claim: CachePadded::new(AtomicU64::new(0)),
        closed: CachePadded::new(AtomicBool::new(false)),
        ahead: ahead as u64,
        stride: (kept - ahead) as u64,
        capacity: lines - kept,
        slots: (0..lines).map(|_| Slot::new()).collect(),
    });
    (Producer::new(Arc::clone(&shared)), Ring { shared })
}

/// How many lines the batch has of which this is the first, as a reader copied it: at least 1.
#[inline]
pub const fn batch_lines(mark: &Line) -> u32 {
    mark[LINE_WORDS - 1] as u32
}

/// A handle to a ring that makes its readers. Clones lead to the same ring.
#[derive(Clone, Debug)]
pub struct Ring {
    shared: Arc<Shared>,
}

impl Ring {
    /// Makes a reader that starts at the head: it sees what is published from now on.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// The position of the next line to be published.
    pub fn head(&self) -> u64 {
        // Nobody reads lines on the strength of it.
        self.shared.head.load(Ordering::Relaxed)
    }

    /// How many lines a reader may be behind without being lapped, which is also the longest batch.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }
}

/// Positions count lines since the ring was made. They fill 64 bits after centuries of lines, so
/// they never wrap; line `n` lies in slot `n` modulo the slots.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Lines before this position are published. Readers that keep up do not look at it, so that
    /// its cache line stays with the producer.
    pub(crate) head: CachePadded<AtomicU64>,
    /// Lines before this position may be written at any time: a slot may hold anything from the
    /// moment the claim reaches the line that will replace what it held. It moves seldom, so that
    /// its cache line stays with all who look at it.
    pub(crate) claim: CachePadded<AtomicU64>,
    /// The producer is gone.
    pub(crate) closed: CachePadded<AtomicBool>,
    /// Slots from the head on that are cleared after a batch.
    pub(crate) ahead: u64,
    /// Lines that are claimed beyond those that are needed.
    pub(crate) stride: u64,
    /// What is left of the ring when `ahead` and `stride` are taken off.
    pub(crate) capacity: usize,
    slots: Box<[Slot]>,
}

impl Shared {
    /// Where the lines lie. A loop takes this once, since what stands behind an acquire load would
    /// be loaded anew.
    #[inline]
    pub(crate) fn slots(&self) -> Slots<'_> {
        Slots(&self.slots)
    }
}

/// The slots, a power of two.
#[derive(Clone, Copy)]
pub(crate) struct Slots<'a>(&'a [Slot]);

impl<'a> Slots<'a> {
    /// How many lines there are slots for.
    #[inline]
    pub(crate) fn lines(self) -> u64 {
        self.0.len() as u64
    }

    /// The slot of the line at `position`. The power of two makes the truncation harmless.
    #[inline]
    pub(crate) fn at(self, position: u64) -> &'a Slot {
        &self.0[position as usize & (self.0.len() - 1)]
    }
}

/// One line at rest. Relaxed words may be torn by a racing write, but racing on them is defined
/// behaviour; the claim tells the reader whether to trust what it copied.
///
/// Where a batch starts, the low half of the last word is the number of its lines; where the next
/// is to start, it is 0.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Slot([AtomicU64; LINE_WORDS]);

const LAST: usize = LINE_WORDS - 1;
/// The half of the last word that is the number of lines.
const LENGTH: u64 = u32::MAX as u64;

impl Slot {
    fn new() -> Self {
        Slot(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    #[inline]
    pub(crate) fn store(&self, line: &Line) {
        for (word, &value) in self.0.iter().zip(line) {
            word.store(value, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn load(&self, line: &mut Line) {
        for (word, value) in self.0.iter().zip(line) {
            *value = word.load(Ordering::Relaxed);
        }
    }

    /// Makes this a slot in which no batch has started.
    #[inline]
    pub(crate) fn clear(&self) {
        self.0[LAST].store(0, Ordering::Relaxed);
    }

    /// Starts a batch of so many lines here, and so publishes it; its other lines are in place.
    #[inline]
    pub(crate) fn start(&self, mark: &Line, lines: u64) {
        for (word, &value) in self.0[..LAST].iter().zip(mark) {
            word.store(value, Ordering::Relaxed);
        }
        // SYNC POINT batch: pairs with the acquire load in `Slot::started`. A reader that sees this
        // length also sees every word of the batch, and the slot behind it cleared.
        self.0[LAST].store(mark[LAST] & !LENGTH | lines, Ordering::Release);
    }

    /// How many lines the batch has that starts here; 0 when none has started.
    #[inline]
    pub(crate) fn started(&self) -> u64 {
        // SYNC POINT batch: pairs with the release store in `Slot::start`.
        self.0[LAST].load(Ordering::Acquire) & LENGTH
    }
}
