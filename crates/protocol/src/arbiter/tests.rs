//! Exact traces on a fake clock, and random networks against a model of the publisher.

use std::fmt::Write;

use proptest::prelude::*;
use tickcast_wire::{
    Digest, Flags, PacketHeader, PreviousSession, Quote, ReplyStatus, Request, RequestKind, Tick,
    TickSum, Venue,
};
use zerocopy::{FromBytes, IntoBytes};

use super::*;

mod checkpoints;

mod causes;

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
        Bench::new(ArbiterConfig {
            start: Start::Seq(1),
            ..ArbiterConfig::default()
        })
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

    /// The request that is due once the reorder window has passed.
    fn request_after_reordering(&mut self) -> Request {
        assert_eq!(self.arbiter.poll_request(self.now), None);
        assert_eq!(self.wait(40_000), "");
        self.arbiter.poll_request(self.now).expect("a request")
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

    fn refuse(&mut self, id: u64, status: ReplyStatus, detail: u64) -> String {
        self.recovered(Recovered::Refused { id, status, detail })
    }
}

#[test]
fn the_first_copy_is_delivered_the_other_is_a_duplicate() {
    let mut bench = Bench::from_start();
    assert_eq!(
        bench.a(&data(1, 3)),
        "session 1000 from 1 after None\nA 1..=3\n"
    );
    bench.now += 700;
    assert_eq!(bench.b(&data(1, 3)), "");
    assert_eq!(bench.b(&data(4, 2)), "B 4..=5\n");
    assert_eq!(bench.a(&data(4, 2)), "");
    let [a, b] = bench.arbiter.counters().lines;
    assert_eq!((a.won, a.duplicates, b.won, b.duplicates), (3, 2, 2, 3));
    assert_eq!((b.later_packets, b.later_ns), (1, 700));
}

#[test]
fn lines_cut_into_packets_differently_still_give_each_tick_once() {
    let mut bench = Bench::from_start();
    bench.a(&data(1, 4));
    assert_eq!(bench.b(&data(1, 6)), "B 5..=6\n");
    assert_eq!(bench.a(&data(5, 4)), "A 7..=8\n");
    assert_eq!(bench.arbiter.counters().delivered, 8);
}

#[test]
fn reordered_packets_are_held_and_delivered_in_order() {
    let mut bench = Bench::from_start();
    bench.a(&data(1, 1));
    assert_eq!(bench.a(&data(4, 2)), "");
    assert_eq!((bench.arbiter.held(), bench.arbiter.open_gaps()), (2, 1));
    assert_eq!(bench.a(&data(2, 2)), "A 2..=3\nA 4..=5 held\n");
    assert_eq!((bench.arbiter.held(), bench.arbiter.open_gaps()), (0, 0));
    assert_eq!(bench.request(), None);
}

#[test]
fn a_loss_on_one_line_asks_for_nothing() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.a(&data(3, 1));
    assert_eq!(bench.wait(50 * MS), "");
    assert_eq!(bench.request(), None);
    assert_eq!(bench.b(&data(2, 1)), "B 2..=2\nA 3..=3 held\n");
    assert_eq!(bench.arbiter.counters().gaps, 0);
}

#[test]
fn a_gap_is_timed_from_being_seen_to_being_closed() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(5, 1));
    let request = bench.request_after_reordering();
    bench.now += 30_000;
    bench.retransmit(request.id(), 2, 3);
    // What the other line fills needs no healing.
    bench.a(&data(7, 1));
    bench.b(&data(6, 2));
    assert_eq!(bench.trace.healed, [70_000]);
    assert_eq!(bench.arbiter.counters().heal_ns_max, 70_000);
}

#[test]
fn a_loss_on_both_lines_is_asked_for_after_the_reorder_window() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(5, 1));
    let request = bench.request_after_reordering();
    assert_eq!(
        (request.first_seq(), request.count(), request.session()),
        (2, 3, SESSION)
    );
    assert_eq!(bench.request(), None, "one request a gap");
    assert_eq!(
        bench.retransmit(request.id(), 2, 3),
        "Retransmit 2..=4\nA 5..=5 held\n"
    );
    let counters = bench.arbiter.counters();
    assert_eq!(
        (counters.gaps, counters.gap_ticks, counters.retransmitted),
        (1, 3, 3)
    );
}

#[test]
fn several_gaps_are_asked_for_at_once() {
    let mut bench = Bench::from_start();
    for seq in [1, 3, 103, 203] {
        bench.both(&data(seq, 1));
        bench.both(&data(seq + 1, 30));
    }
    bench.wait(0);
    bench.wait(40_000);
    let asked: Vec<_> = std::iter::from_fn(|| bench.request())
        .map(|(_, seq, _)| seq)
        .collect();
    assert_eq!(asked, [34, 134]);
}

#[test]
fn gaps_close_together_are_asked_for_at_once() {
    let mut bench = Bench::from_start();
    for (seq, count) in [(1, 1), (3, 21), (25, 22), (49, 1)] {
        bench.both(&data(seq, count));
    }
    bench.wait(0);
    bench.wait(40_000);
    // 21 ticks lie between the first two, 22 before the third.
    let request = bench.arbiter.poll_request(bench.now).unwrap();
    assert_eq!((request.first_seq(), request.count()), (2, 23));
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 47, 2)));
    assert_eq!(
        bench.retransmit(request.id(), 2, 23),
        "Retransmit 2..=2\nA 3..=23 held\nRetransmit 24..=24\nA 25..=46 held\n",
        "what lies between has come by a line"
    );
    let counters = bench.arbiter.counters();
    assert_eq!(
        (counters.retransmitted, counters.retransmit_duplicates),
        (2, 21)
    );
}

