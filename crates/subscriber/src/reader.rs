//! The pull-style reader: one strategy's place in the stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tickcast_net::clock::realtime_ns;
use tickcast_protocol::{Loss, LossCause, Provenance};
use tickcast_queue::{Lapped, Line, Reader};
use tickcast_wire::Tick;
use zerocopy::{FromBytes, IntoBytes};

use crate::event::{Event, SessionStart};
use crate::mark::{Mark, What};
use crate::sessions::Sessions;

/// The most ticks behind one mark.
pub(crate) const TICKS_PER_MARK: usize = 63;

/// Lines taken from the queue at once: several batches, and small enough for the nearest cache.
const LINES: usize = 4 * (TICKS_PER_MARK + 1);

/// Progress of a reader that is gone: nobody waits for it.
pub(crate) const GONE: u64 = u64::MAX;

/// A reader of the stream at its own pace.
///
/// It never holds up the receive thread or another reader. If it falls behind by more than the
/// queue holds, it is lapped: the seqs it missed come as [`Event::Lost`] with
/// [`LossCause::Lapped`], exactly.
///
/// Reading allocates nothing, except when the reader was lapped.
pub struct TickReader {
    reader: Reader,
    sessions: Arc<Sessions>,
    /// Next seq of this reader, for flow control; [`GONE`] once it is dropped.
    progress: Arc<AtomicU64>,
    lines: Box<[Line; LINES]>,
    /// The lines that were taken from the queue and not given out yet.
    taken: std::ops::Range<usize>,
    /// What a lapped reader is told before it goes on.
    notices: VecDeque<Event<'static>>,
    session: u64,
    /// Which session it is; 0 before the first.
    session_number: u16,
    next: u64,
    lapped: u64,
}

impl TickReader {
    pub(crate) fn new(
        reader: Reader,
        sessions: Arc<Sessions>,
        progress: Arc<AtomicU64>,
    ) -> TickReader {
        TickReader {
            reader,
            sessions,
            progress,
            lines: Box::new([[0; 8]; LINES]),
            taken: 0..0,
            notices: VecDeque::with_capacity(8),
            session: 0,
            session_number: 0,
            next: 0,
            lapped: 0,
        }
    }

    /// The next thing in the stream, or `None` if there is nothing yet. Never waits.
    #[inline]
    pub fn read(&mut self) -> Option<Event<'_>> {
        // Whatever was given out before has been dealt with by now.
        self.progress.store(self.next, Ordering::Relaxed);
        if let Some(notice) = self.notices.pop_front() {
            return Some(self.note(notice));
        }
        let mark = loop {
            if let Some(mark) = self.next_mark() {
                break mark;
            }
            match self.refill() {
                Ok(0) => return None,
                Ok(_) => {}
                Err(lapped) => {
                    self.resume(lapped);
                    if let Some(notice) = self.notices.pop_front() {
                        return Some(self.note(notice));
                    }
                }
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

    /// Moves the reader's place in the stream past an event that is given out.
    fn note<'a>(&mut self, event: Event<'a>) -> Event<'a> {
        match event {
            Event::Session(start) => {
                self.session = start.session;
                self.next = start.first_seq;
            }
            Event::Lost(loss) => self.next = loss.first_seq + loss.count,
            _ => {}
        }
        event
    }

    /// The mark at the start of what was taken, if all that belongs to it was taken too.
    fn next_mark(&self) -> Option<Mark> {
        let line = self.lines[self.taken.clone()].first()?;
        let mark = Mark::from_line(line)?;
        let ticks = match mark.what {
            What::Ticks { count, .. } => count as usize,
            _ => 0,
        };
        (ticks < self.taken.len()).then_some(mark)
    }

    /// Takes more lines from the queue, behind those of a batch of which only a part was taken.
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

    /// Finds a mark to go on from after having been lapped, and says what was lost before it.
    #[cold]
    fn resume(&mut self, mut lapped: Lapped) {
        self.lapped += 1;
        self.taken = 0..0;
        loop {
            // Half a ring behind the head there is time to read before it is overwritten again.
            let capacity = self.reader.capacity() as u64;
            self.reader
                .skip_to(lapped.oldest.max(lapped.head.saturating_sub(capacity / 2)));
            match self.find_mark() {
                Ok(Some(mark)) => return self.say_what_was_lost(&mark),
                Ok(None) => return,
                Err(again) => lapped = again,
            }
        }
    }

    /// Passes over the rest of a batch whose mark is gone.
    fn find_mark(&mut self) -> Result<Option<Mark>, Lapped> {
        loop {
            if self.taken.is_empty() && self.refill()? == 0 {
                return Ok(None);
            }
            if let Some(mark) = Mark::from_line(&self.lines[self.taken.start]) {
                return Ok(Some(mark));
            }
            self.taken.start += 1;
        }
    }

    fn say_what_was_lost(&mut self, mark: &Mark) {
        let sessions = Arc::clone(&self.sessions);
        let first_unseen = self.session_number + 1;
        if self.session_number != mark.session_number {
            if self.session_number > 0 {
                let end = sessions
                    .find(self.session_number)
                    .map_or(self.next, |s| s.end);
                self.lose(self.session, self.next, end);
            }
            for number in first_unseen..=mark.session_number {
                let Some(session) = sessions.find(number) else {
                    continue;
                };
                let start = SessionStart {
                    session: session.session,
                    first_seq: session.first,
                    previous: None,
                };
                self.notices.push_back(Event::Session(start));
                let is_current = number == mark.session_number;
                let end = if is_current {
                    mark.position
                } else {
                    session.end
                };
                self.lose(session.session, session.first, end);
            }
            self.session_number = mark.session_number;
        } else {
            self.lose(mark.session, self.next, mark.position);
        }
        // The start of the current session is told by its own mark, if that is what was found.
        if matches!(mark.what, What::Session(_)) {
            self.notices.retain(
                |notice| !matches!(notice, Event::Session(start) if start.session == mark.session),
            );
        }
    }

    fn lose(&mut self, session: u64, first_seq: u64, end: u64) {
        if end > first_seq {
            let (count, cause) = (end - first_seq, LossCause::Lapped);
            self.notices.push_back(Event::Lost(Loss {
                session,
                first_seq,
                count,
                cause,
            }));
        }
    }
}

impl Drop for TickReader {
    fn drop(&mut self) {
        self.progress.store(GONE, Ordering::Relaxed);
    }
}

/// Lines are eight words, a tick is 64 bytes of any value: the view always fits.
fn as_ticks(lines: &[Line]) -> &[Tick] {
    <[Tick]>::ref_from_bytes(lines.as_bytes()).unwrap_or(&[])
}
