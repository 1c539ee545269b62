use std::io::Write;

use proptest::prelude::*;

use super::{ByteOrder, Capture, NotUdp, Packet, PcapError, udp_payload};
use crate::map::Map;
use crate::reader::{Notice, ReadError};
use crate::source::Source;

/// A source of these bytes, which must not be none.
pub(crate) fn source(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(Map::of(&file).unwrap())
}

/// A pcap file with stamps in µs, little-endian, of packets of this link type.
pub(crate) fn classic_file(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    classic(ByteOrder::Little, 0xa1b2_c3d4, link, packets)
}

/// An Ethernet frame with UDP over IPv4 in it.
pub(crate) fn ethernet_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x01, 0, 0x5e, 1, 2, 3, 6, 5, 4, 3, 2, 1, 0x08, 0x00];
    frame.extend(ipv4(0, 17, &udp(payload)));
    frame
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    let mut bytes = [0xe5, 0xe6, 0x41, 0x02].to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

fn ipv4(fragment: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = 20 + payload.len() as u16;
    let mut bytes = vec![0x45, 0];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 1]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([1, protocol, 0, 0, 10, 0, 0, 1, 233, 1, 2, 3]);
    bytes.extend(payload);
    bytes
}

fn ipv6(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([17, 1]);
    bytes.extend([0xfe; 16]);
    bytes.extend([0xff; 16]);
    bytes.extend(payload);
    bytes
}

fn put32(order: ByteOrder, bytes: &mut Vec<u8>, value: u32) {
    bytes.extend(match order {
        ByteOrder::Little => value.to_le_bytes(),
        ByteOrder::Big => value.to_be_bytes(),
    });
}

fn classic(order: ByteOrder, magic: u32, link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put32(order, &mut bytes, magic);
    bytes.extend([0; 12]);
    put32(order, &mut bytes, 65_535);
    put32(order, &mut bytes, link);
    for packet in packets {
        bytes.extend([0xa5; 8]);
        put32(order, &mut bytes, packet.len() as u32);
        put32(order, &mut bytes, packet.len() as u32 + 7);
        bytes.extend(packet);
    }
    bytes
}

/// A block of pcapng: type, length, body, padding, length.
fn block(order: ByteOrder, kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let mut bytes = Vec::new();
    put32(order, &mut bytes, kind);
    put32(order, &mut bytes, 12 + padded as u32);
    bytes.extend(body);
    bytes.resize(8 + padded, 0);
    put32(order, &mut bytes, 12 + padded as u32);
    bytes
}

fn section(order: ByteOrder) -> Vec<u8> {
    let mut body = Vec::new();
    put32(order, &mut body, 0x1a2b_3c4d);
    body.extend([0; 12]);
    block(order, 0x0a0d_0d0a, &body)
}

fn interface(order: ByteOrder, link: u16, snap_length: u32) -> Vec<u8> {
    let mut body = match order {
        ByteOrder::Little => link.to_le_bytes(),
        ByteOrder::Big => link.to_be_bytes(),
    }
    .to_vec();
    body.extend([0, 0]);
    put32(order, &mut body, snap_length);
    // Option 9 is if_tsresol: here ns.
    body.extend([9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    block(order, 1, &body)
}

fn enhanced(order: ByteOrder, interface: u32, packet: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    put32(order, &mut body, interface);
    body.extend([0xa5; 8]);
    put32(order, &mut body, packet.len() as u32);
    put32(order, &mut body, packet.len() as u32);
    body.extend(packet);
    block(order, 6, &body)
}

fn simple(order: ByteOrder, wire_length: u32, packet: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    put32(order, &mut body, wire_length);
    body.extend(packet);
    block(order, 3, &body)
}

type Owned = (u32, Vec<u8>);

fn read(bytes: &[u8]) -> (Vec<Owned>, Option<Notice>, Result<(), ReadError>) {
    let mut packets = Vec::new();
    let mut capture = match Capture::open(source(bytes)) {
        Ok(capture) => capture,
        Err(error) => return (packets, None, Err(error)),
    };
    let outcome = loop {
        match capture.packet() {
            Ok(Some(Packet { link, bytes, .. })) => packets.push((link, bytes.to_vec())),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        capture.advance();
    };
    (packets, capture.notice().cloned(), outcome)
}

fn three_packets() -> Vec<Vec<u8>> {
    vec![vec![1; 60], Vec::new(), vec![3; 5]]
}

/// A file of every layout, each with the same three packets of link type 1.
fn files() -> Vec<Vec<u8>> {
    let packets = three_packets();
    let mut files = Vec::new();
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d] {
            files.push(classic(order, magic, 1, &packets));
        }
        let mut file = section(order);
        file.extend(interface(order, 1, 0));
        file.extend(block(order, 0x0bad, b"a block of a kind that is not known"));
        for packet in &packets {
            file.extend(enhanced(order, 0, packet));
        }
        files.push(file);
    }
    files
}

#[test]
fn every_layout_gives_the_same_packets() {
    let expected: Vec<Owned> = three_packets()
        .into_iter()
        .map(|bytes| (1, bytes))
        .collect();
    for file in files() {
        assert_eq!(read(&file), (expected.clone(), None, Ok(())));
    }
}

/// The time of each packet, and whether it was cut.
fn times(bytes: &[u8]) -> Vec<(Option<u64>, bool)> {
    let mut capture = Capture::open(source(bytes)).unwrap();
    let mut times = Vec::new();
    while let Some(packet) = capture.packet().unwrap() {
        times.push((packet.time_ns, packet.is_cut));
        capture.advance();
    }
    times
}

#[test]
fn a_record_has_its_time_in_either_unit() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for (magic, nanos) in [(0xa1b2_c3d4, 6_000), (0xa1b2_3c4d, 6)] {
            let mut bytes = classic(order, magic, 1, &[]);
            for (kept, length) in [(1, 1), (1, 60)] {
                for word in [5, 6, kept, length] {
                    put32(order, &mut bytes, word);
                }
                bytes.push(9);
            }
            let time = Some(5_000_000_000 + nanos);
            assert_eq!(times(&bytes), [(time, false), (time, true)]);
        }
    }
}

