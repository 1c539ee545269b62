//! A reply on its way to a client.

use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use tickcast_net::clock::realtime_ns;
use tickcast_protocol::{Snapshot, Store};
use tickcast_wire::{BLOCK_ROWS, Block, Reply, ReplyStatus, TICK_BYTES, Tick, TickSum};
use zerocopy::IntoBytes;

/// The bytes that a client has to take, so that it counts as alive. In one turn its socket gets no
/// more than a block, so that all clients have theirs.
const TURN_BYTES: u64 = 64 * 1024;

const REPLY_BYTES: u64 = size_of::<Reply>() as u64;
const HEAD_BYTES: u64 = size_of::<Block>() as u64;
const BLOCK_BYTES: u64 = HEAD_BYTES + (BLOCK_ROWS * TICK_BYTES) as u64;

/// What follows a reply.
#[derive(Debug)]
pub(crate) enum Body {
    None,
    /// Nothing, but the reply says when it leaves, and when the request was there.
    Clock {
        received: u64,
    },
    /// These ticks of the store, read as the socket takes them.
    Store {
        first_seq: u64,
    },
    Snapshot(Arc<Snapshot>),
}

/// A reply and how much of it was sent. It holds no copy of any tick.
#[derive(Debug)]
pub(crate) struct Sending {
    reply: Reply,
    body: Body,
    sent: u64,
}

/// Why a reply cannot go on.
#[derive(Debug)]
pub(crate) enum SendingError {
    /// The socket failed.
    Socket,
    /// The store no longer has the ticks that were promised.
    Overrun,
}

