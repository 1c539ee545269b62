//! The writing end.

use crate::sync::{Arc, Ordering, fence};
use crate::{Cursor, Line, ring::Shared};

/// The one writer of a ring. Dropping it closes the ring.
#[derive(Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    /// What `shared.head` holds; only this producer writes it.
    position: u64,
    /// What `shared.claim` holds. It runs ahead of `position` for good when an iterator breaks off
    /// in the middle of a batch, because the slots it overwrote stay overwritten.
    claimed: u64,
}

impl Producer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Producer {
            shared,
            position: 0,
            claimed: 0,
        }
    }

    /// Publishes `mark` and then `lines` as one batch: readers see all of it or none. Never waits;
    /// a reader that is a whole ring behind is lapped.
    ///
    /// If `lines` yields fewer items than it promised, the batch is what it yielded; items beyond
    /// the promise are left out.
    ///
    /// # Panics
    /// If the batch is longer than the ring.
    #[inline]
    pub fn publish<I>(&mut self, mark: &Line, lines: I)
    where
        I: IntoIterator<Item = Line, IntoIter: ExactSizeIterator>,
    {
        let lines = lines.into_iter();
        let promised = lines.len();
        assert!(
            promised < self.shared.capacity(),
            "a batch must fit in the ring"
        );

        let batch_end = self.position + 1 + promised as u64;
        self.claimed = self.claimed.max(batch_end);
        self.shared.claim.store(self.claimed, Ordering::Relaxed);
        // SYNC POINT claim: pairs with the acquire fence in `Reader::read`. A reader that copied
        // any word stored below also sees the claim stored above.
        fence(Ordering::Release);

        self.shared.slot(self.position).store(mark);
        let mut end = self.position + 1;
        for line in lines.take(promised) {
            self.shared.slot(end).store(&line);
            end += 1;
        }

        self.position = end;
        // SYNC POINT head: pairs with the acquire load in `Reader::refresh`. A reader that sees
        // this head also sees every word stored above.
        self.shared.head.store(end, Ordering::Release);
    }

    /// The position of the next line: how many lines have been published.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The number of lines the ring holds, which is the longest batch.
    pub fn capacity(&self) -> usize {
        self.shared.capacity()
    }

    /// How many lines may be published now without lapping the reader behind `cursor`; the whole
    /// ring when that reader is gone. A producer that keeps its batches within this room for a
    /// reader never laps it.
    pub fn room(&self, cursor: &Cursor) -> usize {
        let capacity = self.shared.capacity();
        let behind = cursor
            .position()
            .map_or(0, |position| self.position.saturating_sub(position));
        capacity.saturating_sub(behind as usize)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // SYNC POINT closed: pairs with the acquire load in `Reader::is_closed`. A reader that sees
        // the ring closed also sees its last head.
        self.shared.closed.store(true, Ordering::Release);
    }
}
