//! IEX-TP version 1: segments of messages, numbered from 1 in each session of a channel.

use zerocopy::little_endian::{I64, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Protocols that IEX-TP carries.
pub(super) const TOPS: u16 = 0x8003;
pub(super) const DEEP: u16 = 0x8004;

/// What every segment begins with.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug, PartialEq, Eq,
)]
#[repr(C)]
pub(crate) struct SegmentHeader {
    pub version: u8,
    pub reserved: u8,
    pub protocol: U16,
    pub channel: U32,
    pub session: U32,
    pub payload_length: U16,
    pub message_count: U16,
    /// Bytes of the session before this segment.
    pub stream_offset: I64,
    /// The number of the first message; in a segment without messages, of the next.
    pub first_seq: I64,
    /// ns since the Unix epoch.
    pub send_time: I64,
}

const _: () = assert!(size_of::<SegmentHeader>() == 40);

impl SegmentHeader {
    pub const VERSION: u8 = 1;
}

/// A segment whose lengths agree with each other and with its count of messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub header: &'a SegmentHeader,
    /// The number of its first message, at least 1.
    pub first_seq: u64,
    payload: &'a [u8],
}

/// Why bytes are no segment of IEX-TP version 1 with TOPS in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SegmentError {
    /// Something else.
    Foreign,
    /// It begins like one, and its lengths, its count or its first number cannot be.
    Damaged,
}

impl<'a> Segment<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Segment<'a>, SegmentError> {
        let (header, payload) =
            SegmentHeader::ref_from_prefix(bytes).map_err(|_| SegmentError::Foreign)?;
        if header.version != SegmentHeader::VERSION || header.protocol.get() != TOPS {
            return Err(SegmentError::Foreign);
        }
        let segment = Segment {
            header,
            first_seq: u64::try_from(header.first_seq.get()).unwrap_or(0),
            payload,
        };
        let mut messages = segment.messages();
        let count = messages.by_ref().count();
        let is_whole = messages.rest.is_empty()
            && payload.len() == usize::from(header.payload_length.get())
            && count == usize::from(header.message_count.get())
            && segment.first_seq > 0;
        is_whole.then_some(segment).ok_or(SegmentError::Damaged)
    }

    /// The messages in order, without their lengths.
    pub fn messages(&self) -> Messages<'a> {
        Messages { rest: self.payload }
    }

    /// How many messages it holds.
    pub fn count(&self) -> u64 {
        u64::from(self.header.message_count.get())
    }
}

/// Messages, each after its length as a little-endian u16; ends at the first that is not whole.
pub(super) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length));
        let (message, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(message)
    }
}
