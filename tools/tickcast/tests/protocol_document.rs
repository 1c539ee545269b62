//! `docs/protocol.md` says what `tickcast-wire` does: its tables and bytes are held against it.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;

use tickcast_wire::{
    Block, Definition, Digest, Flags, NANOS_PER_UNIT, PacketHeader, PreviousSession, Quote, Reply,
    ReplyStatus, Request, RequestKind, Side, Status, Symbol, TOKEN_BYTES, Tick, TickSum, Token,
    Trade, TradeBreak, TradingState, UNDEFINED_PRICE, Venue,
};
use zerocopy::{FromBytes, IntoBytes};

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    fs::read_to_string(path).expect("docs/protocol.md")
}

/// Where the fields of a table lie, by name.
type Layout = BTreeMap<String, Range<usize>>;

/// The tables of offsets, in order. Each must be without holes and end at byte 64.
fn layouts(document: &str) -> Vec<Layout> {
    let mut layouts: Vec<Layout> = Vec::new();
    let mut end = 64;
    for line in document.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.get(1) == Some(&"offset") {
            assert_eq!(end, 64, "the table before ends at byte {end}");
            layouts.push(Layout::new());
            end = usize::MAX;
        } else if end != 64
            && let [_, offset, size, field, ..] = cells[..]
            && let (Ok(offset), Ok(size)) = (offset.parse(), size.parse::<usize>())
        {
            let starts_well = if end == usize::MAX {
                offset == 0 || offset == 32
            } else {
                offset == end
            };
            assert!(starts_well, "hole or overlap before {line}");
            end = offset + size;
            let layout = layouts.last_mut().expect("a heading before the row");
            layout.insert(field.to_owned(), offset..end);
        }
    }
    assert_eq!(end, 64, "the last table ends at byte {end}");
    layouts
}

/// The bytes of the block ```` ```hex name ````.
fn block(document: &str, name: &str) -> [u8; 64] {
    let start = format!("```hex {name}\n");
    let (_, rest) = document.split_once(&start).expect("the block");
    let (hex, _) = rest.split_once("```").expect("the end of the block");
    let bytes: Vec<u8> = hex
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).expect("a byte in hex"))
        .collect();
    bytes.try_into().expect("64 bytes")
}

/// Every field of the table, but reserved ones, has the value given for it.
#[track_caller]
fn check(layout: &Layout, record: &[u8], values: &[(&str, &[u8])]) {
    let named: Vec<_> = values.iter().map(|(name, _)| *name).collect();
    for (field, place) in layout {
        if field == "reserved" || field == "body" {
            continue;
        }
        let value = values.iter().find(|(name, _)| name == field);
        let (_, value) = value.unwrap_or_else(|| panic!("{field} is not among {named:?}"));
        assert_eq!(&record[place.clone()], *value, "{field} at {place:?}");
    }
    assert_eq!(
        layout
            .keys()
            .filter(|key| !["reserved", "body"].contains(&key.as_str()))
            .count(),
        values.len()
    );
}

fn tick(body: &str) -> Tick {
    let id = 0x3132_3334_3536_3738;
    let tick = match body {
        "definition" => Tick::new(
            Definition::new(Symbol::new(b"ZVZZT"), 5, 100),
            Venue::IEX,
            17,
            6,
        ),
        "status" => Tick::new(
            Status::new(TradingState::Halted, b'H', *b"T1  "),
            Venue::IEX,
            17,
            6,
        ),
        "quote" => Tick::new(Quote::new(1, 2, 3, 4), Venue::IEX, 17, 6),
        "trade" => Tick::new(
            Trade::new(1, 2, id, Side::Sell, *b"abcdefg"),
            Venue::IEX,
            17,
            6,
        ),
        "trade break" => Tick::new(TradeBreak::new(1, 2, id), Venue::IEX, 17, 6),
        _ => unreachable!("{body}"),
    };
    tick.with_flags(Flags::SNAPSHOT).with_seq(7).with_ts_due(8)
}

