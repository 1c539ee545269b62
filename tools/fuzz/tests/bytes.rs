//! Every cut and every change of one byte of every kind of packet, request and reply, and every cut
//! and every changed bit of a small file of each format: never a panic, and what is taken is valid.
//!
//! `cargo test -p tickcast-fuzz --test bytes -- --nocapture` prints how many there are.

use std::path::PathBuf;

use tickcast_fuzz::arbiter::{Event, Truth, World};
use tickcast_fuzz::{files, target};
use tickcast_protocol::{Line, Start};
use tickcast_wire::{
    Clear, Definition, NANOS_PER_UNIT, PacketHeader, Quote, Reply, ReplyStatus, Request,
    RequestKind, Side, Status, Symbol, Tick, TickBody, TickSum, Trade, TradeBreak, TradingState,
    Venue,
};
use zerocopy::IntoBytes;

const SESSION: u64 = 10;
const CHANNEL: u16 = 3;

/// A tick of each kind, with seqs from 1.
fn a_tick_of_each_kind() -> Vec<Tick> {
    fn tick<B: TickBody>(body: B) -> Tick {
        Tick::new(body, Venue::SYNTHETIC, 7, 11)
    }
    let ticks = [
        tick(Definition::new(Symbol::new(b"ZVZZT"), NANOS_PER_UNIT, 100)),
        tick(Status::new(TradingState::Trading, b'T', *b"T1  ")),
        tick(Quote::new(1, 2, 3, 4)),
        tick(Trade::new(1, 2, 3, Side::Buy, [0; 7])),
        tick(TradeBreak::new(1, 2, 3)),
        tick(Clear::default()),
    ];
    let numbered = (1..).zip(ticks);
    numbered.map(|(seq, tick)| tick.with_seq(seq)).collect()
}

/// Packets of every kind.
fn packets() -> Vec<Vec<u8>> {
    let ticks = a_tick_of_each_kind();
    let data = PacketHeader::data(SESSION, CHANNEL, 1, ticks.len() as u16);
    let headers = [
        PacketHeader::heartbeat(SESSION, CHANNEL, 7),
        PacketHeader::end_of_session(SESSION, CHANNEL, 7),
    ];
    let data = data.with_ts_sent(1_000_000);
    let checksum = data.checksum(TickSum::of(&ticks));
    let mut packets = vec![[data.as_bytes(), ticks.as_bytes(), &checksum].concat()];
    packets.extend(headers.map(|header| header.with_ts_sent(1_000_000).to_packet().to_vec()));
    packets
}

/// Every cut of these bytes, and up to a record more than them.
fn every_length(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let longer = [bytes, &[0; 65]].concat();
    (0..longer.len()).map(move |len| longer[..len].to_vec())
}

/// Every change of one byte to each of the 255 other values.
fn every_change(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).flat_map(move |at| {
        (1..=255u8).map(move |change| {
            let mut changed = bytes.to_vec();
            changed[at] ^= change;
            changed
        })
    })
}

/// Every change of one bit.
fn every_bit(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(move |bit| {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        changed
    })
}

fn run(name: &str, inputs: impl Iterator<Item = Vec<u8>>) -> usize {
    let run = target(name).unwrap().run;
    inputs.inspect(|input| run(input)).count()
}

#[test]
fn every_cut_and_change_of_a_packet() {
    let mut tried = 0;
    for packet in packets() {
        tried += run("packet", every_length(&packet));
        tried += run("packet", every_change(&packet));
    }
    println!("packets: {tried}");
}

/// The arbiter counts each that is not a packet of the stream, and does nothing else about it.
#[test]
fn every_cut_and_change_of_a_packet_at_the_arbiter() {
    let truth = Truth {
        ticks: 6,
        names_previous: false,
    };
    let mut world = World::new(truth, World::small(Start::Seq(1), true, true));
    world.apply(&Event::Heartbeat {
        line: Line::A,
        session: Truth::session(0),
        next: 3,
    });
    let mut tried = 0;
    for packet in packets() {
        for bytes in every_length(&packet).chain(every_change(&packet)) {
            world.apply(&Event::Garbage {
                line: Line::B,
                bytes,
            });
            tried += 1;
        }
    }
    world.finish();
    println!("datagrams at the arbiter: {tried}");
}

fn requests() -> Vec<Request> {
    [
        RequestKind::Retransmit,
        RequestKind::Snapshot,
        RequestKind::FlowJoin,
        RequestKind::Position,
        RequestKind::Token,
        RequestKind::Clock,
    ]
    .map(|kind| {
        let count = if kind == RequestKind::Retransmit {
            5
        } else {
            0
        };
        Request::new(kind, SESSION, CHANNEL, 4, count, 6)
    })
    .to_vec()
}

#[test]
fn every_cut_and_change_of_a_request() {
    let mut tried = 0;
    for request in requests() {
        tried += run("request", every_length(request.as_bytes()));
        tried += run("request", every_change(request.as_bytes()));
    }
    println!("requests: {tried}");
}

/// Replies of every status to requests of every kind.
#[test]
fn every_cut_and_change_of_a_reply() {
    let mut tried = 0;
    for request in requests() {
        for status in (0..=255).filter_map(ReplyStatus::from_code) {
            let reply = Reply::new(&request, SESSION, status, 9);
            let reply = match status {
                ReplyStatus::Ok => reply.with_ticks(4, request.count()),
                _ => reply,
            };
            let both = [request.as_bytes(), reply.as_bytes()].concat();
            tried += run("reply", every_length(&both));
            tried += run("reply", every_change(&both));
        }
    }
    println!("replies, and the requests they answer: {tried}");
}

fn kept(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files of every format; those of `.ticks` have their own test, `damage` of tickcast-tickfile.
#[test]
fn every_cut_and_bit_of_a_small_file() {
    let mut tried = 0;
    for name in [
        "csv/all-kinds",
        "itch/book",
        "capture/raw-ip",
        "capture/pcapng-small",
    ] {
        let file = kept(name);
        // A row of CSV that was cut may be another row.
        if !name.starts_with("csv") {
            tried += files::every_cut(&file);
        }
        tried += run("file", every_length(&file));
        tried += run("file", every_bit(&file));
    }
    println!("files: {tried}");
}

/// A gzipped file has a check of its own: damage is told, or changed nothing.
#[test]
fn every_cut_and_bit_of_a_gzipped_file() {
    let file = kept("file/itch-book-gz");
    let mut tried = 0;
    let cuts = (0..file.len()).map(|len| file[..len].to_vec());
    for damaged in cuts.chain(every_bit(&file)) {
        files::gzipped_or_told(&file, &damaged);
        tried += 1;
    }
    println!("gzipped files: {tried}");
}
