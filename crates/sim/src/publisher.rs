//! The publisher's side: sessions one after the other, and all that was ever published.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use tickcast_protocol::{
    Batch, Heartbeat, LONGEST_HEARTBEAT_NS, PACKET_BYTES, Responder, ResponderLimits, Response,
    Sequencer, Snapshot, Store,
};
use tickcast_wire::{Digest, Packet, PreviousSession, ReplyStatus, Request, RequestKind, Tick};

/// Where the virtual clock begins, in ns since the Unix epoch.
const EPOCH: u64 = 1_750_000_000_000_000_000;

/// The channel that everybody is on.
pub(crate) const CHANNEL: u16 = 3;

/// A datagram on its way.
pub(crate) type Datagram = Rc<[u8]>;

/// All of a session, as it was sent.
pub(crate) struct Session {
    pub(crate) number: u64,
    /// What its packets say of the session before.
    pub(crate) previous: Option<PreviousSession>,
    /// Tick `n` has seq `n + 1`.
    pub(crate) ticks: Vec<Tick>,
    /// The digest of all ticks before seq `n + 1`.
    pub(crate) digests: Vec<Digest>,
    pub(crate) has_ended: bool,
}

impl Session {
    fn add(&mut self, ticks: &[Tick]) {
        self.ticks.extend_from_slice(ticks);
        let mut digest = self.digest();
        self.digests.extend(ticks.iter().map(|tick| {
            digest.update(tick);
            digest
        }));
    }

    /// The digest of all of it so far.
    fn digest(&self) -> Digest {
        self.digests.last().copied().unwrap_or_default()
    }
}

/// One life of the publisher.
pub(crate) struct Publisher {
    sequencer: Sequencer,
    heartbeats: Heartbeat,
    batch: Batch,
    responder: Responder<Vec<Tick>>,
    /// When the server has the ticks up to which seq.
    on_the_way: VecDeque<(u64, usize, Digest)>,
    /// Which ticks of the session lie in the server's latest chunk: all that were sent when it was
    /// begun.
    chunk: Range<usize>,
    /// How many ticks the server has.
    stored: u64,
    limits: ResponderLimits,
    /// Snapshots given out, as long as somebody holds them.
    given: Vec<Weak<Snapshot>>,
    pub(crate) clock_off: i64,
    /// When anything was sent last.
    sent_at: u64,
    /// What this half of the protocol did wrong first.
    pub(crate) violation: Option<String>,
}

impl Publisher {
    /// Starts a session after those in `history`, and adds it there.
    pub(crate) fn start(
        history: &mut Vec<Session>,
        is_named: bool,
        limits: ResponderLimits,
        clock_off: i64,
        now: u64,
    ) -> Publisher {
        let last = history.last();
        let wall = (EPOCH + now).saturating_add_signed(clock_off);
        let number = last.map_or(wall, |last| wall.max(last.number + 1));
        let previous = last.filter(|_| is_named);
        let previous = previous.map(|last| PreviousSession {
            session: last.number,
            last_seq: last.ticks.len() as u64,
            digest: last.digest(),
        });
        history.push(Session {
            number,
            previous,
            ticks: Vec::new(),
            digests: vec![Digest::default()],
            has_ended: false,
        });
        Publisher {
            sequencer: Sequencer::new(number, CHANNEL, previous),
            heartbeats: Heartbeat::new(now),
            batch: Batch::new(),
            responder: Responder::new(number, CHANNEL, None, limits),
            on_the_way: VecDeque::new(),
            chunk: 0..0,
            stored: 0,
            limits,
            given: Vec::new(),
            clock_off,
            sent_at: now,
            violation: None,
        }
    }

    pub(crate) fn session(&self) -> u64 {
        self.sequencer.session()
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.sequencer.next_seq()
    }

    pub(crate) fn store(&self) -> &Store<Vec<Tick>> {
        self.responder.store()
    }

    fn wall(&self, now: u64) -> u64 {
        (EPOCH + now).saturating_add_signed(self.clock_off)
    }

    /// Publishes ticks, which the server has `lag` later; gives the packets.
    pub(crate) fn publish(
        &mut self,
        ticks: &[Tick],
        lag: u64,
        session: &mut Session,
        now: u64,
    ) -> Vec<Datagram> {
        let due = self.wall(now);
        self.sequencer.fill(ticks, |_| Some(due), &mut self.batch);
        self.batch.stamp(due + 1);
        self.check_batch(ticks, due, session);
        for packet in self.batch.packets() {
            session.add(packet);
        }
        self.note_sent(now);
        self.heartbeats.handle_data(now);
        let (end, digest) = (session.ticks.len(), self.sequencer.digest());
        self.on_the_way.push_back((now + lag, end, digest));
        let packets = self.batch.bytes().chunks(PACKET_BYTES);
        packets.map(Rc::from).collect()
    }

    pub(crate) fn heartbeat_due(&self) -> u64 {
        self.heartbeats.due()
    }

    /// A heartbeat, if one is due.
    pub(crate) fn beat(&mut self, session: &Session, now: u64) -> Option<Datagram> {
        if !self.heartbeats.poll(now) {
            return None;
        }
        self.note_sent(now);
        let datagram = self.heartbeat(now);
        self.check_next_seq(&datagram, session);
        Some(datagram)
    }

