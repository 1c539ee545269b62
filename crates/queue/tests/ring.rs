//! Edges of the ring, one at a time.
#![cfg(not(any(loom, shuttle)))]

use tickcast_queue::{Lapped, Line, Producer, ring};

fn publish(producer: &mut Producer, count: u64) {
    let start = producer.position();
    let rest: Vec<Line> = (start + 1..start + count)
        .map(|position| [position; 8])
        .collect();
    producer.publish(&[start; 8], rest);
}

#[test]
fn capacity_is_rounded_up_to_a_power_of_two() {
    for (asked, given) in [(0, 2), (1, 2), (2, 2), (3, 4), (1000, 1024), (1024, 1024)] {
        let (producer, ring) = ring(asked);
        assert_eq!((producer.capacity(), ring.capacity()), (given, given));
        assert_eq!(ring.reader().capacity(), given);
    }
}

#[test]
fn exactly_a_ring_behind_is_not_lapped_one_more_is() {
    let (mut producer, ring) = ring(4);
    let mut reader = ring.reader();
    let mut out = [Line::default(); 8];
    publish(&mut producer, 4);
    assert_eq!(reader.read(&mut out), Ok(4));
    assert_eq!(out[..4], [[0; 8], [1; 8], [2; 8], [3; 8]]);

    publish(&mut producer, 4);
    publish(&mut producer, 1);
    let lapped = Lapped {
        position: 4,
        oldest: 5,
        head: 9,
    };
    assert_eq!(reader.read(&mut out), Err(lapped));
    assert_eq!(
        reader.read(&mut out[..1]),
        Err(lapped),
        "it stays lapped until it skips"
    );
    assert_eq!(reader.skip_to(lapped.oldest), 1);
    assert_eq!(reader.read(&mut out), Ok(4));
    assert_eq!(out[..4], [[5; 8], [6; 8], [7; 8], [8; 8]]);
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
    assert_eq!(out[0], [3; 8]);
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
    publish(&mut producer, 5);
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
    assert_eq!(out[..2], [[6; 8], [7; 8]]);
}

#[test]
fn slots_overwritten_by_a_batch_that_broke_off_are_not_read() {
    let (mut producer, ring) = ring(4);
    let mut reader = ring.reader();
    publish(&mut producer, 4);
    // Overwrites line 0 and 1 at least, and claims as far as line 3.
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let lines = (0..3).map(|n| {
            if n == 1 {
                panic!("in the middle")
            } else {
                [9; 8]
            }
        });
        producer.publish(&[9; 8], lines);
    }));
    assert!(broken.is_err());
    let mut out = [Line::default(); 4];
    let lapped = Lapped {
        position: 0,
        oldest: 4,
        head: 4,
    };
    assert_eq!(reader.read(&mut out), Err(lapped));
    reader.skip_to(lapped.head);

    producer.publish(&[4; 8], []);
    assert_eq!(reader.read(&mut out), Ok(1));
    assert_eq!(out[0], [4; 8]);
}
