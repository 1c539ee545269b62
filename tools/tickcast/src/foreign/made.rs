//! Captures made by hand, for tests.

use std::path::{Path, PathBuf};

/// A datagram to be captured: when, in ns, to which group, and what it carries.
pub type Made = (u64, [u8; 4], Vec<u8>);

/// A pcap file with stamps in ns, all to port 5000.
pub fn capture(folder: &Path, name: &str, datagrams: &[Made]) -> PathBuf {
    let mut file = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0]);
    for (time, group, payload) in datagrams {
        let frame = frame(*group, payload);
        let length = frame.len() as u32;
        let (seconds, nanos) = (time / 1_000_000_000, time % 1_000_000_000);
        for word in [seconds as u32, nanos as u32, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    let path = folder.join(name);
    std::fs::write(&path, file).expect("a file");
    path
}

/// An Ethernet frame with UDP over IPv4 in it.
fn frame(group: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let udp = 8 + payload.len() as u16;
    let mut frame = vec![1, 0, 0x5e, 1, 2, 3, 6, 5, 4, 3, 2, 1, 8, 0, 0x45, 0];
    frame.extend((20 + udp).to_be_bytes());
    frame.extend([0, 1, 0, 0, 1, 17, 0, 0, 10, 0, 0, 1]);
    frame.extend(group);
    frame.extend([0x13, 0x87, 0x13, 0x88]);
    frame.extend(udp.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// A packet of MoldUDP64 with so many messages of one byte.
pub fn mold(first_seq: u64, count: u16) -> Vec<u8> {
    let mut packet = b"SESSION001".to_vec();
    packet.extend(first_seq.to_be_bytes());
    packet.extend(count.to_be_bytes());
    for _ in 0..count {
        packet.extend([0, 1, b'x']);
    }
    packet
}
