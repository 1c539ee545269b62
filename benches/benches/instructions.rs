//! Instructions of the hot functions, each beside its budget.
//!
//! `cargo bench --bench instructions`: each case runs under valgrind's callgrind twice, the second
//! time with twice the rounds; the difference has no start and no set-up in it. Counts do not depend
//! on what else the machine does, so that a case above its budget is a regression. Needs valgrind,
//! which shows programs a processor with AVX2 and without AVX-512.

use std::env;
use std::hint::black_box;
use std::process::{Command, ExitCode};

use tickcast_benches::{Bound, Figure, Shuffled, write_itch};
use tickcast_latency::{EXEMPLARS, LONGEST_NS, Stage, stages};
use tickcast_net::Datagrams;
use tickcast_net::clock::realtime_ns;
use tickcast_protocol::{
    Alarm, Arbiter, ArbiterConfig, Batch, Image, Line, Loss, Provenance, Responder,
    ResponderLimits, Sequencer, Sink, Start, TICKS_PER_BATCH,
};
use tickcast_queue::{chunk, ring};
use tickcast_subscriber::{HandFed, Origin, Strategy};
use tickcast_tickfile::{Synthetic, SyntheticConfig, open};
use tickcast_wire::{Digest, Packet, PreviousSession, TICKS_PER_PACKET, Tick};

/// Packets of a round, and rounds of the shorter run.
const PACKETS: usize = 256;
const ROUNDS: usize = 4;

/// What is counted: its name, what one of it is, how many of them a round has, the most
/// instructions of one, and a round after the set-up.
struct Case {
    name: &'static str,
    unit: &'static str,
    units: usize,
    budget: f64,
    start: fn() -> Box<dyn FnMut()>,
}

const TICKS: usize = PACKETS * TICKS_PER_PACKET;

/// Full batches of a round.
const BATCHES: usize = 8;
const BATCH_TICKS: usize = BATCHES * TICKS_PER_BATCH;

const CASES: &[Case] = &[
    Case {
        name: "parse a full packet, checksum included",
        unit: "tick",
        units: TICKS,
        budget: 15.6,
        start: parse,
    },
    Case {
        name: "parse and arbitrate both lines, full packets",
        unit: "tick taken in",
        units: 2 * TICKS,
        budget: 24.0,
        start: arbitrate,
    },
    Case {
        name: "parse and arbitrate both lines, packets of one tick",
        unit: "packet",
        units: 2 * PACKETS,
        budget: 319.0,
        start: arbitrate_single,
    },
    Case {
        name: "receive step of both lines to an inline strategy, full packets",
        unit: "tick delivered",
        units: TICKS,
        budget: 101.5,
        start: receive,
    },
    Case {
        name: "receive step of both lines to an inline strategy, packets of one tick",
        unit: "tick delivered",
        units: PACKETS,
        budget: 1760.0,
        start: receive_single,
    },
    Case {
        name: "fill a packet: seq, due time, checksum, digest",
        unit: "tick",
        units: TICKS,
        budget: 82.4,
        start: fill,
    },
    Case {
        name: "digest",
        unit: "tick",
        units: TICKS,
        budget: 46.4,
        start: digest,
    },
    Case {
        name: "queue, a packet at a time: publish and read",
        unit: "tick",
        units: TICKS,
        budget: 59.8,
        start: queue_by_packets,
    },
    Case {
        name: "send loop, full batches: fill, stamp, hand over",
        unit: "tick",
        units: BATCH_TICKS,
        budget: 84.8,
        start: send_batches,
    },
    Case {
        name: "recovery server: a chunk of full batches into store and image",
        unit: "tick",
        units: BATCH_TICKS,
        budget: 35.9,
        start: serve_batches,
    },
    Case {
        name: "record a latency",
        unit: "sample",
        units: TICKS,
        budget: 15.3,
        start: record,
    },
    Case {
        name: "image of the latest state",
        unit: "tick",
        units: TICKS,
        budget: 36.8,
        start: image,
    },
    Case {
        name: "ITCH message decoded",
        unit: "message",
        units: MESSAGES,
        budget: 62.2,
        start: decode_itch,
    },
    Case {
        name: "ITCH message to ticks with the book",
        unit: "message",
        units: MESSAGES,
        budget: 409.0,
        start: itch_to_ticks,
    },
];

/// ITCH messages of a round.
const MESSAGES: usize = 100_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["case", at, rounds] => {
            let number = |word: &str| word.parse::<usize>().expect("a number");
            run(&CASES[number(at)], number(rounds));
            ExitCode::SUCCESS
        }
        _ if arguments.iter().any(|argument| argument == "--test") => {
            CASES.iter().for_each(|case| run(case, 1));
            ExitCode::SUCCESS
        }
        _ => check(),
    }
}

fn run(case: &Case, rounds: usize) {
    let mut round = (case.start)();
    (0..rounds).for_each(|_| round());
}

