//! The cases: each returns how many ns the timed side took.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use tickcast_net::thread::pin_current;
use tickcast_queue::{Cursor, Line, Producer, Reader, ring};

const CAPACITY: usize = 4096;
pub const TICKS_PER_PACKET: u64 = 21;

/// Lines over which the bare hops go: how long one takes depends on where in the machine it lies.
const BARE_LINES: usize = 32;

/// Puts this thread on a core, if there are two at least.
fn pin(cores: &[usize], index: usize) {
    if let (Some(core), true) = (cores.get(index % cores.len().max(1)), cores.len() > 1) {
        pin_current(*core).expect("a core of this process");
    }
}

/// Runs `near` and `far` on a core each, from the same moment on, and returns how long `near` took.
fn on_two_cores<N, F>(cores: &[usize], near: N, far: F) -> f64
where
    N: FnOnce() + Send,
    F: FnOnce() + Send,
{
    let ready = AtomicU64::new(0);
    let start = || {
        ready.fetch_add(1, Ordering::AcqRel);
        spin_until(|| ready.load(Ordering::Acquire) == 2);
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(cores, 1);
            start();
            far();
        });
        let timed = scope.spawn(|| {
            pin(cores, 0);
            start();
            timed(near)
        });
        timed
            .join()
            .expect("the timed side of a bench does not panic")
    })
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64
}

/// Spins until `ready`, yielding now and then for the sake of machines with one core.
fn spin_until(mut ready: impl FnMut() -> bool) {
    let mut spins = 0u32;
    while !ready() {
        spins = spins.wrapping_add(1);
        if spins.is_multiple_of(1 << 12) {
            thread::yield_now();
        } else {
            spin_loop();
        }
    }
}

/// One way of a ping-pong on one cache line each way: the floor.
pub fn cache_line_hop(cores: &[usize], hops: u64) -> f64 {
    type Lines = [CachePadded<AtomicU64>; BARE_LINES];
    let (there, back) = (Box::<Lines>::default(), Box::<Lines>::default());
    let rounds = hops / 2 / BARE_LINES as u64;
    let near = || {
        for (there, back) in there.iter().zip(&*back) {
            for round in 1..=rounds {
                there.store(round, Ordering::Release);
                spin_until(|| back.load(Ordering::Acquire) == round);
            }
        }
    };
    let far = || {
        for (there, back) in there.iter().zip(&*back) {
            for round in 1..=rounds {
                spin_until(|| there.load(Ordering::Acquire) == round);
                back.store(round, Ordering::Release);
            }
        }
    };
    on_two_cores(cores, near, far) * hops as f64 / (rounds * 2 * BARE_LINES as u64) as f64
}

/// The word at which it is checked what came; the last one is the ring's in part.
const CHECKED: usize = 6;

/// A mark and so many ticks there, the same back.
pub fn ring_hop(cores: &[usize], hops: u64, ticks: usize) -> f64 {
    let (mut there, there_ring) = ring(CAPACITY);
    let (mut back, back_ring) = ring(CAPACITY);
    let (mut from_there, mut from_back) = (there_ring.reader(), back_ring.reader());
    let send = |producer: &mut Producer, round: u64| {
        producer.publish(&[round; 8], std::iter::repeat_n([round; 8], ticks));
    };
    let take = |reader: &mut Reader| {
        let mut out = [Line::default(); 64];
        let mut count = 0;
        spin_until(|| {
            count = reader.read(&mut out).expect("nobody is a ring behind");
            count > 0
        });
        assert_eq!(count, 1 + ticks);
        out[ticks][CHECKED]
    };
    let near = move || {
        for round in 1..=hops / 2 {
            send(&mut there, round);
            assert_eq!(take(&mut from_back), round);
        }
    };
    let far = move || {
        for _ in 1..=hops / 2 {
            let round = take(&mut from_there);
            send(&mut back, round);
        }
    };
    on_two_cores(cores, near, far)
}

