//! The broadcast ring beside crossbeam's ArrayQueue and the cache-line hop both stand on.
//!
//! `cargo bench --bench queue`. Every case runs two threads on two cores; each case is lossless,
//! so the ring's producer waits for its reader here, which it never does in a feed.

use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group};
use crossbeam_queue::ArrayQueue;
use tickcast_benches::{
    Bound, Figure, cache_line_hops, in_turns, is_instant, on_two_cores, spin_until,
};
use tickcast_queue::{Cursor, Line, Producer, Reader, ring};

const CAPACITY: usize = 4096;
const TICKS_PER_PACKET: u64 = 21;

fn ring_hop(hops: u64) -> Duration {
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
    on_two_cores(near, far)
}

fn array_queue_hop(hops: u64) -> Duration {
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
    on_two_cores(near, far)
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

fn ring_stream(lines: u64, batch: u64) -> Duration {
    let (mut producer, ring) = ring(CAPACITY);
    let mut reader = ring.reader();
    let cursor = reader.cursor();
    on_two_cores(
        move || read_all(&mut reader, lines),
        move || publish_all(&mut producer, &cursor, lines, batch),
    )
}

fn array_queue_stream(lines: u64) -> Duration {
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
    on_two_cores(consumer, producer)
}

fn hop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hop");
    // An iteration is a round trip, two hops; throughput makes criterion show hops.
    group.throughput(Throughput::Elements(2));
    group.bench_function("cache_line", |b| {
        b.iter_custom(|trips| cache_line_hops(trips * 2));
    });
    group.bench_function("ring", |b| {
        b.iter_custom(|trips| ring_hop(trips * 2));
    });
    group.bench_function("array_queue", |b| {
        b.iter_custom(|trips| array_queue_hop(trips * 2));
    });
    group.finish();
}

fn stream(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream");
    // An iteration is a packet of 21 lines in every case.
    group.throughput(Throughput::Elements(TICKS_PER_PACKET));
    group.bench_function("ring_by_packets", |b| {
        b.iter_custom(|packets| ring_stream(packets * TICKS_PER_PACKET, TICKS_PER_PACKET));
    });
    group.bench_function("ring_one_by_one", |b| {
        b.iter_custom(|packets| ring_stream(packets * TICKS_PER_PACKET, 1));
    });
    group.bench_function("array_queue", |b| {
        b.iter_custom(|packets| array_queue_stream(packets * TICKS_PER_PACKET));
    });
    group.finish();
}

/// Hops and lines of a turn in [`pairs`], and packets of a turn in [`many_readers`].
const BLOCK: u64 = 40_000;
const PACKETS: u64 = 20_000;
/// Readers beside whose cost for the producer that of one is put.
const READERS: usize = 8;

/// One case beside the one it is compared with, in turns (A B B A …): a virtual machine moves its
/// cores about, and a cache line then takes up to five times as long from one minute to the next.
/// Only figures of the same moment compare.
fn pairs(turns: usize) {
    println!("\nin turns, {turns} of {BLOCK} hops or lines each");
    let hops = [cache_line_hops, ring_hop, array_queue_hop];
    let hops = in_turns(turns, hops.len(), |way| ns_of(hops[way](BLOCK), BLOCK));
    let whole_packets = BLOCK / TICKS_PER_PACKET * TICKS_PER_PACKET;
    let streams = in_turns(turns, 3, |way| match way {
        0 => ns_of(array_queue_stream(BLOCK), BLOCK),
        1 => ns_of(ring_stream(whole_packets, TICKS_PER_PACKET), whole_packets),
        _ => ns_of(ring_stream(BLOCK, 1), BLOCK),
    });
    let floor = ("cache line", &hops[0][..]);
    let peer = ("crossbeam ArrayQueue", &streams[0][..]);
    let bound = Some(Bound::RatioAtMost(1.10));
    print("a hop from core to core", &hops[1], "ns", floor, bound);
    print("a hop of crossbeam ArrayQueue", &hops[2], "ns", floor, None);
    print(
        "streaming, a packet at a time",
        &streams[1],
        "ns a tick",
        peer,
        None,
    );
    print(
        "streaming, tick by tick",
        &streams[2],
        "ns a tick",
        peer,
        None,
    );
}

/// What publishing a packet costs the producer, which waits for nobody, with one reader and with
/// many.
fn many_readers(turns: usize) {
    let runs = in_turns(turns, 2, |way| producing([1, READERS][way]));
    let one = ("with one reader", &runs[0][..]);
    let bound = Some(Bound::RatioAtMost(1.10));
    let what = format!("publishing a packet, with {READERS} readers");
    print(&what, &runs[1], "ns a tick", one, bound);
}

/// Nanoseconds a tick for the producer, beside so many readers that share the other core and read
/// all the time, whatever they miss.
fn producing(readers: usize) -> f64 {
    let (mut producer, ring) = ring(CAPACITY);
    let is_over = AtomicBool::new(false);
    let ready = Barrier::new(readers + 1);
    let mut took = Duration::ZERO;
    let read = |mut reader: Reader| {
        let mut out = [Line::default(); 64];
        ready.wait();
        while !is_over.load(Ordering::Relaxed) {
            // A reader that is lapped goes on with what there is.
            let _ = hint::black_box(reader.read(&mut out));
        }
    };
    let publish = || {
        ready.wait();
        let start = Instant::now();
        for packet in 0..PACKETS {
            producer.publish(&[packet; 8], [[packet; 8]; TICKS_PER_PACKET as usize - 1]);
        }
        took = start.elapsed();
        is_over.store(true, Ordering::Relaxed);
    };
    on_two_cores(publish, || {
        thread::scope(|scope| {
            for _ in 0..readers {
                let reader = ring.reader();
                scope.spawn(|| read(reader));
            }
        });
    });
    ns_of(took, PACKETS * TICKS_PER_PACKET)
}

fn ns_of(took: Duration, units: u64) -> f64 {
    took.as_nanos() as f64 / units as f64
}

fn print(what: &str, ours: &[f64], unit: &str, against: (&str, &[f64]), bound: Option<Bound>) {
    Figure {
        what,
        ours,
        unit,
        against: Some(against),
        bound,
    }
    .print();
}

criterion_group!(benches, hop, stream);

fn main() {
    benches();
    let turns = if is_instant() { 1 } else { 40 };
    pairs(turns);
    many_readers(turns);
}
