//! What happens to packets on their way.

use tickcast_wire::{
    Digest, EMPTY_PACKET_BYTES, HEADER_BYTES, Packet, PacketHeader, PacketKind, TICK_BYTES,
    TICKS_PER_PACKET, Tick, TickSum,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::coverage::Happening;
use crate::mix::{BURST_MAX, PathFaults};
use crate::publisher::Datagram;
use crate::random::Random;

/// A piece of the way with faults of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) faults: PathFaults,
    burst_left: u64,
    /// Packets that are not reordered keep their order.
    last_arrival: u64,
}

/// A packet that arrives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) at: u64,
    pub(crate) is_damaged: bool,
}

impl Way {
    pub(crate) fn new(faults: PathFaults) -> Way {
        Way {
            faults,
            burst_left: 0,
            last_arrival: 0,
        }
    }

    /// From now on nothing is lost, late or damaged here.
    pub(crate) fn heal(&mut self) {
        self.faults = PathFaults::default();
        self.burst_left = 0;
    }

    /// Whether the next packet is lost here, and how.
    pub(crate) fn loses(&mut self, random: &mut Random) -> Option<Happening> {
        if self.burst_left == 0 && random.chance(self.faults.burst) {
            self.burst_left = random.between(2, BURST_MAX);
        }
        if self.burst_left > 0 {
            self.burst_left -= 1;
            return Some(Happening::Burst);
        }
        random
            .chance(self.faults.loss)
            .then_some(Happening::LossOnLine)
    }

    /// When a packet that is expected at `at` arrives: once, or twice.
    pub(crate) fn arrivals(
        &mut self,
        at: u64,
        late: u64,
        random: &mut Random,
    ) -> (Arrival, Option<Arrival>, bool) {
        let is_late = random.chance(self.faults.reorder);
        let in_order = at.max(self.last_arrival);
        let at = if is_late {
            in_order + random.below(late)
        } else {
            self.last_arrival = in_order;
            in_order
        };
        let is_damaged = random.chance(self.faults.damage);
        let again = random.chance(self.faults.duplicate).then(|| Arrival {
            at: at + random.below(late),
            is_damaged: random.chance(self.faults.damage),
        });
        (Arrival { at, is_damaged }, again, is_late)
    }
}

/// The same ticks cut into packets of other lengths.
pub(crate) fn recut(packets: &[Datagram], random: &mut Random) -> Vec<Datagram> {
    let parsed = packets.iter().filter_map(|bytes| Packet::parse(bytes).ok());
    let parsed: Vec<Packet<'_>> = parsed.collect();
    let Some(model) = parsed.first().map(Packet::header) else {
        return Vec::new();
    };
    let ticks: Vec<_> = parsed.iter().flat_map(Packet::ticks).copied().collect();
    let mut digest: Digest = model.digest();
    let mut left = &ticks[..];
    let mut recut = Vec::new();
    while !left.is_empty() {
        let most = (2 * TICKS_PER_PACKET).min(left.len()) as u64;
        let (packet, rest) = left.split_at(random.between(1, most) as usize);
        let (session, channel) = (model.session(), model.channel());
        let count = packet.len() as u16;
        let mut header = PacketHeader::data(session, channel, packet[0].seq(), count)
            .with_ts_sent(model.ts_sent())
            .with_digest(digest);
        digest.update_all(packet);
        if let Some(previous) = model.previous() {
            header = header.with_previous(previous);
        }
        let checksum = header.checksum(TickSum::of(packet));
        recut.push(
            [header.as_bytes(), packet.as_bytes(), &checksum]
                .concat()
                .into(),
        );
        left = rest;
    }
    recut
}

/// What becomes of a packet that was damaged on the way.
pub(crate) enum Damaged {
    /// The checksum of UDP did not fit: nobody sees it.
    Caught,
    /// It comes through, in a way that the protocol can tell.
    Arrives(Vec<u8>),
    /// The original arrives, and a copy with another body after it.
    WithCopy(Vec<u8>),
    /// It arrives with another body, and the original after it.
    BeforeOriginal(Vec<u8>),
    /// A heartbeat that claims that everything before this seq was sent: within the hold window, so
    /// it is believed.
    Claims(Vec<u8>, u64),
}

/// Where the fields of a header lie.
const VERSION: usize = 4;
const KIND: usize = 5;
const COUNT: usize = 6;
const SESSION: usize = 8;
const FIRST_SEQ: usize = 16;
const CHANNEL: usize = 32;
const IGNORED: std::ops::Range<usize> = 48..HEADER_BYTES;
const TICK_SEQ: usize = 8;
const TICK_BODY: usize = 32;

