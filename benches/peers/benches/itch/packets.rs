//! MoldUDP64: messages out of packets, by `moldudp` beside our own walk, without a look into them.

use std::hint::black_box;
use std::time::Instant;

use ::moldudp::Packet;
use tickcast_benches::{Figure, is_instant, try_in_turns};
use tickcast_peers::Failure;
use tickcast_tickfile::ItchMessages;

const HEADER_BYTES: usize = 20;
/// Most bytes of a packet.
const PACKET_BYTES: usize = 1_400;

/// Measures both on these messages, each after its length.
pub fn measure(messages: &[u8], turns: usize) -> Result<(), Failure> {
    let packets = packed(messages)?;
    let walks: [fn(&[u8]) -> usize; 2] = [
        |packet| ItchMessages::new(&packet[HEADER_BYTES..]).count(),
        |packet| Packet::new(packet).iter().count(),
    ];
    let count: usize = packets.iter().map(|packet| walks[0](packet)).sum();
    let runs = try_in_turns(turns, walks.len(), |way| -> Result<f64, Failure> {
        let start = Instant::now();
        let found: usize = packets
            .iter()
            .map(|packet| walks[way](black_box(packet)))
            .sum();
        let ns = start.elapsed().as_nanos() as f64 / count as f64;
        if found != count {
            return Err(format!("{found} messages found of {count}").into());
        }
        Ok(ns)
    })?;
    if !is_instant() {
        Figure {
            what: "messages out of MoldUDP64 packets",
            ours: &runs[0],
            unit: "ns a message",
            against: Some(("moldudp", &runs[1])),
            bound: None,
        }
        .print();
    }
    Ok(())
}

/// The messages in packets: a session, the number of the first message, how many there are.
fn packed(mut messages: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let (mut packets, mut number) = (Vec::new(), 1_u64);
    while !messages.is_empty() {
        let (mut end, mut count) = (0, 0_u16);
        while let Some(length) = messages[end..].first_chunk::<2>() {
            let next = end + 2 + usize::from(u16::from_be_bytes(*length));
            if HEADER_BYTES + next > PACKET_BYTES {
                break;
            }
            (end, count) = (next, count + 1);
        }
        let (first, rest) = messages.split_at_checked(end).ok_or("a message is cut")?;
        let mut packet = b"PEERS     ".to_vec();
        packet.extend_from_slice(&number.to_be_bytes());
        packet.extend_from_slice(&count.to_be_bytes());
        packet.extend_from_slice(first);
        packets.push(packet);
        number += u64::from(count);
        messages = rest;
    }
    Ok(packets)
}