pub fn array_queue_hop(cores: &[usize], hops: u64) -> f64 {
    let there = ArrayQueue::<Line>::new(CAPACITY);
    let back = ArrayQueue::<Line>::new(CAPACITY);
    let take = |queue: &ArrayQueue<Line>| {
        let mut got = None;
        spin_until(|| {
            got = queue.pop();
            got.is_some()
        });
        got.unwrap_or_default()
    };
    let near = || {
        for round in 1..=hops / 2 {
            there
                .push([round; 8])
                .expect("a ping-pong never fills a queue");
            assert_eq!(take(&back)[CHECKED], round);
        }
    };
    let far = || {
        for _ in 1..=hops / 2 {
            let line = take(&there);
            back.push(line).expect("a ping-pong never fills a queue");
        }
    };
    on_two_cores(cores, near, far)
}

/// Publishes a batch whose lines all hold their position.
fn publish(producer: &mut Producer, batch: u64) {
    let start = producer.position();
    let rest = 1..batch as u32;
    producer.publish(&[start; 8], rest.map(|n| [start + u64::from(n); 8]));
}

/// Publishes `lines`, never more than the reader behind `cursor` has room for.
fn publish_all(producer: &mut Producer, cursor: &Cursor, lines: u64, batch: u64) {
    let mut room = producer.capacity() as u64;
    while producer.position() < lines {
        if room < batch {
            spin_until(|| {
                room = producer.room(cursor) as u64;
                room >= batch
            });
        }
        publish(producer, batch);
        room -= batch;
    }
}

/// Reads until the end and checks that every line came. The box is what uses all of it.
fn read_all(reader: &mut Reader, lines: u64) {
    let mut out = [Line::default(); 256];
    let mut sum = 0u64;
    while reader.position() < lines {
        let count = reader
            .read(&mut out)
            .expect("the producer waits for this reader");
        if count == 0 {
            spin_loop();
        }
        sum = black_box(&out)[..count]
            .iter()
            .fold(sum, |sum, line| sum.wrapping_add(line[0] ^ line[CHECKED]));
    }
    assert_eq!(sum, 0, "both ends of every line are equal");
}

/// A stream in batches that `lines` is a multiple of.
pub fn ring_stream(cores: &[usize], lines: u64, batch: u64) -> f64 {
    let (mut producer, ring) = ring(CAPACITY);
    let mut reader = ring.reader();
    let cursor = reader.cursor();
    on_two_cores(
        cores,
        move || read_all(&mut reader, lines),
        move || publish_all(&mut producer, &cursor, lines, batch),
    )
}

pub fn array_queue_stream(cores: &[usize], lines: u64) -> f64 {
    let queue = ArrayQueue::<Line>::new(CAPACITY);
    let reader = || {
        let (mut read, mut sum) = (0, 0u64);
        while read < lines {
            match queue.pop() {
                Some(line) => {
                    let line = black_box(line);
                    sum = sum.wrapping_add(line[0] ^ line[CHECKED]);
                    read += 1;
                }
                None => spin_loop(),
            }
        }
        assert_eq!(sum, 0, "both ends of every line are equal");
    };
    let producer = || {
        for position in 0..lines {
            spin_until(|| queue.push([position; 8]).is_ok());
        }
    };
    on_two_cores(cores, reader, producer)
}

/// What publishing takes while so many readers read, on cores other than the producer's. It waits
/// for none of them: they are lapped, and skip.
pub fn many_readers(cores: &[usize], lines: u64, readers: usize) -> f64 {
    let (mut producer, ring) = ring(CAPACITY);
    let others = cores.len().saturating_sub(1).max(1);
    thread::scope(|scope| {
        for number in 0..readers {
            let mut reader = ring.reader();
            scope.spawn(move || {
                pin(cores, 1 + number % others);
                let mut out = [Line::default(); 256];
                while !reader.is_closed() {
                    match reader.read(&mut out) {
                        Ok(0) => thread::yield_now(),
                        Ok(_) => {
                            black_box(&out);
                        }
                        Err(lapped) => {
                            reader.skip_to(lapped.head);
                        }
                    }
                }
            });
        }
        let publisher = scope.spawn(move || {
            pin(cores, 0);
            timed(|| {
                while producer.position() < lines {
                    publish(&mut producer, 1 + TICKS_PER_PACKET);
                }
            })
        });
        publisher.join().expect("publishing does not panic")
    })
}
