//! From a captured packet to what UDP carries in it.

use std::net::{IpAddr, SocketAddr};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

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

/// A datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Udp<'a> {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// What it carries, cut to the lengths in the IP and UDP headers: short Ethernet frames are
    /// padded.
    pub payload: &'a [u8],
}

/// What UDP carries.
pub(crate) fn udp_payload(link: u32, packet: &[u8]) -> Result<&[u8], NotUdp> {
    udp(link, packet).map(|udp| udp.payload)
}

/// The datagram in a packet.
pub(crate) fn udp(link: u32, packet: &[u8]) -> Result<Udp<'_>, NotUdp> {
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
    let (source, destination): (IpAddr, IpAddr) = match &sliced.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            (
                header.source_addr().into(),
                header.destination_addr().into(),
            )
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header();
            (
                header.source_addr().into(),
                header.destination_addr().into(),
            )
        }
        _ => return Err(NotUdp::OtherProtocol),
    };
    match sliced.transport {
        Some(TransportSlice::Udp(udp)) => Ok(Udp {
            source: SocketAddr::new(source, udp.source_port()),
            destination: SocketAddr::new(destination, udp.destination_port()),
            payload: udp.payload(),
        }),
        _ => Err(NotUdp::OtherProtocol),
    }
}