#[test]
fn gaps_asked_for_together_stay_within_the_most_of_a_request() {
    let mut bench = Bench::new(ArbiterConfig {
        start: Start::Seq(1),
        retransmit_ticks: 4,
        ..ArbiterConfig::default()
    });
    for seq in [1, 3, 6, 8] {
        bench.both(&data(seq, 1));
    }
    bench.wait(0);
    bench.wait(40_000);
    let request = bench.arbiter.poll_request(bench.now).unwrap();
    assert_eq!((request.first_seq(), request.count()), (2, 4));
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 7, 1)));
    // A part that does not come is asked for again, by itself.
    bench.retransmit(request.id(), 2, 1);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 4, 2)));
}

#[test]
fn a_gap_that_is_denied_takes_none_along_that_was_asked_for_with_it() {
    let mut bench = Bench::new(ArbiterConfig {
        tries: 1,
        start: Start::Seq(1),
        ..ArbiterConfig::default()
    });
    bench.both(&data(1, 1));
    bench.both(&data(3, 1));
    bench.both(&heartbeat(6));
    let both = bench.request_after_reordering();
    assert_eq!((both.first_seq(), both.count()), (2, 4));
    bench.refuse(both.id(), ReplyStatus::NotYet, 4);
    let first = bench.arbiter.poll_request(bench.now).unwrap();
    let second = bench.arbiter.poll_request(bench.now).unwrap();
    assert_eq!((first.first_seq(), first.count()), (2, 1));
    assert_eq!((second.first_seq(), second.count()), (4, 2));
    bench.refuse(second.id(), ReplyStatus::NotYet, 4);
    assert_eq!(
        bench.retransmit(first.id(), 2, 1),
        "Retransmit 2..=2\nA 3..=3 held\n"
    );
    assert_eq!(
        bench.both(&data(4, 1)),
        "A 4..=4\n",
        "the claim is forgotten"
    );
}

#[test]
fn a_reply_without_ticks_leaves_everything_missing() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(9, 1));
    let request = bench.request_after_reordering();
    assert_eq!(bench.retransmit(request.id(), 4, 0), "");
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 2, 7)));
}

#[test]
fn what_is_left_of_a_request_that_was_too_old_is_asked_for_again() {
    let mut bench = Bench::from_start();
    for seq in [1, 3, 5] {
        bench.both(&data(seq, 1));
    }
    let both = bench.request_after_reordering();
    assert_eq!((both.first_seq(), both.count()), (2, 3));
    assert_eq!(bench.a(&data(2, 1)), "A 2..=2\nA 3..=3 held\n");
    bench.refuse(both.id(), ReplyStatus::TooOld, 4);
    assert_eq!(bench.request(), None);
    bench.wait(MS);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 4, 1)));
}

#[test]
fn a_snapshot_of_another_session_is_asked_for_again_ever_more_seldom() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    // The server is of the next session already, whose packets have not come yet.
    let mut waits = Vec::new();
    for _ in 0..9 {
        let request = bench.arbiter.poll_request(bench.now).unwrap();
        assert_eq!(request.check(), Ok(RequestKind::Snapshot));
        let asked = bench.now;
        bench.refuse(request.id(), ReplyStatus::OtherSession, SESSION + 1);
        while bench.arbiter.next_deadline().unwrap() > bench.now {
            bench.now = bench.arbiter.next_deadline().unwrap();
            assert_eq!(bench.wait(0), "");
        }
        waits.push((bench.now - asked) / MS);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 100, 100]);
    assert_eq!(
        bench.wait(2_000 * MS),
        "session 1000 from 100 after None\nalarm JoinedWithoutSnapshot { first_seq: 100 }\nA 100..=104 held\n"
    );
}

#[test]
fn a_session_that_changes_inside_half_a_snapshot_is_left_with_an_alarm() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    let id = bench.arbiter.poll_request(bench.now).unwrap().id();
    let row = published(7).with_flags(Flags::SNAPSHOT);
    let part = Recovered::Snapshot {
        id,
        session: SESSION,
        as_of: 100,
        digest: Digest::default(),
        rows: &[row],
        last: false,
    };
    assert_eq!(
        bench.recovered(part),
        "session 1000 from 101 after None\nsnapshot as of 100\nSnapshot 7..=7\n"
    );
    let header = PacketHeader::data(SESSION + 1, 0, 1, 1)
        .with_ts_sent(SESSION + 1)
        .with_previous(previous(106, 0));
    let packet = packet(header, &[published(1)]);
    assert_eq!(
        bench.both(&packet),
        "alarm JoinedWithoutSnapshot { first_seq: 101 }\nA 101..=104 held\n\
         lost 105..=106 SessionChange BothLines\n\
         session 1001 from 1 after Some((1000, 106))\nA 1..=1\n"
    );
    // The rest of the snapshot is of no interest any more.
    assert_eq!(bench.snapshot(id, 100), "");
    assert_eq!(bench.both(&data_of(SESSION + 1, 2, 1)), "A 2..=2\n");
    assert_eq!(bench.request(), None);
}

