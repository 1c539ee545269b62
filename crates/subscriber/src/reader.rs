//! The pull-style reader: one strategy's place in the stream.

mod lapped;
mod source;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tickcast_protocol::{Checkpoint, Provenance};
use tickcast_queue::{Lapped, Line};
use tickcast_wire::Tick;
use zerocopy::{FromBytes, IntoBytes};

use self::lapped::Astray;
pub(crate) use self::source::{Seat, Source};
use crate::clock::realtime_ns;
use crate::conflation::Conflation;
use crate::event::{Event, Incomplete};
use crate::image::LocalImage;
use crate::mark::{Mark, Seal, What};
use crate::overflow::{OverflowPolicy, ReaderConfig};
use crate::pending::Pending;
use crate::receive::Shared;
use crate::sessions::Sessions;

/// The most ticks behind one mark.
pub(crate) const TICKS_PER_MARK: usize = 63;

/// Lines taken from the queue at once: several batches, and small enough for the nearest cache.
const LINES: usize = 4 * (TICKS_PER_MARK + 1);

/// What the progress of a reader holds once it is gone: nobody waits for it.
const GONE: u64 = u64::MAX;

/// How far a reader has come, for others to see.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The next seq that it wants.
    next: AtomicU64,
    /// The next line of the queue that it wants.
    line: AtomicU64,
}

impl Progress {
    /// The next seq that the reader wants; `None` when it is gone.
    pub(crate) fn next_seq(&self) -> Option<u64> {
        let next = self.next.load(Ordering::Relaxed);
        (next != GONE).then_some(next)
    }

    /// The next line that the reader wants; `None` when it is gone.
    pub(crate) fn next_line(&self) -> Option<u64> {
        let line = self.line.load(Ordering::Relaxed);
        (line != GONE).then_some(line)
    }

    /// Whether the reader has dealt with every line of the queue before this one, or is gone.
    pub(crate) fn has_read(&self, line: u64) -> bool {
        self.line.load(Ordering::Relaxed) >= line
    }

    fn set(&self, next: u64, line: u64) {
        self.next.store(next, Ordering::Relaxed);
        self.line.store(line, Ordering::Relaxed);
    }
}

/// What the readers of a subscriber share.
#[derive(Clone)]
pub(crate) struct Common {
    /// What tells marks from ticks.
    pub(crate) seal: Seal,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) shared: Arc<Shared>,
    /// Where those that are refilled get the state from.
    pub(crate) image: Option<Arc<LocalImage>>,
}

/// A reader of the stream at its own pace.
///
/// It never holds up the receive thread or another reader. What becomes of it when it falls behind
/// is its [`OverflowPolicy`]; if it falls behind by more than the queue holds, it is lapped: the
/// seqs it missed come as [`Event::Lost`] with
/// [`LossReason::Lapped`](tickcast_protocol::LossReason::Lapped), exactly, session by session.
///
/// Reading allocates nothing, except for a reader that does not keep up.
pub struct TickReader {
    source: Source,
    common: Common,
    config: ReaderConfig,
    progress: Arc<Progress>,
    lines: Box<[Line; LINES]>,
    /// The lines that were taken from the queue and not given out yet.
    taken: Range<usize>,
    /// It was lapped and has not found its place again yet.
    astray: Option<Astray>,
    /// What it is given before it goes on in the queue.
    pending: Pending,
    /// What was read and is not pending yet, with [`OverflowPolicy::Latest`].
    conflation: Conflation,
    /// Which session of this subscriber it is in; 0 before the first.
    session_number: u32,
    /// The next seq it expects from the queue.
    next: u64,
    lapped: u64,
    refills: u64,
    sessions_missed: u64,
}

impl TickReader {
    pub(crate) fn new(
        source: Source,
        config: ReaderConfig,
        common: Common,
        progress: Arc<Progress>,
    ) -> TickReader {
        TickReader {
            source,
            common,
            config,
            progress,
            lines: Box::new([[0; 8]; LINES]),
            taken: 0..0,
            astray: None,
            pending: Pending::default(),
            conflation: Conflation::default(),
            session_number: 0,
            next: 0,
            lapped: 0,
            refills: 0,
            sessions_missed: 0,
        }
    }

