//! The writing end.

use crate::sync::{Arc, Ordering, fence};
use crate::{Cursor, Line, ring::Shared};

/// The one writer of a ring. Dropping it closes the ring.
#[derive(Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    /// What `shared.head` holds; only this producer writes it.
    position: u64,
    /// What `shared.claim` holds.
    claimed: u64,
    /// No batch has started in the slots from `position` to here.
    cleared: u64,
}

impl Producer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Producer {
            shared,
            position: 0,
            claimed: 0,
            cleared: 1,
        }
    }

    /// Publishes `mark` and then `lines` as one batch: readers see all of it or none. Never waits;
    /// a reader that is further behind than the [capacity](Producer::capacity) may be lapped.
    ///
    /// The low 32 bits of the last word of `mark` are the ring's: they become the number of lines
    /// of the batch, [`batch_lines`](crate::batch_lines).
    ///
    /// If `lines` yields fewer items than it promised, the batch is what it yielded; items beyond
    /// the promise are left out.
    ///
    /// # Panics
    /// If the batch is longer than the capacity.
    #[inline]
    pub fn publish<I>(&mut self, mark: &Line, lines: I)
    where
        I: IntoIterator<Item = Line, IntoIter: ExactSizeIterator>,
    {
        let lines = lines.into_iter();
        let promised = lines.len();
        assert!(
            promised < self.shared.capacity,
            "a batch must fit in the ring"
        );

        let start = self.position;
        let mut end = start + 1;
        // The slots that are cleared behind the batch are written too.
        self.claim(end + promised as u64 + self.shared.ahead);
        // Were the iterator to panic, slots behind the first would not be clear any more.
        let cleared = std::mem::replace(&mut self.cleared, end);
        let slots = self.shared.slots();
        for line in lines.take(promised) {
            slots.at(end).store(&line);
            end += 1;
        }
        self.cleared = cleared.max(end);
        self.clear_to(end + 1);
        self.shared.slots().at(start).start(mark, end - start);

        self.position = end;
        // SYNC POINT head: pairs with the acquire load in `Reader::head`. A reader that sees this
        // head also sees every word stored above.
        self.shared.head.store(end, Ordering::Release);
        // The cache lines of these slots come from readers' caches: better now than when the next
        // batch waits.
        self.clear_to(end + self.shared.ahead);
    }

    /// Claims the slots of all lines before `end`, and when it must, of some more.
    #[inline]
    fn claim(&mut self, end: u64) {
        if end > self.claimed {
            self.claimed = end + self.shared.stride;
            // SYNC POINT lapped: pairs with the acquire fence in `Reader::lapped`. A reader that
            // sees this claim also sees the head of now, which is past all that is claimed away.
            self.shared.claim.store(self.claimed, Ordering::Release);
            // SYNC POINT claim: pairs with the acquire fence in `Reader::read`. A reader that
            // loaded any word stored after this also sees the claim stored above.
            fence(Ordering::Release);
        }
    }

    /// Clears the slots from `position` to `end` that are not clear yet; they are claimed.
    #[inline]
    fn clear_to(&mut self, end: u64) {
        while self.cleared < end {
            self.shared.slots().at(self.cleared).clear();
            self.cleared += 1;
        }
    }

    /// The position of the next line: how many lines have been published.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many lines a reader may be behind without being lapped, which is also the longest batch.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// How many lines may be published now without lapping the reader behind `cursor`; the whole
    /// capacity when that reader is gone. A producer that keeps its batches within this room for a
    /// reader never laps it.
    pub fn room(&self, cursor: &Cursor) -> usize {
        let behind = cursor
            .position()
            .map_or(0, |position| self.position.saturating_sub(position));
        self.shared.capacity.saturating_sub(behind as usize)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // SYNC POINT closed: pairs with the acquire load in `Reader::is_closed`. A reader that sees
        // the ring closed also sees its last head.
        self.shared.closed.store(true, Ordering::Release);
    }
}
