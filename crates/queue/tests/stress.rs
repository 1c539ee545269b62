//! Real threads, as many lines as a test may take, everything checked.
#![cfg(not(any(loom, shuttle)))]

use std::sync::mpsc;
use std::thread;

use tickcast_queue::{ChunkReader, Line, Reader, batch_lines, chunk, ring};

const BATCH: u64 = 21;
const LINES: u64 = BATCH * 40_000;

/// Every word depends on the position, so a torn line cannot pass.
///
/// The low half of the last word is as a reader sees it: the length of the batch in its first line.
fn line(position: u64) -> Line {
    let mut line: Line =
        std::array::from_fn(|word| position.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word as u64);
    if position.is_multiple_of(BATCH) {
        line[7] = line[7] >> 32 << 32 | BATCH;
        assert_eq!(u64::from(batch_lines(&line)), BATCH);
    }
    line
}

struct Outcome {
    read: u64,
    lost: u64,
    laps: u64,
}

fn read_to_the_end(mut reader: Reader, at_once: usize) -> Outcome {
    let mut out = vec![Line::default(); at_once];
    let mut outcome = Outcome {
        read: 0,
        lost: 0,
        laps: 0,
    };
    while !reader.is_closed() {
        let start = reader.position();
        match reader.read(&mut out) {
            Ok(0) => thread::yield_now(),
            Ok(count) => {
                for (position, got) in (start..).zip(&out[..count]) {
                    assert_eq!(*got, line(position), "torn or out of order at {position}");
                }
                outcome.read += count as u64;
            }
            Err(lapped) => {
                assert_eq!(lapped.position, start);
                assert!(lapped.oldest > start && lapped.head >= lapped.oldest);
                outcome.laps += 1;
                outcome.lost += reader.skip_to(lapped.head - reader.capacity() as u64 / 2);
            }
        }
    }
    assert_eq!(reader.position(), LINES);
    outcome
}

/// The producer waits for nobody: what a reader did not read, it knows it lost.
#[test]
fn read_and_lost_add_up() {
    let (mut producer, ring) = ring(64);
    let readers = [1, 22, 64].map(|at_once| {
        let reader = ring.reader();
        thread::spawn(move || read_to_the_end(reader, at_once))
    });
    while producer.position() < LINES {
        let start = producer.position();
        producer.publish(
            &line(start),
            (1..BATCH as u32).map(|n| line(start + u64::from(n))),
        );
    }
    drop(producer);
    for reader in readers {
        let outcome = reader.join().unwrap();
        assert_eq!(outcome.read + outcome.lost, LINES);
        assert_eq!(outcome.lost > 0, outcome.laps > 0);
    }
}

/// The producer keeps within the room of both readers: neither loses a line.
#[test]
fn a_producer_that_waits_loses_nothing() {
    let (mut producer, ring) = ring(64);
    let readers = [ring.reader(), ring.reader()];
    let cursors = [readers[0].cursor(), readers[1].cursor()];
    let threads = readers.map(|reader| thread::spawn(move || read_to_the_end(reader, 22)));
    while producer.position() < LINES {
        if cursors
            .iter()
            .any(|cursor| producer.room(cursor) < BATCH as usize)
        {
            thread::yield_now();
            continue;
        }
        let start = producer.position();
        producer.publish(
            &line(start),
            (1..BATCH as u32).map(|n| line(start + u64::from(n))),
        );
    }
    drop(producer);
    for reader in threads {
        let outcome = reader.join().unwrap();
        assert_eq!((outcome.read, outcome.laps), (LINES, 0));
    }
}

/// Chunks are filled, read meanwhile, given back and filled anew.
#[test]
fn chunks_are_used_again_and_again() {
    const CHUNKS: usize = 3;
    const ROWS: u64 = 64;
    const ROUNDS: u64 = 2_000;
    let (begun, to_read) = mpsc::channel::<ChunkReader<u64>>();
    let reading = thread::spawn(move || {
        let mut next = 0;
        for chunk in to_read {
            let mut seen = 0;
            while seen < ROWS {
                let (rows, mark) = chunk.filled();
                assert!(rows.iter().copied().eq((next..).take(rows.len())));
                assert_eq!(mark, rows.last().copied().unwrap_or(0));
                seen = rows.len() as u64;
                thread::yield_now();
            }
            next += ROWS;
        }
        next
    });
    let mut chunks = [0; CHUNKS].map(|_| chunk(ROWS as usize, 0_u64));
    for round in 0..ROUNDS {
        let writer = &mut chunks[round as usize % CHUNKS];
        while !writer.clear() {
            thread::yield_now();
        }
        begun.send(writer.reader()).unwrap();
        for first in (round * ROWS..(round + 1) * ROWS).step_by(4) {
            let rows: [u64; 4] = std::array::from_fn(|row| first + row as u64);
            writer.append([&rows[..1], &rows[1..]], rows[3]);
        }
    }
    drop(begun);
    assert_eq!(reading.join().unwrap(), ROUNDS * ROWS);
}
