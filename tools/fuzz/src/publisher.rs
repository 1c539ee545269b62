//! The publisher's half: what the sequencer sends is what the responder answers from, and both
//! are what was published.

use std::collections::BTreeMap;
use std::sync::Arc;

use tickcast_protocol::{
    Batch, PACKET_BYTES, Responder, ResponderLimits, Response, Sequencer, Snapshot,
};
use tickcast_wire::{
    Digest, Flags, Kind, Packet, PreviousSession, Quote, ReplyStatus, Request, RequestKind, Tick,
    Venue,
};
use zerocopy::FromBytes;

use crate::input::Input;
use crate::valid;

const SESSION: u64 = 77;
const CHANNEL: u16 = 3;
const PREVIOUS: PreviousSession = PreviousSession {
    session: SESSION - 1,
    last_seq: 5,
    digest: Digest::from_value(6),
};
const LIMITS: ResponderLimits = ResponderLimits {
    store_ticks: 32,
    max_instruments: 6,
    ticks_per_request: 20,
    snapshot_reuse_ns: 50,
    snapshots_alive: 2,
    busy_retry_ns: 9,
};

/// Ticks are published and requests come, as the bytes choose.
pub fn publisher(data: &[u8]) {
    let mut input = Input::new(data);
    let flow_window = input.flag().then(|| input.number());
    let mut publisher = Publisher {
        sequencer: Sequencer::new(SESSION, CHANNEL, input.flag().then_some(PREVIOUS)),
        batch: Batch::new(),
        responder: Responder::new(SESSION, CHANNEL, flow_window, LIMITS),
        published: Vec::new(),
        digest: Digest::default(),
        now: 0,
        sending: Vec::new(),
    };
    while !input.is_empty() {
        match input.below(8) {
            0..3 => publisher.publish(&mut input),
            3 => publisher.now += input.below(100),
            4 => {
                let which = input.below(4) as usize;
                if which < publisher.sending.len() {
                    publisher.sending.remove(which);
                }
            }
            5 => {
                let mut bytes = [0; 64];
                let taken = input.take(64);
                bytes[..taken.len()].copy_from_slice(taken);
                publisher.ask(&bytes);
            }
            _ => {
                let bytes = request(&mut input, publisher.sequencer.next_seq());
                publisher.ask(&bytes);
            }
        }
    }
}

/// A request with everything in its place, mostly.
fn request(input: &mut Input<'_>, next: u64) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..4].copy_from_slice(b"TCRQ");
    bytes[4] = 1;
    bytes[5] = 1 + input.byte() % 6;
    bytes[6] = CHANNEL as u8 + input.byte() / 250;
    bytes[8..16].copy_from_slice(&(SESSION - input.below(8) / 7 * SESSION).to_le_bytes());
    bytes[16..24].copy_from_slice(&input.number_near(next).to_le_bytes());
    bytes[24..32].copy_from_slice(&input.number_near(4).to_le_bytes());
    bytes[32] = input.byte();
    bytes
}

struct Publisher {
    sequencer: Sequencer,
    batch: Batch,
    responder: Responder<Vec<Tick>>,
    /// All that was published: what is right.
    published: Vec<Tick>,
    digest: Digest,
    now: u64,
    /// Snapshots that are being sent.
    sending: Vec<Arc<Snapshot>>,
}

impl Publisher {
    fn publish(&mut self, input: &mut Input<'_>) {
        let ticks: Vec<Tick> = (0..input.byte()).map(|_| any_tick(input)).collect();
        let mut due = input.below(300);
        let now = self.now;
        let taken = self.sequencer.fill(
            &ticks,
            |_| {
                due = due.checked_sub(1)?;
                Some(now)
            },
            &mut self.batch,
        );
        self.batch.stamp(self.now);
        let sent: Vec<&[u8]> = self.batch.bytes().chunks(PACKET_BYTES).collect();
        assert_eq!(sent.len(), self.batch.packet_count());
        for (bytes, ticks) in sent.iter().zip(self.batch.packets()) {
            let packet = Packet::parse(bytes).expect("a packet as it is sent");
            assert_eq!(packet.ticks(), ticks);
            assert_eq!(
                packet.header().digest(),
                self.digest,
                "of all before the packet"
            );
            assert_eq!(packet.header().first_seq(), self.published.len() as u64 + 1);
            self.digest.update_all(ticks);
            self.published.extend_from_slice(ticks);
            self.responder.begin(ticks.to_vec());
            let taken = self.responder.take_in(ticks.len(), self.digest);
            assert_eq!(taken, Ok(ticks.len()));
        }
        let start = self.published.len() - taken;
        for (tick, sent) in ticks.iter().zip(&self.published[start..]) {
            assert_eq!(tick.with_seq(sent.seq()).with_ts_due(now), *sent);
        }
        for header in [
            self.sequencer.heartbeat(now),
            self.sequencer.end_of_session(now),
        ] {
            assert!(valid::is_packet(&header.to_packet()));
            assert_eq!(header.first_seq(), self.published.len() as u64 + 1);
            assert_eq!(header.digest(), self.digest);
        }
        if let Some(again) = self.batch.packets().next() {
            self.responder.begin(again.to_vec());
            let taken = self.responder.take_in(again.len(), self.digest);
            assert!(taken.is_err(), "a repetition was taken in");
        }
    }

