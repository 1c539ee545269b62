//! The packet: a 64-byte header, ticks, and a checksum.

use core::fmt;

use thiserror::Error;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::{self, Checked, Fingerprint, TickSum};
use crate::digest::Digest;
use crate::tick::{TICK_BYTES, Tick};

/// The first four bytes of every packet: `TCST`.
pub const PACKET_MAGIC: u32 = u32::from_le_bytes(*b"TCST");

/// The version of packets and of recovery messages that this crate reads and writes.
pub const VERSION: u8 = 1;

/// Size of a packet header in bytes.
pub const HEADER_BYTES: usize = 64;

/// Size of the checksum at the end of a packet in bytes.
pub const CHECKSUM_BYTES: usize = 8;

/// Size of a packet without ticks in bytes.
pub const EMPTY_PACKET_BYTES: usize = HEADER_BYTES + CHECKSUM_BYTES;

/// Ticks in a full packet: with header and checksum 1,416 bytes, which fits an MTU of 1,500.
pub const TICKS_PER_PACKET: usize = 21;

/// The most ticks that any packet may hold: what fits the largest UDP payload, 65,507 bytes.
pub const MAX_TICKS_PER_PACKET: usize = (65_507 - EMPTY_PACKET_BYTES) / TICK_BYTES;

/// What a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketKind {
    /// Carries ticks.
    Data = 1,
    /// Carries none; says which seq comes next.
    Heartbeat = 2,
    /// Carries none; says that the session ended before this seq.
    EndOfSession = 3,
}

impl PacketKind {
    /// The kind with this code, if this version knows it.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<PacketKind> {
        match code {
            1 => Some(PacketKind::Data),
            2 => Some(PacketKind::Heartbeat),
            3 => Some(PacketKind::EndOfSession),
            _ => None,
        }
    }
}

/// The header of a packet.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 4 | magic `TCST` |
/// | 4 | 1 | version, 1 |
/// | 5 | 1 | kind, see [`PacketKind`] |
/// | 6 | 2 | count of ticks that follow |
/// | 8 | 8 | session: rises with every start of the publisher (ns since the Unix epoch then) |
/// | 16 | 8 | first seq; in a heartbeat and at the end of session the next seq |
/// | 24 | 8 | ts_sent, ns since the Unix epoch |
/// | 32 | 2 | channel |
/// | 34 | 6 | last seq of the previous session |
/// | 40 | 8 | digest of all ticks before first seq; 0 when the publisher computes none |
/// | 48 | 8 | previous session; 0 when not known |
/// | 56 | 8 | digest of all ticks of the previous session; 0 when not known |
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PacketHeader {
    magic: U32,
    version: u8,
    kind: u8,
    count: U16,
    session: U64,
    first_seq: U64,
    ts_sent: U64,
    channel: U16,
    previous_last_seq: [u8; 6],
    digest: U64,
    previous_session: U64,
    previous_digest: U64,
}

/// The session before, as the publisher names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousSession {
    /// The session.
    pub session: u64,
    /// Its last seq, at most [`PREVIOUS_LAST_SEQ_MAX`]; 0 when it was empty.
    pub last_seq: u64,
    /// The digest of all its ticks; 0 when it is not known.
    pub digest: Digest,
}

/// The largest last seq that a header can name: 2^48 - 1, a year of nine million ticks a second. A
/// session that was longer is not named.
pub const PREVIOUS_LAST_SEQ_MAX: u64 = (1 << 48) - 1;

const _: () = {
    assert!(size_of::<PacketHeader>() == HEADER_BYTES && align_of::<PacketHeader>() == 1);
    assert!(core::mem::offset_of!(PacketHeader, session) == 8);
    assert!(core::mem::offset_of!(PacketHeader, first_seq) == 16);
    assert!(core::mem::offset_of!(PacketHeader, channel) == 32);
    assert!(core::mem::offset_of!(PacketHeader, digest) == 40);
    assert!(core::mem::offset_of!(PacketHeader, previous_digest) == 56);
    assert!(EMPTY_PACKET_BYTES + TICKS_PER_PACKET * TICK_BYTES == 1_416);
    assert!(MAX_TICKS_PER_PACKET <= u16::MAX as usize);
};

impl PacketHeader {
    /// The header of a data packet; `ts_sent` and the previous session are still 0.
    #[must_use]
    pub const fn data(session: u64, channel: u16, first_seq: u64, count: u16) -> PacketHeader {
        PacketHeader {
            magic: U32::new(PACKET_MAGIC),
            version: VERSION,
            kind: PacketKind::Data as u8,
            count: U16::new(count),
            session: U64::new(session),
            first_seq: U64::new(first_seq),
            ts_sent: U64::ZERO,
            channel: U16::new(channel),
            previous_last_seq: [0; 6],
            digest: U64::ZERO,
            previous_session: U64::ZERO,
            previous_digest: U64::ZERO,
        }
    }

