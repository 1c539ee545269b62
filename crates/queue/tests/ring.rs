//! Edges of the ring, one at a time.
#![cfg(not(any(loom, shuttle)))]

use tickcast_queue::{Lapped, Line, Producer, batch_lines, ring};

fn publish(producer: &mut Producer, count: u64) {
    let start = producer.position();
    let rest: Vec<Line> = (start + 1..start + count)
        .map(|position| [position; 8])
        .collect();
    producer.publish(&[start; 8], rest);
}

/// The first line of a batch of so many, as a reader copies it.
fn mark(position: u64, lines: u64) -> Line {
    let mut mark = [position; 8];
    mark[7] = mark[7] >> 32 << 32 | lines;
    mark
}

#[test]
fn a_ring_is_rounded_up_to_a_power_of_two_and_a_part_of_it_kept() {
    let sizes = [
        (0, 1),
        (1, 1),
        (2, 1),
        (3, 3),
        (8, 7),
        (9, 14),
        (1000, 1024 - 128),
        (1024, 1024 - 128),
        (65_536, 65_536 - 256),
    ];
    for (asked, given) in sizes {
        let (producer, ring) = ring(asked);
        assert_eq!((producer.capacity(), ring.capacity()), (given, given));
        assert_eq!(ring.reader().capacity(), given);
    }
}

#[test]
fn exactly_the_capacity_behind_is_not_lapped_a_little_more_is() {
    let (mut producer, ring) = ring(8);
    let mut reader = ring.reader();
    let mut out = [Line::default(); 8];
    publish(&mut producer, 7);
    assert_eq!(reader.read(&mut out), Ok(7));
    assert_eq!(out[..3], [mark(0, 7), [1; 8], [2; 8]]);

    publish(&mut producer, 6);
    publish(&mut producer, 1);
    publish(&mut producer, 1);
    let lapped = Lapped {
        position: 7,
        oldest: 8,
        head: 15,
    };
    assert_eq!(reader.read(&mut out), Err(lapped));
    assert_eq!(
        reader.read(&mut out[..1]),
        Err(lapped),
        "it stays lapped until it skips"
    );
    assert_eq!(reader.skip_to(lapped.oldest), 1);
    assert_eq!(reader.read(&mut out), Ok(7));
    assert_eq!(out[4..7], [[12; 8], mark(13, 1), mark(14, 1)]);
}

#[test]
fn a_reader_at_the_head_is_told_that_it_was_lapped_there() {
    let (mut producer, ring) = ring(8);
    let mut reader = ring.reader();
    let mut out = [Line::default(); 8];
    assert_eq!(reader.read(&mut out), Ok(0));
    publish(&mut producer, 7);
    // A line of this batch lies where the reader waits for one to start.
    publish(&mut producer, 7);
    let lapped = reader.read(&mut out).unwrap_err();
    assert_eq!((lapped.position, lapped.oldest, lapped.head), (0, 7, 14));
}

#[test]
fn a_reader_that_waits_gets_the_first_batch_others_all_that_fits() {
    let (mut producer, ring) = ring(64);
    let mut reader = ring.reader();
    let mut out = [Line::default(); 16];
    assert_eq!(reader.read(&mut out), Ok(0));
    for batch in [3, 4, 5, 1, 9] {
        publish(&mut producer, batch);
    }
    assert_eq!(reader.read(&mut out), Ok(3));
    assert_eq!(batch_lines(&out[0]), 3);
    assert_eq!(reader.read(&mut out), Ok(16), "the last batch in part");
    assert_eq!([0, 4, 9, 10].map(|at| batch_lines(&out[at])), [4, 5, 1, 9]);
    assert_eq!(reader.read(&mut out), Ok(3));
    assert_eq!(reader.read(&mut out), Ok(0));
}

#[test]
fn a_reader_starts_at_the_head() {
    let (mut producer, ring) = ring(4);
    publish(&mut producer, 3);
    let mut reader = ring.clone().reader();
    assert_eq!(reader.position(), 3);
    publish(&mut producer, 1);
    let mut out = [Line::default(); 4];
    assert_eq!(reader.read(&mut out), Ok(1));
    assert_eq!(out[0], mark(3, 1));
}

#[test]
fn closed_only_when_everything_is_read() {
    let (mut producer, ring) = ring(4);
    let mut reader = ring.reader();
    publish(&mut producer, 2);
    drop(producer);
    let mut out = [Line::default(); 1];
    assert!(!reader.is_closed());
    assert_eq!(reader.read(&mut out), Ok(1));
    assert!(!reader.is_closed());
    assert_eq!(reader.read(&mut out), Ok(1));
    assert!(reader.is_closed());
    assert_eq!(reader.read(&mut out), Ok(0));
}

#[test]
#[should_panic(expected = "a batch must fit in the ring")]
fn a_batch_longer_than_the_ring_is_refused() {
    let (mut producer, _ring) = ring(4);
    publish(&mut producer, 4);
}

/// Promises more lines than it yields.
struct Short(u64, usize);

impl Iterator for Short {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        self.0 += 1;
        (self.0 <= 1).then_some([7; 8])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.1, Some(self.1))
    }
}

impl ExactSizeIterator for Short {}

#[test]
fn an_iterator_that_breaks_its_promise_publishes_what_it_yields() {
    let (mut producer, ring) = ring(8);
    let mut reader = ring.reader();
    producer.publish(&[6; 8], Short(0, 4));
    let mut out = [Line::default(); 8];
    assert_eq!(reader.read(&mut out), Ok(2));
    assert_eq!(out[..2], [mark(6, 2), [7; 8]]);
    producer.publish(&[8; 8], []);
    assert_eq!(reader.read(&mut out), Ok(1), "the slot behind it was clear");
}

#[test]
fn slots_overwritten_by_a_batch_that_broke_off_are_not_read() {
    let (mut producer, ring) = ring(8);
    let mut reader = ring.reader();
    publish(&mut producer, 7);
    // Overwrites line 0 at least, and claims as far as line 4.
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let lines = (0..4).map(|n| {
            if n == 3 {
                panic!("in the middle")
            } else {
                [9; 8]
            }
        });
        producer.publish(&[9; 8], lines);
    }));
    assert!(broken.is_err());
    let mut out = [Line::default(); 8];
    let lapped = Lapped {
        position: 0,
        oldest: 5,
        head: 7,
    };
    assert_eq!(reader.read(&mut out), Err(lapped));
    reader.skip_to(lapped.head);
    assert_eq!(reader.read(&mut out), Ok(0));

    // The next ones end where the broken one left lines.
    for _ in 0..3 {
        producer.publish(&[4; 8], []);
        assert_eq!(reader.read(&mut out), Ok(1));
        assert_eq!(out[0], mark(4, 1));
        assert_eq!(reader.read(&mut out), Ok(0));
    }
}
