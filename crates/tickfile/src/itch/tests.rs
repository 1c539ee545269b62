use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tickcast_wire::{
    Definition, Flags, Kind, Quote, Side, Status, Symbol, Tick, TickBody, Trade, TradeBreak,
    TradingState, UNDEFINED_PRICE, Venue,
};

use crate::pcap::tests::source;
use crate::reader::{Notice, ReadError, TickReader};

use super::decoder::Decoder;
use super::encode::{
    LOCATE, NANOS, add, add_attributed, broken, cancel, cross, delete, directory, executed,
    executed_at, hidden_trade, one_of_each, replace, trading_action,
};
use super::message::{ItchMessage, ItchMessages};
use super::{ItchError, ItchReader};

fn tick(body: impl TickBody) -> Tick {
    Tick::new(body, Venue::NASDAQ, LOCATE.into(), NANOS)
}

fn last(body: impl TickBody) -> Tick {
    tick(body).with_flags(Flags::LAST_OF_EVENT)
}

/// A price of ITCH as ticks have it.
fn nanos(price: i64) -> i64 {
    price * 100_000
}

fn decode<'a>(decoder: &mut Decoder, messages: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<Tick> {
    let mut ticks = Vec::new();
    let file = file(messages);
    let mut messages = ItchMessages::new(&file);
    for message in messages.by_ref() {
        decoder.message(&message, &mut ticks);
    }
    assert_eq!(messages.rest(), []);
    ticks
}

/// A decoder to which the instrument is known, so that no definition comes in between.
fn decoder() -> Decoder {
    let mut decoder = Decoder::new();
    decode(&mut decoder, [&directory()]);
    decoder
}

#[test]
fn golden_bytes() {
    // Stock locate, tracking number, nanoseconds.
    let of_header = b"\x01\x02\0\x07\x1f\x1a\xce\xd9\xf0\x7b";
    for (encoded, kind, rest) in [
        (
            directory(),
            b'R',
            b"ZVZZT   QN\0\0\0\x64NCZ TNN1N\0\0\0\0N".as_slice(),
        ),
        (trading_action(b'H'), b'H', b"ZVZZT   H T1  "),
        (
            add(1, b'B', 100, 10_000),
            b'A',
            b"\0\0\0\0\0\0\0\x01B\0\0\0\x64ZVZZT   \0\0\x27\x10",
        ),
        (
            add_attributed(1, b'S', 100, 10_000),
            b'F',
            b"\0\0\0\0\0\0\0\x01S\0\0\0\x64ZVZZT   \0\0\x27\x10FLTG",
        ),
        (
            executed(2, 20),
            b'E',
            b"\0\0\0\0\0\0\0\x02\0\0\0\x14\0\0\0\0\0\0\0\x63",
        ),
        (
            executed_at(2, 20, 10_050, b'Y'),
            b'C',
            b"\0\0\0\0\0\0\0\x02\0\0\0\x14\0\0\0\0\0\0\0\x62Y\0\0\x27\x42",
        ),
        (cancel(2, 20), b'X', b"\0\0\0\0\0\0\0\x02\0\0\0\x14"),
        (delete(2), b'D', b"\0\0\0\0\0\0\0\x02"),
        (
            replace(1, 3, 50, 10_001),
            b'U',
            b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x32\0\0\x27\x11",
        ),
        (
            hidden_trade(),
            b'P',
            b"\0\0\0\0\0\0\0\0B\0\0\0\x54ZVZZT   \0\x15\x02\xe8\0\0\0\0\0\0\xd0\xef",
        ),
        (
            cross(),
            b'Q',
            b"\0\0\0\0\0\0\x18\x29ZVZZT   \0\x06\x2b\x4c\0\0\0\0\0\0\xd0\xf9O",
        ),
        (broken(), b'B', b"\0\0\0\0\0\0\xd0\xef"),
    ] {
        assert_eq!(encoded, [&[kind], of_header.as_slice(), rest].concat());
    }
}

