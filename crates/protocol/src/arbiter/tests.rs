//! Exact traces on a fake clock: the set-up that they share.

use std::fmt::Write;

use tickcast_wire::{
    Digest, Flags, PacketHeader, PreviousSession, Quote, ReplyStatus, Request, RequestKind, Tick,
    TickSum, Venue,
};
use zerocopy::{FromBytes, IntoBytes};

use super::*;

mod causes;
mod checkpoints;
mod claims;
mod gaps;
mod limits;
mod lines;
mod random;
mod refused;
mod server;
mod sessions;
mod snapshots;

const SESSION: u64 = 1_000;
const MS: u64 = 1_000_000;

/// Writes down everything that the arbiter puts out, a line each, and checks the promise.
#[derive(Default)]
struct Trace {
    text: String,
    next: u64,
    delivered: u64,
    lost: u64,
    /// The causes of what was lost.
    causes: CauseCounts,
    /// How long each gap was open, ns.
    healed: Vec<u64>,
}

impl Trace {
    fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }
}

impl Sink for Trace {
    fn session(&mut self, session: u64, first_seq: u64, previous: Option<PreviousSession>) {
        self.next = first_seq;
        let previous = previous.map(|it| (it.session, it.last_seq));
        writeln!(
            self.text,
            "session {session} from {first_seq} after {previous:?}"
        )
        .unwrap();
    }

    fn ticks(&mut self, ticks: &[Tick], from: Provenance, held: bool) {
        let (first, last) = (ticks[0].seq(), ticks[ticks.len() - 1].seq());
        let held = if held { " held" } else { "" };
        writeln!(self.text, "{from:?} {first}..={last}{held}").unwrap();
        if from == Provenance::Snapshot {
            return;
        }
        for tick in ticks {
            assert_eq!(tick.seq(), self.next, "out of order");
            assert_eq!(*tick, published(tick.seq()), "not as published");
            self.next += 1;
            self.delivered += 1;
        }
    }

    fn lost(&mut self, loss: &Loss) {
        assert_eq!(loss.first_seq, self.next, "a notice out of order");
        self.next += loss.count;
        self.lost += loss.count;
        self.causes.add(loss.cause, loss.count);
        let last = self.next - 1;
        writeln!(
            self.text,
            "lost {}..={last} {:?} {:?}",
            loss.first_seq, loss.reason, loss.cause
        )
        .unwrap();
    }

    fn snapshot(&mut self, as_of: u64) {
        assert_eq!(self.next, as_of + 1, "a snapshot that does not join on");
        writeln!(self.text, "snapshot as of {as_of}").unwrap();
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        assert_eq!(checkpoint.next_seq, self.next, "a checkpoint out of place");
        let digest = checkpoint.digest.value();
        writeln!(self.text, "checkpoint before {}: {digest}", self.next).unwrap();
    }

    fn end_of_session(&mut self, session: u64, last_seq: u64) {
        writeln!(self.text, "end of {session} at {last_seq}").unwrap();
    }

    fn healed(&mut self, ns: u64) {
        self.healed.push(ns);
    }

    fn alarm(&mut self, alarm: Alarm) {
        writeln!(self.text, "alarm {alarm:?}").unwrap();
    }
}

fn published(seq: u64) -> Tick {
    let quote = Quote::new(seq as i64 * 3, seq, seq as i64 * 5, 7);
    Tick::new(quote, Venue::SYNTHETIC, (seq % 10) as u32, seq * 11).with_seq(seq)
}

fn data_of(session: u64, first_seq: u64, count: u64) -> Vec<u8> {
    let header = PacketHeader::data(session, 0, first_seq, count as u16).with_ts_sent(session);
    let ticks: Vec<Tick> = (first_seq..first_seq + count).map(published).collect();
    packet(header, &ticks)
}

fn packet(header: PacketHeader, ticks: &[Tick]) -> Vec<u8> {
    let checksum = header.checksum(TickSum::of(ticks));
    [header.as_bytes(), ticks.as_bytes(), &checksum].concat()
}

/// The packet with the checksum of its bytes, as one that nothing happened to on the way.
fn undamaged(bytes: &[u8]) -> Vec<u8> {
    let (header, ticks) = PacketHeader::ref_from_prefix(bytes).unwrap();
    let (ticks, _) = ticks.split_last_chunk::<8>().unwrap();
    packet(*header, <[Tick]>::ref_from_bytes(ticks).unwrap())
}

