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

/// Makes a ring of `capacity` lines, rounded up to a power of two and at least 2, and returns its
/// one producer and a handle that makes readers.
///
/// All memory (64 bytes a line) is allocated and touched here.
pub fn ring(capacity: usize) -> (Producer, Ring) {
    let capacity = capacity.next_power_of_two().max(2);
    let shared = Arc::new(Shared {
        head: CachePadded::new(AtomicU64::new(0)),
        claim: CachePadded::new(AtomicU64::new(0)),
        closed: CachePadded::new(AtomicBool::new(false)),
        mask: capacity - 1,
        slots: (0..capacity).map(|_| Slot::empty()).collect(),
    });
    (Producer::new(Arc::clone(&shared)), Ring { shared })
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

    /// The number of lines the ring holds.
    pub fn capacity(&self) -> usize {
        self.shared.capacity()
    }
}

/// Positions count lines since the ring was made. They fill 64 bits after centuries of lines, so
/// they never wrap; line `n` lies in slot `n & mask`.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Lines before this position are published. Readers poll it, so it has a cache line of its
    /// own that the producer touches once a batch.
    pub(crate) head: CachePadded<AtomicU64>,
    /// Lines before this position are written or about to be: a slot may hold anything from the
    /// moment the claim reaches the line that will replace what it held.
    pub(crate) claim: CachePadded<AtomicU64>,
    /// The producer is gone.
    pub(crate) closed: CachePadded<AtomicBool>,
    mask: usize,
    slots: Box<[Slot]>,
}

impl Shared {
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The slot of the line at `position`. The mask makes the truncation harmless.
    #[inline]
    pub(crate) fn slot(&self, position: u64) -> &Slot {
        &self.slots[position as usize & self.mask]
    }
}

/// One line at rest. Relaxed words may be torn by a racing write, but racing on them is defined
/// behaviour; the claim tells the reader whether to trust what it copied.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Slot([AtomicU64; LINE_WORDS]);

impl Slot {
    fn empty() -> Self {
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
}
