//! Delays that are known appear in the stage in which they are, as often as they were, and as long:
//! packets handed to a subscriber, by clocks that the test sets.

use tickcast_latency::{Histograms, Provenance as Brought, Stage, StallBoard, StallLog};
use tickcast_net::Datagrams;
use tickcast_protocol::{ArbiterConfig, Line, Provenance, Sink, Start};
use tickcast_wire::{PacketHeader, Quote, Tick, TickSum, Venue};
use zerocopy::IntoBytes;

use super::{Looks, Measuring, ROUNDS_PER_LOOK, Receiving, Wanted, measured_as};
use crate::clock::set_by_tests as clock;
use crate::event::{Event, Origin, Stamps};
use crate::hand_fed::HandFed;
use crate::reader::tests::model::Writer;
use crate::strategy::Strategy;

const US: u64 = 1_000;
const MS: u64 = 1_000_000;
/// When the first tick is due.
const BEGIN: u64 = 1_700_000_000_000_000_000;
/// A tick is due every 50 µs.
const PERIOD: u64 = 50 * US;
const TICKS: u64 = 20_000;
/// Every thousandth tick is late by so much.
const DELAY: u64 = 100 * US;

/// Takes its time, by the clock of the test, for every thousandth tick.
struct Slow {
    takes: u64,
}

impl Strategy for Slow {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        clock::pass(US + if is_late(tick.seq()) { self.takes } else { 0 });
    }
}

fn is_late(seq: u64) -> bool {
    seq.is_multiple_of(1_000)
}

fn due(seq: u64) -> u64 {
    BEGIN + seq * PERIOD
}

fn tick(seq: u64) -> Tick {
    let tick = Tick::new(Quote::new(1, 2, 3, 4), Venue::SYNTHETIC, 7, 0);
    tick.with_seq(seq).with_ts_due(due(seq))
}

struct Path {
    subscriber: HandFed<Slow>,
}

impl Path {
    fn new(takes: u64, stalls: Option<StallBoard>) -> Path {
        let config = ArbiterConfig {
            start: Start::Seq(1),
            ..ArbiterConfig::default()
        };
        let wanted = Wanted {
            stalls,
            strategies: true,
            ..Wanted::default()
        };
        clock::set(BEGIN);
        Path {
            subscriber: HandFed::measured(config, Slow { takes }, &wanted),
        }
    }

    /// Tick `seq` was sent, came to the kernel and was read at these times.
    fn bring(&mut self, seq: u64, [sent, kernel, read]: [u64; 3]) {
        let ticks = [tick(seq)];
        let header = PacketHeader::data(1, 0, seq, 1).with_ts_sent(sent);
        let checksum = header.checksum(TickSum::of(&ticks));
        let packet = [header.as_bytes(), ticks.as_bytes(), &checksum].concat();
        clock::set(read);
        self.subscriber.take(
            Line::A,
            &Datagrams {
                bytes: &packet,
                segment: packet.len(),
                source: ([127, 0, 0, 1], 1).into(),
                ts_kernel: Some(kernel),
                dropped: 0,
                truncated: false,
            },
        );
    }

    fn latencies(&mut self) -> Histograms {
        let mut histograms = Histograms::new(&[]);
        self.subscriber.collect_latency(&mut histograms);
        histograms
    }
}

/// How many samples of a stage are longer.
fn longer(histograms: &Histograms, stage: Stage, than_ns: u64) -> u64 {
    let part = histograms.part(stage, Brought::A).unwrap().histogram();
    part.len() - part.count_between(0, than_ns)
}

/// In this stage, and in the whole, are as many late ticks as there were; late by what they were.
#[track_caller]
fn assert_late_in(stage: Stage, histograms: &Histograms, whole: &[Stage]) {
    let part = |of| histograms.part(of, Brought::A);
    let has_any = |of: &Stage| part(*of).is_some_and(|part| !part.is_empty());
    for of in histograms.stages().filter(has_any) {
        let (late, max) = (
            longer(histograms, of, DELAY * 95 / 100),
            histograms.part(of, Brought::A).unwrap().histogram().max(),
        );
        if of == stage || whole.contains(&of) {
            assert_eq!(late, TICKS / 1_000, "{stage} in {of}");
            assert!(
                (DELAY..DELAY * 105 / 100 + 10 * US).contains(&max),
                "{of}: {max}"
            );
        } else {
            assert_eq!(late, 0, "{stage} in {of}");
        }
        let all = histograms.part(of, Brought::A).unwrap().histogram().len();
        assert_eq!(all, TICKS, "{of}");
    }
    let slowest = histograms.slowest();
    if whole.contains(&Stage::Total) {
        for way in slowest {
            assert!(is_late(way.seq), "{way:?}");
            assert_eq!((way.instrument, way.provenance), (7, Brought::A));
            let leg = way
                .waterfall()
                .into_iter()
                .find(|leg| leg.stage == stage.name());
            assert!((100_000..=103_000).contains(&leg.unwrap().ns), "{way:?}");
        }
    }
}