#[test]
fn a_heartbeat_shows_that_the_last_packet_was_lost() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&heartbeat(4));
    let request = bench.request_after_reordering();
    assert_eq!((request.first_seq(), request.count()), (2, 2));
    assert_eq!(bench.retransmit(request.id(), 2, 2), "Retransmit 2..=3\n");
    assert_eq!(
        bench.both(&heartbeat(2)),
        "",
        "a heartbeat that goes back changes nothing"
    );
    assert_eq!(bench.arbiter.next_seq(), 4);
}

#[test]
fn a_heartbeat_that_goes_back_changes_nothing() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 9));
    assert_eq!(bench.both(&heartbeat(4)), "");
    assert_eq!(bench.both(&heartbeat(1)), "");
    assert_eq!(bench.arbiter.next_seq(), 10);
    assert_eq!(bench.wait(MS), "");
    assert_eq!(bench.request(), None);
    assert_eq!(bench.both(&data(10, 1)), "A 10..=10\n");
}

#[test]
fn a_lagging_line_is_waited_for_once() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.a(&data(3, 1));
    bench.wait(99 * MS);
    assert_eq!(bench.request(), None);
    bench.wait(MS);
    bench.wait(40_000);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 2, 1)));
    bench.a(&data(5, 1));
    bench.wait(40_000);
    assert_eq!(
        bench.request(),
        None,
        "passed now, asked for after the reorder window"
    );
    bench.wait(40_000);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 4, 1)));
}

#[test]
fn a_silent_line_is_down_and_comes_back() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.now += 2_000 * MS;
    bench.a(&heartbeat(2));
    assert_eq!(bench.wait(1_001 * MS), "alarm LineDown(B)\n");
    assert_eq!(bench.wait(MS), "");
    bench.a(&data(3, 1));
    bench.wait(0);
    bench.wait(40_000);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 2, 1)));
    assert_eq!(bench.b(&heartbeat(2)), "alarm LineUp(B)\n");
}

#[test]
fn without_recovery_a_loss_is_named_and_the_stream_goes_on() {
    let mut bench = Bench::new(ArbiterConfig {
        recovery: false,
        line_b: false,
        start: Start::Seq(1),
        ..ArbiterConfig::default()
    });
    bench.a(&data(1, 1));
    bench.a(&data(4, 1));
    bench.wait(0);
    assert_eq!(
        bench.wait(40_000),
        "lost 2..=3 NoRecovery LineA\nA 4..=4 held\n"
    );
    assert_eq!(
        bench.a(&data(2, 2)),
        "",
        "too late: a lost tick is never delivered"
    );
}

#[test]
fn a_gap_that_cannot_be_healed_is_given_up_at_the_deadline() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(3, 1));
    let request = bench.request_after_reordering();
    bench.wait(1_000 * MS);
    assert_eq!(bench.recovered(Recovered::Failed { id: request.id() }), "");
    assert_eq!(
        bench.wait(1_000 * MS),
        "lost 2..=2 RecoveryDeadline BothLines\nA 3..=3 held\n"
    );
    assert_eq!(bench.retransmit(request.id(), 2, 1), "");
}

#[test]
fn failures_back_off_and_end_in_a_snapshot() {
    let mut bench = Bench::new(ArbiterConfig {
        start: Start::Seq(1),
        tries: 5,
        ..ArbiterConfig::default()
    });
    bench.both(&data(1, 1));
    bench.both(&data(3, 1));
    let mut request = bench.request_after_reordering();
    let mut delays = Vec::new();
    for _ in 0..4 {
        bench.recovered(Recovered::Failed { id: request.id() });
        let start = bench.now;
        request = loop {
            bench.wait(MS / 4);
            if let Some(request) = bench.arbiter.poll_request(bench.now) {
                break request;
            }
        };
        delays.push((bench.now - start) / MS);
    }
    assert_eq!(delays, [1, 2, 4, 8]);
    bench.recovered(Recovered::Failed { id: request.id() });
    bench.wait(16 * MS);
    assert_eq!(bench.request(), Some((RequestKind::Snapshot, 2, 0)));
}

#[test]
fn a_dead_server_is_asked_no_more_often_for_many_gaps_than_for_one() {
    let mut bench = Bench::from_start();
    for seq in 0..50 {
        bench.both(&data(1 + 2 * seq, 1));
    }
    let mut requests = 0;
    for _ in 0..4_000 {
        bench.now += MS / 4;
        while let Some(request) = bench.arbiter.poll_request(bench.now) {
            requests += 1;
            bench.recovered(Recovered::Failed { id: request.id() });
        }
    }
    // 1, 2, 4 … 64 ms apart, then 100 ms, in one second; the first time all eight at once.
    assert!(
        (10..=8 + 17).contains(&requests),
        "{requests} requests in a second"
    );
    let id = loop {
        bench.now += MS / 4;
        if let Some(request) = bench.arbiter.poll_request(bench.now) {
            break request.id();
        }
    };
    bench.snapshot(id, 98);
    bench.both(&data(101, 1));
    bench.both(&data(105, 1));
    bench.wait(0);
    bench.wait(40_000);
    assert_eq!(
        bench.request(),
        Some((RequestKind::Retransmit, 100, 5)),
        "it answers again"
    );
}

#[test]
fn a_second_publisher_with_an_older_session_raises_one_alarm() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    let mut alarms = String::new();
    for seq in 1..2_000 {
        alarms += &bench.a(&data_of(SESSION - 1, seq, 1));
    }
    assert_eq!(alarms, "alarm OlderSession { session: 999 }\n");
}

