//! Captures of network traffic, pcap and pcapng: from file to packets, from packets to what UDP
//! carries.
//!
//! The time of a tick is the venue's own; those of a capture are for who measures by them.

mod network;
mod pcapng;
mod record;
#[cfg(test)]
pub(crate) mod tests;

use thiserror::Error;

pub(crate) use self::network::{NotUdp, Udp, udp, udp_payload};
use self::pcapng::Section;
use self::record::{ByteOrder, Classic};
use crate::reader::{Notice, ReadError};
use crate::source::Source;

/// The longest packet of a pcap file, and the longest block of a pcapng file: more than any
/// capture program writes, and what is held in memory at most.
const LONGEST_RECORD: u32 = 1 << 20;

/// The most interfaces that one section of a pcapng file may have.
const MAX_INTERFACES: usize = 4096;

/// Why a capture cannot be read on. Offsets count bytes of what the file unpacks to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PcapError {
    /// The first bytes are those of no capture.
    #[error("byte {offset} begins neither a pcap file nor a pcapng section")]
    Magic {
        /// Where.
        offset: u64,
    },
    /// A length that no record or block can have.
    #[error("a record at byte {offset} of the capture says that it is {length} bytes long: damage")]
    Length {
        /// Where the record begins.
        offset: u64,
        /// What it says.
        length: u32,
    },
    /// The two lengths of a pcapng block differ.
    #[error(
        "the block at byte {offset} of the capture begins with length {first} and ends with \
         {last}: damage"
    )]
    BlockLengths {
        /// Where the block begins.
        offset: u64,
        /// The length at its beginning.
        first: u32,
        /// The length at its end.
        last: u32,
    },
    /// A pcapng block is too short for what it must hold.
    #[error("the block at byte {offset} of the capture is too short for its type {kind}: damage")]
    ShortBlock {
        /// Where the block begins.
        offset: u64,
        /// Its type.
        kind: u32,
    },
    /// A packet of an interface that was not described before.
    #[error(
        "the packet at byte {offset} of the capture names interface {interface}, of which \
         there is no description"
    )]
    UnknownInterface {
        /// Where the block begins.
        offset: u64,
        /// The interface.
        interface: u32,
    },
    /// More interfaces than are kept.
    #[error(
        "the section of the capture describes more than {MAX_INTERFACES} interfaces at byte \
         {offset}"
    )]
    TooManyInterfaces {
        /// Where the block begins.
        offset: u64,
    },
}

/// A packet as it was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    /// The link type: how it begins.
    pub link: u32,
    /// Its bytes, as many as were kept.
    pub bytes: &'a [u8],
    /// When it was captured, ns since the Unix epoch, if the capture says so.
    pub time_ns: Option<u64>,
    /// Whether it was longer than what was kept.
    pub is_cut: bool,
}

/// Where in the current record the packet lies.
struct Located {
    link: u32,
    time_ns: Option<u64>,
    is_cut: bool,
    start: usize,
    end: usize,
    /// Length of the whole record.
    length: usize,
}

/// What a look at the next record gives.
enum Look {
    Packet(Located),
    /// A record without a packet, of this length.
    Other(usize),
    /// The file ends inside the record, or has ended.
    Cut,
}

enum Layout {
    Classic(Classic),
    Sections(Section),
}

/// Reads a capture packet by packet: [`packet`](Capture::packet) gives the current one,
/// [`advance`](Capture::advance) goes on to the next.
pub(crate) struct Capture {
    source: Source,
    layout: Layout,
    current: Option<Located>,
    notice: Option<Notice>,
}

impl Capture {
    /// Reads the header of the file.
    pub(crate) fn open(mut source: Source) -> Result<Capture, ReadError> {
        let offset = source.offset();
        let start = source.peek(Classic::HEADER_BYTES)?;
        let layout = if start.starts_with(&pcapng::SECTION.to_be_bytes()) {
            Layout::Sections(Section::new())
        } else {
            let classic =
                Classic::parse(start).ok_or(ReadError::from(PcapError::Magic { offset }))?;
            source.consume(Classic::HEADER_BYTES);
            Layout::Classic(classic)
        };
        Ok(Capture {
            source,
            layout,
            current: None,
            notice: None,
        })
    }

    /// The current packet; `None` at the end of the file.
    pub(crate) fn packet(&mut self) -> Result<Option<Packet<'_>>, ReadError> {
        while self.current.is_none() {
            match self.look()? {
                Look::Packet(located) => self.current = Some(located),
                Look::Other(length) => self.source.consume(length),
                Look::Cut => {
                    self.end()?;
                    return Ok(None);
                }
            }
        }
        let Some(located) = &self.current else {
            return Ok(None);
        };
        let record = self.source.peek(located.length)?;
        Ok(Some(Packet {
            link: located.link,
            bytes: &record[located.start..located.end],
            time_ns: located.time_ns,
            is_cut: located.is_cut,
        }))
    }

    /// Goes on to the next packet.
    pub(crate) fn advance(&mut self) {
        if let Some(located) = self.current.take() {
            self.source.consume(located.length);
        }
    }

    /// Bytes consumed of the file as it lies on disk.
    pub(crate) fn position(&self) -> u64 {
        self.source.position()
    }

    /// Whether the file ended inside a record.
    pub(crate) fn notice(&self) -> Option<&Notice> {
        self.notice.as_ref()
    }

    fn look(&mut self) -> Result<Look, ReadError> {
        match &mut self.layout {
            Layout::Classic(classic) => classic.look(&mut self.source),
            Layout::Sections(section) => section.look(&mut self.source),
        }
    }

    fn end(&mut self) -> Result<(), ReadError> {
        let offset = self.source.offset();
        let bytes = self.source.peek(LONGEST_RECORD as usize)?.len() as u64;
        if bytes > 0 {
            self.notice = Some(Notice::CutMessage { offset, bytes });
        }
        Ok(())
    }
}

/// The next `length` bytes; `None` if the file ends before.
fn peek_record(source: &mut Source, length: u32) -> Result<Option<&[u8]>, ReadError> {
    let length = length as usize;
    let bytes = source.peek(length)?;
    Ok(bytes.get(..length))
}

impl From<PcapError> for ReadError {
    fn from(error: PcapError) -> ReadError {
        ReadError::Iex(error.into())
    }
}
