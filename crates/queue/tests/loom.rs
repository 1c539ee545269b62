//! Every interleaving of up to three preemptions, and every value a relaxed load may return, of
//! small rings. `LOOM_MAX_PREEMPTIONS` changes the bound.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p tickcast-queue --release --test loom`
#![cfg(loom)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loom::thread;
use tickcast_queue::{
    ChunkReader, Cursor, LINE_WORDS, Line, Producer, Reader, batch_lines, chunk, ring,
};

/// Most faults show within two or three preemptions; without a bound a model takes hours.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    let executions = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&executions);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        body();
    });
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let executions = executions.load(Ordering::Relaxed);
    println!("{name}: {executions} executions");
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
    producer.publish(
        &line(start),
        (start + 1..start + batch).map(line).collect::<Vec<_>>(),
    );
}

/// Reads once. What comes must be the lines that follow the reader's position, whole; being lapped
/// must be true of the position and leave room to go on.
fn read_checked(reader: &mut Reader, most: usize) -> bool {
    let mut out = [Line::default(); 4];
    let start = reader.position();
    match reader.read(&mut out[..most]) {
        Ok(count) => {
            for (position, got) in (start..).zip(&out[..count]) {
                assert_eq!(
                    as_published(*got),
                    line(position),
                    "torn or out of order at {position}"
                );
            }
            assert_eq!(reader.position(), start + count as u64);
            count > 0
        }
        Err(lapped) => {
            assert_eq!(lapped.position, start);
            assert!(lapped.position < lapped.oldest && lapped.oldest <= lapped.head);
            reader.skip_to(lapped.oldest);
            assert_eq!(reader.position(), lapped.oldest);
            false
        }
    }
}

/// Lines that lap the reader of a ring of two, and one that reads while they are written.
#[test]
fn nothing_torn_while_lapped() {
    model(|| {
        let (mut producer, ring) = ring(2);
        let mut reader = ring.reader();
        publish(&mut producer, 1);
        let writer = thread::spawn(move || {
            publish(&mut producer, 1);
            publish(&mut producer, 1);
        });
        read_checked(&mut reader, 1);
        read_checked(&mut reader, 2);
        writer.join().unwrap();
        while !reader.is_closed() {
            read_checked(&mut reader, 2);
        }
        assert_eq!(reader.position(), 3);
    });
}

/// The same with batches of two, whose second lines come to lie where batches began, and claims
/// that are made ahead.
#[test]
fn no_batch_torn_while_lapped() {
    model(|| {
        let (mut producer, ring) = ring(4);
        let mut reader = ring.reader();
        publish(&mut producer, 1);
        publish(&mut producer, 2);
        let writer = thread::spawn(move || {
            publish(&mut producer, 2);
            publish(&mut producer, 2);
        });
        read_checked(&mut reader, 1);
        read_checked(&mut reader, 3);
        writer.join().unwrap();
        while !reader.is_closed() {
            read_checked(&mut reader, 2);
        }
        assert_eq!(reader.position(), 7);
    });
}

/// A reader that waits where a batch is to begin is lapped there: what it then finds in the slot is
/// no length.
#[test]
fn lapped_where_a_batch_begins() {
    model(|| {
        let (mut producer, ring) = ring(2);
        let mut reader = ring.reader();
        let writer = thread::spawn(move || {
            for _ in 0..3 {
                publish(&mut producer, 1);
            }
        });
        read_checked(&mut reader, 1);
        read_checked(&mut reader, 2);
        writer.join().unwrap();
        while !reader.is_closed() {
            read_checked(&mut reader, 2);
        }
        assert_eq!(reader.position(), 3);
    });
}

/// A batch is seen whole or not at all, and so is its length.
#[test]
fn batches_appear_at_once() {
    model(|| {
        let (mut producer, ring) = ring(8);
        let mut reader = ring.reader();
        let writer = thread::spawn(move || {
            publish(&mut producer, 2);
            publish(&mut producer, 2);
        });
        let mut out = [Line::default(); 4];
        let mut read = 0;
        for _ in 0..2 {
            let count = reader.read(&mut out).expect("all fits in the ring");
            assert_eq!(count % 2, 0);
            for mark in out[..count].iter().step_by(2) {
                assert_eq!(batch_lines(mark), 2);
            }
            read += count as u64;
        }
        assert_eq!(reader.position(), read);
        writer.join().unwrap();
        while !reader.is_closed() {
            read_checked(&mut reader, 2);
        }
    });
}

