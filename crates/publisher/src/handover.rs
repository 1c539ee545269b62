//! The way from the send loop into the store, for what was sent: the send loop lays it where it
//! stays, in chunks of a fixed number, and the server reads it there.

use std::collections::VecDeque;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use tickcast_protocol::{Batch, NotContiguous, Responder, TICKS_PER_BATCH};
use tickcast_queue::{ChunkReader, ChunkWriter, chunk};
use tickcast_wire::{BLOCK_ROWS, Digest, Tick};

/// Ticks in a chunk: 1 MiB.
const CHUNK_TICKS: usize = 16_384;

/// A batch lies in one chunk, so that of a chunk this much is filled at least before the next begins.
const LEAST_TICKS: usize = CHUNK_TICKS - (TICKS_PER_BATCH - 1);

// A block of a reply lies in two chunks at most.
const _: () = assert!(LEAST_TICKS >= BLOCK_ROWS);

/// Chunks beyond those of the ticks that are kept: how far the server may be behind, about 250,000
/// ticks, before the send loop waits for it.
const SPARE_CHUNKS: usize = 16;

/// What the server reads of a chunk.
pub(crate) type Kept = ChunkReader<Tick>;

/// Makes both ends, for a store of `ticks` ticks. All memory is taken here.
pub(crate) fn handover(ticks: usize) -> (Outbox, Inbox) {
    // The oldest and the newest are kept in part only.
    with_chunks(ticks.div_ceil(LEAST_TICKS) + 2 + SPARE_CHUNKS)
}

fn with_chunks(chunks: usize) -> (Outbox, Inbox) {
    let empty = Tick::from_words([0; 8]);
    let mut chunks: VecDeque<_> = (0..chunks).map(|_| chunk(CHUNK_TICKS, empty)).collect();
    let (begun, to_begin) = bounded(chunks.len());
    let filling = chunks.pop_front().expect("one at least");
    begun.try_send(filling.reader()).expect("room for each");
    let outbox = Outbox {
        filling,
        others: chunks,
        begun,
    };
    (
        outbox,
        Inbox {
            to_begin,
            next: None,
        },
    )
}

/// The send loop's end.
#[derive(Debug)]
pub(crate) struct Outbox {
    filling: ChunkWriter<Tick>,
    /// The next one to fill comes first: it was filled longest ago.
    others: VecDeque<ChunkWriter<Tick>>,
    begun: Sender<Kept>,
}

impl Outbox {
    /// Whether a full batch may be handed over; if not, the server is far behind.
    pub(crate) fn has_room(&mut self) -> bool {
        self.filling.room() >= TICKS_PER_BATCH || self.begin_next()
    }

    /// Goes on in the next chunk, unless the server still keeps what is in it.
    fn begin_next(&mut self) -> bool {
        if !self.others.front_mut().is_some_and(ChunkWriter::clear) {
            return false;
        }
        if let Some(next) = self.others.pop_front() {
            let full = std::mem::replace(&mut self.filling, next);
            self.others.push_back(full);
        }
        // There is room for as many as there are chunks. A server that is gone needs none.
        let _ = self.begun.try_send(self.filling.reader());
        true
    }

    /// Hands over a batch that was sent; `digest` is that of all ticks with it. There must be room.
    pub(crate) fn publish(&mut self, batch: &Batch, digest: Digest) {
        self.filling.append(batch.packets(), digest.value());
    }
}

/// The server's end.
#[derive(Debug)]
pub(crate) struct Inbox {
    to_begin: Receiver<Kept>,
    /// It was begun; all that will ever be in the one before is there.
    next: Option<Kept>,
}

