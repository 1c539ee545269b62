//! Packets: parsed, summed up, arbitrated. All in memory, a full packet of 21 ticks an iteration.

use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use tickcast_benches::{Bound, Figure, in_turns, is_instant, ns_each, packets};
use tickcast_protocol::{
    Alarm, Arbiter, ArbiterConfig, Checkpoint, Image, Line, Loss, PACKET_BYTES, PACKETS_PER_BATCH,
    Provenance, Sink, Start, Verdict, Verifier,
};
use tickcast_wire::{Digest, Packet, PreviousSession, TICKS_PER_PACKET, Tick, TickSum};
use zerocopy::IntoBytes;

/// Where a header has the digest.
const DIGEST: Range<usize> = 40..48;
/// Packets in a round: more than the branch predictor learns by heart.
const PACKETS: usize = 4_096;

fn parse(c: &mut Criterion) {
    let packets = packets(PACKETS, TICKS_PER_PACKET);
    let mut group = c.benchmark_group("packet");
    group.throughput(Throughput::Elements(TICKS_PER_PACKET as u64));
    let mut next = (0..PACKETS).cycle();
    group.bench_function("parse and iterate", |b| {
        b.iter(|| {
            let bytes = &packets[next.next().unwrap_or(0)];
            let packet = Packet::parse(black_box(bytes)).expect("a valid packet");
            packet
                .ticks()
                .iter()
                .fold(0u64, |sum, tick| sum.wrapping_add(tick.ts_event()))
        });
    });
    group.bench_function("sum of the ticks", |b| {
        let packet = Packet::parse(&packets[7]).expect("a valid packet");
        b.iter(|| TickSum::of(black_box(packet.ticks())));
    });
    group.bench_function("digest", |b| {
        let packet = Packet::parse(&packets[7]).expect("a valid packet");
        let mut digest = Digest::default();
        b.iter(|| digest.update_all(black_box(packet.ticks())));
    });
    group.bench_function("image", |b| {
        let mut image = Image::new(65_536);
        b.iter(|| {
            let bytes = &packets[next.next().unwrap_or(0)];
            let packet = Packet::parse(black_box(bytes)).expect("a valid packet");
            for tick in packet.ticks() {
                image.apply(tick);
            }
        });
    });
    group.finish();
}

/// The same packets from a publisher that computes no digest.
fn without_digests(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let without = |bytes: &Vec<u8>| {
        let packet = Packet::parse(bytes).expect("a valid packet");
        let mut header = *packet.header();
        header.as_mut_bytes()[DIGEST].fill(0);
        let checksum = header.checksum(TickSum::of(packet.ticks()));
        [header.as_bytes(), packet.ticks().as_bytes(), &checksum].concat()
    };
    packets.iter().map(without).collect()
}

/// Takes the ticks and does nothing with them.
struct Discard(u64);

/// Proves the stream in the receive thread itself, as an inline strategy may.
#[derive(Default)]
struct Prove(Verifier);

impl Sink for Prove {
    fn session(&mut self, session: u64, first_seq: u64, _: Option<PreviousSession>) {
        self.0.start(session, first_seq);
    }
    fn ticks(&mut self, ticks: &[Tick], _: Provenance, _: bool) {
        self.0.take(ticks);
    }
    fn lost(&mut self, loss: &Loss) {
        self.0.lose(loss);
    }
    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        assert_eq!(self.0.check(checkpoint), Verdict::Agrees);
    }
    fn snapshot(&mut self, _: u64) {}
    fn end_of_session(&mut self, _: u64, _: u64) {}
    fn alarm(&mut self, _: Alarm) {}
}

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

/// All packets on both lines.
fn both_lines<S: Sink>(mut arbiter: Arbiter, packets: &[Vec<u8>], mut sink: S) -> (Arbiter, S) {
    for packet in packets {
        arbiter.handle_datagram(Line::A, packet, 1, &mut sink);
        arbiter.handle_datagram(Line::B, packet, 1, &mut sink);
    }
    (arbiter, sink)
}

fn arbiter() -> Arbiter {
    Arbiter::new(ArbiterConfig {
        start: Start::Seq(1),
        ..Default::default()
    })
}

