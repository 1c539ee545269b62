//! The headers of a received frame: Ethernet, IPv4, UDP.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::FrameError;

/// Types of an Ethernet frame: IPv4, and the 802.1Q tag with another type behind it.
pub(super) const IPV4: u16 = 0x0800;
pub(super) const TAG: u16 = 0x8100;
/// The bits of a tag that name the virtual network. 0 is none: the tag only has a priority.
pub(super) const NETWORK: u16 = 0x0fff;
/// The first byte of an IPv4 header without options: version 4, five words.
pub(super) const PLAIN_HEADER: u8 = 0x45;
/// "More fragments" and the offset: not 0 in a fragment.
pub(super) const FRAGMENT: u16 = 0x3fff;
pub(super) const UDP: u8 = 17;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagram<'a> {
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
    pub(super) payload: &'a [u8],
}

/// Reads a frame's headers and checks them, as far as the kernel's stack would.
///
/// The checksum of UDP is not looked at: a frame that never was on a wire (veth) has none yet, and
/// of one that was the device has looked at it, without a word of that reaching AF_XDP.
#[inline]
pub(super) fn parse(frame: &[u8]) -> Result<Datagram<'_>, FrameError> {
    let (ethernet, mut packet) = frame.split_first_chunk::<14>().ok_or(FrameError::Short)?;
    let mut kind = word(ethernet, 12);
    if kind == TAG {
        let (tag, behind) = packet.split_first_chunk::<4>().ok_or(FrameError::Short)?;
        if word(tag, 0) & NETWORK != 0 {
            return Err(FrameError::Tagged);
        }
        (kind, packet) = (word(tag, 2), behind);
    }
    if kind != IPV4 {
        return Err(FrameError::NotIpv4);
    }
    let ip = packet.first_chunk::<20>().ok_or(FrameError::Short)?;
    if ip[0] != PLAIN_HEADER {
        return Err(FrameError::Header);
    }
    if sum(ip) != 0xffff {
        return Err(FrameError::Checksum);
    }
    if word(ip, 6) & FRAGMENT != 0 {
        return Err(FrameError::Fragment);
    }
    if ip[9] != UDP {
        return Err(FrameError::NotUdp);
    }
    // What is behind the packet's own length only fills the frame up.
    let total = usize::from(word(ip, 2));
    let datagram = packet.get(20..total).ok_or(FrameError::Length)?;
    let udp = datagram.first_chunk::<8>().ok_or(FrameError::Length)?;
    let payload = datagram.get(8..usize::from(word(udp, 4)));
    let address = |at: usize| Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
    Ok(Datagram {
        source: SocketAddrV4::new(address(12), word(udp, 0)),
        destination: SocketAddrV4::new(address(16), word(udp, 2)),
        payload: payload.ok_or(FrameError::Length)?,
    })
}

/// The big-endian word at this offset.
fn word<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The ones' complement sum of a header: 0xffff when its checksum fits.
fn sum(header: &[u8; 20]) -> u32 {
    let sum: u32 = (0..20)
        .step_by(2)
        .map(|at| u32::from(word(header, at)))
        .sum();
    (sum & 0xffff) + (sum >> 16)
}

#[cfg(test)]
pub(super) mod tests;