#[test]
fn tables_are_the_layouts() {
    let layouts = layouts(&document());
    let [
        tick_,
        definition,
        status,
        quote,
        trade,
        trade_break,
        clear,
        packet,
        request,
        reply,
        block,
    ] = &layouts[..]
    else {
        panic!("{} tables, not 11", layouts.len());
    };
    let n = |number: u64| number.to_le_bytes();
    check(
        tick_,
        tick("quote").as_bytes(),
        &[
            ("kind", &[3]),
            ("flags", &[2]),
            ("venue", &[3, 0]),
            ("instrument", &[17, 0, 0, 0]),
            ("seq", &n(7)),
            ("ts_event", &n(6)),
            ("ts_due", &n(8)),
        ],
    );
    check(
        definition,
        tick("definition").as_bytes(),
        &[
            ("symbol", b"ZVZZT           "),
            ("price_increment", &n(5)),
            ("lot_size", &[100, 0, 0, 0]),
        ],
    );
    check(
        status,
        tick("status").as_bytes(),
        &[("state", &[1]), ("venue_state", b"H"), ("reason", b"T1  ")],
    );
    check(
        quote,
        tick("quote").as_bytes(),
        &[
            ("bid", &n(1)),
            ("bid_size", &n(2)),
            ("ask", &n(3)),
            ("ask_size", &n(4)),
        ],
    );
    let id: &[u8] = b"87654321";
    check(
        trade,
        tick("trade").as_bytes(),
        &[
            ("price", &n(1)),
            ("size", &n(2)),
            ("trade_id", id),
            ("aggressor", &[2]),
            ("conditions", b"abcdefg"),
        ],
    );
    let values: &[(&str, &[u8])] = &[("price", &n(1)), ("size", &n(2)), ("trade_id", id)];
    check(trade_break, tick("trade break").as_bytes(), values);
    assert_eq!(clear.get("reserved"), Some(&(32..64)));

    let header = PacketHeader::data(5, 2, 7, 3)
        .with_ts_sent(8)
        .with_digest(Digest::from_value(9))
        .with_previous(PreviousSession {
            session: 10,
            last_seq: 11,
            digest: Digest::from_value(12),
        });
    check(
        packet,
        header.as_bytes(),
        &[
            ("magic", b"TCST"),
            ("version", &[1]),
            ("kind", &[1]),
            ("count", &[3, 0]),
            ("session", &n(5)),
            ("first_seq", &n(7)),
            ("ts_sent", &n(8)),
            ("channel", &[2, 0]),
            ("digest", &n(9)),
            ("previous_session", &n(10)),
            ("previous_last_seq", &n(11)[..6]),
            ("previous_digest", &n(12)),
        ],
    );
    let asked = Request::new(RequestKind::Snapshot, 5, 2, 7, 3, 6);
    let token = [0; TOKEN_BYTES];
    check(
        request,
        asked.as_bytes(),
        &[
            ("magic", b"TCRQ"),
            ("version", &[1]),
            ("kind", &[2]),
            ("channel", &[2, 0]),
            ("session", &n(5)),
            ("first_seq", &n(7)),
            ("count", &n(3)),
            ("id", &n(6)),
            ("token", &token),
        ],
    );
    let answer = Reply::new(&asked, 5, ReplyStatus::Busy, 12)
        .with_ticks(7, 3)
        .with_digest(Digest::from_value(13));
    check(
        reply,
        answer.as_bytes(),
        &[
            ("magic", b"TCRQ"),
            ("version", &[1]),
            ("kind", &[2]),
            ("status", &[5]),
            ("session", &n(5)),
            ("first_seq", &n(7)),
            ("count", &n(3)),
            ("id", &n(6)),
            ("detail", &n(12)),
            ("digest", &n(13)),
            ("checksum", &n(0xf52b_d421_9fc0_fe00)),
        ],
    );
    let before = Block::new(6, 1_024, 3, TickSum::of(&[]));
    check(
        block,
        before.as_bytes(),
        &[
            ("magic", b"TCRB"),
            ("count", &[3, 0, 0, 0]),
            ("id", &n(6)),
            ("before", &n(1_024)),
            ("checksum", &n(0x1db9_5acd_6198_3f66)),
        ],
    );
}

#[test]
fn bytes_are_what_the_text_says() {
    let document = document();
    let quote = Tick::new(
        Quote::new(NANOS_PER_UNIT, 300, UNDEFINED_PRICE, 0),
        Venue::IEX,
        17,
        0x14d0_021b_21cc_541f,
    );
    let quote = quote
        .with_flags(Flags::LAST_OF_EVENT)
        .with_seq(258)
        .with_ts_due(0x0102_0304);
    assert_eq!(Tick::read_from_bytes(&block(&document, "tick")), Ok(quote));

    let ticks = [258, 259, 260].map(|seq| quote.with_seq(seq));
    let header = PacketHeader::data(7, 2, 258, 3).with_ts_sent(0x0102_0304);
    assert_eq!(header.as_bytes(), block(&document, "packet"));
    let checksum = header.checksum(TickSum::of(&ticks));
    let checksum = checksum.map(|byte| format!("{byte:02x}")).join(" ");
    assert!(document.contains(&format!("of the packet, is `{checksum}`")));

    let request = Request::new(RequestKind::Retransmit, 258, 3, 4, 5, 6);
    assert_eq!(request.as_bytes(), block(&document, "request"));

    let reply = Reply::new(&request, 258, ReplyStatus::TooOld, 9);
    assert_eq!(reply.as_bytes(), block(&document, "reply"));

    let request = Request::for_clock(3, 0x0102_0304, 6);
    assert_eq!(request.as_bytes(), block(&document, "clock request"));
    let reply = Reply::new(&request, 258, ReplyStatus::Ok, 0).with_ticks(0x0102_0304, 0);
    let reply = reply.with_clock(7, 9);
    assert_eq!(reply.as_bytes(), block(&document, "clock reply"));

    let token = Token::new(std::array::from_fn(|at| at as u8 + 1));
    let request = Request::with_token(3, token, 6);
    assert_eq!(request.as_bytes(), block(&document, "token"));
    let before = Block::new(6, 1_024, 3, TickSum::of(&ticks));
    assert_eq!(before.as_bytes(), block(&document, "block"));
}

#[test]
#[should_panic(expected = "hole or overlap")]
fn a_table_with_a_hole_is_found() {
    layouts("| offset | size | field |\n|---|---|---|\n| 0 | 4 | a |\n| 8 | 56 | b |\n");
}
