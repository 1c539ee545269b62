//! Sequences of operations on the queue beside a model that keeps nothing but positions.

use std::collections::BTreeSet;

use tickcast_queue::{Cursor, Lapped, Line, Producer, Reader, batch_lines, ring};

use crate::input::Input;

/// Readers at most.
const READERS: usize = 4;

/// Any operations, by one producer and some readers.
pub fn queue(data: &[u8]) {
    let mut input = Input::new(data);
    let (producer, ring) = ring(1 << (1 + input.below(5)));
    let mut model = Model {
        producer,
        head: 0,
        starts: BTreeSet::from([0]),
        readers: Vec::new(),
    };
    while !input.is_empty() {
        match input.below(8) {
            0..3 => model.publish(1 + input.below(model.producer.capacity() as u64)),
            3..6 => model.read(input.below(READERS as u64), input.below(40) as usize),
            6 if model.readers.len() < READERS => {
                let reader = ring.reader();
                assert_eq!(reader.position(), model.head);
                let cursor = reader.cursor();
                model.readers.push(Place {
                    reader,
                    cursor,
                    position: model.head,
                    waits: false,
                });
            }
            6 => {
                let gone = model.readers.remove(input.below(READERS as u64) as usize);
                drop(gone.reader);
                assert_eq!(gone.cursor.position(), None);
                let all = model.producer.capacity();
                assert_eq!(model.producer.room(&gone.cursor), all);
            }
            _ => model.skip(&mut input),
        }
        model.check();
    }
    let Model {
        producer,
        head,
        readers,
        ..
    } = model;
    drop(producer);
    for place in readers {
        assert_eq!(place.reader.is_closed(), place.position == head);
    }
}

/// Every word depends on the position, so that a torn, moved or repeated line shows. Where a batch
/// starts, the low half of the last word is its length.
fn line(position: u64, batch: Option<u64>) -> Line {
    let mut line: Line =
        std::array::from_fn(|word| position.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word as u64);
    if let Some(lines) = batch {
        line[7] = line[7] >> 32 << 32 | lines;
        assert_eq!(u64::from(batch_lines(&line)), lines);
    }
    line
}

struct Place {
    reader: Reader,
    cursor: Cursor,
    position: u64,
    /// The last read found nothing: the next finds one batch at most.
    waits: bool,
}

struct Model {
    producer: Producer,
    head: u64,
    /// Where batches start, and the head.
    starts: BTreeSet<u64>,
    readers: Vec<Place>,
}

impl Model {
    fn publish(&mut self, count: u64) {
        let end = self.head + count;
        let lines: Vec<Line> = (self.head + 1..end)
            .map(|position| line(position, None))
            .collect();
        self.producer.publish(&line(self.head, None), lines);
        self.head = end;
        self.starts.insert(end);
    }

    fn read(&mut self, which: u64, most: usize) {
        let capacity = self.producer.capacity() as u64;
        let (head, starts) = (self.head, &self.starts);
        let Some(place) = self.readers.get_mut(which as usize) else {
            return;
        };
        let batch = |position: u64| {
            let next = starts.range(position + 1..).next();
            starts
                .contains(&position)
                .then(|| next.map(|next| next - position))?
        };
        let position = place.position;
        // So short rings keep no more than they must.
        let oldest = head.saturating_sub(capacity);
        let expected = if oldest > position {
            Err(Lapped {
                position,
                oldest,
                head,
            })
        } else {
            let first = batch(position).filter(|_| place.waits);
            Ok(first.unwrap_or(head - position).min(most as u64) as usize)
        };
        let mut out = vec![Line::default(); most];
        let result = place.reader.read(&mut out);
        assert_eq!(result, expected);
        if let Ok(count) = result {
            for (position, got) in (position..).zip(&out[..count]) {
                assert_eq!(*got, line(position, batch(position)), "line {position}");
            }
            place.position += count as u64;
            place.waits = count == 0 && most > 0;
        }
    }

    fn skip(&mut self, input: &mut Input<'_>) {
        let head = self.head;
        if let Some(place) = self.readers.get_mut(input.below(READERS as u64) as usize) {
            let to = input.number_near(head);
            let before = place.position;
            place.waits = false;
            place.position = to.clamp(before, head);
            assert_eq!(place.reader.skip_to(to), place.position - before);
        }
    }

    fn check(&self) {
        assert_eq!(self.producer.position(), self.head);
        let capacity = self.producer.capacity() as u64;
        for place in &self.readers {
            let behind = self.head - place.position;
            assert_eq!(place.reader.position(), place.position);
            assert_eq!(place.reader.behind(), behind);
            assert_eq!(place.cursor.position(), Some(place.position));
            let room = self.producer.room(&place.cursor) as u64;
            assert_eq!(room, capacity.saturating_sub(behind));
            assert!(!place.reader.is_closed());
        }
    }
}
