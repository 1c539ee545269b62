//! The publisher's side: sessions one after the other, and all that was ever published.

use std::collections::VecDeque;
use std::rc::Rc;

use tickcast_protocol::{
    Batch, Heartbeat, PACKET_BYTES, Responder, ResponderLimits, Response, Sequencer, Store,
};
use tickcast_wire::{Digest, PreviousSession, Request, Tick};
use zerocopy::IntoBytes;

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
    pub(crate) has_ended: bool,
}

/// One life of the publisher.
pub(crate) struct Publisher {
    sequencer: Sequencer,
    heartbeats: Heartbeat,
    batch: Batch,
    responder: Responder,
    /// When the server has the ticks up to which seq.
    on_the_way: VecDeque<(u64, usize)>,
    clock_off: i64,
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
            digest: digest(&last.ticks),
        });
        history.push(Session {
            number,
            previous,
            ticks: Vec::new(),
            has_ended: false,
        });
        Publisher {
            sequencer: Sequencer::new(number, CHANNEL, previous),
            heartbeats: Heartbeat::new(now),
            batch: Batch::new(),
            responder: Responder::new(number, CHANNEL, None, limits),
            on_the_way: VecDeque::new(),
            clock_off,
        }
    }

    pub(crate) fn session(&self) -> u64 {
        self.sequencer.session()
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.sequencer.next_seq()
    }

    pub(crate) fn store(&self) -> &Store {
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
        for packet in self.batch.packets() {
            session.ticks.extend_from_slice(packet);
        }
        self.heartbeats.handle_data(now);
        self.on_the_way.push_back((now + lag, session.ticks.len()));
        let packets = self.batch.bytes().chunks(PACKET_BYTES);
        packets.map(Rc::from).collect()
    }

    pub(crate) fn heartbeat_due(&self) -> u64 {
        self.heartbeats.due()
    }

    /// A heartbeat, if one is due.
    pub(crate) fn beat(&mut self, now: u64) -> Option<Datagram> {
        let is_due = self.heartbeats.poll(now);
        is_due.then(|| self.heartbeat(now))
    }

    pub(crate) fn heartbeat(&self, now: u64) -> Datagram {
        self.sequencer.heartbeat(self.wall(now)).as_bytes().into()
    }

    pub(crate) fn end_of_session(&self, now: u64) -> Datagram {
        let header = self.sequencer.end_of_session(self.wall(now));
        header.as_bytes().into()
    }

    /// What the server answers.
    pub(crate) fn respond(&mut self, request: &Request, session: &Session, now: u64) -> Response {
        while let Some(&(at, end)) = self.on_the_way.front()
            && at <= now
        {
            self.on_the_way.pop_front();
            let stored = self.responder.store().next_seq() as usize - 1;
            let appended = self.responder.append(&session.ticks[stored..end]);
            debug_assert_eq!(appended, Ok(()), "the simulation feeds it in order");
        }
        self.responder.respond(request, now)
    }
}

/// The digest of these ticks.
pub(crate) fn digest(ticks: &[Tick]) -> Digest {
    let mut digest = Digest::default();
    digest.update_all(ticks);
    digest
}
