//! Nasdaq TotalView-ITCH 5.0 BinaryFILE.

use thiserror::Error;
use tickcast_wire::Tick;

use crate::reader::{Notice, ReadError, Tally, TickReader};
use crate::source::Source;

/// Why an ITCH file cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ItchError {
    /// A message of length 0.
    #[error("message of length 0 at byte {offset}")]
    ZeroLength {
        /// Where.
        offset: u64,
    },
}

pub(crate) struct ItchReader {
    source: Source,
}

impl ItchReader {
    pub(crate) fn new(source: Source) -> ItchReader {
        ItchReader { source }
    }
}

impl TickReader for ItchReader {
    fn fill(&mut self, _out: &mut Vec<Tick>) -> Result<(), ReadError> {
        Err(ItchError::ZeroLength { offset: self.source.offset() }.into())
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }

    fn position(&self) -> u64 {
        self.source.position()
    }

    fn notice(&self) -> Option<&Notice> {
        None
    }
}
