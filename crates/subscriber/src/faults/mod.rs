//! Faults made on purpose on the receiving side, the same for the same seed.

mod held;

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use tickcast_protocol::Line;

use self::held::Held;
use crate::event::Stamps;

/// The longest datagram there is.
const LONGEST: usize = 65_536;
/// A reordered packet waits until one to so many others have passed it.
const BEHIND_MAX: u32 = 3;

/// What goes wrong on one line, after a packet has been received. Shares go from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineFaults {
    /// The share of packets that is dropped.
    pub drop: f64,
    /// The mean length of a run of dropped packets; up to 1 each is dropped by itself. Never so
    /// short that `drop` cannot be kept: at least `drop / (1 - drop)`.
    pub burst: f64,
    /// The share that comes twice.
    pub duplicate: f64,
    /// The share that comes behind one to three of those that follow, or 2 ms late if none do.
    pub reorder: f64,
    /// How much later than the kernel's stamp says each comes.
    pub delay: Duration,
    /// The share in which one to four bytes are changed.
    pub corrupt: f64,
}

impl LineFaults {
    /// Nothing goes wrong.
    pub const NONE: LineFaults = LineFaults {
        drop: 0.0,
        burst: 1.0,
        duplicate: 0.0,
        reorder: 0.0,
        delay: Duration::ZERO,
        corrupt: 0.0,
    };

    /// So many packets are dropped, each by itself.
    #[must_use]
    pub const fn drop(share: f64) -> LineFaults {
        LineFaults {
            drop: share,
            ..LineFaults::NONE
        }
    }
}

impl Default for LineFaults {
    fn default() -> LineFaults {
        LineFaults::NONE
    }
}

/// What was done to the packets of one line on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCounters {
    /// Dropped.
    pub dropped: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Held back behind others.
    pub reordered: u64,
    /// Delivered later.
    pub delayed: u64,
    /// Damaged.
    pub corrupted: u64,
    /// Neither delayed nor reordered although it was their turn: longer than 2,048 bytes, or 4,096
    /// others were held.
    pub not_held: u64,
}

/// Decides packet by packet. Everything it needs is allocated at the start.
pub(crate) struct FaultInjector {
    faults: LineFaults,
    is_active: bool,
    random: Xoshiro256PlusPlus,
    /// A run of dropped packets goes on.
    in_burst: bool,
    held: Held,
    /// A damaged packet is made here.
    scratch: Box<[u8]>,
    counters: FaultCounters,
}

impl FaultInjector {
    /// The faults of a line. The lines of one seed have theirs independently.
    pub(crate) fn new(faults: LineFaults, seed: u64, line: Line) -> FaultInjector {
        let holds = faults.reorder > 0.0 || !faults.delay.is_zero();
        let damaged = if faults.corrupt > 0.0 { LONGEST } else { 0 };
        FaultInjector {
            faults,
            is_active: faults != LineFaults::NONE,
            random: Xoshiro256PlusPlus::seed_from_u64(seed ^ (line as u64) << 63),
            in_burst: false,
            held: Held::new(holds),
            scratch: vec![0; damaged].into(),
            counters: FaultCounters::default(),
        }
    }

    /// Whether anything goes wrong at all.
    #[inline]
    pub(crate) const fn is_active(&self) -> bool {
        self.is_active
    }

    pub(crate) const fn counters(&self) -> FaultCounters {
        self.counters
    }

    /// When a packet that is held back is due, ns of the clock of `now`.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.held.next_due()
    }

    /// A packet arrives: `pass` gets it as often and as it is to be, now or later.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        stamps: Stamps,
        now: u64,
        pass: &mut impl FnMut(&[u8], Stamps),
    ) {
        if self.drops() {
            self.counters.dropped += 1;
            return;
        }
        if self.chance(self.faults.duplicate) {
            self.counters.duplicated += 1;
            self.hold_or_pass(bytes, stamps, now, pass);
        }
        if bytes.is_empty() || !self.chance(self.faults.corrupt) {
            return self.hold_or_pass(bytes, stamps, now, pass);
        }
        self.counters.corrupted += 1;
        let mut scratch = std::mem::take(&mut self.scratch);
        let damaged = &mut scratch[..bytes.len().min(LONGEST)];
        damaged.copy_from_slice(&bytes[..damaged.len()]);
        for _ in 0..self.random.random_range(1..=4) {
            let at = self.random.random_range(0..damaged.len());
            damaged[at] ^= self.random.random_range(1..=255u8);
        }
        self.hold_or_pass(damaged, stamps, now, pass);
        self.scratch = scratch;
    }

    /// Passes on what was held back and is due.
    pub(crate) fn release(&mut self, now: u64, pass: &mut impl FnMut(&[u8], Stamps)) -> bool {
        self.held.release(now, pass)
    }

    fn hold_or_pass(
        &mut self,
        bytes: &[u8],
        stamps: Stamps,
        now: u64,
        pass: &mut impl FnMut(&[u8], Stamps),
    ) {
        let reorders = self.chance(self.faults.reorder);
        if reorders || !self.faults.delay.is_zero() {
            let behind = if reorders {
                self.random.random_range(1..=BEHIND_MAX)
            } else {
                0
            };
            let due = now.saturating_add(self.faults.delay.as_nanos() as u64);
            if self.held.hold(bytes, stamps, due, behind) {
                self.counters.reordered += u64::from(reorders);
                self.counters.delayed += u64::from(!self.faults.delay.is_zero());
                return;
            }
            self.counters.not_held += 1;
        }
        pass(bytes, stamps);
        self.held.note_passed();
        self.held.release(now, pass);
    }

    /// Whether the next packet is dropped: each by itself, or by a chain of two states whose runs
    /// of drops have the mean length `burst`.
    fn drops(&mut self) -> bool {
        let LineFaults { drop, burst, .. } = self.faults;
        if drop <= 0.0 || drop >= 1.0 {
            return drop >= 1.0;
        }
        if burst <= 1.0 {
            return self.random.random_bool(drop);
        }
        let goes_on = 1.0 - 1.0 / burst;
        let begins = (drop / (burst * (1.0 - drop))).min(1.0);
        self.in_burst = self
            .random
            .random_bool(if self.in_burst { goes_on } else { begins });
        self.in_burst
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.random_bool(share.min(1.0))
    }
}

#[cfg(test)]
mod tests;