#[test]
fn directory_and_trading_action() {
    let mut decoder = Decoder::new();
    let ticks = decode(&mut decoder, [&directory(), &trading_action(b'H')]);
    let symbol = Symbol::new(b"ZVZZT");
    let expected = [
        last(Definition::new(symbol, UNDEFINED_PRICE, 100)),
        last(Status::new(TradingState::Halted, b'H', *b"T1  ")),
    ];
    assert_eq!(ticks, expected);

    for (code, state) in [
        (b'P', TradingState::Paused),
        (b'Q', TradingState::QuoteOnly),
        (b'T', TradingState::Trading),
    ] {
        let ticks = decode(&mut decoder, [&trading_action(code)]);
        assert_eq!(ticks, [last(Status::new(state, code, *b"T1  "))]);
    }
    assert_eq!(decode(&mut decoder, [&trading_action(b'?')]), []);
    assert_eq!(decoder.tally().skipped["unknown_trading_state"], 1);
}

#[test]
fn the_first_sight_of_an_instrument_defines_it() {
    let symbol = Symbol::new(b"ZVZZT");
    let implied = tick(Definition::new(symbol, UNDEFINED_PRICE, 0)).with_flags(Flags::IMPLIED);
    let messages = [
        add(1, b'B', 1, 1),
        add_attributed(1, b'S', 1, 1),
        hidden_trade(),
        cross(),
        trading_action(b'T'),
    ];
    for message in &messages {
        let ticks = decode(&mut Decoder::new(), [message, message]);
        assert_eq!(ticks[0], implied);
        assert!(ticks[1].flags() == Flags::LAST_OF_EVENT);
        let definitions = ticks.iter().filter(|t| t.kind() == Some(Kind::Definition));
        assert_eq!(definitions.count(), 1);
    }
}

#[test]
fn orders_to_quotes_and_trades() {
    let mut decoder = decoder();
    let none = UNDEFINED_PRICE;
    let (bid, ask) = (nanos(10_000), nanos(10_100));
    let steps: [(Vec<u8>, Vec<Tick>); 12] = [
        (
            add(1, b'B', 100, 10_000),
            vec![last(Quote::new(bid, 100, none, 0))],
        ),
        (
            add_attributed(2, b'S', 200, 10_100),
            vec![last(Quote::new(bid, 100, ask, 200))],
        ),
        (
            add(3, b'S', 50, 10_100),
            vec![last(Quote::new(bid, 100, ask, 250))],
        ),
        (add(4, b'S', 50, 10_200), vec![]),
        (
            executed(1, 10),
            vec![
                tick(Trade::new(bid, 10, 99, Side::Sell, [0; 7])),
                last(Quote::new(bid, 90, ask, 250)),
            ],
        ),
        (
            executed_at(2, 20, 10_050, b'Y'),
            vec![
                tick(Trade::new(
                    nanos(10_050),
                    20,
                    98,
                    Side::Buy,
                    *b"Y\0\0\0\0\0\0",
                )),
                last(Quote::new(bid, 90, ask, 230)),
            ],
        ),
        (
            executed_at(4, 20, 10_050, b'N'),
            vec![last(Trade::new(
                nanos(10_050),
                20,
                98,
                Side::Buy,
                *b"N\0\0\0\0\0\0",
            ))],
        ),
        (cancel(1, 5), vec![last(Quote::new(bid, 85, ask, 230))]),
        // One message, one quote, though the bid went and came again.
        (
            replace(1, 5, 60, 9_900),
            vec![last(Quote::new(nanos(9_900), 60, ask, 230))],
        ),
        // Replaced at the same price and size: nothing changed.
        (replace(5, 6, 60, 9_900), vec![]),
        (delete(4), vec![]),
        (delete(6), vec![last(Quote::new(none, 0, ask, 230))]),
    ];
    for (message, expected) in steps {
        assert_eq!(decode(&mut decoder, [&message]), expected);
    }
    assert_eq!(decoder.tally().skipped.len(), 0);
    assert_eq!(decoder.tally().messages["C"], 2);
}

