//! What is valid, read off the byte tables of `docs/protocol.md` and not off the parsers.

use tickcast_wire::{ReplyStatus, RequestKind};

fn number(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

const KEYS: [u64; 4] = [
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
    0x8ebc_6af0_9c88_c6e3,
    0x5899_65cc_7537_4cc3,
];

fn fold(words: [u64; 4]) -> u64 {
    let keyed = |i: usize| u128::from(words[i] ^ KEYS[i]);
    let mixed = |i: usize| keyed(2 * i) * keyed(2 * i + 1);
    let halves = |product: u128| (product ^ product >> 64) as u64;
    halves(mixed(0)) ^ halves(mixed(1))
}

/// The checksum of a record, in which its own is 0, and of the ticks after it.
fn checksum(record: [u8; 64], ticks: &[u8]) -> u64 {
    let mut columns = [0u64; 8];
    // The half of the 128 bits of columns `i` and `i + 1`, rotated, that belongs to column `at`.
    let turned = |columns: [u64; 8], i: usize, bits: u32, at: usize| {
        let pair = u128::from(columns[i + 1]) << 64 | u128::from(columns[i]);
        (pair.rotate_right(bits) >> (64 * (at % 2))) as u64
    };
    for row in ticks.chunks_exact(64).chain([&record[..]]) {
        columns = std::array::from_fn(|at| {
            let (from, bits) = [(4, 40), (6, 40), (0, 24), (2, 24)][at / 2];
            let stays = if at < 4 { 0 } else { columns[at] };
            turned(columns, from, bits, at)
                .wrapping_add(stays)
                .wrapping_add(number(row, 8 * at))
        });
    }
    fold(std::array::from_fn(|at| {
        let upper = turned(columns, 4 + at / 2 * 2, 56, at);
        columns[at].wrapping_add(upper)
    }))
}

/// The checksum that a packet of at least 72 bytes must have: of all before its last eight.
fn of_packet(bytes: &[u8]) -> u64 {
    let mut header = [0; 64];
    header.copy_from_slice(&bytes[..64]);
    checksum(header, &bytes[64..bytes.len() - 8])
}

/// The checksum that a reply must have.
fn of_reply(bytes: &[u8; 64]) -> u64 {
    let mut record = *bytes;
    record[56..].fill(0);
    checksum(record, &[])
}

/// The bytes with the checksum of a packet that says this, if there is room for one: what fuzzing
/// would not find.
#[must_use]
pub fn as_packet(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= 72 {
        let (sum, end) = (of_packet(&bytes), bytes.len());
        bytes[end - 8..].copy_from_slice(&sum.to_le_bytes());
    }
    bytes
}

/// The bytes with the checksum of a reply that says this.
#[must_use]
pub fn as_reply(bytes: &[u8; 64]) -> [u8; 64] {
    let mut record = *bytes;
    record[56..].copy_from_slice(&of_reply(bytes).to_le_bytes());
    record
}

/// Whether these bytes are a packet that a subscriber may take in.
#[must_use]
pub fn is_packet(bytes: &[u8]) -> bool {
    if bytes.len() < 64 || bytes[..4] != *b"TCST" || bytes[4] != 1 {
        return false;
    }
    let count = usize::from(u16::from_le_bytes([bytes[6], bytes[7]]));
    let is_counted = match bytes[5] {
        1 => count > 0,
        2 | 3 => count == 0,
        _ => false,
    };
    if !is_counted || bytes.len() != 72 + 64 * count {
        return false;
    }
    if number(bytes, bytes.len() - 8) != of_packet(bytes) {
        return false;
    }
    // The seq after the last exists, and another after that.
    let first = u128::from(number(bytes, 16));
    let is_numbered = |i: usize| u128::from(number(bytes, 64 + 64 * i + 8)) == first + i as u128;
    first > 0 && first + (count as u128) < u128::from(u64::MAX) && (0..count).all(is_numbered)
}

/// The kind of these 64 bytes as a request, if a server may serve it.
#[must_use]
pub fn request(bytes: &[u8; 64]) -> Option<RequestKind> {
    if bytes[..4] != *b"TCRQ" || bytes[4] != 1 {
        return None;
    }
    let (first, count) = (number(bytes, 16), number(bytes, 24));
    let kind = RequestKind::from_code(bytes[5])?;
    let names_range = first > 0 && count > 0 && u128::from(first) + u128::from(count) < 1 << 64;
    (kind != RequestKind::Retransmit || names_range).then_some(kind)
}

/// The status of these 64 bytes as the reply to `request`, if a client may believe it.
#[must_use]
pub fn reply(bytes: &[u8; 64], request: &[u8; 64]) -> Option<ReplyStatus> {
    if bytes[..4] != *b"TCRQ" || bytes[4] != 1 {
        return None;
    }
    if number(bytes, 56) != of_reply(bytes) {
        return None;
    }
    let status = ReplyStatus::from_code(bytes[6])?;
    let (first, count) = (number(bytes, 16), number(bytes, 24));
    // Of kind 0 and id 0 it is about the connection, whatever was asked.
    let is_about_connection = bytes[5] == 0 && number(bytes, 32) == 0;
    if is_about_connection && count == 0 && status != ReplyStatus::Ok {
        return Some(status);
    }
    if bytes[32..40] != request[32..40] || bytes[5] != request[5] {
        return None;
    }
    let is_as_asked = match (status, RequestKind::from_code(request[5])) {
        (ReplyStatus::Ok, Some(RequestKind::Retransmit)) => bytes[16..32] == request[16..32],
        (ReplyStatus::Ok, Some(RequestKind::Snapshot)) => {
            first >= number(request, 16) && first != u64::MAX
        }
        (ReplyStatus::Ok, Some(RequestKind::Clock)) => {
            bytes[16..24] == request[16..24] && count == 0
        }
        _ => count == 0,
    };
    is_as_asked.then_some(status)
}