    /// The header of a heartbeat: nothing before `next_seq` is still to come.
    #[must_use]
    pub const fn heartbeat(session: u64, channel: u16, next_seq: u64) -> PacketHeader {
        let mut header = PacketHeader::data(session, channel, next_seq, 0);
        header.kind = PacketKind::Heartbeat as u8;
        header
    }

    /// The header that ends a session: `next_seq` will never be sent.
    #[must_use]
    pub const fn end_of_session(session: u64, channel: u16, next_seq: u64) -> PacketHeader {
        let mut header = PacketHeader::data(session, channel, next_seq, 0);
        header.kind = PacketKind::EndOfSession as u8;
        header
    }

    /// The same header, sent at this time (ns since the Unix epoch).
    #[must_use]
    pub const fn with_ts_sent(mut self, ts_sent: u64) -> PacketHeader {
        self.ts_sent = U64::new(ts_sent);
        self
    }

    /// The same header with the digest of all ticks before its first seq.
    #[must_use]
    pub const fn with_digest(mut self, digest: Digest) -> PacketHeader {
        self.digest = U64::new(digest.value());
        self
    }

    /// The same header, naming the publisher's previous session, if its last seq can be named.
    #[must_use]
    pub const fn with_previous(mut self, previous: PreviousSession) -> PacketHeader {
        if previous.last_seq <= PREVIOUS_LAST_SEQ_MAX {
            let [a, b, c, d, e, f, ..] = previous.last_seq.to_le_bytes();
            self.previous_last_seq = [a, b, c, d, e, f];
            self.previous_session = U64::new(previous.session);
            self.previous_digest = U64::new(previous.digest.value());
        }
        self
    }

    /// The last bytes of the packet of this header and of ticks with this sum.
    #[inline]
    #[must_use]
    pub fn checksum(&self, ticks: TickSum) -> [u8; CHECKSUM_BYTES] {
        ticks.checksum(zerocopy::transmute_ref!(self)).to_le_bytes()
    }

    /// The packet of this header, without ticks.
    #[must_use]
    pub fn to_packet(&self) -> [u8; EMPTY_PACKET_BYTES] {
        let mut bytes = [0; EMPTY_PACKET_BYTES];
        let (header, checksum) = bytes.split_at_mut(HEADER_BYTES);
        header.copy_from_slice(self.as_bytes());
        checksum.copy_from_slice(&self.checksum(TickSum::of(&[])));
        bytes
    }

    /// The kind, or `None` for one that this version does not know.
    #[must_use]
    pub const fn kind(&self) -> Option<PacketKind> {
        PacketKind::from_code(self.kind)
    }

    /// Whether it begins as a data packet does, which is one comparison: the usual case.
    #[inline]
    fn is_data(&self) -> bool {
        const DATA: u64 =
            PACKET_MAGIC as u64 | (VERSION as u64) << 32 | (PacketKind::Data as u64) << 40;
        let [start, ..]: &[U64; 8] = zerocopy::transmute_ref!(self);
        start.get() << 16 == DATA << 16
    }

    /// The kind, if magic, version and kind are such that this version can read it.
    #[cold]
    fn check_start(&self) -> Result<PacketKind, PacketError> {
        let found = self.magic.get();
        if found != PACKET_MAGIC {
            return Err(PacketError::Foreign { found });
        }
        let found = self.version;
        if found > VERSION {
            return Err(PacketError::NewerVersion { found });
        }
        let kind = self.kind().filter(|_| self.version == VERSION);
        kind.ok_or(PacketError::UnknownKind { found: self.kind })
    }

    /// How many ticks follow.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count.get()
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> u64 {
        self.session.get()
    }

    /// The seq of the first tick; without ticks, the next seq.
    #[must_use]
    pub const fn first_seq(&self) -> u64 {
        self.first_seq.get()
    }