    /// The next thing in the stream, or `None` if there is nothing yet. Never waits.
    #[inline]
    pub fn read(&mut self) -> Option<Event<'_>> {
        // Whatever was given out before has been dealt with by now.
        if !self.has_pending() {
            self.progress.set(self.next, self.line());
        }
        if let OverflowPolicy::Latest { behind } = self.config.overflow {
            self.conflate(behind);
        }
        let mark = loop {
            if !self.pending.is_empty() {
                return self.pending.next();
            }
            if !self.conflation.is_empty() {
                self.give_conflated();
                continue;
            }
            if let Some(mark) = self.next_mark() {
                break mark;
            }
            if self.astray.is_some() {
                if self.find_place() {
                    continue;
                }
                return None;
            }
            match self.take_lines() {
                Ok(0) => return None,
                Ok(_) => {}
                Err(lapped) => self.go_astray(lapped),
            }
        };
        self.taken.start += 1;
        match mark.what {
            What::Ticks { count, mut origin } => {
                let start = self.taken.start;
                let end = start + count as usize;
                self.taken.start = end;
                if origin.provenance != Provenance::Snapshot {
                    self.next = mark.position + u64::from(count);
                }
                origin.stamps.pop = realtime_ns();
                Some(Event::Ticks(as_ticks(&self.lines[start..end]), origin))
            }
            What::Session(start) => {
                self.session_number = mark.session_number;
                self.next = start.first_seq;
                Some(Event::Session(start))
            }
            What::Lost(loss) => {
                self.next = loss.first_seq + loss.count;
                Some(Event::Lost(loss))
            }
            What::Snapshot { as_of } => Some(Event::Snapshot { as_of }),
            What::Checkpoint { digest } => Some(Event::Checkpoint(Checkpoint {
                session: mark.session,
                next_seq: mark.position,
                digest,
            })),
            What::End { last_seq } => Some(Event::End {
                session: mark.session,
                last_seq,
            }),
            What::NoSnapshot => Some(Event::Incomplete(Incomplete::JoinedWithoutSnapshot {
                first_seq: mark.position,
            })),
        }
    }

    /// Whether the subscriber has stopped and everything it put out has been read.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.has_pending()
            && self.taken.is_empty()
            && self.astray.is_none()
            && self.source.is_closed()
    }

    /// Lines of the queue that wait for this reader: ticks, and a mark for each batch of them.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.source.behind() + self.taken.len() as u64
    }

    /// How often this reader was lapped.
    #[must_use]
    pub const fn lapped(&self) -> u64 {
        self.lapped
    }

    /// How often this reader was refilled from the local image after it had been lapped.
    #[must_use]
    pub const fn refills(&self) -> u64 {
        self.refills
    }

    /// Sessions of which this reader could not be told what it lost, because it was lapped across
    /// more than 256 starts of sessions at once; [`Incomplete::SessionsMissed`] told so.
    #[must_use]
    pub const fn sessions_missed(&self) -> u64 {
        self.sessions_missed
    }

    /// Whether something of before the next line of the queue is still to be given out.
    #[inline]
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty() || !self.conflation.is_empty()
    }

    /// The next line of the queue that it wants.
    #[inline]
    pub(crate) fn line(&self) -> u64 {
        self.source.position() - self.taken.len() as u64
    }

    /// The next seq that it expects from the queue.
    pub(crate) const fn next_seq(&self) -> u64 {
        self.next
    }

    /// Which session of this subscriber it is in; 0 before the first.
    pub(crate) const fn session_number(&self) -> u32 {
        self.session_number
    }

    /// The mark at the start of what was taken, if all that belongs to it was taken too.
    #[inline]
    fn next_mark(&self) -> Option<Mark> {
        let line = self.lines[self.taken.clone()].first()?;
        let mark = Mark::from_line(line, self.common.seal)?;
        let ticks = match mark.what {
            What::Ticks { count, .. } => count as usize,
            _ => 0,
        };
        (ticks < self.taken.len()).then_some(mark)
    }

    /// Takes more lines from the queue, behind those of a batch of which only a part was taken.
    #[inline]
    fn take_lines(&mut self) -> Result<usize, Lapped> {
        let Some(reader) = self.source.reader() else {
            return Ok(0);
        };
        let kept = self.taken.len();
        if self.taken.start > 0 {
            self.lines.copy_within(self.taken.clone(), 0);
            self.taken = 0..kept;
        }
        let count = reader.read(&mut self.lines[kept..])?;
        self.taken.end += count;
        Ok(count)
    }

    /// Folds what is in the queue if more than `most` ticks of it wait, up to the first thing that
    /// is no tick of the stream.
    fn conflate(&mut self, most: u64) {
        if self.astray.is_some() || !self.is_behind(most) {
            return;
        }
        // The receive thread goes on meanwhile: what it adds is for the next time.
        let end = self.line() + self.behind();
        while self.line() < end {
            match self.next_mark() {
                Some(Mark {
                    what: What::Ticks { count, origin },
                    position,
                    ..
                }) if origin.provenance != Provenance::Snapshot
                    && self.conflation.has_room(count as usize) =>
                {
                    let start = self.taken.start + 1;
                    let end = start + count as usize;
                    let ticks = as_ticks(&self.lines[start..end]);
                    self.conflation.add(origin.session, position, ticks);
                    self.taken.start = end;
                    self.next = position + u64::from(count);
                }
                // It speaks of every tick before it, and not all of them are given.
                Some(mark)
                    if matches!(mark.what, What::Checkpoint { .. })
                        && !self.conflation.is_empty() =>
                {
                    self.taken.start += 1;
                }
                Some(_) => return,
                None => {
                    // That it was lapped it finds again when what was folded has been given out.
                    if !matches!(self.take_lines(), Ok(1..)) {
                        return;
                    }
                }
            }
        }
    }

    /// Whether more than `most` ticks wait for this reader.
    fn is_behind(&self, most: u64) -> bool {
        let lines = self.behind();
        if lines <= most {
            return false;
        }
        // The next seq is that of this session; while the next one starts, the lines must do.
        let session = self.common.shared.session.load(Ordering::Relaxed);
        let current = self.common.sessions.find(self.session_number);
        if current.is_none_or(|current| current.session != session) {
            return true;
        }
        let next = self.common.shared.next_seq.load(Ordering::Relaxed);
        next.saturating_sub(self.next) > most
    }

    fn give_conflated(&mut self) {
        let (conflated, ticks) = self.conflation.take();
        self.pending.push(Event::Conflated(conflated));
        self.pending
            .push_ticks(ticks, conflated.session, Provenance::Conflated);
    }
}

impl Drop for TickReader {
    fn drop(&mut self) {
        self.progress.set(GONE, GONE);
    }
}

/// Lines are eight words, a tick is 64 bytes of any value: the view always fits.
fn as_ticks(lines: &[Line]) -> &[Tick] {
    <[Tick]>::ref_from_bytes(lines.as_bytes()).unwrap_or(&[])
}

#[cfg(test)]
pub(crate) mod tests;
