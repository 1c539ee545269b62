//! The recovery channel: a client that asks in turn, as the real one does, and a server behind a
//! connection that may be refused, stall, die or lie.

use std::collections::VecDeque;
use std::sync::Arc;

use tickcast_protocol::{Recovered, Response, Snapshot};
use tickcast_wire::{Digest, Flags, Reply, ReplyStatus, Request, RequestKind, Tick};

use crate::coverage::{Coverage, Happening};
use crate::mix::{Mix, RecoveryFaults, US};
use crate::publisher::{Publisher, Session};
use crate::random::Random;
use crate::state::state_at;
use crate::trace::{Trace, Who};

/// Requests that may wait for the client.
const REQUESTS: usize = 16;

/// More than an arbiter believes a snapshot to be ahead.
const FAR_AHEAD: u64 = 1 << 25;

/// A part of an answer, as it reaches the arbiter.
#[derive(Debug)]
pub(crate) enum Answer {
    Ticks {
        id: u64,
        first_seq: u64,
        ticks: Vec<Tick>,
        last: bool,
    },
    Snapshot {
        id: u64,
        session: u64,
        as_of: u64,
        digest: Digest,
        rows: Vec<Tick>,
        last: bool,
    },
    Refused {
        id: u64,
        status: ReplyStatus,
        detail: u64,
    },
    Failed {
        id: u64,
    },
}

impl Answer {
    pub(crate) fn recovered(&self) -> Recovered<'_> {
        match *self {
            Answer::Ticks {
                id,
                first_seq,
                ref ticks,
                last,
            } => Recovered::Ticks {
                id,
                first_seq,
                ticks,
                last,
            },
            Answer::Snapshot {
                id,
                session,
                as_of,
                digest,
                ref rows,
                last,
            } => Recovered::Snapshot {
                id,
                session,
                as_of,
                digest,
                rows,
                last,
            },
            Answer::Refused { id, status, detail } => Recovered::Refused { id, status, detail },
            Answer::Failed { id } => Recovered::Failed { id },
        }
    }
}

/// The world around a client while it takes a step.
pub(crate) struct Around<'a> {
    pub(crate) publisher: Option<&'a mut Publisher>,
    pub(crate) history: &'a [Session],
    pub(crate) mix: &'a Mix,
    pub(crate) faults: RecoveryFaults,
    /// No outage lies between.
    pub(crate) is_reachable: bool,
    pub(crate) random: &'a mut Random,
    pub(crate) coverage: &'a mut Coverage,
    pub(crate) trace: &'a mut Trace,
    pub(crate) who: Who,
    pub(crate) violation: &'a mut Option<String>,
}

/// What comes next on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Next {
    Idle,
    Connect,
    Ask,
    Read,
    Fail,
}

/// Where the rows of a reply come from.
enum Body {
    /// The store, read as it is sent.
    Store,
    Snapshot(Arc<Snapshot>),
    /// Rows that are a lie.
    Rows(Vec<Tick>),
}

/// A reply that is being read.
struct Reading {
    request: Request,
    session: u64,
    first_seq: u64,
    /// Of a snapshot.
    digest: Digest,
    count: u64,
    row: u64,
    body: Body,
    /// The connection dies before this row.
    dies_at: Option<u64>,
    /// The last part comes a second time.
    is_repeated: bool,
}

/// The subscriber's end.
pub(crate) struct Client {
    waiting: VecDeque<Request>,
    /// Asked on the connection and not answered yet.
    batch: VecDeque<Request>,
    next: Next,
    /// The session of the server that it is connected to.
    connected_to: Option<u64>,
    reading: Option<Reading>,
}

/// A status that is not true, and its detail.
fn untrue_status(session: u64, random: &mut Random) -> (ReplyStatus, u64) {
    let other_session = session + 1 + random.below(9);
    match random.below(8) {
        0 => (ReplyStatus::TooOld, random.any()),
        1 => (ReplyStatus::NotYet, random.below(100)),
        2 => (ReplyStatus::NotYet, random.any()),
        3 => (ReplyStatus::OtherSession, other_session),
        4 => (ReplyStatus::Malformed, 0),
        5 => (ReplyStatus::Busy, u64::MAX),
        6 => (ReplyStatus::TooLarge, random.below(64)),
        _ => (ReplyStatus::FlowControlOff, 0),
    }
}

impl Client {
    pub(crate) fn new() -> Client {
        Client {
            waiting: VecDeque::new(),
            batch: VecDeque::new(),
            next: Next::Idle,
            connected_to: None,
            reading: None,
        }
    }

