//! Nasdaq TotalView-ITCH 5.0 BinaryFILE: messages, each after its length as a big-endian u16.
//!
//! `docs/venues.md` says which message gives which ticks.

mod decoder;
#[cfg(test)]
mod encode;
mod message;
#[cfg(test)]
mod tests;

use thiserror::Error;
use tickcast_wire::Tick;

use self::decoder::Decoder;
pub(crate) use self::message::length_of;
pub use self::message::{ItchMessage, ItchMessages};
use crate::reader::{CHUNK_TICKS, Notice, ReadError, Tally, TickReader};
use crate::source::Source;

/// A message of one byte, with its length.
const SHORTEST_FRAME: usize = 3;

/// How many messages before it is taken what a message needs is fetched from memory.
const AHEAD: usize = 8;

/// Why an ITCH file cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ItchError {
    /// A message of length 0 that is not the end of the file.
    #[error(
        "message of length 0 at byte {offset} of the ITCH file, with more after it: an end mark \
         in the middle, or damage; everything before it was read"
    )]
    ZeroLength {
        /// Where, in what the file unpacks to.
        offset: u64,
    },
}

pub(crate) struct ItchReader {
    source: Source,
    decoder: Decoder,
    notice: Option<Notice>,
}

impl ItchReader {
    pub(crate) fn new(source: Source) -> ItchReader {
        ItchReader {
            source,
            decoder: Decoder::new(),
            notice: None,
        }
    }
}

impl TickReader for ItchReader {
    fn fill(&mut self, out: &mut Vec<Tick>) -> Result<(), ReadError> {
        let full = out.len() + CHUNK_TICKS;
        let mut wanted = SHORTEST_FRAME;
        while out.len() < full {
            let offset = self.source.offset();
            let window = self.source.peek(wanted)?;
            let mut messages = ItchMessages::new(window);
            let mut ahead = messages.clone();
            for message in ahead.by_ref().take(AHEAD) {
                self.decoder.touch(&message);
            }
            while out.len() < full
                && let Some(message) = messages.next()
            {
                if let Some(message) = ahead.next() {
                    self.decoder.touch(&message);
                }
                self.decoder.message(&message, out);
            }
            let consumed = window.len() - messages.rest().len();
            if consumed > 0 {
                self.source.consume(consumed);
                wanted = SHORTEST_FRAME;
            } else if let Some(frame) = announced_frame(window)
                && wanted <= window.len()
            {
                wanted = frame;
            } else {
                self.notice = last_bytes(window, offset)?;
                break;
            }
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.decoder.tally()
    }

    fn position(&self) -> u64 {
        self.source.position()
    }

    fn notice(&self) -> Option<&Notice> {
        self.notice.as_ref()
    }
}

/// How long the first message is together with its length, if it announces any.
fn announced_frame(bytes: &[u8]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes(*bytes.first_chunk::<2>()?));
    (length > 0).then_some(2 + length)
}

/// What is to be said about the last bytes of the file, which hold no whole message.
fn last_bytes(bytes: &[u8], offset: u64) -> Result<Option<Notice>, ItchError> {
    match bytes {
        // The end of the file, or an end mark there.
        [] | [0, 0] => Ok(None),
        [0, 0, ..] => Err(ItchError::ZeroLength { offset }),
        _ => Ok(Some(Notice::CutMessage {
            offset,
            bytes: bytes.len() as u64,
        })),
    }
}