#[test]
fn too_old_is_bridged_by_a_snapshot_with_an_exact_notice() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(10, 3));
    let request = bench.request_after_reordering();
    bench.refuse(request.id(), ReplyStatus::TooOld, 9);
    let snapshot = bench.arbiter.poll_request(bench.now).unwrap();
    assert_eq!(snapshot.check(), Ok(RequestKind::Snapshot));
    assert_eq!(snapshot.first_seq(), 9);
    assert_eq!(
        bench.snapshot(snapshot.id(), 11),
        "lost 2..=9 Snapshot BothLines\nlost 10..=11 Snapshot Superseded\nsnapshot as of 11\nSnapshot 1..=3\nA 12..=12 held\n"
    );
    assert_eq!(bench.both(&data(13, 1)), "A 13..=13\n");
}

#[test]
fn a_late_joiner_splices_a_snapshot_into_the_live_stream() {
    let mut bench = Bench::new(ArbiterConfig::default());
    assert_eq!(bench.both(&data(100, 5)), "");
    let snapshot = bench.arbiter.poll_request(bench.now).unwrap();
    assert_eq!(
        (snapshot.check(), snapshot.first_seq()),
        (Ok(RequestKind::Snapshot), 99)
    );
    assert_eq!(bench.both(&data(105, 5)), "");
    assert_eq!(
        bench.snapshot(snapshot.id(), 106),
        "session 1000 from 107 after None\nsnapshot as of 106\nSnapshot 1..=3\nA 107..=109 held\n"
    );
    assert_eq!(bench.both(&data(110, 1)), "A 110..=110\n");
    assert_eq!(bench.arbiter.counters().lost, 0);
}

#[test]
fn a_snapshot_older_than_asked_is_refused_and_asked_for_again() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    let snapshot = bench.arbiter.poll_request(bench.now).unwrap();
    assert_eq!(bench.snapshot(snapshot.id(), 98), "");
    assert_eq!(bench.arbiter.counters().recovery_lies, 1);
    bench.wait(MS);
    assert_eq!(bench.request(), Some((RequestKind::Snapshot, 99, 0)));
}

#[test]
fn a_snapshot_from_far_ahead_blinds_nobody() {
    for as_of in [105 + (1 << 24), u64::MAX - 1, u64::MAX] {
        let mut bench = Bench::new(ArbiterConfig::default());
        bench.both(&data(100, 5));
        let snapshot = bench.arbiter.poll_request(bench.now).unwrap();
        assert_eq!(bench.snapshot(snapshot.id(), as_of), "");
        assert_eq!(bench.arbiter.counters().recovery_lies, 1);
        bench.wait(MS);
        let again = bench.arbiter.poll_request(bench.now).unwrap();
        assert!(
            bench
                .snapshot(again.id(), 104)
                .ends_with("Snapshot 1..=3\n")
        );
        assert_eq!(bench.both(&data(105, 1)), "A 105..=105\n");
    }
}

#[test]
fn a_snapshot_that_breaks_off_is_begun_anew() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    let id = bench.arbiter.poll_request(bench.now).unwrap().id();
    let row = published(7).with_flags(Flags::SNAPSHOT);
    let part = Recovered::Snapshot {
        id,
        session: SESSION,
        as_of: 100,
        digest: Digest::default(),
        rows: &[row],
        last: false,
    };
    let begun = "session 1000 from 101 after None\nsnapshot as of 100\nSnapshot 7..=7\n";
    assert_eq!(bench.recovered(part), begun);
    assert_eq!(bench.recovered(Recovered::Failed { id }), "");
    bench.wait(MS);
    let again = bench.arbiter.poll_request(bench.now).unwrap();
    assert_eq!(again.first_seq(), 100);
    assert_eq!(
        bench.snapshot(again.id(), 102),
        "lost 101..=102 Snapshot Superseded\nsnapshot as of 102\nSnapshot 1..=3\nA 103..=104 held\n"
    );
}

#[test]
fn a_snapshot_that_stays_half_raises_an_alarm() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    let id = bench.arbiter.poll_request(bench.now).unwrap().id();
    let row = published(7).with_flags(Flags::SNAPSHOT);
    let part = Recovered::Snapshot {
        id,
        session: SESSION,
        as_of: 100,
        digest: Digest::default(),
        rows: &[row],
        last: false,
    };
    bench.recovered(part);
    bench.recovered(Recovered::Failed { id });
    assert_eq!(
        bench.wait(2_000 * MS),
        "alarm JoinedWithoutSnapshot { first_seq: 101 }\nA 101..=104 held\n"
    );
}

#[test]
fn one_snapshot_bridges_all_that_is_too_old() {
    let mut bench = Bench::from_start();
    for seq in [1, 3, 5, 7] {
        bench.both(&data(seq, 1));
    }
    let first = bench.request_after_reordering();
    bench.refuse(first.id(), ReplyStatus::TooOld, 5);
    let snapshot = bench.arbiter.poll_request(bench.now).unwrap();
    assert_eq!(snapshot.first_seq(), 4);
    assert_eq!(
        bench.snapshot(snapshot.id(), 4),
        "lost 2..=2 Snapshot BothLines\nlost 3..=3 Snapshot Superseded\nlost 4..=4 Snapshot BothLines\nsnapshot as of 4\nSnapshot 1..=3\nA 5..=5 held\n"
    );
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 6, 1)));
}

