//! A plain ring for one producer and one reader, each of which remembers how far the other was: what
//! queues of this kind do, rtrb among them. Only to compare with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use tickcast_queue::Line;

struct Shared {
    slots: Box<[[AtomicU64; 8]]>,
    written: CachePadded<AtomicU64>,
    read: CachePadded<AtomicU64>,
}

impl Shared {
    fn slot(&self, position: u64) -> &[AtomicU64; 8] {
        &self.slots[position as usize & (self.slots.len() - 1)]
    }
}

pub struct Sender {
    shared: Arc<Shared>,
    position: u64,
    read: u64,
}

pub struct Receiver {
    shared: Arc<Shared>,
    position: u64,
    written: u64,
}

/// A ring of `lines` lines, a power of two.
pub fn single(lines: usize) -> (Sender, Receiver) {
    let slot = || std::array::from_fn(|_| AtomicU64::new(0));
    let shared = Arc::new(Shared {
        slots: (0..lines).map(|_| slot()).collect(),
        written: CachePadded::default(),
        read: CachePadded::default(),
    });
    let sender = Sender {
        shared: Arc::clone(&shared),
        position: 0,
        read: 0,
    };
    let receiver = Receiver {
        shared,
        position: 0,
        written: 0,
    };
    (sender, receiver)
}

impl Sender {
    /// Whether there was room for the line.
    #[inline]
    pub fn push(&mut self, line: &Line) -> bool {
        let lines = self.shared.slots.len() as u64;
        if self.position - self.read == lines {
            self.read = self.shared.read.load(Ordering::Acquire);
            if self.position - self.read == lines {
                return false;
            }
        }
        for (word, &value) in self.shared.slot(self.position).iter().zip(line) {
            word.store(value, Ordering::Relaxed);
        }
        self.position += 1;
        self.shared.written.store(self.position, Ordering::Release);
        true
    }
}

impl Receiver {
    /// Copies the next line, if there is one.
    #[inline]
    pub fn pop(&mut self, line: &mut Line) -> bool {
        if self.position == self.written {
            self.written = self.shared.written.load(Ordering::Acquire);
            if self.position == self.written {
                return false;
            }
        }
        for (word, value) in self.shared.slot(self.position).iter().zip(line) {
            *value = word.load(Ordering::Relaxed);
        }
        self.position += 1;
        self.shared.read.store(self.position, Ordering::Release);
        true
    }
}
