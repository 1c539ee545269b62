//! What a capture holds instead of IEX TOPS.

use std::fmt;

use zerocopy::FromBytes;

use super::transport::{DEEP, SegmentHeader};

/// What the packets of a capture look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No packet at all.
    NoPacket,
    /// Packets, none of them a whole one of UDP.
    NoUdp,
    /// Packets that begin in a way that is not read.
    LinkType(u32),
    /// IEX TOPS, every segment of it damaged.
    DamagedTops,
    /// IEX DEEP.
    IexDeep,
    /// IEX-TP with another protocol in it.
    IexTp {
        /// The number of the protocol.
        protocol: u16,
    },
    /// MoldUDP64, which carries ITCH and others.
    MoldUdp64,
    /// CME MDP 3.0.
    CmeMdp3,
    /// Another protocol over UDP: how its first packet begins.
    Other([u8; 8]),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::NoPacket => f.write_str("no packet"),
            Found::NoUdp => f.write_str("no whole packet of UDP"),
            Found::LinkType(link) => {
                write!(f, "packets of link type {link} (1, 101 and 113 are read)")
            }
            Found::DamagedTops => f.write_str("IEX TOPS in damaged segments only"),
            Found::IexDeep => f.write_str("IEX DEEP (IEX-TP with protocol 0x8004)"),
            Found::IexTp { protocol } => write!(f, "IEX-TP with protocol {protocol:#06x}"),
            Found::MoldUdp64 => f.write_str("what looks like MoldUDP64"),
            Found::CmeMdp3 => f.write_str("what looks like CME MDP 3.0"),
            Found::Other(first) => {
                f.write_str("UDP packets of an unknown protocol, which begin with")?;
                first.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
        }
    }
}

impl Found {
    /// What this UDP payload, which is no segment of TOPS, looks like.
    pub(super) fn in_payload(payload: &[u8]) -> Found {
        if let Ok((header, rest)) = SegmentHeader::ref_from_prefix(payload)
            && header.version == SegmentHeader::VERSION
            && rest.len() == usize::from(header.payload_length.get())
        {
            return match header.protocol.get() {
                DEEP => Found::IexDeep,
                protocol => Found::IexTp { protocol },
            };
        }
        if is_mold_udp64(payload) {
            return Found::MoldUdp64;
        }
        if is_cme_mdp3(payload) {
            return Found::CmeMdp3;
        }
        let mut first = [0; 8];
        let length = payload.len().min(8);
        first[..length].copy_from_slice(&payload[..length]);
        Found::Other(first)
    }
}

/// A session of ten printable characters, a sequence number, a count, then messages after their
/// lengths, as many as the count says and nothing after them.
pub(crate) fn is_mold_udp64(payload: &[u8]) -> bool {
    const END_OF_SESSION: u16 = 0xffff;
    let Some((session, rest)) = payload.split_first_chunk::<10>() else {
        return false;
    };
    let Some((&[.., high, low], mut rest)) = rest.split_first_chunk::<10>() else {
        return false;
    };
    let count = u16::from_be_bytes([high, low]);
    if !session.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return false;
    }
    let messages = if count == END_OF_SESSION { 0 } else { count };
    for _ in 0..messages {
        let Some((length, after)) = rest.split_first_chunk::<2>() else {
            return false;
        };
        match after.get(usize::from(u16::from_be_bytes(*length))..) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

/// Sequence number and time, then messages that begin with their own lengths and end with the
/// packet.
pub(crate) fn is_cme_mdp3(payload: &[u8]) -> bool {
    const PACKET_HEADER_BYTES: usize = 12;
    const MESSAGE_HEADER_BYTES: usize = 10;
    let Some(mut rest) = payload.get(PACKET_HEADER_BYTES..) else {
        return false;
    };
    let mut messages = 0;
    while let Some((size, _)) = rest.split_first_chunk::<2>() {
        let size = usize::from(u16::from_le_bytes(*size));
        match rest.get(size..) {
            Some(after) if size >= MESSAGE_HEADER_BYTES => rest = after,
            _ => return false,
        }
        messages += 1;
    }
    rest.is_empty() && messages > 0
}