/// Prints each count; fails when one is above its budget.
fn check() -> ExitCode {
    let mut outcome = ExitCode::SUCCESS;
    for (at, case) in CASES.iter().enumerate() {
        let counts = [ROUNDS, 2 * ROUNDS].map(|rounds| count(at, rounds));
        let [Ok(shorter), Ok(longer)] = counts else {
            let why = counts.into_iter().find_map(Result::err).unwrap_or_default();
            eprintln!("{}: {why}", case.name);
            return ExitCode::FAILURE;
        };
        let each = (longer - shorter) as f64 / (ROUNDS * case.units) as f64;
        if each > case.budget {
            outcome = ExitCode::FAILURE;
        }
        Figure {
            what: &format!("{}, a {}", case.name, case.unit),
            ours: &[each],
            unit: "instructions",
            against: None,
            bound: Some(Bound::AtMost(case.budget)),
        }
        .print();
    }
    outcome
}

/// The instructions of a process that runs the case.
fn count(case: usize, rounds: usize) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["case", &case.to_string(), &rounds.to_string()])
        .output()
        .map_err(|error| format!("cannot run valgrind, install it: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let counted = said
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    counted
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("valgrind failed:\n{said}"))
}

/// So many packets of a synthetic market, with so many ticks each, as they would be sent at the times
/// that `at` gives for their places.
fn packets(count: usize, ticks_each: usize, at: impl Fn(usize) -> u64) -> Vec<Vec<u8>> {
    let ticks: Vec<Tick> = market(count * ticks_each);
    let mut sequencer = Sequencer::new(1, 0, None);
    let mut batch = Batch::new();
    let pack = |(place, ticks): (usize, &[Tick])| {
        sequencer.fill(ticks, |_| Some(at(place)), &mut batch);
        batch.stamp(at(place));
        batch.bytes().to_vec()
    };
    ticks.chunks(ticks_each).enumerate().map(pack).collect()
}

fn market(ticks: usize) -> Vec<Tick> {
    Synthetic::new(SyntheticConfig::default())
        .take(ticks)
        .collect()
}

fn parse() -> Box<dyn FnMut()> {
    let packets = packets(PACKETS, TICKS_PER_PACKET, |_| 1);
    Box::new(move || {
        for bytes in &packets {
            black_box(Packet::parse(black_box(bytes)).expect("a valid packet"));
        }
    })
}

fn arbitrate() -> Box<dyn FnMut()> {
    arbitrate_packets(packets(PACKETS, TICKS_PER_PACKET, |_| 1))
}

fn arbitrate_single() -> Box<dyn FnMut()> {
    arbitrate_packets(packets(PACKETS, 1, |_| 1))
}

/// Both lines, none lost, from a new arbiter on: what making it costs is left out with the set-up
/// when it is the same for each round.
fn arbitrate_packets(packets: Vec<Vec<u8>>) -> Box<dyn FnMut()> {
    let config = ArbiterConfig {
        start: Start::Seq(1),
        hold_ticks: 64,
        ..Default::default()
    };
    Box::new(move || {
        let mut arbiter = Arbiter::new(config);
        let mut sink = Discard(0);
        for packet in &packets {
            arbiter.handle_datagram(Line::A, packet, 1, &mut sink);
            arbiter.handle_datagram(Line::B, packet, 1, &mut sink);
        }
        assert_eq!(arbiter.counters().delivered, black_box(sink.0));
    })
}

/// Takes the ticks and does nothing with them.
struct Discard(u64);

impl Sink for Discard {
    fn session(&mut self, _: u64, _: u64, _: Option<PreviousSession>) {}
    fn ticks(&mut self, ticks: &[Tick], _: Provenance, _: bool) {
        self.0 += ticks.len() as u64;
    }
    fn lost(&mut self, _: &Loss) {}
    fn snapshot(&mut self, _: u64) {}
    fn end_of_session(&mut self, _: u64, _: u64) {}
    fn alarm(&mut self, _: Alarm) {}
}

fn receive() -> Box<dyn FnMut()> {
    receive_packets(TICKS_PER_PACKET)
}

fn receive_single() -> Box<dyn FnMut()> {
    receive_packets(1)
}

/// All that the receive thread does but for its system calls: stamps, recording and the strategy's
/// call are part of it. All packets that rounds take are there from the start. The first are the
/// slowest: later ones need not be put among them, as in a long run.
fn receive_packets(ticks_each: usize) -> Box<dyn FnMut()> {
    let begins = realtime_ns();
    let at = |place| begins - u64::from(place < EXEMPLARS) * LONGEST_NS;
    let packets = packets(EXEMPLARS + 2 * ROUNDS * PACKETS, ticks_each, at);
    let config = ArbiterConfig {
        start: Start::Seq(1),
        ..Default::default()
    };
    let mut subscriber = HandFed::new(config, Count(0));
    let mut bring = move |packet: &[u8]| {
        let datagrams = Datagrams {
            bytes: packet,
            segment: packet.len(),
            source: ([127, 0, 0, 1], 1).into(),
            ts_kernel: Some(begins),
            dropped: 0,
            truncated: false,
        };
        subscriber.take(Line::A, &datagrams);
        subscriber.take(Line::B, &datagrams);
    };
    let mut packets = packets.into_iter();
    for packet in packets.by_ref().take(EXEMPLARS) {
        bring(&packet);
    }
    Box::new(move || {
        for packet in packets.by_ref().take(PACKETS) {
            bring(&packet);
        }
    })
}

