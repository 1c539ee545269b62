//! The message that every library carries: 64 bytes, the size of a tick.

/// Bytes of a message.
pub const MESSAGE_BYTES: usize = 64;

/// Messages a second where latency is measured.
pub const RATE_PER_SECOND: u64 = 20_000;

/// A message: when it was due, ns since the Unix epoch, then its number from 0, then nothing.
pub type Message = [u8; MESSAGE_BYTES];

/// The message with this number and due time.
#[inline]
#[must_use]
pub fn encode(number: u64, due: u64) -> Message {
    let mut message = [0; MESSAGE_BYTES];
    message[..8].copy_from_slice(&due.to_le_bytes());
    message[8..16].copy_from_slice(&number.to_le_bytes());
    message
}

/// The number of a message; [`u64::MAX`] when the bytes are too few to have one.
#[inline]
pub(crate) fn number_of(bytes: &[u8]) -> u64 {
    word(bytes, 8)
}

/// When a message was due.
#[inline]
pub(crate) fn due_of(bytes: &[u8]) -> u64 {
    word(bytes, 0)
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(u64::MAX, |word| u64::from_le_bytes(*word))
}