fn previous(last_seq: u64, digest: u64) -> PreviousSession {
    PreviousSession {
        session: SESSION,
        last_seq,
        digest: Digest::from_value(digest),
    }
}

fn data(first_seq: u64, count: u64) -> Vec<u8> {
    data_of(SESSION, first_seq, count)
}

fn heartbeat(next_seq: u64) -> Vec<u8> {
    let header = PacketHeader::heartbeat(SESSION, 0, next_seq);
    packet(header.with_ts_sent(SESSION), &[])
}

fn end(next_seq: u64) -> Vec<u8> {
    let header = PacketHeader::end_of_session(SESSION, 0, next_seq);
    packet(header.with_ts_sent(SESSION), &[])
}

struct Bench {
    arbiter: Arbiter,
    trace: Trace,
    now: u64,
}

impl Bench {
    fn new(config: ArbiterConfig) -> Bench {
        Bench {
            arbiter: Arbiter::new(config),
            trace: Trace::default(),
            now: 0,
        }
    }

    fn from_start() -> Bench {
        Bench::from_start_with(|_| {})
    }

    fn from_start_with(change: impl FnOnce(&mut ArbiterConfig)) -> Bench {
        let mut config = ArbiterConfig {
            start: Start::Seq(1),
            ..ArbiterConfig::default()
        };
        change(&mut config);
        Bench::new(config)
    }

    fn a(&mut self, bytes: &[u8]) -> String {
        self.arbiter
            .handle_datagram(Line::A, bytes, self.now, &mut self.trace);
        self.trace.take()
    }

    fn b(&mut self, bytes: &[u8]) -> String {
        self.arbiter
            .handle_datagram(Line::B, bytes, self.now, &mut self.trace);
        self.trace.take()
    }

    fn both(&mut self, bytes: &[u8]) -> String {
        self.a(bytes) + &self.b(bytes)
    }

    /// Lets time pass and gives what came of it.
    fn wait(&mut self, ns: u64) -> String {
        self.now += ns;
        self.arbiter.handle_time(self.now, &mut self.trace);
        self.trace.take()
    }

    fn request(&mut self) -> Option<(RequestKind, u64, u64)> {
        self.arbiter.poll_request(self.now).map(|request| {
            (
                request.check().unwrap(),
                request.first_seq(),
                request.count(),
            )
        })
    }

    /// The request that is due by now.
    fn request_now(&mut self) -> Request {
        self.arbiter.poll_request(self.now).expect("a request")
    }

    /// The request that is due once the reorder window has passed.
    fn request_after_reordering(&mut self) -> Request {
        assert_eq!(self.arbiter.poll_request(self.now), None);
        assert_eq!(self.wait(40_000), "");
        self.request_now()
    }

    fn recovered(&mut self, what: Recovered<'_>) -> String {
        self.arbiter
            .handle_recovered(what, self.now, &mut self.trace);
        self.trace.take()
    }

    fn retransmit(&mut self, id: u64, first_seq: u64, count: u64) -> String {
        let ticks: Vec<Tick> = (first_seq..first_seq + count).map(published).collect();
        self.recovered(Recovered::Ticks {
            id,
            first_seq,
            ticks: &ticks,
            last: true,
        })
    }

    fn snapshot(&mut self, id: u64, as_of: u64) -> String {
        let rows: Vec<Tick> = (1..=3)
            .map(|seq| published(seq).with_flags(Flags::SNAPSHOT))
            .collect();
        self.recovered(Recovered::Snapshot {
            id,
            session: SESSION,
            as_of,
            digest: Digest::default(),
            rows: &rows,
            last: true,
        })
    }

    /// A snapshot as of 100 that breaks off behind its first row.
    fn half_a_snapshot(&mut self, id: u64) -> String {
        self.recovered(Recovered::Snapshot {
            id,
            session: SESSION,
            as_of: 100,
            digest: Digest::default(),
            rows: &[published(7).with_flags(Flags::SNAPSHOT)],
            last: false,
        })
    }

    fn refuse(&mut self, id: u64, status: ReplyStatus, detail: u64) -> String {
        self.recovered(Recovered::Refused { id, status, detail })
    }
}