#[test]
fn too_old_for_what_a_line_brought_meanwhile_changes_nothing() {
    let mut bench = Bench::from_start();
    for (seq, count) in [(1, 1), (3, 30), (34, 1)] {
        bench.both(&data(seq, count));
    }
    let first = bench.request_after_reordering();
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 33, 1)));
    assert_eq!(bench.a(&data(2, 1)), "A 2..=2\nA 3..=32 held\n");
    bench.refuse(first.id(), ReplyStatus::TooOld, 35);
    assert_eq!(bench.request(), None, "seq 33 has been asked for");
}

#[test]
fn a_late_joiner_without_a_server_goes_live_at_the_deadline() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 2));
    bench.request();
    assert_eq!(
        bench.wait(2_000 * MS),
        "session 1000 from 100 after None\n\
         alarm JoinedWithoutSnapshot { first_seq: 100 }\nA 100..=101 held\n"
    );
}

#[test]
fn a_restart_abandons_the_old_session_with_an_exact_notice() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    bench.both(&data(5, 1));
    let header = PacketHeader::data(SESSION + 1, 0, 1, 1)
        .with_ts_sent(SESSION + 1)
        .with_previous(previous(8, 0));
    let packet = packet(header, &[published(1)]);
    assert_eq!(
        bench.a(&packet),
        "lost 3..=4 SessionChange BothLines\nA 5..=5 held\nlost 6..=8 SessionChange BothLines\n\
         session 1001 from 1 after Some((1000, 8))\nA 1..=1\n"
    );
    assert_eq!(bench.b(&data(6, 1)), "", "the old session is over");
    assert_eq!(bench.arbiter.counters().lines[1].stale_session, 1);
    assert_eq!(bench.b(&packet), "");
}

#[test]
fn a_restart_while_a_snapshot_is_awaited_loses_the_rest_by_notice() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    bench.both(&data(5, 1));
    let request = bench.request_after_reordering();
    bench.refuse(request.id(), ReplyStatus::TooOld, 5);
    assert_eq!(bench.request(), Some((RequestKind::Snapshot, 4, 0)));
    assert_eq!(
        bench.a(&data_of(SESSION + 1, 1, 1)),
        "lost 3..=4 SessionChange BothLines\nA 5..=5 held\nsession 1001 from 1 after None\nA 1..=1\n"
    );
    // A late joiner that was told of no session is owed nothing of it.
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    assert_eq!(
        bench.a(&data_of(SESSION + 1, 1, 1)),
        "session 1001 from 1 after None\nA 1..=1\n"
    );
}

#[test]
fn a_restart_wants_the_new_session_from_its_start() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    let packet = data_of(SESSION + 1, 4, 1);
    assert_eq!(bench.both(&packet), "session 1001 from 1 after None\n");
    let request = bench.request_after_reordering();
    assert_eq!(
        (request.session(), request.first_seq(), request.count()),
        (SESSION + 1, 1, 3)
    );
}

#[test]
fn answers_about_another_session_are_never_delivered() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(3, 1));
    let old = bench.request_after_reordering();
    bench.both(&data_of(SESSION + 1, 2, 1));
    assert_eq!(bench.retransmit(old.id(), 2, 1), "");
    assert_eq!(bench.arbiter.next_seq(), 1);
    let request = bench.request_after_reordering();
    assert_eq!(
        bench.refuse(request.id(), ReplyStatus::OtherSession, SESSION + 2),
        "lost 1..=1 SessionChange BothLines\nA 2..=2 held\n"
    );
}

#[test]
fn lies_of_the_server_are_counted_never_delivered() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(4, 1));
    let id = bench.request_after_reordering().id();
    assert_eq!(
        bench.retransmit(id, 1, 3),
        "",
        "another range than asked for"
    );
    bench.wait(MS);
    let id = bench.arbiter.poll_request(bench.now).unwrap().id();
    let swapped = [published(3), published(2)];
    let lie = Recovered::Ticks {
        id,
        first_seq: 2,
        ticks: &swapped,
        last: true,
    };
    assert_eq!(bench.recovered(lie), "");
    assert_eq!(bench.arbiter.counters().recovery_lies, 2);
    bench.wait(2 * MS);
    let id = bench.arbiter.poll_request(bench.now).unwrap().id();
    assert_eq!(
        bench.retransmit(id, 2, 1),
        "Retransmit 2..=2\n",
        "too few: the rest is asked for"
    );
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 3, 1)));
}

#[test]
fn busy_and_too_large_say_what_to_do() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(20, 1));
    let id = bench.request_after_reordering().id();
    bench.refuse(id, ReplyStatus::Busy, 5 * MS);
    bench.wait(5 * MS - 1);
    assert_eq!(bench.request(), None);
    bench.wait(1);
    let id = bench.arbiter.poll_request(bench.now).unwrap().id();
    bench.refuse(id, ReplyStatus::TooLarge, 10);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 2, 10)));
}

#[test]
fn a_claim_that_the_publisher_denies_is_forgotten() {
    let mut bench = Bench::new(ArbiterConfig {
        start: Start::Seq(1),
        tries: 5,
        ..ArbiterConfig::default()
    });
    bench.both(&data(1, 1));
    bench.both(&heartbeat(50));
    let mut id = bench.request_after_reordering().id();
    for _ in 0..6 {
        bench.refuse(id, ReplyStatus::NotYet, 2);
        bench.wait(100 * MS);
        match bench.arbiter.poll_request(bench.now) {
            Some(request) => id = request.id(),
            None => break,
        }
    }
    assert_eq!(bench.both(&data(2, 2)), "A 2..=3\n");
    assert_eq!(bench.arbiter.counters().lost, 0);
}

