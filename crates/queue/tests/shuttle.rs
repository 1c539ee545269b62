//! Schedules of larger models than loom can try to the end: more readers, and a ring that wraps several
//! times. Two schedulers choose them: at random, and PCT, which finds any fault of few preemptions
//! with a known probability. Shuttle runs every atomic as if it were sequentially consistent; what
//! relaxed ones may do is loom's part.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p tickcast-queue --release --test shuttle`
//!
//! A failure prints its seed, and `SHUTTLE_SEED=… …` runs the same schedules again.
#![cfg(shuttle)]

use std::hash::{BuildHasher, RandomState};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner, thread};
use tickcast_queue::{LINE_WORDS, Line, Producer, Reader, Ring, ring};

/// Schedules of each model by each scheduler.
const SCHEDULES: usize = 5_000;

/// Preemptions that PCT places.
const DEPTH: usize = 5;

/// Lines of a small ring, of which the producer keeps half.
const RING: usize = 8;

/// How far a reader may be behind, which is the longest batch.
const CAPACITY: usize = RING / 2;

/// Lines published: the ring wraps five times.
const LINES: u64 = 5 * RING as u64;

fn model(body: fn()) {
    let given = std::env::var("SHUTTLE_SEED").ok();
    let seed = given.map_or_else(
        || RandomState::new().hash_one(()),
        |seed| seed.parse().expect("SHUTTLE_SEED is a number"),
    );
    println!("SHUTTLE_SEED={seed}");
    run(RandomScheduler::new_from_seed(seed, SCHEDULES), body);
    run(PctScheduler::new_from_seed(seed, DEPTH, SCHEDULES), body);
}

fn run(scheduler: impl Scheduler + 'static, body: fn()) {
    let mut config = Config::new();
    // The seed is shorter than the schedule, and replays it as well.
    config.failure_persistence = FailurePersistence::None;
    let schedules = Runner::new(scheduler, config).run(body);
    assert_eq!(schedules, SCHEDULES);
}

/// Line `n` holds `n + 1` in the upper half of every word, so a torn or misplaced line shows, and so
/// does an empty slot.
fn line(position: u64) -> Line {
    [(position + 1) << 32; LINE_WORDS]
}

/// A line as it was published, without the length of its batch.
fn as_published(mut line: Line) -> Line {
    line[LINE_WORDS - 1] &= !u64::from(u32::MAX);
    line
}

fn publish(producer: &mut Producer, batch: u64) {
    let start = producer.position();
    let rest: Vec<Line> = (start + 1..start + batch).map(line).collect();
    producer.publish(&line(start), rest);
}

/// Batches of one line up to a whole ring, in turn.
fn publish_all(producer: &mut Producer) {
    for batch in (1..=CAPACITY as u64).cycle() {
        let left = LINES - producer.position();
        if left == 0 {
            return;
        }
        publish(producer, batch.min(left));
    }
}

/// What a reader does when it is lapped.
#[derive(Clone, Copy)]
enum Skip {
    ToOldest,
    HalfARing,
    ToHead,
}

/// Reads to the end. Whatever is not read is known to be lost; gives how much that is.
fn read_to_the_end(mut reader: Reader, at_once: usize, skip: Skip) -> u64 {
    let mut out = [Line::default(); CAPACITY];
    let (start, mut read, mut lost) = (reader.position(), 0, 0);
    while !reader.is_closed() {
        let position = reader.position();
        match reader.read(&mut out[..at_once]) {
            Ok(0) => thread::yield_now(),
            Ok(count) => {
                for (position, got) in (position..).zip(&out[..count]) {
                    assert_eq!(
                        as_published(*got),
                        line(position),
                        "torn or out of order at {position}"
                    );
                }
                read += count as u64;
            }
            Err(lapped) => {
                assert_eq!(lapped.position, position);
                assert!(position < lapped.oldest && lapped.oldest <= lapped.head);
                lost += reader.skip_to(match skip {
                    Skip::ToOldest => lapped.oldest,
                    Skip::HalfARing => lapped.head - CAPACITY as u64 / 2,
                    Skip::ToHead => lapped.head,
                });
                // Near the oldest it is lapped again until the producer has moved on.
                thread::yield_now();
            }
        }
    }
    assert_eq!(reader.position(), LINES);
    assert_eq!(start + read + lost, LINES, "read and lost add up");
    lost
}

/// The producer waits for nobody.
#[test]
fn readers_that_are_lapped_many_times() {
    model(|| {
        let (mut producer, ring) = ring(RING);
        let ways = [
            (1, Skip::ToOldest),
            (2, Skip::HalfARing),
            (CAPACITY, Skip::ToHead),
        ];
        let threads = ways.map(|(at_once, skip)| {
            let reader = ring.reader();
            thread::spawn(move || read_to_the_end(reader, at_once, skip))
        });
        publish_all(&mut producer);
        drop(producer);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Publishes all, and keeps within the room of these cursors.
fn publish_within_room(producer: &mut Producer, readers: &[tickcast_queue::Cursor]) {
    for batch in (1..=CAPACITY as u64).cycle() {
        let left = LINES - producer.position();
        if left == 0 {
            return;
        }
        let batch = batch.min(left);
        while readers
            .iter()
            .any(|reader| producer.room(reader) < batch as usize)
        {
            thread::yield_now();
        }
        publish(producer, batch);
    }
}

/// Two readers are waited for and lose nothing; a third beside them may lose what it likes.
#[test]
fn readers_that_are_waited_for() {
    model(|| {
        let (mut producer, ring) = ring(RING);
        let readers = [ring.reader(), ring.reader(), ring.reader()];
        let waited_for = [readers[0].cursor(), readers[1].cursor()];
        let threads = readers.map(|reader| {
            thread::spawn(move || read_to_the_end(reader, CAPACITY - 1, Skip::ToOldest))
        });
        publish_within_room(&mut producer, &waited_for);
        drop(producer);
        let [first, second, _] = threads.map(|thread| thread.join().unwrap());
        assert_eq!((first, second), (0, 0));
    });
}

/// Takes a few lines and goes away.
fn read_a_little(ring: &Ring) {
    let mut reader = ring.reader();
    let mut out = [Line::default(); 2];
    for _ in 0..3 {
        let position = reader.position();
        match reader.read(&mut out) {
            Ok(count) => {
                for (position, got) in (position..).zip(&out[..count]) {
                    assert_eq!(as_published(*got), line(position));
                }
            }
            Err(lapped) => drop(reader.skip_to(lapped.head)),
        }
        thread::yield_now();
    }
}

/// Readers come and go while the producer writes, and one that goes holds nobody up.
#[test]
fn readers_that_come_and_go() {
    model(|| {
        let (mut producer, ring) = ring(RING);
        let leaver = ring.reader();
        let waited_for = [leaver.cursor()];
        let leaver = thread::spawn(move || drop(leaver));
        let passers = [ring.clone(), ring.clone()].map(|ring| {
            thread::spawn(move || {
                read_a_little(&ring);
                read_a_little(&ring);
            })
        });
        let stayer = ring.reader();
        let stayer = thread::spawn(move || read_to_the_end(stayer, 2, Skip::HalfARing));
        publish_within_room(&mut producer, &waited_for);
        drop(producer);
        for thread in passers {
            thread.join().unwrap();
        }
        leaver.join().unwrap();
        stayer.join().unwrap();
    });
}