/// Two readers at their own pace do not disturb each other.
#[test]
fn two_readers() {
    model(|| {
        let (mut producer, ring) = ring(4);
        let readers = [ring.reader(), ring.reader()];
        let threads = readers.map(|mut reader| {
            thread::spawn(move || {
                read_checked(&mut reader, 2);
            })
        });
        publish(&mut producer, 1);
        publish(&mut producer, 2);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// A reader made while the producer writes starts at a batch and sees it whole.
#[test]
fn reader_made_meanwhile() {
    model(|| {
        let (mut producer, ring) = ring(4);
        let writer = thread::spawn(move || {
            publish(&mut producer, 2);
            publish(&mut producer, 2);
        });
        let mut reader = ring.reader();
        assert_eq!(reader.position() % 2, 0);
        read_checked(&mut reader, 2);
        writer.join().unwrap();
    });
}

/// A producer that keeps within the room before a reader's cursor never laps it.
#[test]
fn producer_that_waits_never_laps() {
    model(|| {
        let (mut producer, ring) = ring(4);
        let mut reader = ring.reader();
        let cursor: Cursor = reader.cursor();
        let writer = thread::spawn(move || {
            publish(&mut producer, 2);
            while producer.room(&cursor) < 2 {
                thread::yield_now();
            }
            publish(&mut producer, 2);
        });
        let mut out = [Line::default(); 2];
        let mut position = 0;
        while position < 4 {
            match reader
                .read(&mut out)
                .expect("lapped by a producer that waits")
            {
                0 => thread::yield_now(),
                count => {
                    for got in &out[..count] {
                        assert_eq!(as_published(*got), line(position));
                        position += 1;
                    }
                }
            }
        }
        writer.join().unwrap();
    });
}

/// A reader that sees the ring closed has seen the last line.
#[test]
fn closing_hides_nothing() {
    model(|| {
        let (mut producer, ring) = ring(2);
        let mut reader = ring.reader();
        let writer = thread::spawn(move || publish(&mut producer, 1));
        let mut lines = 0;
        while !reader.is_closed() {
            if read_checked(&mut reader, 1) {
                lines += 1;
            }
            thread::yield_now();
        }
        assert_eq!(lines, 1);
        writer.join().unwrap();
    });
}

/// Row `n` holds `n + first`, and the mark is the last row. Gives how many there are.
fn read_chunk(reader: &ChunkReader<u64>, first: u64) -> usize {
    let (rows, mark) = reader.filled();
    assert!(rows.iter().copied().eq((first..).take(rows.len())));
    assert_eq!(mark, rows.last().copied().unwrap_or(0));
    rows.len()
}

#[test]
fn a_chunk_is_read_while_it_is_filled() {
    model(|| {
        let mut writer = chunk(3, 0_u64);
        let reader = writer.reader();
        let reading = thread::spawn(move || {
            let seen = read_chunk(&reader, 1);
            assert!(seen <= read_chunk(&reader, 1));
        });
        writer.append([&[1][..]], 1);
        writer.append([&[2][..], &[3]], 3);
        reading.join().unwrap();
    });
}

#[test]
fn a_chunk_is_filled_anew_once_its_reader_is_gone() {
    model(|| {
        let mut writer = chunk(2, 0_u64);
        writer.append([&[1][..]], 1);
        let reader = writer.reader();
        let reading = thread::spawn(move || read_chunk(&reader, 1));
        if writer.clear() {
            let reader = writer.reader();
            let reading_anew = thread::spawn(move || read_chunk(&reader, 5));
            writer.append([&[5][..], &[6]], 6);
            assert!(matches!(reading_anew.join().unwrap(), 0 | 2));
        } else {
            writer.append([&[2][..]], 2);
        }
        let seen = reading.join().unwrap();
        assert!((1..=2).contains(&seen));
    });
}