#[test]
fn a_denied_claim_beyond_the_window_leaves_what_is_held() {
    let mut bench = Bench::new(ArbiterConfig {
        start: Start::Seq(1),
        hold_ticks: 8,
        tries: 1,
        ..ArbiterConfig::default()
    });
    bench.both(&data(1, 1));
    bench.both(&data(3, 1));
    // The second copy confirms what is so far ahead.
    bench.both(&heartbeat(19));
    bench.both(&heartbeat(19));
    let both_gaps = bench.request_after_reordering();
    bench.refuse(both_gaps.id(), ReplyStatus::NotYet, 4);
    let real = bench.arbiter.poll_request(bench.now).unwrap();
    let claimed = bench.arbiter.poll_request(bench.now).unwrap();
    assert_eq!((real.first_seq(), claimed.first_seq()), (2, 4));
    bench.refuse(claimed.id(), ReplyStatus::NotYet, 4);
    assert_eq!(
        bench.retransmit(real.id(), 2, 1),
        "Retransmit 2..=2\nA 3..=3 held\n"
    );
}

#[test]
fn what_lies_behind_the_end_of_the_session_is_not_asked_for() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&heartbeat(50));
    let request = bench.request_after_reordering();
    bench.refuse(request.id(), ReplyStatus::NotYet, 2);
    bench.both(&data(2, 1));
    assert_eq!(bench.both(&end(3)), "end of 1000 at 2\n");
    bench.wait(1_000 * MS);
    assert_eq!(bench.arbiter.next_deadline(), None);
    assert_eq!(bench.request(), None);
    assert_eq!(bench.arbiter.counters().lost, 0);
}

#[test]
fn what_is_real_of_a_denied_claim_is_asked_for_anew() {
    let mut bench = Bench::new(ArbiterConfig {
        start: Start::Seq(1),
        tries: 3,
        ..ArbiterConfig::default()
    });
    bench.both(&data(1, 1));
    // 2 and 3 were lost on both lines; the rest of the claim was never sent.
    bench.both(&heartbeat(50));
    let mut request = bench.request_after_reordering();
    for _ in 0..3 {
        assert_eq!((request.first_seq(), request.count()), (2, 48));
        bench.refuse(request.id(), ReplyStatus::NotYet, 4);
        bench.wait(100 * MS);
        request = bench.arbiter.poll_request(bench.now).expect("a request");
    }
    assert_eq!(request.check(), Ok(RequestKind::Retransmit));
    assert_eq!((request.first_seq(), request.count()), (2, 2));
    assert_eq!(bench.retransmit(request.id(), 2, 2), "Retransmit 2..=3\n");
    assert_eq!(bench.both(&data(4, 1)), "A 4..=4\n");
}

#[test]
fn a_denied_claim_takes_no_other_gap_along() {
    let mut bench = Bench::new(ArbiterConfig {
        tries: 1,
        start: Start::Seq(1),
        ..ArbiterConfig::default()
    });
    bench.both(&data(1, 1));
    bench.both(&data(3, 30));
    bench.both(&heartbeat(36));
    let first = bench.request_after_reordering();
    let second = bench.arbiter.poll_request(bench.now).unwrap();
    assert_eq!((first.first_seq(), second.first_seq()), (2, 33));
    // A server that lags behind the lines denies what has been delivered, too.
    bench.refuse(second.id(), ReplyStatus::NotYet, 1);
    bench.recovered(Recovered::Failed { id: first.id() });
    bench.wait(100 * MS);
    assert_eq!(bench.request(), Some((RequestKind::Snapshot, 2, 0)));
}

#[test]
fn a_wild_seq_needs_a_second_witness() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    assert_eq!(bench.a(&data(1 << 60, 1)), "");
    assert_eq!(bench.both(&data(2, 1)), "A 2..=2\n");
    assert_eq!(bench.arbiter.counters().lines[0].unconfirmed, 1);
    bench.both(&data(100_000, 1));
    bench.both(&data(100_001, 1));
    bench.wait(0);
    bench.wait(40_000);
    let asked = bench.request();
    assert_eq!(
        asked,
        Some((RequestKind::Retransmit, 3, 16_384)),
        "a second packet agrees"
    );
}

#[test]
fn other_channels_and_applications_are_counted_and_dropped() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    let header = PacketHeader::data(SESSION, 9, 2, 1).with_ts_sent(SESSION);
    let packet = packet(header, &[published(2)]);
    assert_eq!(bench.a(&packet), "");
    assert_eq!(bench.a(b"GET / HTTP/1.1"), "");
    assert_eq!(bench.a(&[0; 2_000]), "");
    let mut newer = data(2, 1);
    newer[4] = 2;
    assert_eq!(bench.a(&newer), "");
    let line = bench.arbiter.counters().lines[0];
    let counted = (
        line.other_channel,
        line.truncated,
        line.foreign,
        line.newer_version,
    );
    assert_eq!((counted, line.refused()), ((1, 1, 1, 1), 4));
    assert_eq!(bench.both(&data(2, 1)), "A 2..=2\n");
}

