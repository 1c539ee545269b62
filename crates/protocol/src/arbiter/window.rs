//! The hold window: ticks that arrived before the ones they follow.

use tickcast_wire::{Clear, Tick, Venue};

use super::Provenance;

/// A ring of slots, one a seq, starting at the next seq to deliver. Bounded by construction.
pub(super) struct Window {
    slots: Box<[Tick]>,
    /// Where the tick in each slot came from; `None` where the slot is empty.
    from: Box<[Option<Provenance>]>,
    held: usize,
}

impl Window {
    /// A window of `ticks` slots, rounded up to a power of two.
    pub(super) fn new(ticks: usize) -> Window {
        let len = ticks.next_power_of_two();
        let empty = Tick::new(Clear::default(), Venue::NONE, 0, 0);
        Window {
            slots: vec![empty; len].into(),
            from: vec![None; len].into(),
            held: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.slots) + size_of_val(&*self.from)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    fn slot(&self, seq: u64) -> usize {
        // The length is a power of two that fits a usize, so the mask keeps only bits that fit.
        (seq & (self.slots.len() as u64 - 1)) as usize
    }

    /// Holds a tick; false if its slot is taken already. The caller keeps seqs within the window.
    pub(super) fn hold(&mut self, tick: &Tick, from: Provenance) -> bool {
        let slot = self.slot(tick.seq());
        if self.from[slot].is_some() {
            return false;
        }
        self.slots[slot] = *tick;
        self.from[slot] = Some(from);
        self.held += 1;
        true
    }

    /// Forgets the ticks `first .. end`; gives how many there were.
    #[inline]
    pub(super) fn forget(&mut self, first: u64, end: u64) -> usize {
        if self.held == 0 {
            0
        } else {
            self.forget_held(first, end)
        }
    }

    fn forget_held(&mut self, first: u64, end: u64) -> usize {
        let end = end.min(first.saturating_add(self.slots.len() as u64));
        let before = self.held;
        for seq in first..end {
            let slot = self.slot(seq);
            self.held -= usize::from(self.from[slot].take().is_some());
        }
        before - self.held
    }

    /// The seq after those held side by side from `seq` on, at most `end`; `seq` if it is not held.
    pub(super) fn held_until(&self, seq: u64, end: u64) -> u64 {
        self.until(seq, end, true)
    }

    /// The seq of the first one held from `seq` on, at most `end`.
    pub(super) fn missing_until(&self, seq: u64, end: u64) -> u64 {
        if self.held == 0 {
            return end;
        }
        self.until(seq, end, false)
    }

    fn until(&self, seq: u64, end: u64, held: bool) -> u64 {
        let reach = end.min(seq.saturating_add(self.slots.len() as u64));
        (seq..reach)
            .find(|&seq| self.from[self.slot(seq)].is_some() != held)
            .unwrap_or(if held { reach } else { end })
    }

    /// The ticks from `seq` on that lie side by side and came from the same place.
    pub(super) fn run(&self, seq: u64) -> Option<(&[Tick], Provenance)> {
        let start = self.slot(seq);
        let from = self.from[start]?;
        let len = self.from[start..]
            .iter()
            .take_while(|&&other| other == Some(from))
            .count();
        Some((&self.slots[start..start + len], from))
    }
}