    /// Passes a request on; `Err` if too many wait, otherwise whether the client has to be woken.
    pub(crate) fn ask(&mut self, request: Request) -> Result<bool, Request> {
        if self.waiting.len() >= REQUESTS {
            return Err(request);
        }
        self.waiting.push_back(request);
        let was_idle = self.next == Next::Idle;
        if was_idle {
            self.next = Next::Connect;
        }
        Ok(was_idle)
    }

    /// Does what comes next; gives what reaches the arbiter, and after how many ns the next step
    /// comes, if there is one.
    pub(crate) fn step(&mut self, around: &mut Around<'_>) -> (Vec<Answer>, Option<u64>) {
        let before = self.next;
        let (answers, delay) = match self.next {
            Next::Idle => (Vec::new(), 0),
            Next::Connect => (Vec::new(), self.connect(around)),
            Next::Ask => self.exchange(around),
            Next::Read => self.read(around),
            Next::Fail => (self.fail_all(), US),
        };
        around.trace.note(
            around.who,
            (before, self.next, answers.len(), self.batch.len()),
        );
        (answers, (self.next != Next::Idle).then_some(delay))
    }

    fn connect(&mut self, around: &mut Around<'_>) -> u64 {
        let count = self.waiting.len().min(REQUESTS);
        self.batch.extend(self.waiting.drain(..count));
        if !around.is_reachable {
            return self.give_up(Happening::ServerStalled, around.mix.patience, around);
        }
        let Some(publisher) = &around.publisher else {
            return self.give_up(Happening::ConnectionRefused, 20 * US, around);
        };
        let session = publisher.session();
        if self.connected_to != Some(session) {
            if around.random.chance(around.faults.refuse) {
                return self.give_up(Happening::ConnectionRefused, 20 * US, around);
            }
            if around.random.chance(around.faults.stall) {
                return self.give_up(Happening::ServerStalled, around.mix.patience, around);
            }
            self.connected_to = Some(session);
        }
        self.next = Next::Ask;
        around.mix.round_trip
    }

    fn give_up(&mut self, why: Happening, after: u64, around: &mut Around<'_>) -> u64 {
        around.trace.note(around.who, why);
        around.coverage.saw(why);
        self.next = Next::Fail;
        after
    }

    fn fail_all(&mut self) -> Vec<Answer> {
        let reading = self.reading.take().map(|reading| reading.request);
        let unanswered = reading.into_iter().chain(self.batch.drain(..));
        let answers = unanswered.map(|request| Answer::Failed { id: request.id() });
        let answers = answers.collect();
        self.connected_to = None;
        self.next = self.after_answer();
        answers
    }

    fn after_answer(&self) -> Next {
        if !self.batch.is_empty() {
            Next::Ask
        } else if !self.waiting.is_empty() {
            Next::Connect
        } else {
            Next::Idle
        }
    }

    /// Why the connection no longer works, and after what time the client knows.
    fn broken(&self, around: &Around<'_>) -> Option<(Happening, u64)> {
        if !around.is_reachable {
            return Some((Happening::ServerStalled, around.mix.patience));
        }
        let serving = around.publisher.as_ref().map(|it| it.session());
        (serving != self.connected_to).then_some((Happening::ConnectionReset, US))
    }

    /// The server gets the next request, and its reply is on the way.
    fn exchange(&mut self, around: &mut Around<'_>) -> (Vec<Answer>, u64) {
        if let Some((why, after)) = self.broken(around) {
            return (Vec::new(), self.give_up(why, after, around));
        }
        let Some(request) = self.batch.front().copied() else {
            self.next = self.after_answer();
            return (Vec::new(), US);
        };
        if around.random.chance(around.faults.die) && around.random.percent(30) {
            return (
                Vec::new(),
                self.give_up(Happening::DiedMidReply, US, around),
            );
        }
        if around.random.chance(around.faults.stall) {
            let patience = around.mix.patience;
            let delay = self.give_up(Happening::ServerStalled, patience, around);
            return (Vec::new(), delay);
        }
        self.batch.pop_front();
        let lie = around
            .random
            .chance(around.faults.lie)
            .then(|| around.random.below(8));
        if lie == Some(7) {
            let (status, detail) = untrue_status(request.session(), around.random);
            around.coverage.saw(Happening::WrongStatus);
            return self.refused(request, status, detail, around);
        }
        if around.random.chance(around.faults.busy) {
            let detail = around.mix.limits.busy_retry_ns;
            return self.refused(request, ReplyStatus::Busy, detail, around);
        }
        self.answer(request, lie, around)
    }