#[test]
fn a_delay_appears_in_its_stage() {
    let sender = [Stage::Total];
    let network = [Stage::Service, Stage::Total];
    for (stage, whole) in [
        (Stage::Publish, &sender[..]),
        (Stage::Network, &network),
        (Stage::Kernel, &network),
        (Stage::Handle, &network),
        (Stage::Strategy, &[]),
    ] {
        let mut path = Path::new(if stage == Stage::Strategy { DELAY } else { 0 }, None);
        for seq in 1..=TICKS {
            let delay = |of| {
                if of == stage && is_late(seq) {
                    DELAY
                } else {
                    0
                }
            };
            let sent = due(seq) + US + delay(Stage::Publish);
            let kernel = sent + 2 * US + delay(Stage::Network);
            let read = kernel + US + delay(Stage::Kernel);
            // Between the stamps `read` and `push` is one look at the other clock.
            clock::let_looks_take(delay(Stage::Handle));
            path.bring(seq, [sent, kernel, read]);
        }
        clock::let_looks_take(0);
        assert_late_in(stage, &path.latencies(), whole);
    }
}

/// The way through the queue, read by a reader.
#[test]
fn a_delay_in_the_queue_appears_there() {
    let mut writer = Writer::new();
    let (measuring, mut receiving) = Receiving::new();
    writer.output.measuring = measuring;
    let (mut reader, _progress) = writer.reader();
    let (mut measuring, mut taking) = Measuring::new(&Wanted::default(), false);
    writer.output.session(1, 1, None);
    for seq in 1..=TICKS {
        let read = due(seq) + 4 * US;
        writer.output.stamps = Stamps {
            sent: due(seq) + US,
            kernel: due(seq) + 3 * US,
            read,
            ..Stamps::default()
        };
        clock::set(read + US);
        writer.output.ticks(&[tick(seq)], Provenance::A, false);
        clock::pass(US + if is_late(seq) { DELAY } else { 0 });
        while let Some(event) = reader.read() {
            if let Event::Ticks(ticks, origin) = event {
                measuring.before(ticks, &origin);
                measuring.after(ticks, &origin);
            }
        }
    }
    drop((writer, measuring));
    let mut histograms = Histograms::new(&[]);
    assert!(receiving.collect(&mut histograms) && taking.collect(&mut histograms));
    assert_late_in(Stage::Queue, &histograms, &[Stage::Service, Stage::Total]);
}

/// What packets have in common is recorded at once, and nothing is lost or counted twice for that.
#[test]
fn packets_that_came_alike_are_all_counted() {
    let (mut receiving, mut reporter) = Receiving::new();
    let arrivals = [
        // Two packets of a receive, one with other due times between, another line, another receive.
        (Provenance::A, [10, 10], 500),
        (Provenance::A, [10, 10], 500),
        (Provenance::A, [10, 20], 500),
        (Provenance::A, [10, 10], 500),
        (Provenance::B, [10, 10], 500),
        (Provenance::B, [10, 10], 700),
    ];
    for (provenance, due, read) in arrivals {
        let ticks = due.map(|due| tick(1).with_ts_due(due));
        let stamps = Stamps {
            sent: 100,
            kernel: 300,
            read,
            push: read + 50,
            pop: 0,
        };
        receiving.passed_on(&ticks, provenance, stamps);
    }
    drop(receiving);
    let mut histograms = Histograms::new(&[]);
    assert!(reporter.collect(&mut histograms));
    let counts = |stage, of, ns: &[u64]| {
        let histogram = histograms.part(stage, of).unwrap().histogram();
        let counts: Vec<u64> = ns.iter().map(|&ns| histogram.count_at(ns)).collect();
        assert_eq!(
            counts.iter().sum::<u64>(),
            histogram.len(),
            "{stage} of {of}"
        );
        counts
    };
    for (of, publish, kernel) in [(Brought::A, [7, 1], [8, 0]), (Brought::B, [4, 0], [2, 2])] {
        let all = kernel.iter().sum::<u64>();
        assert_eq!(counts(Stage::Publish, of, &[90, 80]), publish);
        assert_eq!(counts(Stage::Network, of, &[200]), [all]);
        assert_eq!(counts(Stage::Kernel, of, &[200, 400]), kernel);
        assert_eq!(counts(Stage::Handle, of, &[50]), [all]);
    }
}

