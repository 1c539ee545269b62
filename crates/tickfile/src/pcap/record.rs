//! The classic pcap file: one header, then records.

use super::{LONGEST_RECORD, Located, Look, PcapError, peek_record};
use crate::reader::ReadError;
use crate::source::Source;

/// In which order the bytes of a number lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    pub fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        }
    }

    pub fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            ByteOrder::Little => u16::from_le_bytes(bytes),
            ByteOrder::Big => u16::from_be_bytes(bytes),
        }
    }

    /// The number at `offset`, if the bytes reach so far.
    pub fn u32_at(self, bytes: &[u8], offset: usize) -> Option<u32> {
        let bytes = bytes.get(offset..)?.first_chunk::<4>()?;
        Some(self.u32(*bytes))
    }

    /// The number at `offset`, if the bytes reach so far.
    pub fn u16_at(self, bytes: &[u8], offset: usize) -> Option<u16> {
        let bytes = bytes.get(offset..)?.first_chunk::<2>()?;
        Some(self.u16(*bytes))
    }
}

/// What the header of the file says.
pub(super) struct Classic {
    order: ByteOrder,
    link: u32,
}

impl Classic {
    pub const HEADER_BYTES: usize = 24;
    const RECORD_HEADER_BYTES: u32 = 16;

    /// With stamps in µs and in ns.
    const MAGICS: [u32; 2] = [0xa1b2_c3d4, 0xa1b2_3c4d];

    pub fn parse(bytes: &[u8]) -> Option<Classic> {
        let magic = *bytes.first_chunk::<4>()?;
        let order = [ByteOrder::Little, ByteOrder::Big]
            .into_iter()
            .find(|order| Self::MAGICS.contains(&order.u32(magic)))?;
        // The upper four bits say how long the checksum at the end of each packet is.
        let link = order.u32_at(bytes, 20)? & 0x0fff_ffff;
        Some(Classic { order, link })
    }

    pub fn look(&self, source: &mut Source) -> Result<Look, ReadError> {
        let offset = source.offset();
        let header = source.peek(Self::RECORD_HEADER_BYTES as usize)?;
        let Some(kept) = self.order.u32_at(header, 8) else {
            return Ok(Look::Cut);
        };
        if kept > LONGEST_RECORD {
            let length = kept;
            return Err(PcapError::Length { offset, length }.into());
        }
        let length = Self::RECORD_HEADER_BYTES + kept;
        Ok(match peek_record(source, length)? {
            Some(record) => Look::Packet(Located {
                link: self.link,
                start: Self::RECORD_HEADER_BYTES as usize,
                end: record.len(),
                length: record.len(),
            }),
            None => Look::Cut,
        })
    }
}
