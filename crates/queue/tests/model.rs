//! Sequences of operations beside a model that keeps every line ever published.
#![cfg(not(any(loom, shuttle)))]

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::{collection, prop_assert, prop_assert_eq, proptest};
use tickcast_queue::{Lapped, Line, batch_lines, ring};

#[derive(Clone, Debug)]
enum Op {
    Publish(usize),
    Read(usize),
    SkipTo(u64),
    /// Skip half of what the reader is behind.
    CatchUp,
}

fn operation() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1usize..=7).prop_map(Op::Publish),
        4 => (0usize..=20).prop_map(Op::Read),
        1 => any::<u64>().prop_map(Op::SkipTo),
        1 => (0u64..=200).prop_map(Op::SkipTo),
        1 => proptest::strategy::Just(Op::CatchUp),
    ]
}

fn line(position: u64) -> Line {
    std::array::from_fn(|word| (position << 8 | word as u64) << 32)
}

/// What was published.
struct Model {
    head: u64,
    /// Where batches start, and the head.
    starts: Vec<u64>,
}

impl Model {
    fn new() -> Model {
        Model {
            head: 0,
            starts: vec![0],
        }
    }

    fn publish(&mut self, lines: u64) {
        self.head += lines;
        self.starts.push(self.head);
    }

    /// So short a ring keeps no more than it must: what is older than its capacity is gone.
    fn oldest(&self) -> u64 {
        self.head.saturating_sub(7)
    }

    /// The length of the batch that starts here, if one does.
    fn batch(&self, position: u64) -> Option<u64> {
        let at = self.starts.binary_search(&position).ok()?;
        Some(self.starts.get(at + 1)? - position)
    }
}

proptest! {
    #[test]
    fn reader_agrees_with_the_model(operations in collection::vec(operation(), 1..200)) {
        let (mut producer, ring) = ring(8);
        let mut reader = ring.reader();
        let cursor = reader.cursor();
        let mut model = Model::new();
        let (mut position, mut waits) = (0u64, false);
        for operation in operations {
            match operation {
                Op::Publish(count) => {
                    let end = model.head + count as u64;
                    let rest: Vec<Line> = (model.head + 1..end).map(line).collect();
                    producer.publish(&line(model.head), rest);
                    model.publish(count as u64);
                }
                Op::Read(most) => {
                    let mut out = vec![Line::default(); most];
                    let (oldest, head) = (model.oldest(), model.head);
                    let expected = if oldest > position {
                        Err(Lapped { position, oldest, head })
                    } else {
                        let first = model.batch(position).filter(|_| waits);
                        Ok(first.unwrap_or(head - position).min(most as u64) as usize)
                    };
                    let result = reader.read(&mut out);
                    prop_assert_eq!(&result, &expected);
                    if let Ok(count) = result {
                        for (position, got) in (position..).zip(&out[..count]) {
                            let mut expected = line(position);
                            if let Some(lines) = model.batch(position) {
                                prop_assert_eq!(u64::from(batch_lines(got)), lines);
                                expected[7] |= lines;
                            }
                            prop_assert_eq!(*got, expected);
                        }
                        position += count as u64;
                        waits = count == 0 && most > 0;
                    }
                }
                Op::SkipTo(to) => {
                    let before = position;
                    waits = false;
                    position = to.clamp(position, model.head);
                    prop_assert_eq!(reader.skip_to(to), position - before);
                }
                Op::CatchUp => {
                    let half = reader.behind() / 2;
                    waits = false;
                    position += half;
                    prop_assert_eq!(reader.skip_to(position), half);
                }
            }
            let head = model.head;
            prop_assert_eq!(producer.position(), head);
            prop_assert_eq!(reader.head(), head);
            prop_assert_eq!(reader.position(), position);
            prop_assert_eq!(reader.behind(), head - position);
            prop_assert_eq!(cursor.position(), Some(position));
            prop_assert_eq!(producer.room(&cursor) as u64, 7u64.saturating_sub(head - position));
            prop_assert!(!reader.is_closed());
        }
        drop(producer);
        prop_assert_eq!(reader.is_closed(), position == model.head);
        drop(reader);
        prop_assert_eq!(cursor.position(), None);
    }
}