    /// The seq after the last tick of this packet.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.first_seq.get().wrapping_add(self.count.get() as u64)
    }

    /// When it was sent, ns since the Unix epoch.
    #[must_use]
    pub const fn ts_sent(&self) -> u64 {
        self.ts_sent.get()
    }

    /// The channel.
    #[must_use]
    pub const fn channel(&self) -> u16 {
        self.channel.get()
    }

    /// The digest of all ticks before the first seq; 0 when the publisher computes none.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        Digest::from_value(self.digest.get())
    }

    /// The publisher's previous session, when it knows how that ended.
    #[must_use]
    pub const fn previous(&self) -> Option<PreviousSession> {
        let [a, b, c, d, e, f] = self.previous_last_seq;
        match self.previous_session.get() {
            0 => None,
            session => Some(PreviousSession {
                session,
                last_seq: u64::from_le_bytes([a, b, c, d, e, f, 0, 0]),
                digest: Digest::from_value(self.previous_digest.get()),
            }),
        }
    }
}

impl fmt::Debug for PacketHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketHeader")
            .field("kind", &self.kind())
            .field("session", &self.session())
            .field("first_seq", &self.first_seq())
            .field("count", &self.count())
            .field("ts_sent", &self.ts_sent())
            .field("channel", &self.channel())
            .field("digest", &self.digest())
            .field("previous", &self.previous())
            .finish()
    }
}

/// Why bytes are not a packet that this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketError {
    /// Shorter than a header and a checksum.
    #[error("{have} bytes are too few for a packet: header and checksum have 72")]
    Truncated {
        /// How many bytes there were.
        have: usize,
    },
    /// Another application's datagram.
    #[error("not a tickcast packet: magic {found:#010x}")]
    Foreign {
        /// The first four bytes.
        found: u32,
    },
    /// A later version of the layout.
    #[error("packet of version {found}, this reader knows {VERSION}: update the subscriber")]
    NewerVersion {
        /// The version.
        found: u8,
    },
    /// A kind of packet this version does not know; version 0 counts as malformed too.
    #[error("packet of unknown kind {found}")]
    UnknownKind {
        /// The code of the kind.
        found: u8,
    },
    /// The count does not agree with the bytes, or with the kind.
    #[error("packet kind {kind:?} with count {count} and {body} bytes of ticks")]
    WrongLength {
        /// The kind of the packet.
        kind: PacketKind,
        /// The count in the header.
        count: u16,
        /// The bytes between header and checksum.
        body: usize,
    },
    /// The checksum does not fit: bytes changed on the way.
    #[error("damaged on the way: the checksum does not fit")]
    Damaged,
    /// Seq 0, or seqs past the largest number.
    #[error("first seq {first_seq} with count {count} is out of range")]
    SeqOutOfRange {
        /// The first seq in the header.
        first_seq: u64,
        /// The count in the header.
        count: u16,
    },
    /// The ticks do not carry the seqs that the header promises.
    #[error("ticks do not carry the seqs {first_seq} and up that the header names")]
    WrongTickSeq {
        /// The first seq in the header.
        first_seq: u64,
    },
}

/// A packet that was checked: a view of received bytes.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    header: &'a PacketHeader,
    kind: PacketKind,
    ticks: &'a [Tick],
    fingerprint: Fingerprint,
}

impl<'a> Packet<'a> {
    /// Checks the bytes of one datagram once; after that the packet is borrowed as it lies.
    ///
    /// # Errors
    /// See [`PacketError`]: every way in which the bytes can be wrong has its own case.
    // What it gives would go through memory: with the call a tenth of what the receive path executes.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, PacketError> {
        let Ok((header, body)) = PacketHeader::ref_from_prefix(bytes) else {
            return Err(PacketError::Truncated { have: bytes.len() });
        };
        let kind = if header.is_data() {
            PacketKind::Data
        } else {
            header.check_start()?
        };
        let Some((body, written)) = body.split_last_chunk() else {
            return Err(PacketError::Truncated { have: bytes.len() });
        };
        let count = header.count();
        let wrong_length = PacketError::WrongLength {
            kind,
            count,
            body: body.len(),
        };
        if (kind == PacketKind::Data) != (count > 0) {
            return Err(wrong_length);
        }
        let Ok(ticks) = <[Tick]>::ref_from_bytes_with_elems(body, usize::from(count)) else {
            return Err(wrong_length);
        };
        let first_seq = header.first_seq();
        let Checked {
            checksum,
            fingerprint,
            carries_seqs,
        } = checksum::check(zerocopy::transmute_ref!(header), ticks, first_seq);
        if *written != checksum.to_le_bytes() {
            return Err(PacketError::Damaged);
        }
        // The largest number is kept free, so that a next seq always exists.
        if first_seq.wrapping_sub(1) >= u64::MAX - 1 - u64::from(count) {
            return Err(PacketError::SeqOutOfRange { first_seq, count });
        }
        if !carries_seqs {
            return Err(PacketError::WrongTickSeq { first_seq });
        }
        Ok(Packet {
            header,
            kind,
            ticks,
            fingerprint,
        })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &'a PacketHeader {
        self.header
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> PacketKind {
        self.kind
    }