#[test]
fn trades_outside_the_book() {
    let ticks = decode(&mut decoder(), [&hidden_trade(), &cross(), &broken()]);
    let expected = [
        last(Trade::new(nanos(1_377_000), 84, 53_487, Side::None, [0; 7])),
        last(Trade::new(
            nanos(404_300),
            6_185,
            53_497,
            Side::None,
            *b"O\0\0\0\0\0\0",
        )),
        last(TradeBreak::new(UNDEFINED_PRICE, 0, 53_487)),
    ];
    assert_eq!(ticks, expected);
}

#[test]
fn what_cannot_be_understood_is_counted_by_reason() {
    let mut decoder = decoder();
    decode(&mut decoder, [&add(1, b'B', 100, 10_000)]);
    let messages = [
        ("unknown_order", executed(9, 1)),
        ("unknown_order", executed_at(9, 1, 1, b'Y')),
        ("unknown_order", cancel(9, 1)),
        ("unknown_order", delete(9)),
        ("unknown_order", replace(9, 10, 1, 1)),
        ("duplicate_order", add(1, b'S', 1, 1)),
        ("zero_size", add(2, b'S', 0, 1)),
        ("exceeds_order", executed(1, 101)),
        ("unknown_side", add(2, b'b', 1, 1)),
        ("unknown_type", b"?".to_vec()),
    ];
    for (reason, message) in &messages {
        let before = decoder.tally().skipped.get(reason).copied().unwrap_or(0);
        assert_eq!(decode(&mut decoder, [message]), []);
        assert_eq!(decoder.tally().skipped[reason], before + 1);
    }
    assert_eq!(decoder.books().resting_orders(), 1);
}

#[test]
fn types_without_ticks_are_not_skipped() {
    let mut decoder = decoder();
    for (kind, length) in [
        (b'S', 12),
        (b'Y', 20),
        (b'L', 26),
        (b'V', 35),
        (b'W', 12),
        (b'K', 28),
        (b'J', 35),
        (b'h', 21),
        (b'I', 50),
        (b'N', 20),
        (b'O', 48),
    ] {
        let mut message = vec![0xa5; length];
        message[0] = kind;
        assert_eq!(decode(&mut decoder, [&message]), []);
        assert_eq!(decoder.tally().messages[&char::from(kind).to_string()], 1);
    }
    assert!(decoder.tally().skipped.is_empty());
}

fn kind_of(message: &[u8]) -> u8 {
    let file = file([&message.to_vec()]);
    let mut messages = ItchMessages::new(&file);
    let message = messages.next().unwrap();
    assert_eq!(messages.rest(), []);
    // No field of any message is read beyond its end.
    let _ = (message.locate(), message.nanos(), message.reference());
    let _ = (message.second(), message.shares(), message.price());
    let _ = (message.code(), message.symbol(), message.reason());
    message.kind()
}

#[test]
fn every_wrong_length_of_every_type_is_refused() {
    for message in one_of_each() {
        let mut bytes = message.clone();
        bytes.resize(70, 0xa5);
        for length in (1..70).filter(|length| *length != message.len()) {
            assert_eq!(kind_of(&bytes[..length]), ItchMessage::WRONG_LENGTH);
        }
        assert_eq!(kind_of(&message), message[0]);
    }
}

#[test]
fn every_changed_byte_is_survived() {
    let messages = one_of_each();
    for at in 0..messages.len() {
        for offset in 0..messages[at].len() {
            for value in 0..=u8::MAX {
                let mut changed = messages.clone();
                changed[at][offset] = value;
                let ticks = decode(&mut Decoder::new(), &changed);
                assert!(ticks.len() <= 3 * changed.len());
            }
        }
    }
}

/// A file of these messages.
fn file<'a>(messages: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend((message.len() as u16).to_be_bytes());
        bytes.extend(message);
    }
    bytes
}

fn read(file: &[u8]) -> (Vec<Tick>, Option<Notice>, Result<(), ReadError>) {
    let mut reader = ItchReader::new(source(file));
    let mut ticks = Vec::new();
    let outcome = loop {
        let before = ticks.len();
        match reader.fill(&mut ticks) {
            Ok(()) if ticks.len() == before => break Ok(()),
            Ok(()) => {}
            Err(error) => break Err(error),
        }
    };
    (ticks, reader.notice().cloned(), outcome)
}