    fn ask(&mut self, bytes: &[u8; 64]) {
        let Ok(request) = Request::read_from_bytes(bytes) else {
            panic!("any 64 bytes are laid out as a request");
        };
        // Tokens are looked at by who holds the secret, before a request comes here.
        let kind = valid::request(bytes)
            .filter(|&kind| request.channel() == CHANNEL && kind != RequestKind::Token);
        match self.responder.respond(&request, self.now) {
            Response::Refused(status, reply) => {
                assert_eq!(kind.is_none(), status == ReplyStatus::Malformed);
                if kind.is_some() {
                    assert_eq!(reply.check(&request), Ok(status));
                    self.check_refusal(&request, status, reply.detail());
                }
            }
            Response::Retransmit {
                reply,
                first_seq,
                count,
            } => {
                assert_eq!(reply.check(&request), Ok(ReplyStatus::Ok));
                assert_eq!((first_seq, count), (request.first_seq(), request.count()));
                assert!(count <= LIMITS.ticks_per_request);
                let rows = self.responder.store().range(first_seq, count);
                let rows: Vec<&[Tick]> = rows.expect("rows").collect();
                let start = first_seq as usize - 1;
                let expected = &self.published[start..start + count as usize];
                assert_eq!(rows.concat(), expected);
            }
            Response::Snapshot { reply, snapshot } => {
                assert_eq!(reply.check(&request), Ok(ReplyStatus::Ok));
                assert_eq!(reply.first_seq(), snapshot.as_of());
                assert_eq!(reply.count(), snapshot.rows().len() as u64);
                let before = &self.published[..snapshot.as_of() as usize];
                assert_eq!(snapshot.rows(), state(before));
                assert_eq!(reply.digest(), digest(before));
                self.keep(snapshot);
            }
            Response::Joined { reply, next_seq } => {
                assert_eq!(reply.check(&request), Ok(ReplyStatus::Ok));
                assert_eq!(next_seq, request.first_seq());
            }
            Response::Clock { reply } => {
                let reply = reply.with_clock(self.now, self.now + 1);
                assert_eq!(reply.check(&request), Ok(ReplyStatus::Ok));
                assert_eq!(reply.first_seq(), request.first_seq());
            }
            Response::Position { next_seq } => {
                let is_here = [0, self.responder.session()].contains(&request.session());
                let expected = if is_here { request.first_seq() } else { 1 };
                assert_eq!(next_seq, expected);
            }
        }
    }

    /// Snapshots are shared, and no more of them are in memory than the limit says.
    fn keep(&mut self, snapshot: Arc<Snapshot>) {
        let is_known = self
            .sending
            .iter()
            .any(|known| Arc::ptr_eq(known, &snapshot));
        if !is_known {
            self.sending.push(snapshot);
        }
        assert!(self.sending.len() <= LIMITS.snapshots_alive);
    }

    /// A refusal says what is true, and a request that could be served is not refused.
    fn check_refusal(&self, request: &Request, status: ReplyStatus, detail: u64) {
        let next = self.published.len() as u64 + 1;
        let oldest = next.saturating_sub(LIMITS.store_ticks as u64).max(1);
        match status {
            ReplyStatus::TooOld => {
                assert_eq!(detail, oldest);
                assert!(request.first_seq() < oldest);
            }
            ReplyStatus::NotYet => {
                assert_eq!(detail, next);
                let end = u128::from(request.first_seq()) + u128::from(request.count());
                assert!(end > u128::from(next) || request.first_seq() >= next);
            }
            ReplyStatus::OtherSession => {
                assert_eq!(detail, SESSION);
                assert_ne!(request.session(), SESSION);
            }
            ReplyStatus::TooLarge => {
                assert_eq!(detail, LIMITS.ticks_per_request);
                assert!(request.count() > LIMITS.ticks_per_request);
            }
            ReplyStatus::Busy => {
                let is_full = self.sending.len() >= LIMITS.snapshots_alive;
                assert!(is_full || !self.responder.image().is_complete());
            }
            _ => {}
        }
    }
}

/// A tick of some kind and instrument, now and then of a later version.
fn any_tick(input: &mut Input<'_>) -> Tick {
    let choice = input.byte();
    let mut words = Tick::new(
        Quote::new(1, 2, 3, 4),
        Venue::SYNTHETIC,
        u32::from(choice / 37),
        5,
    )
    .to_words();
    words[0] = words[0] & !0xff | u64::from(choice % 9);
    // The first words of a body say which trade it is.
    (words[4], words[6]) = (u64::from(choice), u64::from(choice % 3));
    Tick::from_words(words)
}

/// The state after these ticks, by a map and not by an image.
fn state(ticks: &[Tick]) -> Vec<Tick> {
    let mut rows: BTreeMap<(u32, u8), Tick> = BTreeMap::new();
    for tick in ticks {
        let key = |kind: Kind| (tick.instrument(), kind as u8);
        match tick.kind() {
            None => {}
            Some(Kind::Clear) => {
                rows.remove(&key(Kind::Quote));
                rows.remove(&key(Kind::Trade));
            }
            Some(Kind::TradeBreak) => {
                let id = |tick: &Tick| tick.to_words()[6];
                if rows
                    .get(&key(Kind::Trade))
                    .is_some_and(|last| id(last) == id(tick))
                {
                    rows.remove(&key(Kind::Trade));
                }
            }
            Some(kind) => {
                rows.insert(key(kind), *tick);
            }
        }
    }
    rows.into_values()
        .map(|tick| tick.with_flags(Flags::SNAPSHOT))
        .collect()
}

fn digest(ticks: &[Tick]) -> Digest {
    let mut digest = Digest::default();
    digest.update_all(ticks);
    digest
}