    /// The ticks, in order: tick `i` has seq `first_seq + i`.
    #[must_use]
    pub const fn ticks(&self) -> &'a [Tick] {
        self.ticks
    }

    /// The fingerprint of the ticks.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// Whether tick `i` has seq `first_seq + i`, for all of them, without a branch a tick.
#[inline]
#[must_use]
pub fn carries_seqs(ticks: &[Tick], first_seq: u64) -> bool {
    let mut seq = first_seq;
    let mut wrong = 0;
    for tick in ticks {
        wrong |= tick.seq() ^ seq;
        seq = seq.wrapping_add(1);
    }
    wrong == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{Clear, Quote};
    use proptest::prelude::*;

    const PREVIOUS: PreviousSession = PreviousSession {
        session: 0x0d,
        last_seq: 0x0e,
        digest: Digest::from_value(0x0f),
    };

    fn packet(first_seq: u64, count: u16) -> Vec<u8> {
        let header = PacketHeader::data(0x0102, 9, first_seq, count)
            .with_ts_sent(0x0a0b)
            .with_digest(Digest::from_value(0x0c))
            .with_previous(PREVIOUS);
        let tick = Tick::new(Quote::new(1, 2, 3, 4), 1u16, 5, 6);
        let ticks: Vec<Tick> = (0..u64::from(count))
            .map(|i| tick.with_seq(first_seq.wrapping_add(i)))
            .collect();
        let checksum = header.checksum(TickSum::of(&ticks));
        [header.as_bytes(), ticks.as_bytes(), &checksum].concat()
    }

    /// The packet with the checksum of its bytes, as one that nothing happened to on the way.
    fn undamaged(bytes: &[u8]) -> Vec<u8> {
        let (bytes, _) = bytes.split_last_chunk::<CHECKSUM_BYTES>().unwrap();
        let (header, body) = PacketHeader::ref_from_prefix(bytes).unwrap();
        let ticks = <[Tick]>::ref_from_bytes(body).unwrap();
        [bytes, &header.checksum(TickSum::of(ticks))].concat()
    }

    const HEADER: [u8; 64] = [
        b'T', b'C', b'S', b'T', 1, 1, 2, 0, // magic, version, kind, count
        2, 1, 0, 0, 0, 0, 0, 0, // session
        7, 0, 0, 0, 0, 0, 0, 0, // first seq
        0x0b, 0x0a, 0, 0, 0, 0, 0, 0, // ts_sent
        9, 0, 0x0e, 0, 0, 0, 0, 0, // channel, last seq of the previous session
        0x0c, 0, 0, 0, 0, 0, 0, 0, // digest
        0x0d, 0, 0, 0, 0, 0, 0, 0, // previous session
        0x0f, 0, 0, 0, 0, 0, 0, 0, // its digest
    ];

    const CHECKSUM: u64 = 0x5b47_6f22_6ef7_5062;

    #[test]
    fn golden_header_both_ways() {
        let bytes = packet(7, 2);
        assert_eq!(bytes[..64], HEADER);
        assert_eq!(bytes[64 + 2 * 64..], CHECKSUM.to_le_bytes());
        let parsed = Packet::parse(&bytes).unwrap();
        assert_eq!(parsed.kind(), PacketKind::Data);
        assert_eq!(parsed.header().previous(), Some(PREVIOUS));
        assert_eq!(parsed.header().next_seq(), 9);
        assert_eq!(parsed.ticks().len(), 2);
    }

    #[test]
    fn a_previous_session_that_was_too_long_is_not_named() {
        let header = PacketHeader::heartbeat(1, 0, 5);
        for (last_seq, is_named) in [(0, true), ((1 << 48) - 1, true), (1 << 48, false)] {
            let previous = PreviousSession {
                last_seq,
                ..PREVIOUS
            };
            let said = header.with_previous(previous).previous();
            assert_eq!(said, is_named.then_some(previous));
        }
    }

    #[test]
    fn heartbeat_and_end_carry_no_ticks() {
        let heartbeat = PacketHeader::heartbeat(1, 0, 5);
        let end = PacketHeader::end_of_session(1, 0, 5);
        for (header, kind) in [
            (heartbeat, PacketKind::Heartbeat),
            (end, PacketKind::EndOfSession),
        ] {
            let packet = header.to_packet();
            let parsed = Packet::parse(&packet).unwrap();
            assert_eq!((parsed.kind(), parsed.ticks().len()), (kind, 0));
            let tick = Tick::new(Clear::default(), 0u16, 0, 0);
            let checksum = header.checksum(TickSum::of(&[tick]));
            let with_tick = [header.as_bytes(), tick.as_bytes(), &checksum].concat();
            assert!(matches!(
                Packet::parse(&with_tick),
                Err(PacketError::WrongLength { .. })
            ));
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = packet(7, 2);
        for len in 0..bytes.len() {
            let expected_truncated = len < EMPTY_PACKET_BYTES;
            match Packet::parse(&bytes[..len]) {
                Err(PacketError::Truncated { have }) => assert!(expected_truncated && have == len),
                Err(PacketError::WrongLength { body, .. }) => assert_eq!(body, len - 72),
                other => panic!("{len} bytes gave {other:?}"),
            }
        }
    }

    #[test]
    fn every_single_byte_change_is_refused() {
        let heartbeat = PacketHeader::heartbeat(2, 3, 4);
        let end = PacketHeader::end_of_session(2, 3, 4);
        let without = [heartbeat, end].map(|header| header.to_packet().to_vec());
        for bytes in [&packet(7, 2), &without[0], &without[1]] {
            for at in 0..bytes.len() {
                for value in (0..=255u8).filter(|&value| value != bytes[at]) {
                    let mut changed = bytes.clone();
                    changed[at] = value;
                    let error = Packet::parse(&changed).map(|_| ()).unwrap_err();
                    let is_named = error != PacketError::Damaged;
                    assert!(!is_named || at < 8, "byte {at} = {value}: {error}");
                }
            }
        }
    }

    #[test]
    fn every_single_byte_lie_is_refused_or_really_valid() {
        let heartbeat = PacketHeader::heartbeat(2, 3, 4);
        let end = PacketHeader::end_of_session(2, 3, 4);
        let without = [heartbeat, end].map(|header| header.to_packet().to_vec());
        for bytes in [&packet(7, 2), &without[0], &without[1]] {
            for at in 0..bytes.len() {
                for value in 0..=255u8 {
                    let mut changed = bytes.clone();
                    changed[at] = value;
                    let changed = undamaged(&changed);
                    let Ok(parsed) = Packet::parse(&changed) else {
                        continue;
                    };
                    let ticks = parsed.ticks();
                    assert_eq!(ticks.len(), (bytes.len() - 72) / 64, "byte {at} = {value}");
                    assert!(carries_seqs(ticks, parsed.header().first_seq()));
                    // What a packet means without a check of its own: a heartbeat may become an
                    // end, and without ticks any other seq is as good.
                    let is_open = ticks.is_empty() && (at == 5 || (16..24).contains(&at));
                    let is_checked = at < 8 || (16..24).contains(&at);
                    assert!(
                        !is_checked || is_open || changed == *bytes,
                        "byte {at} = {value}"
                    );
                }
            }
        }
    }

    #[test]
    fn lies_are_named() {
        let mut newer = packet(1, 1);
        newer[4] = 2;
        assert_eq!(
            Packet::parse(&newer).unwrap_err(),
            PacketError::NewerVersion { found: 2 }
        );
        let mut foreign = packet(1, 1);
        foreign[0] = b'X';
        assert!(matches!(
            Packet::parse(&foreign),
            Err(PacketError::Foreign { .. })
        ));
        let mut kind = packet(1, 1);
        kind[5] = 200;
        assert_eq!(
            Packet::parse(&kind).unwrap_err(),
            PacketError::UnknownKind { found: 200 }
        );
        for count in [0u16, 2, u16::MAX] {
            let mut lie = packet(1, 1);
            lie[6..8].copy_from_slice(&count.to_le_bytes());
            assert!(matches!(
                Packet::parse(&lie),
                Err(PacketError::WrongLength { .. })
            ));
        }
        for first_seq in [0, u64::MAX, u64::MAX - 2] {
            let parsed = Packet::parse(&packet(first_seq, 2)).map(|_| ());
            assert!(matches!(parsed, Err(PacketError::SeqOutOfRange { .. })));
        }
        assert!(Packet::parse(&packet(u64::MAX - 3, 2)).is_ok());
        let mut swapped = packet(1, 2);
        swapped[64 + 8] = 2;
        assert_eq!(Packet::parse(&swapped).unwrap_err(), PacketError::Damaged);
        let swapped = undamaged(&swapped);
        let error = Packet::parse(&swapped).unwrap_err();
        assert_eq!(error, PacketError::WrongTickSeq { first_seq: 1 });
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Packet::parse(&bytes);
        }
    }
}
