//! The pull-style reader: one strategy's place in the stream.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tickcast_net::clock::realtime_ns;
use tickcast_protocol::{Cause, Checkpoint, Loss, LossReason, Provenance};
use tickcast_queue::{Lapped, Line, Reader};
use tickcast_wire::Tick;
use zerocopy::{FromBytes, IntoBytes};

use crate::event::{Event, SessionStart};
use crate::mark::{Mark, Seal, What};
use crate::sessions::{REMEMBERED, Session, Sessions};

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

    /// Whether the reader has dealt with every line of the queue before this one, or is gone.
    pub(crate) fn has_read(&self, line: u64) -> bool {
        self.line.load(Ordering::Relaxed) >= line
    }

    fn set(&self, next: u64, line: u64) {
        self.next.store(next, Ordering::Relaxed);
        self.line.store(line, Ordering::Relaxed);
    }
}

/// A reader of the stream at its own pace.
///
/// It never holds up the receive thread or another reader. If it falls behind by more than the
/// queue holds, it is lapped: the seqs it missed come as [`Event::Lost`] with
/// [`LossReason::Lapped`], exactly, session by session.
///
/// Reading allocates nothing, except when the reader was lapped.
pub struct TickReader {
    reader: Reader,
    seal: Seal,
    sessions: Arc<Sessions>,
    progress: Arc<Progress>,
    lines: Box<[Line; LINES]>,
    /// The lines that were taken from the queue and not given out yet.
    taken: Range<usize>,
    /// It was lapped and has not found a mark to go on from yet.
    astray: bool,
    /// What a lapped reader is told before it goes on.
    notices: VecDeque<Event<'static>>,
    /// Which session of this subscriber it is in; 0 before the first.
    session_number: u32,
    /// The next seq it expects.
    next: u64,
    lapped: u64,
    sessions_missed: u64,
}

impl TickReader {
    pub(crate) fn new(
        reader: Reader,
        seal: Seal,
        sessions: Arc<Sessions>,
        progress: Arc<Progress>,
    ) -> TickReader {
        TickReader {
            reader,
            seal,
            sessions,
            progress,
            lines: Box::new([[0; 8]; LINES]),
            taken: 0..0,
            astray: false,
            notices: VecDeque::with_capacity(8),
            session_number: 0,
            next: 0,
            lapped: 0,
            sessions_missed: 0,
        }
    }

