//! Frames as bytes; what is taken is held against another parser.

use std::net::SocketAddrV4;

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::{Datagram, parse};
use crate::FrameError;

/// `hello` from 10.77.0.1:40000 to 239.192.7.1:14001, filled up to the 60 bytes of the shortest
/// frame.
pub(in crate::xdp) const GOLDEN: [u8; 60] = [
    0x01, 0x00, 0x5e, 0x40, 0x07, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08,
    0x00, // Ethernet
    0x45, 0x00, 0x00, 0x21, 0x12, 0x34, 0x40, 0x00, 0x01, 0x11, // length 33, TTL 1, UDP
    0x66, 0x89, 0x0a, 0x4d, 0x00, 0x01, 0xef, 0xc0, 0x07,
    0x01, // checksum, source, destination
    0x9c, 0x40, 0x36, 0xb1, 0x00, 0x0d, 0xbe,
    0xef, // ports, length 13, a checksum of anything
    b'h', b'e', b'l', b'l', b'o', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

fn address(text: &str) -> SocketAddrV4 {
    text.parse().expect("an address")
}

fn hello() -> Datagram<'static> {
    Datagram {
        source: address("10.77.0.1:40000"),
        destination: address("239.192.7.1:14001"),
        payload: b"hello",
    }
}

/// The golden frame with a tag of this priority and network.
pub(in crate::xdp) fn tagged(tag: u16) -> Vec<u8> {
    let tag = [&[0x81, 0x00][..], &tag.to_be_bytes()].concat();
    [&GOLDEN[..12], &tag, &GOLDEN[12..]].concat()
}

/// The golden frame with these bytes at an offset, and the IP header's checksum made to fit.
pub(in crate::xdp) fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = GOLDEN.to_vec();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame[24..26].fill(0);
    let words = frame[14..34]
        .chunks(2)
        .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
    let sum = words.sum::<u32>();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// Holds what was taken against another parser.
fn agrees(frame: &[u8], taken: &Datagram<'_>) {
    let packet = SlicedPacket::from_ethernet(frame).expect("a frame that another parser takes");
    let Some(NetSlice::Ipv4(ip)) = &packet.net else {
        panic!("no IPv4 packet: {packet:?}")
    };
    let header = ip.header();
    assert_eq!(
        header.header_checksum(),
        header.to_header().calc_header_checksum()
    );
    assert!(!header.is_fragmenting_payload());
    let Some(TransportSlice::Udp(udp)) = &packet.transport else {
        panic!("no UDP datagram: {packet:?}")
    };
    let source = SocketAddrV4::new(header.source_addr(), udp.source_port());
    let destination = SocketAddrV4::new(header.destination_addr(), udp.destination_port());
    assert_eq!((taken.source, taken.destination), (source, destination));
    assert_eq!(taken.payload, udp.payload());
}

#[test]
fn a_frame_is_read() {
    assert_eq!(parse(&GOLDEN), Ok(hello()));
    assert_eq!(GOLDEN[..], with(0, &[]));
    agrees(&GOLDEN, &hello());
}

#[test]
fn a_tag_of_no_network_is_passed_over() {
    for priority in [0, 0x6000, 0xf000] {
        let frame = tagged(priority);
        assert_eq!(parse(&frame), Ok(hello()));
        agrees(&frame, &hello());
    }
    assert_eq!(parse(&tagged(5)), Err(FrameError::Tagged));
    // Of two tags only the first is one.
    let twice = [&tagged(0)[..16], &tagged(0)[12..]].concat();
    assert_eq!(parse(&twice), Err(FrameError::NotIpv4));
}

#[test]
fn an_empty_datagram_is_one() {
    let mut frame = with(16, &[0, 28]);
    frame[38..40].copy_from_slice(&[0, 8]);
    assert_eq!(parse(&frame).map(|datagram| datagram.payload), Ok(&b""[..]));
}

#[test]
fn what_is_wrong_is_named() {
    for (at, bytes, why) in [
        (12, &[0x86, 0xdd][..], FrameError::NotIpv4),
        (14, &[0x65], FrameError::Header),
        (14, &[0x46], FrameError::Header),
        (14, &[0x44], FrameError::Header),
        (20, &[0x20, 0], FrameError::Fragment),
        (20, &[0, 1], FrameError::Fragment),
        (23, &[6], FrameError::NotUdp),
        (16, &[0, 0], FrameError::Length),
        (16, &[0, 27], FrameError::Length),
        (16, &[0, 47], FrameError::Length),
        (16, &[0, 32], FrameError::Length),
        (38, &[0, 7], FrameError::Length),
        (38, &[0, 14], FrameError::Length),
    ] {
        assert_eq!(parse(&with(at, bytes)), Err(why), "{bytes:x?} at {at}");
    }
    let mut frame = GOLDEN;
    frame[26] ^= 1;
    assert_eq!(parse(&frame), Err(FrameError::Checksum));
}

/// The filling may be missing, nothing else.
#[test]
fn every_frame_cut_short_is_refused() {
    for frame in [&GOLDEN[..], &tagged(0)] {
        let whole = frame.len() - 13;
        for cut in 0..frame.len() {
            let parsed = parse(&frame[..cut]);
            assert_eq!(parsed.is_ok(), cut >= whole, "{cut}: {parsed:?}");
        }
    }
}

#[test]
fn every_byte_changed_gives_an_error_or_a_sound_datagram() {
    for frame in [&GOLDEN[..], &tagged(0)] {
        let (mut taken, mut frame) = (0, frame.to_vec());
        for at in 0..frame.len() {
            let was = frame[at];
            for byte in (0..=255).filter(|byte| *byte != was) {
                frame[at] = byte;
                if let Ok(datagram) = parse(&frame) {
                    agrees(&frame, &datagram);
                    taken += 1;
                }
            }
            frame[at] = was;
        }
        // What nothing vouches for: the hardware addresses, the ports, UDP's checksum, the
        // payload, the filling. Little else.
        let free = 12 + 4 + 2 + 5 + 13;
        assert!((free * 255..free * 255 + 300).contains(&taken), "{taken}");
    }
}

proptest! {
    #[test]
    fn what_another_parser_writes_is_read(
        source in any::<([u8; 4], u16)>(),
        destination in any::<([u8; 4], u16)>(),
        payload in proptest::collection::vec(any::<u8>(), 0..1_472),
        filling in 0..20_usize,
    ) {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2([2; 6], [1; 6])
            .ipv4(source.0, destination.0, 1)
            .udp(source.1, destination.1)
            .write(&mut frame, &payload)
            .unwrap();
        frame.extend(vec![0xff; filling]);
        let expected = Datagram {
            source: SocketAddrV4::new(source.0.into(), source.1),
            destination: SocketAddrV4::new(destination.0.into(), destination.1),
            payload: &payload,
        };
        prop_assert_eq!(parse(&frame), Ok(expected));
    }

    #[test]
    fn any_bytes_are_borne(frame in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(datagram) = parse(&frame) {
            agrees(&frame, &datagram);
        }
    }
}
