//! Numbers ticks and lays them out as packets, ready to be sent.

use tickcast_wire::{
    CHECKSUM_BYTES, Digest, EMPTY_PACKET_BYTES, HEADER_BYTES, PacketHeader, PreviousSession,
    TICK_BYTES, TICKS_PER_PACKET, Tick, TickSum,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a full packet: every packet of a [`Batch`] but the last has this size.
pub const PACKET_BYTES: usize = HEADER_BYTES + TICKS_PER_PACKET * TICK_BYTES + CHECKSUM_BYTES;

/// The most packets in a [`Batch`]: as many full ones as one segmented UDP send can carry.
pub const PACKETS_PER_BATCH: usize = 46;

/// The most ticks in a [`Batch`].
pub const TICKS_PER_BATCH: usize = PACKETS_PER_BATCH * TICKS_PER_PACKET;

const _: () = assert!(PACKETS_PER_BATCH * PACKET_BYTES == 65_136);

/// A full packet as it lies in the send buffer.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy)]
#[repr(C)]
struct FullPacket {
    header: PacketHeader,
    ticks: [Tick; TICKS_PER_PACKET],
    checksum: [u8; CHECKSUM_BYTES],
}

/// A preallocated send buffer: packets one after the other, all but the last full, so that the
/// whole can leave in one segmented send with segments of [`PACKET_BYTES`]. Packets are whole once
/// they are stamped.
pub struct Batch {
    packets: Box<[FullPacket]>,
    /// Of the ticks of each packet.
    sums: [TickSum; PACKETS_PER_BATCH],
    ticks: usize,
}

impl Batch {
    /// An empty batch, with room for [`PACKETS_PER_BATCH`] packets.
    #[must_use]
    pub fn new() -> Batch {
        let empty = FullPacket {
            header: PacketHeader::data(0, 0, 0, 0),
            ticks: [Tick::from_words([0; 8]); TICKS_PER_PACKET],
            checksum: [0; CHECKSUM_BYTES],
        };
        Batch {
            packets: vec![empty; PACKETS_PER_BATCH].into_boxed_slice(),
            sums: [TickSum::default(); PACKETS_PER_BATCH],
            ticks: 0,
        }
    }

    /// The packets, as they leave.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let len = self.packet_count() * EMPTY_PACKET_BYTES + self.ticks * TICK_BYTES;
        &self.packets.as_bytes()[..len]
    }

    /// How many ticks it holds.
    #[must_use]
    pub const fn tick_count(&self) -> usize {
        self.ticks
    }

    /// How many packets it holds.
    #[must_use]
    pub const fn packet_count(&self) -> usize {
        self.ticks.div_ceil(TICKS_PER_PACKET)
    }

    /// The ticks of each packet, in order.
    pub fn packets(&self) -> impl Iterator<Item = &[Tick]> {
        let mut left = self.ticks;
        self.packets[..self.packet_count()]
            .iter()
            .map(move |packet| {
                let count = left.min(TICKS_PER_PACKET);
                left -= count;
                &packet.ticks[..count]
            })
    }

    /// Writes the time of sending, ns since the Unix epoch, into every header, and the checksums.
    pub fn stamp(&mut self, ts_sent: u64) {
        let mut left = self.ticks;
        let packets = self.packets.iter_mut().zip(&self.sums);
        for (packet, ticks) in packets.take(self.ticks.div_ceil(TICKS_PER_PACKET)) {
            let count = left.min(TICKS_PER_PACKET);
            left -= count;
            packet.header = packet.header.with_ts_sent(ts_sent);
            let checksum = packet.header.checksum(*ticks);
            // In a packet that is not full it lies where the next tick would.
            let at = HEADER_BYTES + count * TICK_BYTES;
            packet.as_mut_bytes()[at..at + CHECKSUM_BYTES].copy_from_slice(&checksum);
        }
    }
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

/// Gives every tick of a session its seq, from 1 without holes, and makes the packets.
///
/// Call [`Sequencer::fill`] with what is to be sent, [`Batch::stamp`] just before the send; in
/// silence [`Sequencer::heartbeat`], and at the end [`Sequencer::end_of_session`].
#[derive(Debug, Clone)]
pub struct Sequencer {
    session: u64,
    channel: u16,
    previous: Option<PreviousSession>,
    next_seq: u64,
    digest: Digest,
}

impl Sequencer {
    /// The start of a session on a channel; `previous` is the publisher's previous session, when
    /// it knows how that ended.
    #[must_use]
    pub const fn new(session: u64, channel: u16, previous: Option<PreviousSession>) -> Sequencer {
        Sequencer {
            session,
            channel,
            previous,
            next_seq: 1,
            digest: Digest::from_value(0),
        }
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> u64 {
        self.session
    }

    /// The seq that the next tick will have.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The digest of all ticks so far.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Fills the batch with ticks from the front of `ticks`, in as few packets as they need, and
    /// gives how many it took: all, or what fits, or those before the first for which `due` gives
    /// `None`. `due` gives the `ts_due` of a tick; it is asked once a tick, in order, and no more
    /// after its first `None`. What the batch held before is gone.
    pub fn fill(
        &mut self,
        ticks: &[Tick],
        mut due: impl FnMut(&Tick) -> Option<u64>,
        batch: &mut Batch,
    ) -> usize {
        batch.ticks = 0;
        let chunks = ticks.chunks(TICKS_PER_PACKET);
        let slots = batch.packets.iter_mut().zip(&mut batch.sums);
        for (chunk, (packet, sum)) in chunks.zip(slots) {
            let count = self.fill_packet(chunk, &mut due, packet);
            *sum = TickSum::of(&packet.ticks[..count]);
            batch.ticks += count;
            if count < TICKS_PER_PACKET {
                break;
            }
        }
        batch.ticks
    }

    fn fill_packet(
        &mut self,
        ticks: &[Tick],
        due: &mut impl FnMut(&Tick) -> Option<u64>,
        packet: &mut FullPacket,
    ) -> usize {
        let first_seq = self.next_seq;
        let mut count = 0;
        for (tick, slot) in ticks.iter().zip(&mut packet.ticks) {
            let Some(ts_due) = due(tick) else { break };
            let seq = first_seq + count as u64;
            *slot = tick.with_seq(seq).with_ts_due(ts_due);
            count += 1;
        }
        self.next_seq += count as u64;
        if count == TICKS_PER_PACKET {
            self.next_seq += u64::from(planted!(SequencerSkips));
            self.next_seq -= u64::from(planted!(SequencerRepeats));
        }
        let header = PacketHeader::data(self.session, self.channel, first_seq, count as u16);
        packet.header = self.complete(header);
        self.digest.update_all(&packet.ticks[..count]);
        count
    }

    /// A heartbeat, sent at `ts_sent`: nothing before the next seq is still to come.
    #[must_use]
    pub fn heartbeat(&self, ts_sent: u64) -> PacketHeader {
        let next_seq = self.next_seq + u64::from(planted!(HeartbeatOneHigh));
        let header = PacketHeader::heartbeat(self.session, self.channel, next_seq);
        self.complete(header).with_ts_sent(ts_sent)
    }

    /// The end of the session, sent at `ts_sent`: the next seq will never be sent.
    #[must_use]
    pub fn end_of_session(&self, ts_sent: u64) -> PacketHeader {
        let next_seq = self.next_seq - u64::from(planted!(EndNamedOneLow) && self.next_seq > 1);
        let header = PacketHeader::end_of_session(self.session, self.channel, next_seq);
        self.complete(header).with_ts_sent(ts_sent)
    }

    /// Adds what every header carries.
    fn complete(&self, header: PacketHeader) -> PacketHeader {
        let header = header.with_digest(self.digest);
        match self.previous {
            Some(previous) => header.with_previous(previous),
            None => header,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tickcast_wire::{Packet, PacketKind, Quote};

    const PREVIOUS: PreviousSession = PreviousSession {
        session: 6,
        last_seq: 100,
        digest: Digest::from_value(5),
    };

    fn quotes(n: usize) -> Vec<Tick> {
        (0..n as u64)
            .map(|i| Tick::new(Quote::new(i as i64, 1, 2, 3), 1u16, 4, 1000 + i))
            .collect()
    }

    #[test]
    fn a_batch_is_full_packets_and_a_rest() {
        let mut sequencer = Sequencer::new(7, 9, Some(PREVIOUS));
        let mut batch = Batch::new();
        let ticks = quotes(50);
        let taken = sequencer.fill(&ticks, |tick| Some(tick.ts_event() * 2), &mut batch);
        batch.stamp(77);

        assert_eq!(
            (taken, batch.tick_count(), batch.packet_count()),
            (50, 50, 3)
        );
        let lens: Vec<usize> = batch
            .bytes()
            .chunks(PACKET_BYTES)
            .map(<[u8]>::len)
            .collect();
        assert_eq!(lens, [1416, 1416, 72 + 8 * 64]);
        let mut expected_seq = 1;
        for bytes in batch.bytes().chunks(PACKET_BYTES) {
            let packet = Packet::parse(bytes).unwrap();
            let header = packet.header();
            assert_eq!(header.first_seq(), expected_seq);
            assert_eq!((header.session(), header.channel()), (7, 9));
            assert_eq!((header.ts_sent(), header.previous()), (77, Some(PREVIOUS)));
            for tick in packet.ticks() {
                let original = ticks[expected_seq as usize - 1];
                let due = original.ts_event() * 2;
                assert_eq!(*tick, original.with_seq(expected_seq).with_ts_due(due));
                expected_seq += 1;
            }
        }
        assert_eq!((expected_seq, sequencer.next_seq()), (51, 51));
        let seen: Vec<usize> = batch.packets().map(<[Tick]>::len).collect();
        assert_eq!(seen, [21, 21, 8]);
    }

    #[test]
    fn a_batch_never_outgrows_one_segmented_send() {
        let mut sequencer = Sequencer::new(1, 0, None);
        let mut batch = Batch::new();
        let ticks = quotes(TICKS_PER_BATCH + 5);
        assert_eq!(
            sequencer.fill(&ticks, |_| Some(1), &mut batch),
            TICKS_PER_BATCH
        );
        assert_eq!(batch.bytes().len(), 65_136);
        let rest = sequencer.fill(&ticks[TICKS_PER_BATCH..], |_| Some(1), &mut batch);
        assert_eq!((rest, batch.bytes().len()), (5, 72 + 5 * 64));
        assert_eq!(sequencer.fill(&[], |_| Some(1), &mut batch), 0);
        assert!(batch.bytes().is_empty() && batch.packets().next().is_none());
    }

    #[test]
    fn what_is_not_due_stays() {
        for due_ticks in [0u64, 1, 20, 21, 22, 42] {
            let mut sequencer = Sequencer::new(1, 0, None);
            let mut batch = Batch::new();
            let mut asked = 0;
            let due = |tick: &Tick| {
                asked += 1;
                (tick.ts_event() < 1000 + due_ticks).then_some(5)
            };
            let taken = sequencer.fill(&quotes(60), due, &mut batch);
            assert_eq!((taken as u64, asked), (due_ticks, due_ticks + 1));
            assert_eq!(sequencer.next_seq(), due_ticks + 1);
            batch.stamp(1);
            for bytes in batch.bytes().chunks(PACKET_BYTES) {
                assert!(Packet::parse(bytes).is_ok());
            }
        }
    }

    #[test]
    fn heartbeat_and_end_name_the_next_seq_and_the_digest() {
        let mut sequencer = Sequencer::new(1, 2, None);
        assert_eq!(sequencer.heartbeat(3).first_seq(), 1);
        sequencer.fill(&quotes(2), |_| Some(0), &mut Batch::new());
        let beat = sequencer.heartbeat(4);
        let end = sequencer.end_of_session(5);
        assert_eq!(
            (beat.kind(), end.kind()),
            (Some(PacketKind::Heartbeat), Some(PacketKind::EndOfSession),)
        );
        assert_eq!((beat.first_seq(), end.first_seq()), (3, 3));
        assert_eq!((beat.ts_sent(), end.ts_sent()), (4, 5));
        assert_eq!((beat.channel(), beat.previous()), (2, None));
        assert_eq!(
            (beat.digest(), end.digest()),
            (sequencer.digest(), sequencer.digest())
        );
    }

    proptest! {
        #[test]
        fn every_header_carries_the_digest_of_what_came_before(
            cuts in proptest::collection::vec(0usize..70, 0..8),
        ) {
            let ticks = quotes(cuts.iter().sum());
            let mut sequencer = Sequencer::new(1, 0, None);
            let mut batch = Batch::new();
            let mut digest = Digest::default();
            let mut at = 0;
            for cut in cuts {
                at += sequencer.fill(&ticks[at..at + cut], |_| Some(9), &mut batch);
                batch.stamp(1);
                for bytes in batch.bytes().chunks(PACKET_BYTES) {
                    let packet = Packet::parse(bytes).unwrap();
                    prop_assert_eq!(packet.header().digest(), digest);
                    digest.update_all(packet.ticks());
                }
            }
            prop_assert_eq!(sequencer.digest(), digest);
            prop_assert_eq!(sequencer.next_seq(), at as u64 + 1);
        }
    }
}