/// A publisher that stands still sends nothing meanwhile; what it should have sent is late, and
/// that is seen. So is that it was the machine's doing, if a meter saw it.
#[test]
fn a_publisher_that_stops_shows_in_the_response_time() {
    let stop = 50 * MS;
    let (begins, ends) = (due(8_000), due(8_000) + stop);
    let board = StallBoard::new();
    let mut send_loop = board.meter("tc-send", None);
    let mut path = Path::new(0, Some(board.clone()));
    send_loop.look(begins, || begins);
    for seq in 1..=TICKS {
        let sent = if (begins..ends).contains(&due(seq)) {
            send_loop.look(ends, || ends);
            ends
        } else {
            due(seq)
        };
        path.bring(seq, [sent, sent + 2 * US, sent + 3 * US]);
    }
    let histograms = path.latencies();
    let expected = stop / PERIOD;
    for stage in [Stage::Publish, Stage::Total, Stage::Stalled] {
        // Those that were due at its very end waited for less than a period.
        let late = longer(&histograms, stage, PERIOD);
        assert!(late.abs_diff(expected) <= expected / 20, "{stage}: {late}");
        let max = histograms
            .part(stage, Brought::A)
            .unwrap()
            .histogram()
            .max();
        assert!(max.abs_diff(stop) <= stop / 20, "{stage}: {max}");
    }
    // Service time, from when it was sent, says nothing of it.
    assert_eq!(longer(&histograms, Stage::Service, 10 * US), 0);
    let total = histograms.sum(Stage::Total).unwrap().histogram().clone();
    let mut calm = total.clone();
    calm.subtract(histograms.sum(Stage::Stalled).unwrap().histogram())
        .unwrap();
    assert!(calm.max() < 10 * US);
    let mut log = StallLog::default();
    board.collect(&mut log);
    assert_eq!(log.threads[0].lengths.histogram().len(), 1);
    assert_eq!(log.longest_ns(begins, ends), Some(stop));
}

/// Time that passes while the receive thread looks for work is the machine's, time in which it does
/// work its own.
#[test]
fn the_receive_thread_is_its_own_meter() {
    let board = StallBoard::new();
    let mut path = Path::new(MS, Some(board.clone()));
    let (mut log, mut at) = (StallLog::default(), BEGIN + MS);
    let mut seen = |board: &StallBoard| {
        board.collect(&mut log);
        let lengths = log.threads[0].lengths.histogram();
        (lengths.len(), log.threads[0].stalled_ns)
    };
    let mut idle = |path: &mut Path, ns: u64| {
        at += ns;
        clock::set(at);
        path.subscriber.idle();
        at
    };
    idle(&mut path, 0);
    idle(&mut path, US);
    assert_eq!(seen(&board), (0, 0));
    // It finds nothing, after a while.
    let end = idle(&mut path, 3 * MS);
    assert_eq!(seen(&board), (1, 3 * MS));
    assert_eq!(board.latest_end_ns(), end);
    // It finds a packet, after a while.
    path.bring(1, [end, end, end + 2 * MS]);
    assert_eq!(seen(&board), (2, 5 * MS));
    // The strategy takes a millisecond for one tick: its own doing.
    for seq in 2..=1_000 {
        path.bring(seq, [end, end, end + 2 * MS + 2 * seq * US]);
    }
    assert_eq!(seen(&board), (2, 5 * MS));
}

