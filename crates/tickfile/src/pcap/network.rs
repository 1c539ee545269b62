//! From a captured packet to what UDP carries in it.

use etherparse::{SlicedPacket, TransportSlice};

/// Link types: how a packet begins.
const ETHERNET: u32 = 1;
const RAW_IP: u32 = 101;
const LINUX_COOKED: u32 = 113;

/// Why a packet carries nothing to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotUdp {
    /// Another protocol, such as ARP, IGMP or TCP.
    OtherProtocol,
    /// A piece of a packet that was sent in several.
    Fragment,
    /// Its lengths contradict each other, or only its beginning was kept.
    Malformed,
    /// It begins in a way that is not read.
    LinkType,
}

/// What UDP carries, cut to the lengths in the IP and UDP headers: short Ethernet frames are
/// padded.
pub(crate) fn udp_payload(link: u32, packet: &[u8]) -> Result<&[u8], NotUdp> {
    let sliced = match link {
        ETHERNET => SlicedPacket::from_ethernet(packet),
        LINUX_COOKED => SlicedPacket::from_linux_sll(packet),
        RAW_IP => SlicedPacket::from_ip(packet),
        _ => return Err(NotUdp::LinkType),
    };
    let sliced = sliced.map_err(|_| NotUdp::Malformed)?;
    if sliced.is_ip_payload_fragmented() {
        return Err(NotUdp::Fragment);
    }
    match sliced.transport {
        Some(TransportSlice::Udp(udp)) => Ok(udp.payload()),
        _ => Err(NotUdp::OtherProtocol),
    }
}
