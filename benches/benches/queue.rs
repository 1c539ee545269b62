//! The broadcast ring beside crossbeam's ArrayQueue and the cache-line hop both stand on.
//!
//! `cargo bench --bench queue`. Every case runs two threads on two cores; each case is lossless,
//! so the ring's producer waits for its reader here, which it never does in a feed.

use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use criterion::{Criterion, Throughput, criterion_group};
use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use tickcast_queue::{Cursor, Line, Producer, Reader, ring};

const CAPACITY: usize = 4096;
const TICKS_PER_PACKET: u64 = 21;

/// Runs `near` and `far` on a core each and returns how long `near` took. They are given cores
/// only when there are two.
fn on_two_cores<N, F>(cores: &[CoreId], near: N, far: F) -> Duration
where
    N: FnOnce() + Send,
    F: FnOnce() + Send,
{
    let pin = |index: usize| {
        if let (Some(core), true) = (cores.get(index), cores.len() > 1) {
            core_affinity::set_for_current(*core);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(1);
            far();
        });
        let timed = scope.spawn(|| {
            pin(0);
            let start = Instant::now();
            near();
            start.elapsed()
        });
        timed
            .join()
            .expect("the timed side of a bench does not panic")
    })
}

/// Spins until `ready`, yielding now and then for the sake of machines with one core.
fn spin_until(mut ready: impl FnMut() -> bool) {
    let mut spins = 0u32;
    while !ready() {
        spins = spins.wrapping_add(1);
        if spins.is_multiple_of(1 << 16) {
            thread::yield_now();
        } else {
            hint::spin_loop();
        }
    }
}

/// One way of a ping-pong on one cache line each way: the floor.
fn raw_hop(cores: &[CoreId], hops: u64) -> Duration {
    let there = CachePadded::new(AtomicU64::new(0));
    let back = CachePadded::new(AtomicU64::new(0));
    let near = || {
        for round in 1..=hops / 2 {
            there.store(round, Ordering::Release);
            spin_until(|| back.load(Ordering::Acquire) == round);
        }
    };
    let far = || {
        for round in 1..=hops / 2 {
            spin_until(|| there.load(Ordering::Acquire) == round);
            back.store(round, Ordering::Release);
        }
    };
    on_two_cores(cores, near, far)
}

fn ring_hop(cores: &[CoreId], hops: u64) -> Duration {
    let (mut there, there_ring) = ring(CAPACITY);
    let (mut back, back_ring) = ring(CAPACITY);
    let (mut from_there, mut from_back) = (there_ring.reader(), back_ring.reader());
    let near = move || {
        let mut out = [Line::default()];
        for round in 1..=hops / 2 {
            there.publish(&[round; 8], []);
            spin_until(|| from_back.read(&mut out) == Ok(1));
            assert_eq!(out[0][7], round);
        }
    };
    let far = move || {
        let mut out = [Line::default()];
        for _ in 1..=hops / 2 {
            spin_until(|| from_there.read(&mut out) == Ok(1));
            back.publish(&out[0], []);
        }
    };
    on_two_cores(cores, near, far)
}

fn array_queue_hop(cores: &[CoreId], hops: u64) -> Duration {
    let there = ArrayQueue::<Line>::new(CAPACITY);
    let back = ArrayQueue::<Line>::new(CAPACITY);
    let near = || {
        for round in 1..=hops / 2 {
            there
                .push([round; 8])
                .expect("a ping-pong never fills a queue");
            let mut got = None;
            spin_until(|| {
                got = back.pop();
                got.is_some()
            });
            assert_eq!(got.map(|line| line[7]), Some(round));
        }
    };
    let far = || {
        for _ in 1..=hops / 2 {
            let mut got = None;
            spin_until(|| {
                got = there.pop();
                got.is_some()
            });
            back.push(got.unwrap_or_default())
                .expect("a ping-pong never fills a queue");
        }
    };
    on_two_cores(cores, near, far)
}

/// Publishes `lines` in batches, never more than the reader behind `cursor` has room for.
fn publish_all(producer: &mut Producer, cursor: &Cursor, lines: u64, batch: u64) {
    let mut room = CAPACITY as u64;
    while producer.position() < lines {
        if room < batch {
            spin_until(|| {
                room = producer.room(cursor) as u64;
                room >= batch
            });
        }
        let start = producer.position();
        let rest = (batch.min(lines - start) - 1) as u32;
        producer.publish(
            &[start; 8],
            (0..rest).map(|n| [start + 1 + u64::from(n); 8]),
        );
        room -= u64::from(rest) + 1;
    }
}

/// Reads until the end and checks that every line came.
fn read_all(reader: &mut Reader, lines: u64) {
    let mut out = [Line::default(); 64];
    let mut sum = 0u64;
    while reader.position() < lines {
        let count = reader
            .read(&mut out)
            .expect("the producer waits for this reader");
        if count == 0 {
            hint::spin_loop();
        }
        sum = out[..count]
            .iter()
            .fold(sum, |sum, line| sum.wrapping_add(line[0] ^ line[7]));
    }
    assert_eq!(sum, 0, "both ends of every line are equal");
}