    fn refused(
        &mut self,
        request: Request,
        status: ReplyStatus,
        detail: u64,
        around: &mut Around<'_>,
    ) -> (Vec<Answer>, u64) {
        let id = request.id();
        around.coverage.saw(match status {
            ReplyStatus::TooOld => Happening::TooOld,
            ReplyStatus::NotYet => Happening::NotYet,
            ReplyStatus::OtherSession => Happening::OtherSession,
            ReplyStatus::TooLarge => Happening::TooLarge,
            ReplyStatus::Busy => Happening::Busy,
            _ => Happening::WrongStatus,
        });
        let what = ("Refuses", request.first_seq(), status, detail);
        around.trace.note(around.who, what);
        self.next = self.after_answer();
        let answer = Answer::Refused { id, status, detail };
        (vec![answer], around.mix.round_trip)
    }

    fn answer(
        &mut self,
        request: Request,
        lie: Option<u64>,
        around: &mut Around<'_>,
    ) -> (Vec<Answer>, u64) {
        let (now, history) = (around.trace.now, around.history);
        let (Some(publisher), Some(session)) = (around.publisher.as_mut(), history.last()) else {
            return (
                Vec::new(),
                self.give_up(Happening::ConnectionReset, US, around),
            );
        };
        let (reply, body) = match publisher.respond(&request, session, now) {
            Response::Retransmit { reply, .. } => (reply, Body::Store),
            Response::Snapshot { reply, snapshot } => (reply, Body::Snapshot(snapshot)),
            Response::Refused(status, reply) => {
                return self.refused(request, status, reply.detail(), around);
            }
            Response::Joined { reply, .. } => (reply, Body::Rows(Vec::new())),
            Response::Position { .. } | Response::Clock { .. } => {
                unreachable!("an arbiter asks for no position and no clock")
            }
        };
        let mut reading = Reading {
            request,
            session: reply.session(),
            first_seq: reply.first_seq(),
            digest: reply.digest(),
            count: reply.count(),
            row: 0,
            body,
            dies_at: None,
            is_repeated: false,
        };
        let header = match lie {
            None => reply,
            Some(lie @ 0..=2) => wrong_header(lie, &request, &reply),
            Some(lie) => {
                spoil(lie, &mut reading, around);
                reply
            }
        };
        // What the client itself checks before the arbiter hears of it.
        if header.check(&request) != Ok(ReplyStatus::Ok) || header.session() != request.session() {
            around.coverage.saw(Happening::WrongReply);
            self.batch.push_front(request);
            return (Vec::new(), self.give_up(Happening::WrongReply, US, around));
        }
        if around.random.chance(around.faults.die) {
            reading.dies_at = Some(around.random.below(reading.count + 1));
        }
        self.reading = Some(reading);
        self.next = Next::Read;
        (Vec::new(), around.mix.round_trip)
    }

    /// What was on the way already when the publisher restarted: it may come after the first
    /// packets of the new session.
    fn late_rows(&self, why: Happening, around: &mut Around<'_>) -> Vec<Answer> {
        let old = |number: u64| around.history.iter().find(|it| it.number == number);
        let Some(reading) = self
            .reading
            .as_ref()
            .filter(|_| why == Happening::ConnectionReset)
        else {
            return Vec::new();
        };
        let Some(session) = self.connected_to.and_then(old) else {
            return Vec::new();
        };
        if !matches!(reading.body, Body::Store) || around.random.percent(50) {
            return Vec::new();
        }
        around.coverage.saw(Happening::AnswerAfterRestart);
        let count = (reading.count - reading.row).min(around.mix.chunk);
        let from = (reading.first_seq + reading.row) as usize - 1;
        let rows = session.ticks[from..from + count as usize].to_vec();
        vec![part(reading, rows, reading.row + count == reading.count)]
    }

    /// The next rows arrive.
    fn read(&mut self, around: &mut Around<'_>) -> (Vec<Answer>, u64) {
        if let Some((why, after)) = self.broken(around) {
            let late = self.late_rows(why, around);
            return (late, self.give_up(why, after, around));
        }
        let Some(mut reading) = self.reading.take() else {
            self.next = self.after_answer();
            return (Vec::new(), US);
        };
        let left = reading.count - reading.row;
        let count = left.min(around.mix.chunk);
        let end = reading.row + count;
        if reading.dies_at.is_some_and(|row| row <= end) {
            self.reading = Some(reading);
            return (
                Vec::new(),
                self.give_up(Happening::DiedMidReply, US, around),
            );
        }
        let Some(rows) = rows(&reading, count, around) else {
            self.reading = Some(reading);
            return (Vec::new(), self.give_up(Happening::Overrun, US, around));
        };
        let last = end == reading.count;
        let again = (last && reading.is_repeated).then(|| part(&reading, rows.clone(), last));
        let first = part(&reading, rows, last);
        let answers = [first].into_iter().chain(again).collect();
        reading.row = end;
        if last {
            self.next = self.after_answer();
        } else {
            self.reading = Some(reading);
        }
        (answers, around.mix.chunk_time)
    }
}