#[test]
fn a_cut_file_gives_what_is_whole_and_a_notice() {
    let messages = one_of_each();
    let whole = file(&messages);
    let mut ends = vec![0];
    for message in &messages {
        ends.push(ends[ends.len() - 1] + 2 + message.len());
    }
    for end in 1..=whole.len() {
        let (ticks, notice, outcome) = read(&whole[..end]);
        let last_end = ends.partition_point(|e| *e <= end) - 1;
        assert_eq!(ticks, decode(&mut Decoder::new(), &messages[..last_end]));
        let offset = ends[last_end] as u64;
        let bytes = end as u64 - offset;
        let expected = (bytes > 0).then_some(Notice::CutMessage { offset, bytes });
        assert_eq!((notice, outcome), (expected, Ok(())));
    }
}

#[test]
fn a_gzipped_file_gives_the_same_and_its_cut_is_an_error() {
    let messages: Vec<Vec<u8>> = (0..40_000).map(|n| add(n, b'B', 1, n as u32)).collect();
    let plain = file(&messages);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&plain).unwrap();
    let packed = encoder.finish().unwrap();
    let (ticks, notice, outcome) = read(&packed);
    assert_eq!((notice, outcome), (None, Ok(())));
    assert!(ticks == read(&plain).0);

    let (before, _, outcome) = read(&packed[..packed.len() / 2]);
    assert!(matches!(outcome, Err(ReadError::Gzip { .. })));
    assert!(!before.is_empty() && ticks.starts_with(&before));
}

#[test]
fn a_length_of_zero_ends_the_file_or_is_an_error() {
    let messages = one_of_each();
    let mut bytes = file(&messages);
    let offset = bytes.len() as u64;
    let (whole, _, _) = read(&bytes);
    bytes.extend([0, 0]);
    assert_eq!(read(&bytes), (whole.clone(), None, Ok(())));
    bytes.push(0);
    let error = ItchError::ZeroLength { offset };
    assert_eq!(read(&bytes), (whole, None, Err(error.into())));
}

#[test]
fn every_lie_about_a_length_is_survived() {
    let messages = one_of_each();
    let mut at = 0;
    for message in &messages {
        for lie in (0..60).chain([255, 256, u16::MAX]) {
            let mut bytes = file(&messages);
            bytes[at..at + 2].copy_from_slice(&lie.to_be_bytes());
            let (ticks, _, _) = read(&bytes);
            assert!(ticks.len() <= bytes.len());
        }
        at += 2 + message.len();
    }
}

#[test]
fn orders_that_rest_at_the_end_of_a_real_file() {
    let Some(folder) = std::env::var_os("TICKCAST_DATA") else {
        eprintln!("skipped: TICKCAST_DATA names no folder with itch50-20191230-open.itch");
        return;
    };
    let path = std::path::Path::new(&folder).join("itch50-20191230-open.itch");
    let bytes = std::fs::read(path).unwrap();
    let mut decoder = Decoder::new();
    for message in ItchMessages::new(&bytes) {
        decoder.message(&message, &mut Vec::new());
    }
    assert_eq!(decoder.books().resting_orders(), 532);
}

proptest! {
    #[test]
    fn garbage_is_survived_and_accounted_for(
        messages in proptest::collection::vec(
            (proptest::sample::select(b"RHAFECXDUPQBSZ".to_vec()),
             proptest::collection::vec(0u8..4, 0..50)),
            0..80,
        ),
    ) {
        let messages: Vec<Vec<u8>> = messages
            .into_iter()
            .map(|(kind, mut bytes)| { bytes.insert(0, kind); bytes })
            .collect();
        let mut decoder = Decoder::new();
        decode(&mut decoder, &messages);
        let tally = decoder.tally();
        let refused = tally.skipped.get("unknown_type").unwrap_or(&0)
            + tally.skipped.get("wrong_length").unwrap_or(&0);
        let counted = tally.messages.values().sum::<u64>();
        prop_assert_eq!(counted + refused, messages.len() as u64);
    }
}