#[test]
fn a_block_has_its_time_as_its_interface_counts() {
    let order = ByteOrder::Little;
    let offset = |seconds: i64| [&[14, 0, 8, 0][..], &seconds.to_le_bytes()].concat();
    let unit = |unit: u8| vec![9, 0, 1, 0, unit, 0, 0, 0];
    let units = 3 << 32 | 1_000;
    for (options, expected) in [
        (vec![], Some(units * 1_000)),
        (unit(9), Some(units)),
        (unit(3), Some(units * 1_000_000)),
        (
            unit(0x80 | 30),
            Some((u128::from(units) * 1_000_000_000 / (1 << 30)) as u64),
        ),
        ([unit(9), offset(7)].concat(), Some(units + 7_000_000_000)),
        ([offset(-1), unit(9)].concat(), Some(units - 1_000_000_000)),
        (offset(-20_000), None),
        (offset(i64::MAX), None),
        (unit(0), Some(units * 1_000_000_000)),
        (unit(0x7f), None),
        (vec![9, 0, 1, 0], Some(units * 1_000)),
        (vec![9, 0, 255, 255, 1], Some(units * 1_000)),
    ] {
        let mut body = vec![1, 0, 0, 0, 0, 0, 0, 0];
        body.extend(&options);
        let mut file = [section(order), block(order, 1, &body)].concat();
        let mut body = Vec::new();
        for word in [0, 3, 1_000, 1, 2] {
            put32(order, &mut body, word);
        }
        body.push(5);
        file.extend(block(order, 6, &body));
        file.extend(simple(order, 1, &[5]));
        let expected = [(expected, true), (None, false)];
        assert_eq!(times(&file), expected, "{options:?}");
    }
}

#[test]
fn interfaces_belong_to_their_section() {
    let mut file = section(ByteOrder::Little);
    file.extend(interface(ByteOrder::Little, 113, 0));
    file.extend(interface(ByteOrder::Little, 101, 4));
    file.extend(enhanced(ByteOrder::Little, 1, b"raw!"));
    file.extend(simple(ByteOrder::Little, 6, b"cooked"));
    file.extend(section(ByteOrder::Big));
    file.extend(interface(ByteOrder::Big, 1, 4));
    // Ten bytes on the wire, of which the interface keeps four.
    file.extend(simple(ByteOrder::Big, 10, b"kept"));
    let expected = vec![
        (101, b"raw!".to_vec()),
        (113, b"cooked".to_vec()),
        (1, b"kept".to_vec()),
    ];
    assert_eq!(read(&file), (expected, None, Ok(())));

    file.extend(section(ByteOrder::Big));
    let offset = file.len() as u64;
    file.extend(enhanced(ByteOrder::Big, 0, b"lost"));
    let error = PcapError::UnknownInterface {
        offset,
        interface: 0,
    };
    assert_eq!(read(&file).2, Err(error.into()));
}

#[test]
fn a_cut_file_gives_what_is_whole_and_a_notice() {
    for file in files() {
        let (whole, _, _) = read(&file);
        for end in 1..file.len() {
            let (packets, notice, outcome) = read(&file[..end]);
            assert!(whole.starts_with(&packets));
            if outcome.is_err() {
                // Nothing can be read of a file without its header.
                assert!(end < 24 && packets.is_empty());
            } else if let Some(notice) = notice {
                let Notice::CutMessage { offset, bytes } = notice else {
                    panic!("{notice:?}");
                };
                assert_eq!(offset + bytes, end as u64);
            } else {
                // Cut between two records, which is an end like any other.
                assert!(read(&file[..end + 1]).1.is_some());
            }
        }
    }
}

