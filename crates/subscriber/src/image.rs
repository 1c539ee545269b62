//! The local image: the state of every instrument as of one place in the queue, for readers that
//! were lapped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use tickcast_protocol::{Image, LossReason, Provenance};
use tickcast_wire::Tick;

use crate::event::{Event, Incomplete, SessionStart};
use crate::reader::TickReader;

/// Why a lapped reader is not refilled. It is told of the next snapshot and of the next session,
/// like everybody, and has the state again from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoImage {
    /// The session was joined in the middle, without a snapshot or with a part of one.
    #[error("this session was joined without a snapshot; configure a recovery server")]
    NoSnapshot,
    /// Ticks were lost to the whole subscriber.
    #[error("ticks were lost to every reader ({0:?}), and no snapshot came since")]
    Loss(LossReason),
    /// The image's own thread was too slow, and missed ticks.
    #[error("the image's own thread was lapped; give it time to run, or the queue more lines")]
    Lapped,
    /// There are more instruments than
    /// [`SubscriberConfig::image_instruments`](crate::SubscriberConfig::image_instruments).
    #[error("there are more instruments than the image may hold; raise image_instruments")]
    TooManyInstruments,
    /// The image's thread is gone.
    #[error("the image's thread is gone")]
    Gone,
}

/// What is known of the local image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageStats {
    /// The session it is of; 0 before the first.
    pub session: u64,
    /// The seq it is as of; 0 before the first.
    pub as_of: u64,
    /// Whether a lapped reader can be refilled from it, and if not, why.
    pub whole: Result<(), NoImage>,
    /// How often its thread was lapped.
    pub lapped: u64,
    /// Ticks that were left out because their instrument was one too many.
    pub refused: u64,
}

/// The state, and its place in the stream.
struct State {
    image: Image,
    session: u64,
    session_number: u32,
    /// The seq after the last that was taken in.
    next: u64,
    /// The line of the queue after the last that was taken in.
    line: u64,
    whole: Result<(), NoImage>,
    /// Rows of a snapshot were taken in, and perhaps not all.
    in_snapshot: bool,
    /// Only a part of what belongs to this line was taken in.
    in_between: bool,
    ended: bool,
    lapped: u64,
    /// Nothing will change any more.
    gone: bool,
}

/// The image, as its thread and lapped readers share it. The receive thread knows nothing of it.
pub(crate) struct LocalImage {
    state: Mutex<State>,
    max_instruments: usize,
}

/// The state as of a line of the queue: who goes on there has everything.
pub(crate) struct Refill {
    pub(crate) rows: Vec<Tick>,
    pub(crate) session: u64,
    pub(crate) session_number: u32,
    /// The seq after the last in the state.
    pub(crate) next: u64,
    pub(crate) line: u64,
    /// The session had ended there.
    pub(crate) ended: bool,
}

impl LocalImage {
    pub(crate) fn new(max_instruments: usize) -> LocalImage {
        LocalImage {
            state: Mutex::new(State {
                image: Image::new(max_instruments),
                session: 0,
                session_number: 0,
                next: 1,
                line: 0,
                whole: Err(NoImage::NoSnapshot),
                in_snapshot: false,
                in_between: false,
                ended: false,
                lapped: 0,
                gone: false,
            }),
            max_instruments,
        }
    }

    /// The state at `line` of the queue or beyond, or why there is none; `None` if it is not there
    /// yet. Never waits.
    pub(crate) fn refill(&self, line: u64) -> Option<Result<Refill, NoImage>> {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::WouldBlock) => return None,
            Err(TryLockError::Poisoned(_)) => return Some(Err(NoImage::Gone)),
        };
        // It is known that a snapshot is complete when something else follows.
        if state.line < line || state.in_between || state.in_snapshot {
            return state.gone.then_some(Err(NoImage::Gone));
        }
        Some(state.whole().map(|()| Refill {
            rows: state.image.snapshot(),
            session: state.session,
            session_number: state.session_number,
            next: state.next,
            line: state.line,
            ended: state.ended,
        }))
    }

    pub(crate) fn stats(&self) -> ImageStats {
        let state = self.lock();
        ImageStats {
            session: state.session,
            as_of: state.next.saturating_sub(1),
            whole: state.whole(),
            lapped: state.lapped,
            refused: state.image.refused(),
        }
    }

    /// A state that a panic left half changed is never given out: `gone` follows.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn whole(&self) -> Result<(), NoImage> {
        self.whole?;
        if self.image.is_complete() {
            Ok(())
        } else {
            Err(NoImage::TooManyInstruments)
        }
    }

    fn take_in(&mut self, event: Event<'_>, max_instruments: usize) {
        match event {
            Event::Ticks(rows, origin) if origin.provenance == Provenance::Snapshot => {
                rows.iter().for_each(|row| self.image.apply(row));
                return;
            }
            Event::Ticks(ticks, _) => ticks.iter().for_each(|tick| self.image.apply(tick)),
            Event::Session(SessionStart {
                session, first_seq, ..
            }) => {
                self.image = Image::new(max_instruments);
                self.session = session;
                self.ended = false;
                let is_start = first_seq == 1;
                self.whole = if is_start {
                    Ok(())
                } else {
                    Err(NoImage::NoSnapshot)
                };
            }
            Event::Snapshot { .. } => {
                self.image = Image::new(max_instruments);
                self.whole = Ok(());
            }
            Event::Lost(loss) => {
                self.whole = Err(match loss.reason {
                    LossReason::Lapped => NoImage::Lapped,
                    reason => NoImage::Loss(reason),
                });
            }
            Event::Incomplete(Incomplete::JoinedWithoutSnapshot { .. }) => {
                self.whole = Err(NoImage::NoSnapshot);
            }
            Event::Incomplete(_) => self.whole = Err(NoImage::Lapped),
            Event::End { .. } => self.ended = true,
            Event::Checkpoint(_) => {}
            // Given only to readers that asked for it; this one did not.
            Event::Conflated(_) => self.whole = Err(NoImage::Lapped),
        }
        self.in_snapshot = matches!(event, Event::Snapshot { .. });
    }
}

/// Keeps the image: what its thread does.
pub(crate) struct ImageKeeper {
    reader: TickReader,
    image: Arc<LocalImage>,
}

impl ImageKeeper {
    pub(crate) const fn new(reader: TickReader, image: Arc<LocalImage>) -> ImageKeeper {
        ImageKeeper { reader, image }
    }

    /// Takes in what comes next in the queue; false if there is nothing.
    pub(crate) fn step(&mut self) -> bool {
        let Some(event) = self.reader.read() else {
            return false;
        };
        let mut state = self.image.lock();
        state.take_in(event, self.image.max_instruments);
        state.session_number = self.reader.session_number();
        state.next = self.reader.next_seq();
        state.line = self.reader.line();
        state.in_between = self.reader.has_pending();
        state.lapped = self.reader.lapped();
        true
    }

    /// Whether nothing will come any more.
    pub(crate) fn is_done(&self) -> bool {
        self.reader.is_closed()
    }
}

impl Drop for ImageKeeper {
    fn drop(&mut self) {
        self.image.lock().gone = true;
    }
}