/// The packet with the checksum of its bytes, where they can be those of a packet: what it says was
/// wrong before it was sent.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some((rest, checksum)) = bytes.split_last_chunk_mut()
        && let Ok((header, body)) = PacketHeader::ref_from_prefix(rest)
        && let Ok(ticks) = <[Tick]>::ref_from_bytes(body)
    {
        *checksum = header.checksum(TickSum::of(ticks));
    }
    bytes
}

/// Some bytes in a row become others, wherever they are.
fn burst(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let first = random.below(bytes.len() as u64) as usize;
    let length = random.between(1, 8) as usize;
    for byte in bytes.iter_mut().skip(first).take(length) {
        *byte ^= random.between(1, 255) as u8;
    }
    bytes
}

/// Damages a packet. `is_followed` tells that the subscriber already follows its session,
/// `may_mislead` that what arrives may be believed: another body before the original, or a heartbeat
/// that names a later seq.
pub(crate) fn damage(
    bytes: &[u8],
    is_followed: bool,
    may_mislead: bool,
    random: &mut Random,
) -> Damaged {
    if random.percent(50) {
        return Damaged::Caught;
    }
    let mut bytes = bytes.to_vec();
    if random.percent(30) {
        return Damaged::Arrives(burst(bytes, random));
    }
    let ticks = (bytes.len() - EMPTY_PACKET_BYTES) / TICK_BYTES;
    let tick = HEADER_BYTES + random.below(ticks as u64) as usize * TICK_BYTES;
    let flip = 1u8 << random.below(8);
    match random.below(16) {
        0 => bytes.truncate(random.below(bytes.len() as u64) as usize),
        1 => bytes[random.below(4) as usize] ^= flip,
        2 => bytes[VERSION] = random.pick(&[0, 2, 3, 255]),
        3 => bytes[KIND] = random.pick(&[0, 4, 77, 255]),
        4 => bytes[COUNT + random.below(2) as usize] ^= flip,
        5 => bytes[CHANNEL + random.below(2) as usize] ^= flip,
        6 => bytes.extend_from_slice(&[0; 3]),
        7 => bytes[FIRST_SEQ..FIRST_SEQ + 8].fill(random.pick(&[0, 255])),
        // A session that ends in more than a day from now, or is over.
        8 => bytes[SESSION + 7] |= 0x40,
        9 if is_followed => {
            let older = u64::from_le_bytes(field(&bytes, SESSION)) - 1 - random.below(1 << 40);
            bytes[SESSION..SESSION + 8].copy_from_slice(&older.to_le_bytes());
        }
        // A heartbeat that claims to be far ahead of everything.
        10 if ticks == 0 && is_followed => {
            let wild = random.between(1 << 41, 1 << 62);
            bytes[FIRST_SEQ..FIRST_SEQ + 8].copy_from_slice(&wild.to_le_bytes());
        }
        // What only the first packet of a session is read for.
        11 if is_followed => {
            let at = random.between(IGNORED.start as u64, IGNORED.end as u64 - 1);
            bytes[at as usize] ^= flip;
        }
        12 if ticks > 0 => bytes[tick + TICK_SEQ + random.below(8) as usize] ^= flip,
        13 if ticks > 0 => {
            let at = tick + TICK_BODY + random.below(32) as usize;
            bytes[at] ^= flip;
            return Damaged::WithCopy(with_checksum(bytes));
        }
        14 if ticks > 0 && may_mislead => {
            let at = tick + TICK_BODY + random.below(32) as usize;
            bytes[at] ^= flip;
            return Damaged::BeforeOriginal(with_checksum(bytes));
        }
        15 if is_followed && may_mislead && bytes[KIND] == PacketKind::Heartbeat as u8 => {
            let named = u64::from_le_bytes(field(&bytes, FIRST_SEQ));
            let claimed = named + random.between(1, 16);
            bytes[FIRST_SEQ..FIRST_SEQ + 8].copy_from_slice(&claimed.to_le_bytes());
            return Damaged::Claims(with_checksum(bytes), claimed);
        }
        _ => bytes = (0..random.below(1_500)).map(|at| at as u8).collect(),
    }
    Damaged::Arrives(with_checksum(bytes))
}

fn field(bytes: &[u8], at: usize) -> [u8; 8] {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    field
}
