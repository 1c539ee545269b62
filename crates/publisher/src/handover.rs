//! The way from the send loop to the server, for what was sent: a ring that loses nothing.
//!
//! Each batch is a mark and its ticks. The mark says where the batch lies in the stream, and its
//! digest, which the send loop has computed for the headers anyway.

use tickcast_protocol::{Batch, Responder, TICKS_PER_BATCH};
use tickcast_queue::{Cursor, Line, Producer, Reader, ring};
use tickcast_wire::Digest;

use crate::server::ServeError;

/// What a full batch takes in the ring.
const BATCH_LINES: usize = 1 + TICKS_PER_BATCH;

/// The smallest ring: room for some batches.
const LEAST_LINES: usize = 4096;

/// Makes both ends of a ring of `ticks` lines.
pub(crate) fn handover(ticks: usize) -> (Outbox, Inbox) {
    let (producer, ring) = ring(ticks.max(LEAST_LINES));
    let reader = ring.reader();
    let outbox = Outbox {
        cursor: reader.cursor(),
        room: 0,
        producer,
    };
    (outbox, Inbox { reader })
}

/// The send loop's end.
#[derive(Debug)]
pub(crate) struct Outbox {
    producer: Producer,
    cursor: Cursor,
    /// There is room for at least so many lines: the reader only makes more.
    room: usize,
}

impl Outbox {
    /// Whether a full batch may be handed over. The reader's cursor, which lies in another core's
    /// cache, is looked at only when the room last seen is used up.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.room < BATCH_LINES {
            self.room = self.producer.room(&self.cursor);
        }
        self.room >= BATCH_LINES
    }

    /// Hands over a batch that was sent, its first tick with seq `first_seq`; `digest` is that of all
    /// ticks with it. There must be room.
    pub(crate) fn publish(&mut self, first_seq: u64, batch: &Batch, digest: Digest) {
        let ticks = batch.ticks();
        let count = ticks.len();
        let mark: Line = [first_seq, count as u64, digest.value(), 0, 0, 0, 0, 0];
        self.producer
            .publish(&mark, ticks.map(|tick| tick.to_words()));
        self.room = self.room.saturating_sub(1 + count);
    }
}

/// The server's end.
#[derive(Debug)]
pub(crate) struct Inbox {
    reader: Reader,
}

impl Inbox {
    /// Whether the send loop is gone and all it sent was taken.
    pub(crate) fn is_closed(&self) -> bool {
        self.reader.is_closed()
    }

    /// Takes the next batch into the responder; gives how many ticks it had, 0 when there is none.
    pub(crate) fn take(&mut self, responder: &mut Responder) -> Result<usize, ServeError> {
        let mut mark = [Line::default()];
        if self.reader.read(&mut mark)? == 0 {
            return Ok(0);
        }
        let [[first_seq, count, digest, ..]] = mark;
        let (count, digest) = (count as usize, Digest::from_value(digest));
        let read = |rows: &mut [Line]| -> Result<(), ServeError> {
            let read = self.reader.read(rows)?;
            assert_eq!(read, rows.len(), "a batch becomes visible at once");
            Ok(())
        };
        responder.append_with(first_seq, count, digest, read)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickcast_protocol::{ResponderLimits, Response, Sequencer};
    use tickcast_wire::{Quote, Request, RequestKind, Tick};

    fn ticks(count: usize) -> Vec<Tick> {
        let tick = |at: usize| Tick::new(Quote::new(1, 2, 3, 4), 1u16, at as u32 % 7, at as u64);
        (0..count).map(tick).collect()
    }

    /// Batches of any size, through a ring that wraps, into a store that wraps elsewhere.
    #[test]
    fn what_was_sent_lies_in_the_store_and_its_digest_is_known() {
        let limits = ResponderLimits {
            store_ticks: 5_000,
            ..ResponderLimits::default()
        };
        let mut responder = Responder::new(1, 0, None, limits);
        let (mut outbox, mut inbox) = handover(0);
        let mut sequencer = Sequencer::new(1, 0, None);
        let mut batch = Batch::new();
        let mut sent = Vec::new();
        for count in [1, 21, TICKS_PER_BATCH, 22, 500, 1].repeat(20) {
            assert!(outbox.has_room());
            let first_seq = sequencer.next_seq();
            sequencer.fill(&ticks(count), |tick| Some(tick.ts_event() + 9), &mut batch);
            outbox.publish(first_seq, &batch, sequencer.digest());
            sent.extend(batch.ticks().copied());
            assert_eq!(inbox.take(&mut responder).unwrap(), count);
        }
        assert_eq!(inbox.take(&mut responder).unwrap(), 0);

        let store = responder.store();
        let (first, kept) = (store.oldest(), store.next_seq() - store.oldest());
        assert_eq!((kept, store.next_seq()), (5_000, sequencer.next_seq()));
        let (head, wrapped) = store.range(first, kept).unwrap();
        assert_eq!([head, wrapped].concat(), sent[sent.len() - 5_000..]);
        let request = Request::new(RequestKind::Snapshot, 1, 0, 1, 0, 5);
        let Response::Snapshot { reply, snapshot } = responder.respond(&request, 0) else {
            panic!("no snapshot");
        };
        assert_eq!(snapshot.as_of() + 1, sequencer.next_seq());
        assert_eq!(reply.digest(), sequencer.digest());
    }

    #[test]
    fn a_ring_without_room_for_a_batch_is_waited_for() {
        let mut responder = Responder::new(1, 0, None, ResponderLimits::default());
        let (mut outbox, mut inbox) = handover(LEAST_LINES);
        let mut sequencer = Sequencer::new(1, 0, None);
        let mut batch = Batch::new();
        let mut publish = |outbox: &mut Outbox| {
            let first_seq = sequencer.next_seq();
            sequencer.fill(&ticks(TICKS_PER_BATCH), |_| Some(1), &mut batch);
            outbox.publish(first_seq, &batch, sequencer.digest());
        };
        let most = outbox.producer.capacity() / BATCH_LINES;
        let mut batches = 0;
        while outbox.has_room() {
            publish(&mut outbox);
            batches += 1;
        }
        assert!(most > 1 && batches == most, "{batches} of {most}");
        assert_eq!(inbox.take(&mut responder).unwrap(), TICKS_PER_BATCH);
        assert!(outbox.has_room());
        publish(&mut outbox);
        assert!(!outbox.has_room());
        while inbox.take(&mut responder).unwrap() > 0 {}
        assert_eq!(responder.store().next_seq(), sequencer.next_seq());
        drop(outbox);
        assert!(inbox.is_closed());
    }
}