fn arbitrate(c: &mut Criterion) {
    let packets = packets(PACKETS, TICKS_PER_PACKET);
    let untold = without_digests(&packets);
    let mut group = c.benchmark_group("arbitrate");
    group.throughput(Throughput::Elements((PACKETS * TICKS_PER_PACKET) as u64));
    group.bench_function("both lines, none lost", |b| {
        b.iter_batched(
            arbiter,
            |arbiter| both_lines(arbiter, &packets, Discard(0)),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("the same without digests, so without checkpoints", |b| {
        b.iter_batched(
            arbiter,
            |arbiter| both_lines(arbiter, &untold, Discard(0)),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("the same, proved in the receive thread", |b| {
        b.iter_batched(
            arbiter,
            |arbiter| both_lines(arbiter, &packets, Prove::default()),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("every tenth packet lost on line A", |b| {
        b.iter_batched(
            arbiter,
            |mut arbiter| {
                let mut sink = Discard(0);
                for batch in packets.chunks(46) {
                    for (at, packet) in batch.iter().enumerate() {
                        if at % 10 != 9 {
                            arbiter.handle_datagram(Line::A, packet, 1, &mut sink);
                        }
                    }
                    for packet in batch {
                        arbiter.handle_datagram(Line::B, packet, 1, &mut sink);
                    }
                }
                (arbiter, sink.0)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// What the receive thread does to a packet but for stamps, queue and strategy.
fn figures(turns: usize) {
    let packets = packets(PACKETS, TICKS_PER_PACKET);
    let untold = without_digests(&packets);
    let ticks = (PACKETS * TICKS_PER_PACKET) as u64;
    let both = |packets: &[Vec<u8>]| {
        let (arbiter, mut done) = (arbiter(), None);
        let ns = ns_each(ticks, || {
            done = Some(both_lines(arbiter, packets, Discard(0)));
        });
        assert_eq!(done.map(|(_, sink)| sink.0), Some(ticks));
        ns
    };
    let mut digest = Digest::default();
    let runs = in_turns(turns, 5, |way| match way {
        0 => ns_each(ticks, || {
            for bytes in &packets {
                black_box(Packet::parse(black_box(bytes)).expect("a valid packet"));
            }
        }),
        1 => both(&packets),
        2 => both(&untold),
        3 => just_received(&packets) / (2 * ticks) as f64,
        _ => ns_each(ticks, || {
            for bytes in &packets {
                digest.update_all(Packet::parse(bytes).expect("a valid packet").ticks());
            }
            black_box(&mut digest);
        }),
    });
    let a_tick_taken_in: Vec<f64> = runs[1].iter().map(|both| both / 2.0).collect();
    let bound = Some(Bound::AtMost(2.0));
    print("parse, checksum included", &runs[0], "ns a tick", None);
    print(
        "parse, gap check and A/B arbitration of both lines",
        &runs[1],
        "ns a tick delivered",
        bound,
    );
    print(
        "the same, each copy counted",
        &a_tick_taken_in,
        "ns a tick taken in",
        None,
    );
    print(
        "the same without checkpoints, both lines",
        &runs[2],
        "ns a tick delivered",
        None,
    );
    print(
        "the same, each copy counted, just received: in the cache",
        &runs[3],
        "ns a tick taken in",
        None,
    );
    print("parse and digest", &runs[4], "ns a tick", None);
}

/// The time in ns that both lines take when each batch lies where the kernel has just copied it to: in
/// the receive buffer, and so in the cache. What copying takes is not in it.
fn just_received(packets: &[Vec<u8>]) -> f64 {
    let (mut arbiter, mut sink) = (arbiter(), Discard(0));
    let (mut buffer, mut took) = (Vec::new(), Duration::ZERO);
    for batch in packets.chunks(PACKETS_PER_BATCH) {
        for line in [Line::A, Line::B] {
            buffer.clear();
            batch
                .iter()
                .for_each(|packet| buffer.extend_from_slice(packet));
            let begins = Instant::now();
            for packet in buffer.chunks_exact(PACKET_BYTES) {
                arbiter.handle_datagram(line, packet, 1, &mut sink);
            }
            took += begins.elapsed();
        }
    }
    assert_eq!(sink.0, (packets.len() * TICKS_PER_PACKET) as u64);
    took.as_nanos() as f64
}

fn print(what: &str, ours: &[f64], unit: &str, bound: Option<Bound>) {
    Figure {
        what,
        ours,
        unit,
        against: None,
        bound,
    }
    .print();
}

criterion_group!(benches, parse, arbitrate);

fn main() {
    benches();
    figures(if is_instant() { 1 } else { 200 });
}