/// Held and retransmitted ticks have their whole wait in `total`, under what brought them; rows of
/// state have an age, which is in no sum.
#[test]
fn every_tick_is_measured_under_what_brought_it() {
    let (mut measuring, mut reporter) = Measuring::new(&Wanted::default(), true);
    let known = Stamps {
        sent: due(1) + US,
        push: due(1) + MS,
        pop: due(1) + MS,
        ..Stamps::default()
    };
    let unknown = Stamps { sent: 0, ..known };
    for (provenance, held, stamps) in [
        (Provenance::A, false, known),
        (Provenance::B, true, unknown),
        (Provenance::Retransmit, true, unknown),
        (Provenance::Snapshot, true, unknown),
        (Provenance::Conflated, true, unknown),
    ] {
        let origin = Origin {
            session: 1,
            provenance,
            held,
            stamps,
        };
        measuring.before(&[tick(1)], &origin);
        measuring.after(&[tick(1)], &origin);
    }
    drop(measuring);
    let mut histograms = Histograms::new(&[]);
    reporter.collect(&mut histograms);
    let of = |stage| -> Vec<Brought> {
        let parts = histograms.parts(stage).filter(|(_, part)| !part.is_empty());
        parts.map(|(of, _)| of).collect()
    };
    assert_eq!(of(Stage::Total), Brought::ALL);
    assert_eq!(of(Stage::Service), [Brought::A]);
    assert_eq!(histograms.sum(Stage::Total).unwrap().histogram().len(), 4);
    let slowest = histograms.slowest();
    let brought: Vec<_> = slowest.iter().map(|way| way.provenance).collect();
    assert!(!brought.contains(&Brought::Snapshot) && brought.len() == 4);
    let legs = slowest.iter().map(|way| way.waterfall().len());
    assert_eq!(
        legs.max(),
        Some(2),
        "publish and queue: the other stamps are not known"
    );
}

/// Ticks that come together are due at once or one after the other, rows of state in no order.
#[test]
fn each_tick_counts_from_when_it_was_due() {
    let (a, snapshot) = (Provenance::A, Provenance::Snapshot);
    for (provenance, due_ms) in [
        (a, [1, 1, 1]),
        (a, [1, 1, 2]),
        (a, [1, 2, 3]),
        (snapshot, [1, 2, 1]),
    ] {
        let (mut measuring, mut reporter) = Measuring::new(&Wanted::default(), true);
        let ticks = due_ms.map(|ms| tick(1).with_ts_due(BEGIN + ms * MS));
        let origin = Origin {
            session: 1,
            provenance,
            held: false,
            stamps: Stamps {
                pop: BEGIN + 10 * MS,
                ..Stamps::default()
            },
        };
        measuring.before(&ticks, &origin);
        measuring.after(&ticks, &origin);
        drop(measuring);
        let mut histograms = Histograms::new(&[]);
        reporter.collect(&mut histograms);
        let total = histograms.part(Stage::Total, measured_as(provenance));
        let total = total.unwrap().histogram();
        assert_eq!(total.len(), 3);
        for ms in due_ms {
            let as_many = due_ms.iter().filter(|due| **due == ms).count() as u64;
            assert_eq!(total.count_at((10 - ms) * MS), as_many, "{due_ms:?}");
        }
    }
}

/// A strategy's thread looks at the clock now and then, and by the stamps of what it takes.
#[test]
fn the_thread_of_a_strategy_is_its_own_meter() {
    let board = StallBoard::new();
    let mut looks = Looks::new(board.meter("tc-strategy", None));
    let mut log = StallLog::default();
    let mut seen = || {
        board.collect(&mut log);
        let stalls = &log.threads[0];
        (stalls.lengths.histogram().len(), stalls.stalled_ns)
    };
    let origin = |pop| Origin {
        session: 1,
        provenance: Provenance::A,
        held: false,
        stamps: Stamps {
            pop,
            ..Stamps::default()
        },
    };
    clock::set(BEGIN);
    looks.see(None);
    clock::pass(MS);
    for _ in 1..ROUNDS_PER_LOOK {
        looks.see(None);
    }
    assert_eq!(seen(), (0, 0), "it has not looked again");
    looks.see(None);
    assert_eq!(seen(), (1, MS));
    let pop = BEGIN + 3 * MS;
    looks.see(Some(&Event::Ticks(&[], origin(pop))));
    assert_eq!(seen(), (2, 3 * MS));
    // What it does with them takes its own time.
    looks.see(Some(&Event::Ticks(&[], origin(pop + 5 * MS))));
    looks.see(Some(&Event::Snapshot { as_of: 1 }));
    clock::set(pop + 20 * MS);
    looks.see(None);
    assert_eq!(seen(), (2, 3 * MS));
}