/// Makes the rows other than they should be, under a header that is right.
fn spoil(lie: u64, reading: &mut Reading, around: &mut Around<'_>) {
    if lie == 3 {
        around.coverage.saw(Happening::AnsweredTwice);
        reading.is_repeated = true;
        return;
    }
    match &reading.body {
        Body::Store => {
            let from = reading.first_seq as usize - 1;
            let Some(session) = around.history.last() else {
                return;
            };
            let mut rows = session.ticks[from..from + reading.count as usize].to_vec();
            match lie {
                4 => {
                    rows.pop();
                    around.coverage.saw(Happening::TooFewTicks);
                }
                5 if rows.len() > 1 => {
                    rows.reverse();
                    around.coverage.saw(Happening::WrongTicks);
                }
                _ => {
                    // Ticks as they were published, only not those that were asked for.
                    reading.first_seq += 1;
                    let end = session.ticks.len().min(from + 1 + rows.len());
                    rows = session.ticks[from + 1..end].to_vec();
                    around.coverage.saw(Happening::WrongTicks);
                }
            }
            reading.count = rows.len() as u64;
            reading.body = Body::Rows(rows);
        }
        Body::Snapshot(snapshot) => {
            around.coverage.saw(Happening::WrongSnapshot);
            match lie {
                4 if reading.request.first_seq() > 0 => {
                    let Some(session) = around.history.last() else {
                        return;
                    };
                    let rows = state_at(&session.ticks, reading.request.first_seq() - 1);
                    reading.first_seq = reading.request.first_seq() - 1;
                    reading.count = rows.len() as u64;
                    reading.body = Body::Rows(rows);
                }
                5 if !snapshot.rows().is_empty() => {
                    let unflag = |row: &Tick| {
                        let mut words = row.to_words();
                        words[0] &= !(u64::from(Flags::SNAPSHOT.0) << 8).to_le();
                        Tick::from_words(words)
                    };
                    let rows = snapshot.rows().iter().map(unflag).collect();
                    reading.body = Body::Rows(rows);
                }
                _ => reading.first_seq += FAR_AHEAD,
            }
        }
        Body::Rows(_) => {}
    }
}

/// A header that answers something else.
fn wrong_header(lie: u64, request: &Request, reply: &Reply) -> Reply {
    let (session, first_seq, count) = (request.session(), reply.first_seq(), reply.count());
    let kind = request.check().unwrap_or(RequestKind::Retransmit);
    match lie {
        0 => {
            let other = Request::new(kind, session, 0, first_seq, count, request.id() + 1);
            Reply::new(&other, session, ReplyStatus::Ok, 0).with_ticks(first_seq, count)
        }
        1 => Reply::new(request, session + 1, ReplyStatus::Ok, 0).with_ticks(first_seq, count),
        // A snapshot of seq 0 cannot be too old; the largest seq is wrong for both.
        _ => Reply::new(request, session, ReplyStatus::Ok, 0).with_ticks(u64::MAX, count),
    }
}

/// The next `count` rows; `None` if the store has overwritten them.
fn rows(reading: &Reading, count: u64, around: &mut Around<'_>) -> Option<Vec<Tick>> {
    let (from, end) = (reading.row as usize, (reading.row + count) as usize);
    match &reading.body {
        Body::Rows(rows) => Some(rows[from..end].to_vec()),
        Body::Snapshot(snapshot) => Some(snapshot.rows()[from..end].to_vec()),
        Body::Store => {
            let store = around.publisher.as_ref()?.store();
            let first = reading.first_seq + reading.row;
            let rows: Vec<&[Tick]> = store.range(first, count).ok()?.collect();
            let rows = rows.concat();
            let published = &around.history.last()?.ticks[first as usize - 1..];
            if rows[..] != published[..rows.len()] {
                let what = || format!("publisher: seqs from {first} on are not kept as published");
                around.violation.get_or_insert_with(what);
            }
            Some(rows)
        }
    }
}

fn part(reading: &Reading, rows: Vec<Tick>, last: bool) -> Answer {
    let id = reading.request.id();
    if reading.request.check() == Ok(RequestKind::Snapshot) {
        let (session, as_of) = (reading.session, reading.first_seq);
        return Answer::Snapshot {
            id,
            session,
            as_of,
            digest: reading.digest,
            rows,
            last,
        };
    }
    let first_seq = reading.first_seq + reading.row;
    Answer::Ticks {
        id,
        first_seq,
        ticks: rows,
        last,
    }
}
