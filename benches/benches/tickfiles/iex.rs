//! A capture of IEX TOPS 1.6: quotes and trades in segments of IEX-TP, in UDP, in pcap.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tickcast_benches::orders::Numbers;

/// Link type of pcap: packets begin with their IP header.
const RAW_IP: u32 = 101;
const TOPS: u16 = 0x8003;
const SYMBOLS: u64 = 1_000;
/// Messages of a segment, as many as fit well into an Ethernet frame.
const PER_SEGMENT: u64 = 30;
/// The first time stamp, ns since the Unix epoch, and from each message to the next.
const OPEN_NS: u64 = 1_704_205_800_000_000_000;
const EVERY_NS: u64 = 100;

pub(crate) fn write(path: &Path, messages: u64) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    // Stamps in ns, version 2.4, packets of up to 64 KiB.
    out.write_all(&0xa1b2_3c4d_u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0])?;
    out.write_all(&[0; 8])?;
    out.write_all(&65_535_u32.to_le_bytes())?;
    out.write_all(&RAW_IP.to_le_bytes())?;
    let mut numbers = Numbers(11);
    let (mut first, mut offset) = (0, 0_u64);
    while first < messages {
        let count = PER_SEGMENT.min(messages - first);
        let mut payload = Vec::new();
        for at in first..first + count {
            message(OPEN_NS + at * EVERY_NS, &mut numbers, &mut payload);
        }
        let ns = OPEN_NS + (first + count) * EVERY_NS;
        let segment = segment(first + 1, offset, count as u16, ns, &payload);
        let packet = in_udp(&segment);
        out.write_all(&((ns / 1_000_000_000) as u32).to_le_bytes())?;
        out.write_all(&((ns % 1_000_000_000) as u32).to_le_bytes())?;
        out.write_all(&[(packet.len() as u32).to_le_bytes(); 2].concat())?;
        out.write_all(&packet)?;
        first += count;
        offset += payload.len() as u64;
    }
    out.flush()
}

/// Nine quotes for each trade.
fn message(ns: u64, numbers: &mut Numbers, out: &mut Vec<u8>) {
    let is_trade = numbers.below(10) == 0;
    let symbol = format!("S{:<7}", numbers.below(SYMBOLS));
    let size = || 100_u32.to_le_bytes();
    let price = 1_000_000 + numbers.below(50) as i64 * 100;
    let length: u16 = if is_trade { 38 } else { 42 };
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(if is_trade { b"T\x00" } else { b"Q\x40" });
    out.extend_from_slice(&ns.to_le_bytes());
    out.extend_from_slice(symbol.as_bytes());
    out.extend_from_slice(&size());
    out.extend_from_slice(&price.to_le_bytes());
    if is_trade {
        // The number of the trade.
        out.extend_from_slice(&ns.to_le_bytes());
    } else {
        out.extend_from_slice(&(price + 100).to_le_bytes());
        out.extend_from_slice(&size());
    }
}

fn segment(first: u64, offset: u64, count: u16, ns: u64, payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![1, 0];
    segment.extend_from_slice(&TOPS.to_le_bytes());
    segment.extend_from_slice(&1_u32.to_le_bytes());
    segment.extend_from_slice(&1_u32.to_le_bytes());
    segment.extend_from_slice(&(payload.len() as u16).to_le_bytes());
    segment.extend_from_slice(&count.to_le_bytes());
    segment.extend_from_slice(&offset.to_le_bytes());
    segment.extend_from_slice(&first.to_le_bytes());
    segment.extend_from_slice(&ns.to_le_bytes());
    segment.extend_from_slice(payload);
    segment
}

/// With the headers of IP and UDP, whose checksums nobody looks at in a capture.
fn in_udp(payload: &[u8]) -> Vec<u8> {
    let udp_length = (8 + payload.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&(20 + udp_length).to_be_bytes());
    // No fragment, 64 hops, UDP.
    packet.extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
    packet.extend_from_slice(&[10, 0, 0, 1, 233, 215, 21, 4]);
    packet.extend_from_slice(&10_378_u16.to_be_bytes());
    packet.extend_from_slice(&10_378_u16.to_be_bytes());
    packet.extend_from_slice(&udp_length.to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    packet
}
