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

    pub fn i64(self, bytes: [u8; 8]) -> i64 {
        match self {
            ByteOrder::Little => i64::from_le_bytes(bytes),
            ByteOrder::Big => i64::from_be_bytes(bytes),
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
    /// ns in one of the units that stamps count beside seconds.
    unit_ns: u64,
}

impl Classic {
    pub const HEADER_BYTES: usize = 24;
    const RECORD_HEADER_BYTES: u32 = 16;

    /// With stamps in µs and in ns: what a unit is in ns.
    const MAGICS: [(u32, u64); 2] = [(0xa1b2_c3d4, 1_000), (0xa1b2_3c4d, 1)];

    pub fn parse(bytes: &[u8]) -> Option<Classic> {
        let magic = *bytes.first_chunk::<4>()?;
        let (order, unit_ns) =
            [ByteOrder::Little, ByteOrder::Big]
                .into_iter()
                .find_map(|order| {
                    let found = |&(known, _): &(u32, u64)| known == order.u32(magic);
                    let (_, unit_ns) = Self::MAGICS.into_iter().find(|it| found(it))?;
                    Some((order, unit_ns))
                })?;
        // The upper four bits say how long the checksum at the end of each packet is.
        let link = order.u32_at(bytes, 20)? & 0x0fff_ffff;
        Some(Classic {
            order,
            link,
            unit_ns,
        })
    }

    pub fn look(&self, source: &mut Source) -> Result<Look, ReadError> {
        let offset = source.offset();
        let header = source.peek(Self::RECORD_HEADER_BYTES as usize)?;
        let word = |at| self.order.u32_at(header, at);
        let (Some(seconds), Some(units), Some(kept), Some(length)) =
            (word(0), word(4), word(8), word(12))
        else {
            return Ok(Look::Cut);
        };
        let time_ns = u64::from(seconds) * 1_000_000_000 + u64::from(units) * self.unit_ns;
        let is_cut = kept < length;
        if kept > LONGEST_RECORD {
            let length = kept;
            return Err(PcapError::Length { offset, length }.into());
        }
        let length = Self::RECORD_HEADER_BYTES + kept;
        Ok(match peek_record(source, length)? {
            Some(record) => Look::Packet(Located {
                link: self.link,
                time_ns: Some(time_ns),
                is_cut,
                start: Self::RECORD_HEADER_BYTES as usize,
                end: record.len(),
                length: record.len(),
            }),
            None => Look::Cut,
        })
    }
}
