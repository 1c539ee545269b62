//! Where a reader gets its lines from: a queue that is made only when everybody who will read it
//! has said how long it must be.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use tickcast_queue::Reader;

/// The place of a reader in the queue.
pub(crate) enum Source {
    /// There is no queue yet.
    Waiting(Receiver<Reader>),
    Queue(Reader),
    /// There never will be one.
    Gone,
}

/// Through which a reader gets its place.
pub(crate) type Seat = SyncSender<Reader>;

impl Source {
    /// A source without a queue, and the seat to give it one.
    pub(crate) fn waiting() -> (Seat, Source) {
        let (seat, waiting) = sync_channel(1);
        (seat, Source::Waiting(waiting))
    }

    /// The place in the queue, if there is one by now.
    #[inline]
    pub(crate) fn reader(&mut self) -> Option<&mut Reader> {
        if let Source::Waiting(seat) = self {
            match seat.try_recv() {
                Ok(reader) => *self = Source::Queue(reader),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => *self = Source::Gone,
            }
        }
        match self {
            Source::Queue(reader) => Some(reader),
            Source::Waiting(_) | Source::Gone => None,
        }
    }

    /// The next line to be taken.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        match self {
            Source::Queue(reader) => reader.position(),
            Source::Waiting(_) | Source::Gone => 0,
        }
    }

    /// The lines that wait.
    pub(crate) fn behind(&self) -> u64 {
        match self {
            Source::Queue(reader) => reader.behind(),
            Source::Waiting(_) | Source::Gone => 0,
        }
    }

    /// Whether nothing will come any more.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Source::Queue(reader) => reader.is_closed(),
            Source::Waiting(_) => false,
            Source::Gone => true,
        }
    }
}