#[test]
fn damaged_sessions_do_not_take_over() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    let header = PacketHeader::data(u64::MAX, 0, 1, 1).with_ts_sent(SESSION);
    let packet = packet(header, &[published(1)]);
    assert_eq!(bench.a(&packet), "");
    assert_eq!(bench.arbiter.counters().lines[0].future_session, 1);
    assert_eq!(bench.arbiter.session(), SESSION);
}

#[test]
fn a_copy_with_other_bytes_raises_an_alarm() {
    let mut bench = Bench::from_start();
    bench.a(&data(1, 2));
    let mut other = data(1, 2);
    other[64 + 40] ^= 1;
    assert_eq!(
        bench.b(&undamaged(&other)),
        "alarm DuplicateDiffers { line: B, first_seq: 1 }\n"
    );
    assert_eq!(bench.arbiter.counters().lines[1].differing, 1);
}

#[test]
fn a_damaged_packet_is_refused_and_the_other_line_delivers() {
    let mut bench = Bench::from_start();
    let mut damaged = data(1, 2);
    damaged[64 + 40] ^= 1;
    assert_eq!(bench.a(&damaged), "");
    assert_eq!(
        bench.b(&data(1, 2)),
        "session 1000 from 1 after None\nB 1..=2\n"
    );
    let [a, b] = bench.arbiter.counters().lines;
    assert_eq!((a.damaged, a.refused()), (1, 1));
    assert_eq!((b.damaged, b.differing), (0, 0));
}

#[test]
fn a_copy_that_was_not_taken_is_no_measure_for_others() {
    let mut bench = Bench::new(ArbiterConfig {
        hold_ticks: 8,
        start: Start::Seq(1),
        ..ArbiterConfig::default()
    });
    bench.a(&data(1, 1));
    // Too far ahead to be held, and not what the publisher sent: a good checksum all the same.
    let mut other = data(10, 1);
    other[64 + 40] ^= 1;
    assert_eq!(bench.a(&undamaged(&other)), "");
    assert_eq!(bench.arbiter.counters().lines[0].overflow, 1);
    assert_eq!(bench.a(&data(2, 8)), "A 2..=9\n");
    assert_eq!(bench.b(&data(10, 1)), "B 10..=10\n");
}

#[test]
fn what_does_not_fit_the_window_is_recovered_later() {
    let mut bench = Bench::new(ArbiterConfig {
        hold_ticks: 8,
        start: Start::Seq(1),
        ..ArbiterConfig::default()
    });
    bench.both(&data(1, 1));
    bench.both(&data(3, 6));
    bench.both(&data(9, 6));
    assert_eq!(bench.arbiter.counters().lines[0].overflow, 5);
    let request = bench.request_after_reordering();
    assert_eq!(request.first_seq(), 2);
    assert_eq!(
        bench.retransmit(request.id(), 2, 1),
        "Retransmit 2..=2\nA 3..=7 held\nA 8..=9 held\n"
    );
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 10, 5)));
}

#[test]
fn a_full_list_of_gaps_leaves_none_behind() {
    let mut bench = Bench::new(ArbiterConfig {
        recovery: false,
        line_b: false,
        start: Start::Seq(1),
        ..ArbiterConfig::default()
    });
    // 256 gaps of three ticks; the first is split, so that there is no room to split the second.
    for at in 0..=256 {
        bench.a(&data(1 + 4 * at, 1));
    }
    for seq in [3, 7, 8, 6] {
        assert_eq!(bench.a(&data(seq, 1)), "");
    }
    assert_eq!(bench.a(&data(2, 1)), "A 2..=2\nA 3..=3 held\n");
    assert_eq!(bench.a(&data(4, 1)), "A 4..=4\nA 5..=9 held\n");
    bench.wait(0);
    let lost = bench.wait(40_000);
    assert!(
        lost.starts_with("lost 10..=12 NoRecovery LineA\nA 13..=13 held\n"),
        "{lost}"
    );
    assert_eq!(bench.arbiter.next_seq(), 1 + 4 * 256 + 1);
}

#[test]
fn the_end_waits_for_what_is_missing() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    assert_eq!(bench.both(&end(5)), "");
    let request = bench.request_after_reordering();
    assert_eq!(
        bench.retransmit(request.id(), 3, 2),
        "Retransmit 3..=4\nend of 1000 at 4\n"
    );
    assert_eq!(bench.both(&end(5)), "");
    assert_eq!(bench.arbiter.next_deadline(), None);
}

#[test]
fn an_empty_session_ends_at_once() {
    let mut bench = Bench::from_start();
    assert_eq!(
        bench.both(&end(1)),
        "session 1000 from 1 after None\nend of 1000 at 0\n"
    );
}

/// What a publisher's server answers, with a store of the last `window` ticks.
fn answer(bench: &mut Bench, request: &Request, last_published: u64, window: u64, how: u8) {
    let (id, first, count) = (request.id(), request.first_seq(), request.count());
    if how == 0 {
        bench.recovered(Recovered::Failed { id });
    } else if request.check() == Ok(RequestKind::Snapshot) {
        bench.snapshot(id, last_published);
    } else if first + count > last_published + 1 {
        bench.refuse(id, ReplyStatus::NotYet, last_published + 1);
    } else if first + window <= last_published {
        bench.refuse(id, ReplyStatus::TooOld, last_published + 1 - window);
    } else {
        bench.retransmit(id, first, count);
    }
}

