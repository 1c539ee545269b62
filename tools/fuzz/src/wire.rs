//! Packets, requests and replies: never a panic, and taken if and only if valid.

use tickcast_wire::{Packet, Reply, Request};
use zerocopy::{FromBytes, IntoBytes};

use crate::valid;

/// Any bytes as a datagram, as they are and with the checksum of what they say.
pub fn packet(data: &[u8]) {
    datagram(data);
    datagram(&valid::as_packet(data));
}

fn datagram(data: &[u8]) {
    let parsed = Packet::parse(data);
    assert_eq!(parsed.is_ok(), valid::is_packet(data), "{parsed:?}");
    let Ok(packet) = parsed else { return };
    assert_eq!(packet.header().as_bytes(), &data[..64]);
    assert_eq!(packet.ticks().as_bytes(), &data[64..data.len() - 8]);
    assert_eq!(Some(packet.kind()), packet.header().kind());
    let next = packet.header().first_seq() + packet.ticks().len() as u64;
    assert_eq!(packet.header().next_seq(), next);
    for tick in packet.ticks() {
        // Whatever the kind says, a body is a view of the bytes that are there.
        let _ = (tick.body(), tick.kind(), format!("{tick:?}"));
    }
}

/// Any 64 bytes as a request.
pub fn request(data: &[u8]) {
    let Some(bytes) = data.first_chunk() else {
        return;
    };
    let Ok(request) = Request::read_from_bytes(bytes) else {
        panic!("any 64 bytes are laid out as a request");
    };
    let checked = request.check();
    assert_eq!(checked.ok(), valid::request(bytes), "{checked:?}");
    assert_eq!(request.as_bytes(), bytes);
}

/// Any 64 bytes as a request and any 64 as a reply to it, as they are and with its checksum.
pub fn reply(data: &[u8]) {
    let Some((asked, data)) = data.split_first_chunk() else {
        return;
    };
    let Some(bytes) = data.first_chunk() else {
        return;
    };
    any_reply(asked, bytes);
    any_reply(asked, &valid::as_reply(bytes));
}

fn any_reply(asked: &[u8; 64], bytes: &[u8; 64]) {
    let (Ok(request), Ok(reply)) = (
        Request::read_from_bytes(asked),
        Reply::read_from_bytes(bytes),
    ) else {
        panic!("any 64 bytes are laid out as a request and as a reply");
    };
    let checked = reply.check(&request);
    assert_eq!(checked.ok(), valid::reply(bytes, asked), "{checked:?}");
}
