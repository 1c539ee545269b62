//! Sequences of operations beside a model that keeps every line ever published.
#![cfg(not(any(loom, shuttle)))]

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::{collection, prop_assert, prop_assert_eq, proptest};
use tickcast_queue::{Lapped, Line, ring};

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
        4 => (1usize..=8).prop_map(Op::Publish),
        4 => (0usize..=20).prop_map(Op::Read),
        1 => any::<u64>().prop_map(Op::SkipTo),
        1 => (0u64..=200).prop_map(Op::SkipTo),
        1 => proptest::strategy::Just(Op::CatchUp),
    ]
}

fn line(position: u64) -> Line {
    std::array::from_fn(|word| position << 8 | word as u64)
}

proptest! {
    #[test]
    fn reader_agrees_with_the_model(operations in collection::vec(operation(), 1..200)) {
        let (mut producer, ring) = ring(8);
        let mut reader = ring.reader();
        let cursor = reader.cursor();
        let (mut head, mut position) = (0u64, 0u64);
        for operation in operations {
            match operation {
                Op::Publish(count) => {
                    let end = head + count as u64;
                    let rest: Vec<Line> = (head + 1..end).map(line).collect();
                    producer.publish(&line(head), rest);
                    head = end;
                }
                Op::Read(most) => {
                    let mut out = vec![Line::default(); most];
                    let oldest = head.saturating_sub(8);
                    let expected = if most > 0 && oldest > position {
                        Err(Lapped { position, oldest, head })
                    } else {
                        Ok((head - position).min(most as u64) as usize)
                    };
                    let result = reader.read(&mut out);
                    prop_assert_eq!(&result, &expected);
                    if let Ok(count) = result {
                        for (position, got) in (position..).zip(&out[..count]) {
                            prop_assert_eq!(*got, line(position));
                        }
                        position += count as u64;
                    }
                }
                Op::SkipTo(to) => {
                    let before = position;
                    position = to.clamp(position, head);
                    prop_assert_eq!(reader.skip_to(to), position - before);
                }
                Op::CatchUp => {
                    let half = reader.behind() / 2;
                    position += half;
                    prop_assert_eq!(reader.skip_to(position), half);
                }
            }
            prop_assert_eq!(producer.position(), head);
            prop_assert_eq!(reader.head(), head);
            prop_assert_eq!(reader.position(), position);
            prop_assert_eq!(reader.behind(), head - position);
            prop_assert_eq!(cursor.position(), Some(position));
            prop_assert_eq!(producer.room(&cursor) as u64, 8u64.saturating_sub(head - position));
            prop_assert!(!reader.is_closed());
        }
        drop(producer);
        prop_assert_eq!(reader.is_closed(), position == head);
        drop(reader);
        prop_assert_eq!(cursor.position(), None);
    }
}