#[derive(Debug, Clone)]
struct Step {
    len: u64,
    fate_a: u8,
    fate_b: u8,
    server: u8,
    pause: u64,
}

fn step() -> impl Strategy<Value = Step> {
    (1u64..30, 0u8..10, 0u8..10, 0u8..6, 0u64..60_000).prop_map(
        |(len, fate_a, fate_b, server, pause)| Step {
            len,
            fate_a,
            fate_b,
            server,
            pause,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the network and the server do, the trace checks order, bytes and exactness as it
    /// goes; at the end everything published is delivered or lost by notice.
    #[test]
    fn random_networks_keep_the_promise(
        steps in proptest::collection::vec(step(), 1..60),
        hold_ticks in prop_oneof![Just(16usize), Just(256), Just(65_536)],
        window in prop_oneof![Just(64u64), Just(100_000)],
        start in prop_oneof![Just(Start::Live), Just(Start::Seq(1))],
    ) {
        let config = ArbiterConfig { hold_ticks, start, ..ArbiterConfig::default() };
        let mut bench = Bench::new(config);
        let mut late: Vec<(Line, Vec<u8>)> = Vec::new();
        let mut last_published = 0;
        for step in &steps {
            let packet = data(last_published + 1, step.len);
            last_published += step.len;
            for (line, fate) in [(Line::A, step.fate_a), (Line::B, step.fate_b)] {
                match fate {
                    0..=2 => {}
                    3 => late.push((line, packet.clone())),
                    _ => {
                        let copies = 1 + usize::from(fate == 4);
                        for _ in 0..copies {
                            let now = bench.now;
                            bench.arbiter.handle_datagram(line, &packet, now, &mut bench.trace);
                        }
                    }
                }
            }
            if step.fate_a == 5 {
                for (line, packet) in late.drain(..).rev() {
                    bench.arbiter.handle_datagram(line, &packet, bench.now, &mut bench.trace);
                }
            }
            bench.wait(step.pause);
            while let Some(request) = bench.arbiter.poll_request(bench.now) {
                answer(&mut bench, &request, last_published, window, step.server);
            }
            prop_assert!(bench.arbiter.held() <= hold_ticks);
        }
        for _ in 0..200 {
            bench.both(&end(last_published + 1));
            bench.wait(20 * MS);
            while let Some(request) = bench.arbiter.poll_request(bench.now) {
                answer(&mut bench, &request, last_published, window, 1);
            }
        }
        prop_assert_eq!(bench.trace.next, last_published + 1);
        prop_assert_eq!(bench.arbiter.next_deadline(), None, "the session ended");
        let counters = bench.arbiter.counters();
        prop_assert_eq!(counters.delivered, bench.trace.delivered);
        prop_assert_eq!(counters.lost, bench.trace.lost);
        prop_assert_eq!(counters.lost_by_cause.total(), counters.lost);
        prop_assert_eq!(counters.lost_by_cause, bench.trace.causes);
        prop_assert_eq!(counters.recovered.total(), counters.retransmitted);
        if start == Start::Seq(1) {
            prop_assert_eq!(bench.trace.delivered + bench.trace.lost, last_published);
        }
    }

    #[test]
    fn damage_reaches_nobody(
        packets in proptest::collection::vec((any::<bool>(), 0usize..384, 1u8..), 1..60),
    ) {
        let mut bench = Bench::from_start();
        for (at, (is_a, place, flip)) in packets.into_iter().enumerate() {
            let sound = data(1 + 3 * at as u64, 3);
            let mut bytes = sound.clone();
            bytes[place % sound.len()] ^= flip;
            let (first, second) = if is_a { (&bytes, &sound) } else { (&sound, &bytes) };
            // The trace checks every tick that is delivered.
            bench.a(first);
            bench.b(second);
            prop_assert_eq!(bench.trace.delivered, 3 * (at as u64 + 1));
        }
        let refused = bench.arbiter.counters().lines.map(|line| line.refused());
        prop_assert_eq!(3 * refused.iter().sum::<u64>(), bench.trace.delivered);
    }

    #[test]
    fn lies_never_panic(
        packets in proptest::collection::vec(
            (any::<bool>(), 1u64..200, 1u64..5, 0usize..384, any::<u8>()), 1..60),
    ) {
        let mut bench = Bench::from_start();
        // Lies reach the sink, so the sink only counts.
        struct Count;
        impl Sink for Count {
            fn session(&mut self, _: u64, _: u64, _: Option<PreviousSession>) {}
            fn ticks(&mut self, _: &[Tick], _: Provenance, _: bool) {}
            fn lost(&mut self, _: &Loss) {}
            fn snapshot(&mut self, _: u64) {}
            fn end_of_session(&mut self, _: u64, _: u64) {}
            fn alarm(&mut self, _: Alarm) {}
        }
        for (is_a, first, count, at, value) in packets {
            let mut bytes = data(first, count);
            let at = at % bytes.len();
            bytes[at] = value;
            let bytes = undamaged(&bytes);
            let line = if is_a { Line::A } else { Line::B };
            bench.now += 30_000;
            bench.arbiter.handle_datagram(line, &bytes, bench.now, &mut Count);
            bench.arbiter.handle_time(bench.now, &mut Count);
            while let Some(request) = bench.arbiter.poll_request(bench.now) {
                let failed = Recovered::Failed { id: request.id() };
                bench.arbiter.handle_recovered(failed, bench.now, &mut Count);
            }
        }
    }
}