    pub(crate) fn heartbeat(&self, now: u64) -> Datagram {
        self.sequencer.heartbeat(self.wall(now)).to_packet().into()
    }

    pub(crate) fn end_of_session(&mut self, session: &Session, now: u64) -> Datagram {
        let header = self.sequencer.end_of_session(self.wall(now));
        let datagram: Datagram = header.to_packet().into();
        self.check_next_seq(&datagram, session);
        datagram
    }

    /// What the server answers.
    pub(crate) fn respond(&mut self, request: &Request, session: &Session, now: u64) -> Response {
        while let Some(&(at, end, digest)) = self.on_the_way.front()
            && at <= now
        {
            self.on_the_way.pop_front();
            let (stored, sent) = (self.stored as usize, session.ticks.len());
            if stored == self.chunk.end {
                self.chunk = stored..sent;
                self.responder.begin(session.ticks[stored..].to_vec());
            }
            let taken = self.responder.take_in(end - self.chunk.start, digest);
            debug_assert_eq!(taken, Ok(end - stored), "the simulation feeds it in order");
            self.stored = end as u64;
        }
        let response = self.responder.respond(request, now);
        self.check_response(request, &response);
        response
    }
}

/// What the publisher's half of the protocol must keep to, by the plainest means.
impl Publisher {
    fn fail(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(format!("publisher: {}", what()));
        }
    }

    /// Never silent for longer than the longest distance of heartbeats.
    fn note_sent(&mut self, now: u64) {
        let silent = now - self.sent_at;
        if silent > LONGEST_HEARTBEAT_NS {
            self.fail(|| format!("nothing was sent for {silent} ns"));
        }
        self.sent_at = now;
    }

    /// A batch has the ticks that were to be published, only numbered and with their due time.
    fn check_batch(&mut self, ticks: &[Tick], due: u64, session: &Session) {
        let mut next = session.ticks.len() as u64 + 1;
        let mut left = ticks.iter();
        let mut wrong = None;
        for packet in self.batch.bytes().chunks(PACKET_BYTES) {
            let Ok(packet) = Packet::parse(packet) else {
                wrong = Some(format!("a packet from seq {next} on that nobody can read"));
                break;
            };
            for tick in packet.ticks() {
                let expected = left.next().map(|it| it.with_seq(next).with_ts_due(due));
                if Some(*tick) != expected {
                    wrong.get_or_insert(format!("sends {tick:?} as seq {next}"));
                }
                next += 1;
            }
        }
        if let Some(wrong) = wrong.or(left.next().map(|it| format!("does not send {it:?}"))) {
            self.fail(|| wrong);
        }
    }

    /// A heartbeat and the end of session name the seq after the last that was sent.
    fn check_next_seq(&mut self, datagram: &Datagram, session: &Session) {
        let named = Packet::parse(datagram).map_or(0, |packet| packet.header().first_seq());
        let next = session.ticks.len() as u64 + 1;
        if named != next {
            self.fail(|| format!("names seq {named} as next, it is {next}"));
        }
    }

    fn check_response(&mut self, request: &Request, response: &Response) {
        let is_right = match (request.check(), response) {
            (Ok(RequestKind::Retransmit), response) => match self.refusal(request) {
                Some(refusal) => is_refused(response, refusal),
                None => matches!(response, Response::Retransmit { first_seq, count, .. }
                    if (*first_seq, *count) == (request.first_seq(), request.count())),
            },
            (Ok(RequestKind::Snapshot), Response::Snapshot { snapshot, .. }) => {
                (request.first_seq()..=self.stored).contains(&snapshot.as_of())
                    && [0, self.session()].contains(&request.session())
                    && self.count_snapshot(snapshot) <= self.limits.snapshots_alive
            }
            (_, Response::Refused(..)) => true,
            _ => false,
        };
        if !is_right {
            let stored = self.stored;
            self.fail(|| format!("has {stored} ticks and answers {request:?} with {response:?}"));
        }
    }

    /// Why a retransmit cannot be served, if it cannot.
    fn refusal(&self, request: &Request) -> Option<(ReplyStatus, u64)> {
        let (first, count, next) = (request.first_seq(), request.count(), self.stored + 1);
        let oldest = next.saturating_sub(self.limits.store_ticks as u64).max(1);
        if request.session() != self.session() {
            Some((ReplyStatus::OtherSession, self.session()))
        } else if count > self.limits.ticks_per_request {
            Some((ReplyStatus::TooLarge, self.limits.ticks_per_request))
        } else if first < oldest {
            Some((ReplyStatus::TooOld, oldest))
        } else if first + count > next {
            Some((ReplyStatus::NotYet, next))
        } else {
            None
        }
    }

    /// How many snapshots are in memory with this one.
    fn count_snapshot(&mut self, snapshot: &Arc<Snapshot>) -> usize {
        self.given.retain(|given| given.strong_count() > 0);
        let is_new = !self
            .given
            .iter()
            .any(|given| std::ptr::eq(given.as_ptr(), Arc::as_ptr(snapshot)));
        if is_new {
            self.given.push(Arc::downgrade(snapshot));
        }
        self.given.len()
    }
}

fn is_refused(response: &Response, (status, detail): (ReplyStatus, u64)) -> bool {
    matches!(response, Response::Refused(given, reply) if (*given, reply.detail()) == (status, detail))
}
