//! IEX TOPS 1.6 over IEX-TP in captures of network traffic.
//!
//! `docs/venues.md` says which message gives which ticks.

mod decoder;
#[cfg(test)]
mod encode;
mod foreign;
mod message;
#[cfg(test)]
mod segment_tests;
mod sequence;
#[cfg(test)]
mod tests;
mod transport;

use thiserror::Error;
use tickcast_wire::Tick;

use self::decoder::Decoder;
pub use self::foreign::Found;
pub(crate) use self::foreign::{is_cme_mdp3, is_mold_udp64};
use self::sequence::{Sequence, TooManyChannels};
pub(crate) use self::transport::SegmentHeader;
use self::transport::{Segment, SegmentError};
use crate::datagrams::reason;
use crate::pcap::{Capture, NotUdp, Packet, PcapError, udp_payload};
use crate::reader::{CHUNK_TICKS, Notice, ReadError, Tally, TickReader};
use crate::source::Source;

/// After so many packets without TOPS the capture is taken for one of something else.
const PATIENCE_PACKETS: u32 = 10_000;

/// Why a capture cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IexError {
    /// The capture holds something else.
    #[error("the capture holds {found}; of captures, only IEX TOPS 1.6 over IEX-TP is read")]
    NotTops {
        /// What it holds.
        found: Found,
    },
    /// The file is damaged.
    #[error(transparent)]
    Capture(#[from] PcapError),
}

pub(crate) struct IexReader {
    capture: Capture,
    sequence: Sequence,
    decoder: Decoder,
}

impl IexReader {
    /// Goes to the first packet with TOPS in it; an error if there is none.
    pub(crate) fn open(source: Source) -> Result<IexReader, ReadError> {
        let mut reader = IexReader {
            capture: Capture::open(source)?,
            sequence: Sequence::default(),
            decoder: Decoder::new(),
        };
        reader.find_tops()?;
        Ok(reader)
    }

    fn find_tops(&mut self) -> Result<(), ReadError> {
        let mut found = Found::NoPacket;
        for _ in 0..PATIENCE_PACKETS {
            let Some(packet) = self.capture.packet()? else {
                break;
            };
            match segment(packet) {
                Ok(_) => return Ok(()),
                Err(refused) => {
                    if matches!(found, Found::NoPacket | Found::NoUdp) {
                        found = refused.found;
                    }
                    self.decoder.skip(refused.reason, 1);
                }
            }
            self.capture.advance();
        }
        Err(IexError::NotTops { found }.into())
    }
}

impl TickReader for IexReader {
    fn fill(&mut self, out: &mut Vec<Tick>) -> Result<(), ReadError> {
        let full = out.len() + CHUNK_TICKS;
        while out.len() < full {
            let Some(packet) = self.capture.packet()? else {
                break;
            };
            match segment(packet) {
                Ok(segment) => deliver(&segment, &mut self.sequence, &mut self.decoder, out),
                Err(refused) => self.decoder.skip(refused.reason, 1),
            }
            self.capture.advance();
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.decoder.tally()
    }

    fn position(&self) -> u64 {
        self.capture.position()
    }

    fn notice(&self) -> Option<&Notice> {
        self.capture.notice()
    }
}

/// Decodes what is new in a segment, and counts what is missing before it.
fn deliver(
    segment: &Segment<'_>,
    sequence: &mut Sequence,
    decoder: &mut Decoder,
    out: &mut Vec<Tick>,
) {
    let arrival = match sequence.arrive(segment) {
        Ok(arrival) => arrival,
        Err(TooManyChannels) => return decoder.skip("too_many_channels", segment.count()),
    };
    decoder.skip("missing_messages", arrival.missing);
    decoder.skip("repeated_messages", arrival.repeated);
    for message in segment.messages().skip(arrival.repeated as usize) {
        decoder.message(message, out);
    }
}

/// Why a packet holds no segment of TOPS.
struct Refused {
    /// As what it is counted.
    reason: &'static str,
    found: Found,
}

fn segment(packet: Packet<'_>) -> Result<Segment<'_>, Refused> {
    let payload = udp_payload(packet.link, packet.bytes).map_err(|error| {
        let found = match error {
            NotUdp::LinkType => Found::LinkType(packet.link),
            _ => Found::NoUdp,
        };
        Refused {
            reason: reason(error),
            found,
        }
    })?;
    Segment::parse(payload).map_err(|error| match error {
        SegmentError::Foreign => Refused {
            reason: "foreign_packet",
            found: Found::in_payload(payload),
        },
        SegmentError::Damaged => Refused {
            reason: "damaged_segment",
            found: Found::DamagedTops,
        },
    })
}