    /// The next thing in the stream, or `None` if there is nothing yet. Never waits.
    #[inline]
    pub fn read(&mut self) -> Option<Event<'_>> {
        // Whatever was given out before has been dealt with by now.
        let line = self.reader.position() - self.taken.len() as u64;
        self.progress.set(self.next, line);
        let mark = loop {
            if let Some(notice) = self.notices.pop_front() {
                return Some(self.note(notice));
            }
            if let Some(mark) = self.next_mark() {
                break mark;
            }
            match self.refill() {
                Ok(0) => return None,
                Ok(_) if self.astray => self.find_place(),
                Ok(_) => {}
                Err(lapped) => self.skip(lapped),
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
                Some(self.note(Event::Session(start)))
            }
            What::Lost(loss) => Some(self.note(Event::Lost(loss))),
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
        }
    }

    /// Whether the subscriber has stopped and everything it put out has been read.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.notices.is_empty() && self.taken.is_empty() && self.reader.is_closed()
    }

    /// Lines of the queue that wait for this reader: ticks, and a mark for each batch of them.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.reader.behind() + self.taken.len() as u64
    }

    /// How often this reader was lapped.
    #[must_use]
    pub const fn lapped(&self) -> u64 {
        self.lapped
    }

    /// Sessions of which this reader could not be told what it lost, because it was lapped across
    /// more than 256 starts of sessions at once.
    #[must_use]
    pub const fn sessions_missed(&self) -> u64 {
        self.sessions_missed
    }

    /// Moves the reader's place in the stream past an event that is given out.
    fn note<'a>(&mut self, event: Event<'a>) -> Event<'a> {
        match event {
            Event::Session(start) => self.next = start.first_seq,
            Event::Lost(loss) => self.next = loss.first_seq + loss.count,
            _ => {}
        }
        event
    }

    /// The mark at the start of what was taken, if all that belongs to it was taken too.
    #[inline]
    fn next_mark(&self) -> Option<Mark> {
        let line = self.lines[self.taken.clone()].first()?;
        let mark = Mark::from_line(line, self.seal)?;
        let ticks = match mark.what {
            What::Ticks { count, .. } => count as usize,
            _ => 0,
        };
        (ticks < self.taken.len()).then_some(mark)
    }

    /// Takes more lines from the queue, behind those of a batch of which only a part was taken.
    #[inline]
    fn refill(&mut self) -> Result<usize, Lapped> {
        let kept = self.taken.len();
        if self.taken.start > 0 {
            self.lines.copy_within(self.taken.clone(), 0);
            self.taken = 0..kept;
        }
        let count = self.reader.read(&mut self.lines[kept..])?;
        self.taken.end += count;
        Ok(count)
    }

    /// Goes on from half a ring behind the head: there is time to read there before it is
    /// overwritten again. That is the middle of a batch, most likely.
    #[cold]
    fn skip(&mut self, lapped: Lapped) {
        self.lapped += u64::from(!self.astray);
        self.astray = true;
        // A part of a batch whose rest is overwritten is lost as a whole.
        self.taken = 0..0;
        let half = self.reader.capacity() as u64 / 2;
        self.reader.skip_to(lapped.head.saturating_sub(half));
    }

    /// Passes over the rest of a batch whose mark is gone, and says what was lost before the next.
    #[cold]
    fn find_place(&mut self) {
        let mut lines = self.lines[self.taken.clone()].iter();
        let found = lines
            .by_ref()
            .find_map(|line| Mark::from_line(line, self.seal));
        let left = lines.len();
        let Some(mark) = found else {
            self.taken.start = self.taken.end;
            return;
        };
        self.taken.start = self.taken.end - left - 1;
        self.astray = false;
        self.say_what_was_lost(&mark);
    }

    /// Everything between the place of this reader and `mark` is lost.
    fn say_what_was_lost(&mut self, mark: &Mark) {
        if mark.session_number == self.session_number {
            return self.lose_up_to(mark, self.next);
        }
        let remembered =
            (self.session_number + 1).max(mark.session_number.saturating_sub(REMEMBERED));
        self.sessions_missed += u64::from(remembered - self.session_number - 1);
        if self.session_number > 0 {
            match self.sessions.find(self.session_number) {
                Some(own) => self.lose_rest(&own, self.next),
                None => self.sessions_missed += 1,
            }
        }
        for number in remembered..mark.session_number {
            match self.sessions.find(number) {
                Some(session) => {
                    self.announce(&session);
                    self.lose_rest(&session, session.first);
                }
                None => self.sessions_missed += 1,
            }
        }
        self.session_number = mark.session_number;
        // A mark that starts its session tells of it itself.
        if !matches!(mark.what, What::Session(_)) {
            let current = self.sessions.find(mark.session_number);
            self.sessions_missed += u64::from(current.is_none());
            let current = current.unwrap_or(Session {
                session: mark.session,
                first: mark.position,
                end: mark.position,
                previous: None,
            });
            self.announce(&current);
            self.lose_up_to(mark, current.first);
        }
    }

    /// The start of a session that was missed.
    fn announce(&mut self, session: &Session) {
        self.notices.push_back(Event::Session(SessionStart {
            session: session.session,
            first_seq: session.first,
            previous: session.previous,
        }));
    }

    /// Of the session of `mark`, all before it is lost from `next` on. If that is not a single seq,
    /// what was overwritten were rows of a snapshot.
    fn lose_up_to(&mut self, mark: &Mark, next: u64) {
        if mark.position > next {
            self.lose(mark.session, next, mark.position);
        } else {
            self.notices.push_back(Event::RowsMissed);
        }
    }

    /// A session that is over is lost from `next` on.
    fn lose_rest(&mut self, session: &Session, next: u64) {
        if session.end > next {
            self.lose(session.session, next, session.end);
        }
    }

    fn lose(&mut self, session: u64, first_seq: u64, end: u64) {
        self.notices.push_back(Event::Lost(Loss {
            session,
            first_seq,
            count: end - first_seq,
            reason: LossReason::Lapped,
            cause: Cause::Lapped,
        }));
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
mod tests;
