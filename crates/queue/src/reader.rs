//! The reading ends, and what a lapped reader is told.

use crossbeam_utils::CachePadded;

use crate::sync::{Arc, AtomicU64, Ordering, fence};
use crate::{Line, ring::Shared};

/// A reader with its own cursor. It sees every line from its start on, in order, or is told that
/// it was [`Lapped`].
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    position: u64,
    /// Lines before this position are known to be published. The next batch starts here; whether
    /// it has started its slot says.
    head: u64,
    /// The last read found nothing. The next batch is then given out as soon as it is there: to
    /// look for one behind it takes as long as the batch took to come.
    waits: bool,
    /// `position` for others to see.
    cursor: Arc<CachePadded<AtomicU64>>,
}

/// The producer overwrote lines before the reader came to them. Positions count lines since the
/// ring was made.
///
/// The reader stays where it is until [`Reader::skip_to`] moves it to a position from `oldest` to
/// `head`. The producer goes on writing meanwhile, so a place well past `oldest`, such as half a
/// ring behind `head`, is safer than `oldest` itself. `head` is the start of a batch; another
/// position may lie inside one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "reader lapped: line {position} is overwritten, the oldest readable is {oldest}, the next to be \
     published {head}; skip to one between them"
)]
pub struct Lapped {
    /// The line the reader wanted next.
    pub position: u64,
    /// The oldest line that could still be read when this was found; more than `position`.
    pub oldest: u64,
    /// The line that was to be published next when this was found.
    pub head: u64,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        // SYNC POINT head: pairs with the release store in `Producer::publish`. The slot at this
        // head is cleared, or the next batch has started in it.
        let position = shared.head.load(Ordering::Acquire);
        let cursor = Arc::new(CachePadded::new(AtomicU64::new(position)));
        Reader {
            shared,
            position,
            head: position,
            waits: false,
            cursor,
        }
    }

    /// Copies the next lines into `out`, as many as are published and fit, and returns how many;
    /// 0 when there is nothing new. Never waits. Of the first line of a batch,
    /// [`batch_lines`](crate::batch_lines) tells how long the batch is.
    ///
    /// # Errors
    /// [`Lapped`] when the producer overwrote the next line, before or while it was copied.
    /// The reader has not moved, and `out` may hold torn lines that mean nothing.
    #[inline]
    pub fn read(&mut self, out: &mut [Line]) -> Result<usize, Lapped> {
        let slots = self.shared.slots();
        let (mut head, mut position) = (self.head, self.position);
        for line in out.iter_mut() {
            let slot = slots.at(position);
            if position == head {
                if self.waits && position > self.position {
                    break;
                }
                let lines = slot.started();
                if lines == 0 {
                    break;
                }
                head += lines;
            }
            slot.load(line);
            position += 1;
        }
        // SYNC POINT claim: pairs with the release fence in `Producer::claim`. If any word loaded
        // above belongs to a later line, a length of a batch included, the claim loaded below
        // covers that line.
        fence(Ordering::Acquire);
        let claim = self.shared.claim.load(Ordering::Relaxed);
        let oldest = claim.saturating_sub(slots.lines());
        if oldest > self.position {
            return Err(self.lapped(oldest));
        }
        let count = (position - self.position) as usize;
        self.waits = count == 0 && !out.is_empty();
        if count > 0 {
            self.head = head;
            self.move_to(position);
        }
        Ok(count)
    }

    /// Moves forward to `position`, leaving out what lies between, and returns how many lines that
    /// is. It never goes back, nor past the head.
    pub fn skip_to(&mut self, position: u64) -> u64 {
        self.head = self.head();
        self.waits = false;
        let from = self.position;
        self.move_to(position.clamp(from, self.head));
        self.position - from
    }

    /// The position of the next line this reader reads.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The position of the next line to be published. It is the start of a batch.
    pub fn head(&self) -> u64 {
        // SYNC POINT head: pairs with the release store in `Producer::publish`. The words of every
        // line before this head are visible from here on, and what is said in `Reader::new`. This
        // reader may have seen a batch that the head does not count yet.
        self.shared.head.load(Ordering::Acquire).max(self.head)
    }

    /// How many published lines this reader has not read yet; more than the capacity when it is
    /// lapped.
    pub fn behind(&self) -> u64 {
        self.head() - self.position
    }

    /// How many lines this reader may be behind without being lapped.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// Whether the producer is gone and this reader has read everything it published.
    pub fn is_closed(&self) -> bool {
        // SYNC POINT closed: pairs with the release store in `Producer::drop`. The head loaded
        // after it is the last one.
        self.shared.closed.load(Ordering::Acquire) && self.head() == self.position
    }

    /// A handle through which others watch how far this reader has come.
    pub fn cursor(&self) -> Cursor {
        Cursor(Arc::clone(&self.cursor))
    }

    #[inline]
    fn move_to(&mut self, position: u64) {
        self.position = position;
        // SYNC POINT cursor: pairs with the acquire load in `Cursor::position`. Copying and its
        // check are over before a producer that waits for this reader claims the slots again.
        self.cursor.store(position, Ordering::Release);
    }

    #[cold]
    fn lapped(&self, oldest: u64) -> Lapped {
        // SYNC POINT lapped: pairs with the release store in `Producer::claim`. The head loaded below
        // is no older than the claim from which `oldest` comes.
        fence(Ordering::Acquire);
        Lapped {
            position: self.position,
            oldest,
            head: self.head(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.cursor.store(GONE, Ordering::Release);
    }
}

/// What a cursor holds once its reader is gone; no position comes near it.
const GONE: u64 = u64::MAX;

/// How far a reader has come, for a producer that chooses to wait for it, or for a gauge.
#[derive(Clone, Debug)]
pub struct Cursor(Arc<CachePadded<AtomicU64>>);

impl Cursor {
    /// The position of the next line the reader reads; `None` when the reader is gone.
    pub fn position(&self) -> Option<u64> {
        // SYNC POINT cursor: pairs with the release store in `Reader::move_to`.
        let position = self.0.load(Ordering::Acquire);
        (position != GONE).then_some(position)
    }
}
