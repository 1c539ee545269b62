//! What is valid, read off the byte tables of `docs/protocol.md` and not off the parsers.

use tickcast_wire::{ReplyStatus, RequestKind};

fn number(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
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
    if !is_counted || bytes.len() != 64 + 64 * count {
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
        _ => count == 0,
    };
    is_as_asked.then_some(status)
}