#[test]
fn lengths_that_lie_are_named_with_their_place() {
    let mut file = classic_file(1, &three_packets());
    file[24 + 8..24 + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = PcapError::Length {
        offset: 24,
        length: u32::MAX,
    };
    assert_eq!(read(&file).2, Err(error.into()));

    let order = ByteOrder::Little;
    let start = [section(order), interface(order, 1, 0)].concat();
    let offset = start.len() as u64;
    for length in [0, 8, 13, u32::MAX] {
        let mut file = start.clone();
        put32(order, &mut file, 6);
        put32(order, &mut file, length);
        file.extend([0; 40]);
        let error = PcapError::Length { offset, length };
        assert_eq!(read(&file).2, Err(error.into()));
    }

    let mut file = [start.clone(), enhanced(order, 0, b"four")].concat();
    let at = file.len() - 4;
    file[at] = 0;
    let error = PcapError::BlockLengths {
        offset,
        first: 36,
        last: 0,
    };
    assert_eq!(read(&file).2, Err(error.into()));

    let mut file = [start.clone(), enhanced(order, 0, b"four")].concat();
    file[start.len() + 8 + 12] = 5;
    assert_eq!(
        read(&file).2,
        Err(PcapError::ShortBlock { offset, kind: 6 }.into())
    );
}

#[test]
fn every_changed_byte_is_survived() {
    for file in files() {
        for at in 0..file.len() {
            for value in [0, 1, 0x0a, 0x7f, 0x80, 0xff, file[at] ^ 1, file[at] ^ 0x10] {
                let mut changed = file.clone();
                changed[at] = value;
                let (packets, _, _) = read(&changed);
                assert!(packets.len() <= changed.len() / 12);
            }
        }
    }
}

#[test]
fn udp_is_found_under_every_link_type() {
    let payload = b"market data".as_slice();
    let inner = ipv4(0x4000, 17, &udp(payload));
    let macs = [0xa5; 12];

    let mut padded = ethernet_frame(payload);
    padded.resize(80, 0xa5);
    assert_eq!(udp_payload(1, &padded), Ok(payload));

    let tagged = [macs.as_slice(), &[0x81, 0, 0, 0x8d, 0x08, 0], &inner].concat();
    assert_eq!(udp_payload(1, &tagged), Ok(payload));

    let over_ipv6 = [macs.as_slice(), &[0x86, 0xdd], &ipv6(&udp(payload))].concat();
    assert_eq!(udp_payload(1, &over_ipv6), Ok(payload));

    assert_eq!(udp_payload(101, &inner), Ok(payload));
    assert_eq!(udp_payload(101, &ipv6(&udp(payload))), Ok(payload));

    let cooked_header = [0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x08, 0];
    let cooked = [cooked_header.as_slice(), &inner].concat();
    assert_eq!(udp_payload(113, &cooked), Ok(payload));
}

#[test]
fn what_is_not_whole_udp_is_told_apart() {
    let whole = udp(b"market data");
    assert_eq!(udp_payload(147, &whole), Err(NotUdp::LinkType));
    assert_eq!(
        udp_payload(101, &ipv4(0, 2, &[0; 8])),
        Err(NotUdp::OtherProtocol)
    );
    let arp = [
        &[0xa5; 12],
        [0x08, 0x06].as_slice(),
        &[0, 1, 8, 0, 6, 4, 0, 1],
        &[0; 20],
    ]
    .concat();
    assert_eq!(udp_payload(1, &arp), Err(NotUdp::OtherProtocol));

    assert_eq!(
        udp_payload(101, &ipv4(0x2000, 17, &whole)),
        Err(NotUdp::Fragment)
    );
    assert_eq!(
        udp_payload(101, &ipv4(0x0003, 17, &whole)),
        Err(NotUdp::Fragment)
    );

    let frame = ethernet_frame(b"market data");
    for end in 0..frame.len() {
        let outcome = udp_payload(1, &frame[..end]);
        assert_eq!(outcome, Err(NotUdp::Malformed));
    }
}

proptest! {
    #[test]
    fn garbage_packets_are_survived(
        link in prop_oneof![Just(1u32), Just(101), Just(113)],
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        if let Ok(payload) = udp_payload(link, &bytes) {
            prop_assert!(payload.len() < bytes.len());
        }
    }

    #[test]
    fn garbage_after_a_header_is_survived(
        which in 0usize..6,
        garbage in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut file = files().swap_remove(which);
        file.truncate(24);
        file.extend(garbage);
        let (packets, _, _) = read(&file);
        prop_assert!(packets.len() <= file.len() / 12);
    }
}