impl Sending {
    pub(crate) const fn new(reply: Reply, body: Body) -> Sending {
        Sending {
            reply,
            body,
            sent: 0,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.sent == self.size()
    }

    fn size(&self) -> u64 {
        let count = self.reply.count();
        let heads = count.div_ceil(BLOCK_ROWS as u64) * HEAD_BYTES;
        REPLY_BYTES + heads + count * TICK_BYTES as u64
    }

    /// The refusal that takes the place of a reply of which nothing was sent, if the store has moved
    /// on before it began.
    pub(crate) fn too_old(&self, store: &Store<impl AsRef<[Tick]>>) -> Option<Reply> {
        (self.sent == 0).then(|| self.reply.refused(ReplyStatus::TooOld, store.oldest()))
    }

    /// Bytes of ticks, with what stands before their blocks, that were not sent.
    pub(crate) fn unsent(&self) -> u64 {
        (self.size() - self.sent).min(self.size() - REPLY_BYTES)
    }

    /// Whether it is a snapshot that, as it goes, takes longer than `most` ns in all; `elapsed` of
    /// them have passed.
    pub(crate) fn is_slow_snapshot(&self, elapsed: u64, most: u128) -> bool {
        let takes_at_least = u128::from(elapsed) * u128::from(self.size());
        matches!(self.body, Body::Snapshot(_)) && takes_at_least > most * u128::from(self.sent)
    }

    /// How many whole turns were sent so far.
    pub(crate) const fn turns(&self) -> u64 {
        self.sent / TURN_BYTES
    }

    /// Sends what the socket takes, at most a block, and gives how much that was; 0 when the
    /// socket takes nothing now.
    pub(crate) fn send(
        &mut self,
        socket: &mut impl Write,
        store: &Store<impl AsRef<[Tick]>>,
    ) -> Result<usize, SendingError> {
        if let Body::Clock { received } = self.body
            && self.sent == 0
        {
            self.reply = self.reply.with_clock(received, realtime_ns());
        }
        let reply_sent = self.sent.min(REPLY_BYTES) as usize;
        let reply = &self.reply.as_bytes()[reply_sent..];
        let body_sent = self.sent.saturating_sub(REPLY_BYTES);
        let first = body_sent / BLOCK_BYTES * BLOCK_ROWS as u64;
        let block_sent = body_sent % BLOCK_BYTES;
        let rows_sent = block_sent.saturating_sub(HEAD_BYTES);
        let (rows, rest) = self.rows(first + rows_sent / TICK_BYTES as u64, store)?;
        let whole_head;
        let head = if block_sent < HEAD_BYTES && !rows.is_empty() {
            whole_head = self.head(first, rows, rest);
            &whole_head.as_bytes()[block_sent as usize..]
        } else {
            &[]
        };
        // A tick may have been sent in part: the rest of it comes first.
        let rows = rows
            .as_bytes()
            .get((rows_sent % TICK_BYTES as u64) as usize..)
            .unwrap_or_default();
        let slices = [reply, head, rows, rest.as_bytes()].map(IoSlice::new);
        loop {
            match socket.write_vectored(&slices) {
                Ok(0) => return Err(SendingError::Socket),
                Ok(count) => {
                    self.sent += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(_) => return Err(SendingError::Socket),
            }
        }
    }

    /// What stands before the block of these rows.
    fn head(&self, first: u64, rows: &[Tick], rest: &[Tick]) -> Block {
        let count = (rows.len() + rest.len()) as u32;
        Block::new(self.reply.id(), first, count, TickSum::of_both(rows, rest))
    }

    /// The rows from `row` to the end of its block, which lie in two places at most.
    fn rows<'a>(
        &'a self,
        row: u64,
        store: &'a Store<impl AsRef<[Tick]>>,
    ) -> Result<(&'a [Tick], &'a [Tick]), SendingError> {
        let left_in_block = BLOCK_ROWS as u64 - row % BLOCK_ROWS as u64;
        let count = left_in_block.min(self.reply.count() - row);
        match &self.body {
            Body::None | Body::Clock { .. } => Ok((&[], &[])),
            Body::Store { first_seq } => {
                let rows = store.range(first_seq + row, count);
                let mut rows = rows.map_err(|_| SendingError::Overrun)?;
                let mut next = || rows.next().unwrap_or_default();
                Ok((next(), next()))
            }
            Body::Snapshot(snapshot) => {
                let row = row as usize;
                Ok((&snapshot.rows()[row..row + count as usize], &[]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tickcast_wire::{Clear, Request, RequestKind};

    /// Enough for a block to lie in two.
    const CHUNK_TICKS: u64 = BLOCK_ROWS as u64 + 7;

    /// Takes a few bytes at a time, and sometimes none.
    struct Narrow {
        taken: Vec<u8>,
        widths: Vec<usize>,
        turn: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.turn += 1;
            let width = self.widths[self.turn % self.widths.len()];
            if width == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = width.min(bytes.len());
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn store(ticks: u64, size: usize) -> Store<Vec<Tick>> {
        let mut store = Store::new(size);
        publish(&mut store, ticks);
        store
    }

    fn publish(store: &mut Store<Vec<Tick>>, ticks: u64) {
        let mut left = ticks;
        while left > 0 {
            let (next, count) = (store.next_seq(), left.min(CHUNK_TICKS));
            let tick = |seq| Tick::new(Clear::default(), 1u16, 1, seq).with_seq(seq);
            store.begin((next..next + count).map(tick).collect());
            store.add(count as usize).unwrap();
            left -= count;
        }
    }

    fn retransmit(first_seq: u64, count: u64) -> Sending {
        let request = Request::new(RequestKind::Retransmit, 1, 0, first_seq, count, 9);
        let reply = Reply::new(&request, 1, ReplyStatus::Ok, 0).with_ticks(first_seq, count);
        Sending::new(reply, Body::Store { first_seq })
    }

    #[test]
    fn a_store_that_moves_on_ends_the_reply() {
        let mut store = store(100, 100);
        let mut sending = retransmit(1, 100);
        let mut socket = Narrow {
            taken: vec![],
            widths: vec![64],
            turn: 0,
        };
        for _ in 0..6 {
            assert_eq!(sending.send(&mut socket, &store).unwrap(), 64);
        }
        publish(&mut store, 4);
        assert_eq!(
            sending.send(&mut socket, &store).unwrap(),
            64,
            "tick 5 is the oldest"
        );
        publish(&mut store, 2);
        let error = sending.send(&mut socket, &store).unwrap_err();
        assert!(matches!(error, SendingError::Overrun));
        assert_eq!(sending.too_old(&store), None, "a part of it was sent");
    }

    #[test]
    fn a_store_that_moves_on_before_the_reply_begins_refuses_it() {
        let mut store = store(100, 100);
        let sending = retransmit(1, 100);
        publish(&mut store, 10);
        let refusal = sending.too_old(&store).unwrap();
        let request = Request::new(RequestKind::Retransmit, 1, 0, 1, 100, 9);
        assert_eq!(refusal.check(&request), Ok(ReplyStatus::TooOld));
        assert_eq!((refusal.detail(), refusal.count()), (11, 0));
    }

    proptest! {
        #[test]
        fn every_byte_once_through_any_narrow_socket(
            published in prop_oneof![1u64..120, 2_000u64..2_100],
            size in prop_oneof![1usize..80, 1_020usize..2_100],
            mut widths in proptest::collection::vec(0usize..200, 1..6),
        ) {
            widths.push(61);
            let store = store(published, size);
            let (first, count) = (store.oldest(), published - store.oldest() + 1);
            let mut sending = retransmit(first, count);
            let mut socket = Narrow { taken: vec![], widths, turn: 0 };
            while !sending.is_done() {
                sending.send(&mut socket, &store).unwrap();
            }
            let rows: Vec<&[Tick]> = store.range(first, count).unwrap().collect();
            let rows = rows.concat();
            let mut expected = sending.reply.as_bytes().to_vec();
            for (at, rows) in rows.chunks(BLOCK_ROWS).enumerate() {
                let before = (at * BLOCK_ROWS) as u64;
                let block = Block::new(9, before, rows.len() as u32, TickSum::of(rows));
                expected.extend([block.as_bytes(), rows.as_bytes()].concat());
            }
            prop_assert!(socket.taken == expected);
        }
    }
}
