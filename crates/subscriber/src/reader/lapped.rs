//! What becomes of a reader that was lapped: where it goes on, and what it is told.

use tickcast_protocol::{Cause, Loss, LossReason, Provenance};
use tickcast_queue::Lapped;

use super::TickReader;
use crate::event::{Event, Incomplete, SessionStart};
use crate::image::{NoImage, Refill};
use crate::mark::{Mark, What};
use crate::overflow::OverflowPolicy;
use crate::sessions::{REMEMBERED, Session};

/// How a reader that was lapped finds its place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Astray {
    /// It goes on from where the local image is, once that is at this line of the queue.
    Refill(u64),
    /// It goes on from the next mark; why it is not refilled is known if it should be.
    Mark(Option<NoImage>),
}

impl TickReader {
    /// The producer overwrote what this reader wanted next.
    ///
    /// It goes on from half a ring behind the head at least: there is time to read there before it
    /// is overwritten again. That is the middle of a batch, most likely.
    #[cold]
    pub(super) fn go_astray(&mut self, lapped: Lapped) {
        if self.astray.is_none() {
            self.lapped += 1;
            if let OverflowPolicy::Lossless { ticks } = self.config.overflow {
                tracing::error!(
                    ticks,
                    "a lossless reader was more than that behind, and lapped"
                );
            }
        }
        // A part of a batch whose rest is overwritten is lost as a whole.
        self.taken = 0..0;
        let Some(reader) = self.source.reader() else {
            return;
        };
        let half_way = lapped.head.saturating_sub(reader.capacity() as u64 / 2);
        self.astray = Some(match self.astray {
            Some(Astray::Mark(why)) => Astray::Mark(why),
            _ if self.config.wants_image() => Astray::Refill(half_way),
            _ => Astray::Mark(None),
        });
        if matches!(self.astray, Some(Astray::Mark(_))) {
            reader.skip_to(half_way);
        }
    }

    /// Looks for the place to go on from; false as long as there is none.
    #[cold]
    pub(super) fn find_place(&mut self) -> bool {
        match self.astray {
            Some(Astray::Refill(line)) => self.find_image(line),
            Some(Astray::Mark(why)) => self.find_mark(why),
            None => true,
        }
    }

    /// Waits for the image to be at `line`, and goes on from where it is.
    fn find_image(&mut self, line: u64) -> bool {
        let image = self.common.image.as_ref();
        match image.map_or(Some(Err(NoImage::Gone)), |image| image.refill(line)) {
            None => false,
            Some(Ok(refill)) => {
                self.go_on_from(refill);
                true
            }
            Some(Err(why)) => {
                self.astray = Some(Astray::Mark(Some(why)));
                if let Some(reader) = self.source.reader() {
                    reader.skip_to(line);
                }
                self.find_mark(Some(why))
            }
        }
    }

    /// What is in the image this reader is given as a snapshot; what comes after its place in the
    /// queue follows.
    fn go_on_from(&mut self, refill: Refill) {
        let Refill { session, next, .. } = refill;
        let as_of = next - 1;
        let place = Mark {
            session,
            session_number: refill.session_number,
            position: next,
            what: What::Snapshot { as_of },
        };
        self.say_what_was_lost(&place);
        self.next = next;
        self.pending.push(Event::Snapshot { as_of });
        self.pending
            .push_ticks(refill.rows, session, Provenance::Snapshot);
        if refill.ended {
            let last_seq = as_of;
            self.pending.push(Event::End { session, last_seq });
        }
        if let Some(reader) = self.source.reader() {
            reader.skip_to(refill.line);
        }
        self.astray = None;
        self.refills += 1;
    }

    /// Passes over the rest of a batch whose mark is gone, and says what was lost before the next.
    fn find_mark(&mut self, why: Option<NoImage>) -> bool {
        loop {
            let mut lines = self.lines[self.taken.clone()].iter();
            let found = lines
                .by_ref()
                .find_map(|line| Mark::from_line(line, self.common.seal));
            let left = lines.len();
            if let Some(mark) = found {
                self.taken.start = self.taken.end - left - 1;
                self.go_on_at(&mark, why);
                return true;
            }
            self.taken = 0..0;
            match self.take_lines() {
                Ok(0) => return false,
                Ok(_) => {}
                Err(lapped) => self.go_astray(lapped),
            }
        }
    }

    fn go_on_at(&mut self, mark: &Mark, why: Option<NoImage>) {
        let first = self.say_what_was_lost(mark);
        if first == mark.position && !matches!(mark.what, What::Session(_)) {
            self.tell(Incomplete::RowsMissed);
        }
        if let Some(why) = why {
            self.tell(Incomplete::NotRefilled(why));
        }
        self.next = mark.position;
        self.astray = None;
    }

    /// Everything between the place of this reader and `mark` is lost. Gives the first seq of it
    /// in the session of `mark`.
    fn say_what_was_lost(&mut self, mark: &Mark) -> u64 {
        if mark.session_number == self.session_number {
            self.lose(mark.session, self.next, mark.position);
            return self.next;
        }
        let missed_before = self.sessions_missed;
        let remembered =
            (self.session_number + 1).max(mark.session_number.saturating_sub(REMEMBERED));
        self.sessions_missed += u64::from(remembered - self.session_number - 1);
        if self.session_number > 0 {
            match self.common.sessions.find(self.session_number) {
                Some(own) => self.lose(own.session, self.next, own.end),
                None => self.sessions_missed += 1,
            }
        }
        for number in remembered..mark.session_number {
            match self.common.sessions.find(number) {
                Some(session) => {
                    self.announce(&session);
                    self.lose(session.session, session.first, session.end);
                }
                None => self.sessions_missed += 1,
            }
        }
        self.session_number = mark.session_number;
        let mut first = mark.position;
        // A mark that starts its session tells of it itself.
        if !matches!(mark.what, What::Session(_)) {
            let current = self.common.sessions.find(mark.session_number);
            self.sessions_missed += u64::from(current.is_none());
            let current = current.unwrap_or(Session {
                session: mark.session,
                first: mark.position,
                end: mark.position,
                previous: None,
            });
            self.announce(&current);
            self.lose(mark.session, current.first, mark.position);
            first = current.first;
        }
        let count = self.sessions_missed - missed_before;
        if count > 0 {
            self.tell(Incomplete::SessionsMissed { count });
        }
        first
    }

    fn tell(&mut self, why: Incomplete) {
        self.pending.push(Event::Incomplete(why));
    }

    /// The start of a session that was missed.
    fn announce(&mut self, session: &Session) {
        self.pending.push(Event::Session(SessionStart {
            session: session.session,
            first_seq: session.first,
            previous: session.previous,
        }));
    }

    /// `first_seq .. end` of a session is lost, if that is anything.
    fn lose(&mut self, session: u64, first_seq: u64, end: u64) {
        if end > first_seq {
            self.pending.push(Event::Lost(Loss {
                session,
                first_seq,
                count: end - first_seq,
                reason: LossReason::Lapped,
                cause: Cause::Lapped,
            }));
        }
    }
}