impl Inbox {
    /// Takes what was handed over into the responder, a chunk at most; gives how many ticks that was,
    /// 0 when there are none, `None` when none will come.
    pub(crate) fn take(
        &mut self,
        responder: &mut Responder<Kept>,
    ) -> Result<Option<usize>, NotContiguous> {
        // First this, then what is in the chunk: a chunk before another is complete.
        let mut is_open = true;
        if self.next.is_none() {
            match self.to_begin.try_recv() {
                Ok(next) => self.next = Some(next),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => is_open = false,
            }
        }
        let taken = take_filled(responder)?;
        if taken > 0 {
            return Ok(Some(taken));
        }
        let Some(next) = self.next.take() else {
            return Ok(is_open.then_some(0));
        };
        responder.begin(next);
        take_filled(responder).map(Some)
    }
}

/// Takes in what came in the latest chunk.
fn take_filled(responder: &mut Responder<Kept>) -> Result<usize, NotContiguous> {
    let Some(latest) = responder.store().latest() else {
        return Ok(0);
    };
    let (ticks, digest) = latest.filled();
    let filled = ticks.len();
    responder.take_in(filled, Digest::from_value(digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickcast_protocol::{ResponderLimits, Response, Sequencer};
    use tickcast_wire::{Quote, Request, RequestKind};

    const STORE: usize = 40_000;

    fn responder() -> Responder<Kept> {
        let limits = ResponderLimits {
            store_ticks: STORE,
            ..ResponderLimits::default()
        };
        Responder::new(1, 0, None, limits)
    }

    fn ticks(count: usize) -> Vec<Tick> {
        let tick = |at: usize| Tick::new(Quote::new(1, 2, 3, 4), 1u16, at as u32 % 7, at as u64);
        (0..count).map(tick).collect()
    }

    /// Numbers ticks and hands them over, in batches.
    struct Sending {
        outbox: Outbox,
        sequencer: Sequencer,
        batch: Batch,
        sent: Vec<Tick>,
    }

    impl Sending {
        fn new(outbox: Outbox) -> Sending {
            Sending {
                outbox,
                sequencer: Sequencer::new(1, 0, None),
                batch: Batch::new(),
                sent: Vec::new(),
            }
        }

        fn publish(&mut self, count: usize) {
            let (sequencer, batch) = (&mut self.sequencer, &mut self.batch);
            sequencer.fill(&ticks(count), |tick| Some(tick.ts_event() + 9), batch);
            self.outbox.publish(batch, sequencer.digest());
            self.sent.extend(self.batch.packets().flatten());
        }
    }

    /// Batches of any size, through chunks that are used again.
    #[test]
    fn what_was_sent_lies_in_the_store_and_its_digest_is_known() {
        let (outbox, mut inbox) = handover(STORE);
        let (mut sending, mut responder) = (Sending::new(outbox), responder());
        for count in [1, 21, TICKS_PER_BATCH, 22, 500, 1].repeat(400) {
            assert!(sending.outbox.has_room());
            sending.publish(count);
            // The first look at a chunk that was begun is at the one before.
            while inbox.take(&mut responder).unwrap() == Some(0) {}
            assert_eq!(responder.store().next_seq(), sending.sequencer.next_seq());
        }
        assert_eq!(inbox.take(&mut responder), Ok(Some(0)));

        let store = responder.store();
        let (first, kept) = (store.oldest(), store.next_seq() - store.oldest());
        assert_eq!(kept, STORE as u64);
        let rows: Vec<&[Tick]> = store.range(first, kept).unwrap().collect();
        assert!(rows.len() > 2 && rows.concat() == sending.sent[sending.sent.len() - STORE..]);
        let request = Request::new(RequestKind::Snapshot, 1, 0, 1, 0, 5);
        let Response::Snapshot { reply, snapshot } = responder.respond(&request, 0) else {
            panic!("no snapshot");
        };
        assert_eq!(snapshot.as_of() + 1, sending.sequencer.next_seq());
        assert_eq!(reply.digest(), sending.sequencer.digest());
    }

    #[test]
    fn a_server_that_is_far_behind_is_waited_for() {
        const CHUNKS: usize = 6;
        let (outbox, mut inbox) = with_chunks(CHUNKS);
        let (mut sending, mut responder) = (Sending::new(outbox), responder());
        let mut batches = 0;
        while sending.outbox.has_room() {
            sending.publish(TICKS_PER_BATCH);
            batches += 1;
        }
        assert_eq!(batches, CHUNKS * (CHUNK_TICKS / TICKS_PER_BATCH));
        assert!(!sending.outbox.has_room());
        while inbox.take(&mut responder).unwrap() > Some(0) {}
        assert_eq!(responder.store().next_seq(), sending.sequencer.next_seq());
        // What is not kept any more makes room.
        let mut more = 0;
        while sending.outbox.has_room() {
            sending.publish(TICKS_PER_BATCH);
            more += 1;
        }
        assert!((1..batches).contains(&more), "{more} of {batches}");
        while inbox.take(&mut responder).unwrap() > Some(0) {}
        drop(sending.outbox);
        assert_eq!(inbox.take(&mut responder), Ok(None));
    }

    /// The next chunk is begun before there is a batch for it.
    #[test]
    fn a_snapshot_has_its_digest_while_the_next_chunk_is_empty() {
        let (outbox, mut inbox) = handover(STORE);
        let (mut sending, mut responder) = (Sending::new(outbox), responder());
        while sending.outbox.filling.room() >= TICKS_PER_BATCH {
            sending.publish(TICKS_PER_BATCH);
        }
        assert!(sending.outbox.has_room());
        while inbox.take(&mut responder).unwrap() > Some(0) {}
        assert_eq!(inbox.take(&mut responder), Ok(Some(0)));
        let latest = responder.store().latest().map(Kept::filled);
        assert_eq!(latest.map(|(ticks, _)| ticks.len()), Some(0));
        let request = Request::new(RequestKind::Snapshot, 1, 0, 1, 0, 5);
        let Response::Snapshot { reply, .. } = responder.respond(&request, 0) else {
            panic!("no snapshot");
        };
        assert_eq!(reply.digest(), sending.sequencer.digest());
    }

    /// Two threads, few chunks: all are full before the server begins, and used again and again.
    #[test]
    fn chunks_are_used_again_while_they_are_read() {
        const TICKS: u64 = 1_000_000;
        let (outbox, mut inbox) = with_chunks(6);
        let mut sending = Sending::new(outbox);
        while sending.outbox.has_room() {
            sending.publish(TICKS_PER_BATCH);
        }
        let server = std::thread::spawn(move || {
            let mut responder = responder();
            while inbox.take(&mut responder).unwrap().is_some() {}
            responder
        });
        while sending.sequencer.next_seq() <= TICKS {
            if sending.outbox.has_room() {
                sending.publish(TICKS_PER_BATCH);
            } else {
                std::thread::yield_now();
            }
        }
        let Sending { outbox, sent, .. } = sending;
        drop(outbox);
        let responder = server.join().unwrap();
        let store = responder.store();
        assert_eq!(store.next_seq(), sent.len() as u64 + 1);
        let kept = store.range(store.oldest(), STORE as u64).unwrap();
        let kept: Vec<&[Tick]> = kept.collect();
        assert!(kept.concat() == sent[sent.len() - STORE..]);
    }

    #[test]
    fn what_was_handed_over_before_the_end_is_taken_first() {
        let (outbox, mut inbox) = handover(STORE);
        let (mut sending, mut responder) = (Sending::new(outbox), responder());
        for _ in 0..CHUNK_TICKS / TICKS_PER_BATCH + 1 {
            assert!(sending.outbox.has_room());
            sending.publish(TICKS_PER_BATCH);
        }
        drop(sending.outbox);
        let mut taken = 0;
        while let Some(count) = inbox.take(&mut responder).unwrap() {
            taken += count;
        }
        assert_eq!(taken, sending.sent.len());
    }
}
