//! Feeds whose packets say where in their stream they belong.

use std::fmt;

use tickcast_wire::{Packet, PacketKind};
use zerocopy::FromBytes;

use crate::iex::{SegmentHeader, is_cme_mdp3, is_mold_udp64};

/// A feed that is known by its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feed {
    /// Our own.
    Tickcast,
    /// IEX-TP, which carries TOPS and DEEP.
    IexTp,
    /// MoldUDP64, which carries ITCH.
    MoldUdp64,
    /// CME MDP 3.0. It numbers packets, others number messages.
    CmeMdp3,
}

/// Where in its stream a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Which stream: its session and channel, as the feed has them.
    pub stream: [u64; 2],
    /// The number of the first message; in a packet without messages, of the next.
    pub first_seq: u64,
    /// How many messages it has; 0 in a heartbeat and at the end of a session.
    pub count: u64,
}

impl Feed {
    /// The feeds, the most certain to be told first.
    const ALL: [Feed; 4] = [Feed::Tickcast, Feed::IexTp, Feed::MoldUdp64, Feed::CmeMdp3];

    /// The feed whose packets look like this payload.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Feed> {
        let is_one = |feed: &Feed| feed.place(payload).is_some();
        Feed::ALL.into_iter().find(is_one)
    }

    /// The place of this payload, if it is a packet of this feed.
    #[must_use]
    pub fn place(self, payload: &[u8]) -> Option<Place> {
        let place = match self {
            Feed::Tickcast => tickcast(payload),
            Feed::IexTp => iex_tp(payload),
            Feed::MoldUdp64 => mold_udp64(payload),
            Feed::CmeMdp3 => cme_mdp3(payload),
        }?;
        // What has no end cannot be placed.
        place.first_seq.checked_add(place.count).map(|_| place)
    }

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Feed::Tickcast => "tickcast",
            Feed::IexTp => "IEX-TP",
            Feed::MoldUdp64 => "MoldUDP64",
            Feed::CmeMdp3 => "CME MDP 3.0",
        }
    }
}

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn tickcast(payload: &[u8]) -> Option<Place> {
    let packet = Packet::parse(payload).ok()?;
    let header = packet.header();
    let is_data = header.kind() == Some(PacketKind::Data);
    Some(Place {
        stream: [header.session(), u64::from(header.channel())],
        first_seq: header.first_seq(),
        count: if is_data {
            packet.ticks().len() as u64
        } else {
            0
        },
    })
}

fn iex_tp(payload: &[u8]) -> Option<Place> {
    let (header, rest) = SegmentHeader::ref_from_prefix(payload).ok()?;
    let is_whole = header.version == SegmentHeader::VERSION
        && rest.len() == usize::from(header.payload_length.get());
    let first_seq = u64::try_from(header.first_seq.get()).ok()?;
    let stream = u64::from(header.channel.get()) << 32 | u64::from(header.session.get());
    is_whole.then_some(Place {
        stream: [stream, u64::from(header.protocol.get())],
        first_seq,
        count: u64::from(header.message_count.get()),
    })
}

fn mold_udp64(payload: &[u8]) -> Option<Place> {
    const END_OF_SESSION: u16 = 0xffff;
    is_mold_udp64(payload).then_some(())?;
    let (session, rest) = payload.split_first_chunk::<8>()?;
    let (session_end, rest) = rest.split_first_chunk::<2>()?;
    let (first_seq, rest) = rest.split_first_chunk::<8>()?;
    let (count, _) = rest.split_first_chunk::<2>()?;
    let stream_end = u16::from_be_bytes(*session_end);
    Some(Place {
        stream: [u64::from_be_bytes(*session), u64::from(stream_end)],
        first_seq: u64::from_be_bytes(*first_seq),
        count: match u16::from_be_bytes(*count) {
            END_OF_SESSION => 0,
            count => u64::from(count),
        },
    })
}

fn cme_mdp3(payload: &[u8]) -> Option<Place> {
    is_cme_mdp3(payload).then_some(())?;
    let (seq, _) = payload.split_first_chunk::<4>()?;
    Some(Place {
        stream: [0; 2],
        first_seq: u64::from(u32::from_le_bytes(*seq)),
        count: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickcast_wire::{Clear, PacketHeader, Tick, TickSum};
    use zerocopy::IntoBytes;

    fn place(stream: [u64; 2], first_seq: u64, count: u64) -> Option<Place> {
        Some(Place {
            stream,
            first_seq,
            count,
        })
    }

    #[test]
    fn our_own() {
        let ticks = [7, 8].map(|seq| Tick::new(Clear::default(), 1u16, 3, 5).with_seq(seq));
        let header = PacketHeader::data(9, 2, 7, 2);
        let checksum = header.checksum(TickSum::of(&ticks));
        let mut packet = [header.as_bytes(), ticks.as_bytes(), &checksum].concat();
        assert_eq!(Feed::of(&packet), Some(Feed::Tickcast));
        assert_eq!(Feed::Tickcast.place(&packet), place([9, 2], 7, 2));
        packet[70] ^= 1;
        assert_eq!(Feed::of(&packet), None, "damaged");
        let heartbeat = PacketHeader::heartbeat(9, 2, 9).to_packet();
        assert_eq!(Feed::Tickcast.place(&heartbeat), place([9, 2], 9, 0));
    }

    #[test]
    fn iex() {
        let mut segment = vec![1, 0, 3, 0x80, 5, 0, 0, 0, 6, 0, 0, 0, 4, 0, 2, 0];
        segment.extend([0; 8]);
        segment.extend(77u64.to_le_bytes());
        segment.extend([0; 8]);
        segment.extend([0; 4]);
        let stream = [5 << 32 | 6, 0x8003];
        assert_eq!(Feed::of(&segment), Some(Feed::IexTp));
        assert_eq!(Feed::IexTp.place(&segment), place(stream, 77, 2));
        segment.push(0);
        assert_eq!(
            Feed::IexTp.place(&segment),
            None,
            "a length that does not fit"
        );
    }

    #[test]
    fn mold() {
        let mut packet = b"SESSION001".to_vec();
        packet.extend(12u64.to_be_bytes());
        let stream = [
            u64::from_be_bytes(*b"SESSION0"),
            u64::from(u16::from_be_bytes(*b"01")),
        ];
        for (count, messages, expected) in [
            (2u16, &b"\x00\x01a\x00\x02bc"[..], 2),
            (0, b"", 0),
            (0xffff, b"", 0),
        ] {
            let packet = [&packet[..], &count.to_be_bytes(), messages].concat();
            assert_eq!(Feed::of(&packet), Some(Feed::MoldUdp64));
            assert_eq!(Feed::MoldUdp64.place(&packet), place(stream, 12, expected));
        }
        let endless = [&packet[..10], &[0xff; 8], b"\x00\x01\x00\x01a"].concat();
        assert_eq!(
            Feed::MoldUdp64.place(&endless),
            None,
            "past the last number"
        );
    }

    #[test]
    fn cme() {
        let mut packet = 1_234u32.to_le_bytes().to_vec();
        packet.extend([9; 8]);
        packet.extend([12, 0]);
        packet.extend([0; 10]);
        assert_eq!(Feed::of(&packet), Some(Feed::CmeMdp3));
        assert_eq!(Feed::CmeMdp3.place(&packet), place([0; 2], 1_234, 1));
    }

    #[test]
    fn anything_else_is_none() {
        for payload in [&b""[..], b"hello", &[0; 64], &[0xff; 1_400]] {
            assert_eq!(Feed::of(payload), None, "{payload:?}");
        }
    }
}