fn ring_stream(cores: &[CoreId], lines: u64, batch: u64) -> Duration {
    let (mut producer, ring) = ring(CAPACITY);
    let mut reader = ring.reader();
    let cursor = reader.cursor();
    on_two_cores(
        cores,
        move || read_all(&mut reader, lines),
        move || publish_all(&mut producer, &cursor, lines, batch),
    )
}

fn array_queue_stream(cores: &[CoreId], lines: u64) -> Duration {
    let queue = Arc::new(ArrayQueue::<Line>::new(CAPACITY));
    let consumer = || {
        let (mut read, mut sum) = (0, 0u64);
        while read < lines {
            match queue.pop() {
                Some(line) => {
                    sum = sum.wrapping_add(line[0] ^ line[7]);
                    read += 1;
                }
                None => hint::spin_loop(),
            }
        }
        assert_eq!(sum, 0, "both ends of every line are equal");
    };
    let producer = || {
        for position in 0..lines {
            spin_until(|| queue.push([position; 8]).is_ok());
        }
    };
    on_two_cores(cores, consumer, producer)
}

fn hop(criterion: &mut Criterion) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let mut group = criterion.benchmark_group("hop");
    // An iteration is a round trip, two hops; throughput makes criterion show hops.
    group.throughput(Throughput::Elements(2));
    group.bench_function("cache_line", |b| {
        b.iter_custom(|trips| raw_hop(&cores, trips * 2));
    });
    group.bench_function("ring", |b| {
        b.iter_custom(|trips| ring_hop(&cores, trips * 2));
    });
    group.bench_function("array_queue", |b| {
        b.iter_custom(|trips| array_queue_hop(&cores, trips * 2));
    });
    group.finish();
}

fn stream(criterion: &mut Criterion) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let mut group = criterion.benchmark_group("stream");
    // An iteration is a packet of 21 lines in every case.
    group.throughput(Throughput::Elements(TICKS_PER_PACKET));
    group.bench_function("ring_by_packets", |b| {
        b.iter_custom(|packets| ring_stream(&cores, packets * TICKS_PER_PACKET, TICKS_PER_PACKET));
    });
    group.bench_function("ring_one_by_one", |b| {
        b.iter_custom(|packets| ring_stream(&cores, packets * TICKS_PER_PACKET, 1));
    });
    group.bench_function("array_queue", |b| {
        b.iter_custom(|packets| array_queue_stream(&cores, packets * TICKS_PER_PACKET));
    });
    group.finish();
}

/// Hops and lines of a block in [`pairs`].
const BLOCK: u64 = 40_000;

/// One case beside the one it is compared with, in turns (A B B A …): a virtual machine moves its
/// cores about, and a cache line then takes up to five times as long from one minute to the next.
/// Only figures of the same moment compare.
fn pairs(rounds: usize) {
    type Case = fn(&[CoreId]) -> Duration;
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let raw: Case = |cores| raw_hop(cores, BLOCK);
    let queue: Case = |cores| array_queue_stream(cores, BLOCK);
    let cases: [(&str, Case, Case); 5] = [
        ("hop, cache line : cache line", raw, raw),
        (
            "hop, ring : cache line",
            |cores| ring_hop(cores, BLOCK),
            raw,
        ),
        (
            "hop, array queue : cache line",
            |cores| array_queue_hop(cores, BLOCK),
            raw,
        ),
        (
            "stream, ring by packets : array queue",
            |cores| ring_stream(cores, BLOCK / TICKS_PER_PACKET * TICKS_PER_PACKET, 21),
            queue,
        ),
        (
            "stream, ring one by one : array queue",
            |cores| ring_stream(cores, BLOCK, 1),
            queue,
        ),
    ];
    println!("\nin turns, {rounds} rounds of {BLOCK} hops or lines, medians");
    println!(
        "{:40} {:>10} {:>10} {:>8}",
        "", "ns each", "other, ns", "ratio"
    );
    for (name, ours, other) in cases {
        let (mut times, mut others, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let order = if round % 2 == 0 {
                [true, false]
            } else {
                [false, true]
            };
            let mut pair = [0.0; 2];
            for is_ours in order {
                let took = if is_ours { ours(&cores) } else { other(&cores) };
                pair[usize::from(!is_ours)] = took.as_nanos() as f64 / BLOCK as f64;
            }
            times.push(pair[0]);
            others.push(pair[1]);
            ratios.push(pair[0] / pair[1]);
        }
        let [time, other, ratio] = [times, others, ratios].map(median);
        println!("{name:40} {time:>10.1} {other:>10.1} {ratio:>8.2}");
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

criterion_group!(benches, hop, stream);

fn main() {
    benches();
    let is_instant = std::env::args().any(|argument| argument == "--test");
    pairs(if is_instant { 1 } else { 40 });
}