/// Counts the ticks it is given.
struct Count(u64);

impl Strategy for Count {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        self.on_ticks(std::slice::from_ref(tick), origin);
    }

    fn on_ticks(&mut self, ticks: &[Tick], _origin: &Origin) {
        self.0 += black_box(ticks).len() as u64;
    }
}

fn fill() -> Box<dyn FnMut()> {
    let ticks = market(TICKS);
    let mut sequencer = Sequencer::new(1, 0, None);
    let mut batch = Batch::new();
    Box::new(move || {
        for ticks in ticks.chunks(TICKS_PER_PACKET) {
            sequencer.fill(black_box(ticks), |_| Some(1), &mut batch);
            batch.stamp(1);
            black_box(batch.bytes());
        }
    })
}

fn digest() -> Box<dyn FnMut()> {
    let ticks = market(TICKS);
    let mut digest = Digest::default();
    Box::new(move || {
        for ticks in ticks.chunks(TICKS_PER_PACKET) {
            digest.update_all(black_box(ticks));
        }
    })
}

fn queue_by_packets() -> Box<dyn FnMut()> {
    let ticks = market(TICKS);
    let (mut producer, ring) = ring(1 << 12);
    let mut reader = ring.reader();
    let mut lines = [[0; 8]; TICKS_PER_PACKET];
    Box::new(move || {
        for ticks in ticks.chunks_exact(TICKS_PER_PACKET) {
            let rest = ticks[1..].iter().map(|tick| tick.to_words());
            producer.publish(&ticks[0].to_words(), rest);
            let count = reader.read(&mut lines).expect("not lapped");
            assert_eq!(count, black_box(&lines).len());
        }
    })
}

/// What the send loop does for full batches, but for sockets and clocks.
fn send_batches() -> Box<dyn FnMut()> {
    let ticks = market(BATCH_TICKS);
    let mut kept = chunk(BATCH_TICKS, ticks[0]);
    let mut sequencer = Sequencer::new(1, 0, None);
    let mut batch = Batch::new();
    Box::new(move || {
        assert!(kept.clear());
        for ticks in ticks.chunks_exact(TICKS_PER_BATCH) {
            sequencer.fill(black_box(ticks), |_| Some(1), &mut batch);
            batch.stamp(1);
            black_box(batch.bytes());
            kept.append(batch.packets(), sequencer.digest().value());
        }
    })
}

/// What the recovery server does while nobody asks: a chunk a round.
fn serve_batches() -> Box<dyn FnMut()> {
    let mut sequencer = Sequencer::new(1, 0, None);
    let mut batch = Batch::new();
    let ticks = market(2 * ROUNDS * BATCH_TICKS);
    let chunks = ticks.chunks_exact(BATCH_TICKS).map(|ticks| {
        let mut kept = chunk(BATCH_TICKS, ticks[0]);
        for ticks in ticks.chunks_exact(TICKS_PER_BATCH) {
            sequencer.fill(ticks, |_| Some(1), &mut batch);
            kept.append(batch.packets(), sequencer.digest().value());
        }
        kept.reader()
    });
    let mut chunks = chunks.collect::<Vec<_>>().into_iter();
    let mut responder = Responder::new(1, 0, None, ResponderLimits::default());
    Box::new(move || {
        let chunk = chunks.next().expect("one a round");
        let digest = Digest::from_value(chunk.filled().1);
        responder.begin(chunk);
        assert_eq!(responder.take_in(BATCH_TICKS, digest), Ok(BATCH_TICKS));
    })
}

fn record() -> Box<dyn FnMut()> {
    let (mut recorder, reporter) = stages(&[Stage::Total]);
    Box::new(move || {
        let _ = &reporter;
        for sample in 0..TICKS as u64 {
            let total = (Stage::Total, tickcast_latency::Provenance::A);
            recorder.record(total, 1_000, 1_000 + sample % 65_537, 1);
        }
    })
}

fn image() -> Box<dyn FnMut()> {
    let ticks = market(TICKS);
    let mut image = Image::new(65_536);
    Box::new(move || {
        for tick in &ticks {
            image.apply(black_box(tick));
        }
    })
}

fn decode_itch() -> Box<dyn FnMut()> {
    let messages = Shuffled::new(MESSAGES);
    Box::new(move || {
        assert_eq!(messages.decode(), MESSAGES as u64);
    })
}

/// A file from its beginning to its end, with empty books at first.
fn itch_to_ticks() -> Box<dyn FnMut()> {
    let folder = tempfile::tempdir().expect("a folder for the file");
    let path = folder.path().join("messages.itch");
    write_itch(&path, MESSAGES as u64);
    Box::new(move || {
        let _ = &folder;
        let ticks = open(&path).expect("a readable file");
        let count = ticks.filter(Result::is_ok).count();
        assert_ne!(black_box(count), 0);
    })
}
