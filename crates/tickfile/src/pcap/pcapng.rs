//! pcapng: sections of blocks, each block between two copies of its length.

use super::{ByteOrder, LONGEST_RECORD, Located, Look, MAX_INTERFACES, PcapError, peek_record};
use crate::reader::ReadError;
use crate::source::Source;

/// Types of blocks. That of a section reads the same in both byte orders.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Options of an interface: the unit of its stamps, and the seconds to be added to them.
const TIME_UNIT: u16 = 9;
const TIME_OFFSET: u16 = 14;

/// Says in which byte order a section is.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Type and length before the body.
const BLOCK_HEADER_BYTES: usize = 8;

/// The section that is being read.
pub(super) struct Section {
    order: ByteOrder,
    interfaces: Vec<Interface>,
}

struct Interface {
    link: u32,
    /// The most bytes kept of a packet; 0 for no limit.
    snap_length: u32,
    clock: Clock,
}

/// How the stamps of an interface count.
#[derive(Clone, Copy)]
struct Clock {
    /// Units in a second.
    per_second: u128,
    /// Seconds to be added.
    offset: i64,
}

impl Clock {
    /// In µs since the Unix epoch, unless it is said otherwise.
    const DEFAULT: Clock = Clock {
        per_second: 1_000_000,
        offset: 0,
    };

    /// The unit that the option says: a power of 10, or of 2 when the first bit is set.
    fn set_unit(&mut self, resolution: u8) {
        let (base, power) = match resolution {
            0x80.. => (2u128, resolution & 0x7f),
            _ => (10, resolution),
        };
        // One that is too fine for any number leaves the interface without times.
        self.per_second = base.checked_pow(u32::from(power)).unwrap_or(0);
    }

    fn nanos(self, units: u64) -> Option<u64> {
        let nanos = (u128::from(units) * 1_000_000_000).checked_div(self.per_second)?;
        let nanos = i128::try_from(nanos).ok()? + i128::from(self.offset) * 1_000_000_000;
        u64::try_from(nanos).ok()
    }
}

impl Section {
    pub fn new() -> Section {
        Section {
            order: ByteOrder::Little,
            interfaces: Vec::new(),
        }
    }

    pub fn look(&mut self, source: &mut Source) -> Result<Look, ReadError> {
        let offset = source.offset();
        let header = source.peek(BLOCK_HEADER_BYTES + 4)?;
        let Some(kind) = self.order.u32_at(header, 0) else {
            return Ok(Look::Cut);
        };
        if kind == SECTION {
            let Some(magic) = header.get(8..).and_then(|rest| rest.first_chunk::<4>()) else {
                return Ok(Look::Cut);
            };
            self.begin(*magic, offset)?;
        }
        let Some(length) = self.order.u32_at(header, 4) else {
            return Ok(Look::Cut);
        };
        if length < 12 || length % 4 != 0 || length > LONGEST_RECORD {
            return Err(PcapError::Length { offset, length }.into());
        }
        let Some(block) = peek_record(source, length)? else {
            return Ok(Look::Cut);
        };
        let last = self.order.u32_at(block, block.len() - 4);
        if let Some(last) = last
            && last != length
        {
            let first = length;
            return Err(PcapError::BlockLengths {
                offset,
                first,
                last,
            }
            .into());
        }
        Ok(self.block(kind, block, offset)?)
    }

    /// A new section begins: what was said of interfaces before no longer holds.
    fn begin(&mut self, magic: [u8; 4], offset: u64) -> Result<(), PcapError> {
        self.order = [ByteOrder::Little, ByteOrder::Big]
            .into_iter()
            .find(|order| order.u32(magic) == BYTE_ORDER_MAGIC)
            .ok_or(PcapError::Magic { offset })?;
        self.interfaces.clear();
        Ok(())
    }

    fn block(&mut self, kind: u32, block: &[u8], offset: u64) -> Result<Look, PcapError> {
        let body = &block[BLOCK_HEADER_BYTES..block.len() - 4];
        if kind == INTERFACE {
            self.describe(body, offset)?;
            return Ok(Look::Other(block.len()));
        }
        let short = PcapError::ShortBlock { offset, kind };
        let number = |at| self.order.u32_at(body, at).ok_or(short.clone());
        let (interface, start, length) = match kind {
            ENHANCED_PACKET => (number(0)?, 20, number(12)?),
            OLD_PACKET => {
                let interface = self.order.u16_at(body, 0).ok_or(short.clone())?;
                (u32::from(interface), 20, number(12)?)
            }
            SIMPLE_PACKET => (0, 4, number(0)?),
            _ => return Ok(Look::Other(block.len())),
        };
        // A simple packet has neither a time nor a length of what was kept.
        let (units, on_wire) = match kind {
            SIMPLE_PACKET => (None, length),
            _ => {
                let units = u64::from(number(4)?) << 32 | u64::from(number(8)?);
                (Some(units), number(16)?)
            }
        };
        let described = self
            .interfaces
            .get(interface as usize)
            .ok_or(PcapError::UnknownInterface { offset, interface })?;
        let kept = match described.snap_length {
            // A simple packet says how long it was on the wire, and not how much was kept.
            limit if kind == SIMPLE_PACKET && limit > 0 => length.min(limit),
            _ => length,
        };
        let end = start + kept as usize;
        if end > body.len() {
            return Err(short);
        }
        Ok(Look::Packet(Located {
            link: described.link,
            time_ns: units.and_then(|units| described.clock.nanos(units)),
            is_cut: kept < on_wire,
            start: BLOCK_HEADER_BYTES + start,
            end: BLOCK_HEADER_BYTES + end,
            length: block.len(),
        }))
    }

    /// What the options of an interface say of its stamps.
    fn clock(&self, mut options: &[u8]) -> Clock {
        let mut clock = Clock::DEFAULT;
        while let (Some(code), Some(length)) =
            (self.order.u16_at(options, 0), self.order.u16_at(options, 2))
        {
            let end = 4 + usize::from(length);
            let Some(value) = options.get(4..end) else {
                break;
            };
            match (code, value) {
                (TIME_UNIT, &[resolution]) => clock.set_unit(resolution),
                (TIME_OFFSET, value) => {
                    if let Ok(seconds) = value.try_into() {
                        clock.offset = self.order.i64(seconds);
                    }
                }
                _ => {}
            }
            options = options.get(end.next_multiple_of(4)..).unwrap_or_default();
        }
        clock
    }

    /// Remembers an interface.
    fn describe(&mut self, body: &[u8], offset: u64) -> Result<(), PcapError> {
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(PcapError::TooManyInterfaces { offset });
        }
        let kind = INTERFACE;
        let short = PcapError::ShortBlock { offset, kind };
        let link = self.order.u16_at(body, 0).ok_or(short.clone())?;
        self.interfaces.push(Interface {
            link: u32::from(link),
            snap_length: self.order.u32_at(body, 4).ok_or(short)?,
            clock: self.clock(&body[8..]),
        });
        Ok(())
    }
}
