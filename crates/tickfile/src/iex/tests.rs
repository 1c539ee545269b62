use proptest::prelude::*;
use tickcast_wire::{
    Definition, Flags, Quote, Side, Status, Symbol, Tick, TickBody, Trade, TradeBreak,
    TradingState, UNDEFINED_PRICE, Venue,
};
use zerocopy::IntoBytes;

use super::decoder::Decoder;
use super::message::{
    Directory, Message, MessageError, OperationalHalt, QuoteUpdate, TradeReport, TradingStatus,
};
use super::transport::{Segment, SegmentError, SegmentHeader, TOPS};
use super::{Found, IexError, IexReader};
use crate::pcap::tests::{classic_file, ethernet_frame, source};
use crate::reader::{Notice, ReadError, Tally, TickReader};

const TIME: u64 = 1_499_697_155_788_781_087;
const SYMBOL: &[u8; 8] = b"ZIEXT   ";

fn quote(bid_size: u32, bid_price: i64, ask_price: i64, ask_size: u32) -> Vec<u8> {
    let message = QuoteUpdate {
        kind: b'Q',
        flags: 0x40,
        timestamp: TIME.into(),
        symbol: *SYMBOL,
        bid_size: bid_size.into(),
        bid_price: bid_price.into(),
        ask_price: ask_price.into(),
        ask_size: ask_size.into(),
    };
    message.as_bytes().to_vec()
}

fn trade_report(kind: u8, price: i64) -> Vec<u8> {
    let message = TradeReport {
        kind,
        sale_condition: 0x20,
        timestamp: TIME.into(),
        symbol: *SYMBOL,
        size: 283.into(),
        price: price.into(),
        trade_id: 128_140.into(),
    };
    message.as_bytes().to_vec()
}

fn directory() -> Vec<u8> {
    let message = Directory {
        kind: b'D',
        flags: 0x80,
        timestamp: TIME.into(),
        symbol: *SYMBOL,
        round_lot: 100.into(),
        close_price: 990_500.into(),
        luld_tier: 1,
    };
    message.as_bytes().to_vec()
}

fn trading_status(status: u8) -> Vec<u8> {
    let message = TradingStatus {
        kind: b'H',
        status,
        timestamp: TIME.into(),
        symbol: *SYMBOL,
        reason: *b"T1  ",
    };
    message.as_bytes().to_vec()
}

fn operational_halt(status: u8) -> Vec<u8> {
    let message = OperationalHalt {
        kind: b'O',
        status,
        timestamp: TIME.into(),
        symbol: *SYMBOL,
    };
    message.as_bytes().to_vec()
}

fn one_of_each() -> Vec<Vec<u8>> {
    vec![
        directory(),
        operational_halt(b'N'),
        trading_status(b'T'),
        quote(100, 990_000, 991_000, 200),
        trade_report(b'T', 990_500),
        trade_report(b'B', 990_500),
        operational_halt(b'O'),
    ]
}

fn tick(body: impl TickBody) -> Tick {
    Tick::new(body, Venue::IEX, 1, TIME)
}

fn last(body: impl TickBody) -> Tick {
    tick(body).with_flags(Flags::LAST_OF_EVENT)
}

fn implied() -> Tick {
    tick(Definition::new(Symbol::new(SYMBOL), UNDEFINED_PRICE, 0)).with_flags(Flags::IMPLIED)
}

/// A price of TOPS as ticks have it.
fn nanos(price: i64) -> i64 {
    price * 100_000
}

fn decode<'a>(decoder: &mut Decoder, messages: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<Tick> {
    let mut ticks = Vec::new();
    for message in messages {
        decoder.message(message, &mut ticks);
    }
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
    let time = TIME.to_le_bytes();
    let quote_bytes = [
        b"Q\x40".as_slice(),
        &time,
        b"ZIEXT   \x64\0\0\0\x30\x1b\x0f\0\0\0\0\0\x18\x1f\x0f\0\0\0\0\0\xc8\0\0\0",
    ];
    assert_eq!(quote(100, 990_000, 991_000, 200), quote_bytes.concat());
    let trade_bytes = [
        b"T\x20".as_slice(),
        &time,
        b"ZIEXT   \x1b\x01\0\0\x24\x1d\x0f\0\0\0\0\0\x8c\xf4\x01\0\0\0\0\0",
    ];
    assert_eq!(trade_report(b'T', 990_500), trade_bytes.concat());
    let directory_bytes = [
        b"D\x80".as_slice(),
        &time,
        b"ZIEXT   \x64\0\0\0\x24\x1d\x0f\0\0\0\0\0\x01",
    ];
    assert_eq!(directory(), directory_bytes.concat());
    let status_bytes = [b"HT".as_slice(), &time, b"ZIEXT   T1  "];
    assert_eq!(trading_status(b'T'), status_bytes.concat());
    let halt_bytes = [b"OO".as_slice(), &time, b"ZIEXT   "];
    assert_eq!(operational_halt(b'O'), halt_bytes.concat());
}

#[test]
fn each_type_gives_its_tick() {
    let mut decoder = decoder();
    let quoted = Quote::new(nanos(990_000), 100, nanos(991_000), 200);
    let conditions = [0x20, 0, 0, 0, 0, 0, 0];
    let traded = Trade::new(nanos(990_500), 283, 128_140, Side::None, conditions);
    let broken = TradeBreak::new(nanos(990_500), 283, 128_140);
    let defined = Definition::new(Symbol::new(SYMBOL), UNDEFINED_PRICE, 100);
    for (message, expected) in [
        (quote(100, 990_000, 991_000, 200), last(quoted)),
        (trade_report(b'T', 990_500), last(traded)),
        (trade_report(b'B', 990_500), last(broken)),
        (directory(), last(defined)),
    ] {
        assert_eq!(decode(&mut decoder, [&message]), [expected]);
    }
}

#[test]
fn an_empty_side_has_no_price() {
    let none = UNDEFINED_PRICE;
    let mut decoder = decoder();
    for (message, expected) in [
        (
            quote(0, 0, 1_489_100, 871),
            Quote::new(none, 0, nanos(1_489_100), 871),
        ),
        (quote(7, 5, 0, 0), Quote::new(nanos(5), 7, none, 0)),
        (quote(0, 5, 0, 9), Quote::new(none, 0, none, 0)),
    ] {
        assert_eq!(decode(&mut decoder, [&message]), [last(expected)]);
    }
}

#[test]
fn the_first_sight_of_a_symbol_defines_it() {
    for message in [
        quote(0, 0, 0, 0),
        trade_report(b'T', 1),
        trade_report(b'B', 1),
        trading_status(b'T'),
        operational_halt(b'O'),
    ] {
        let ticks = decode(&mut Decoder::new(), [&message]);
        assert_eq!((ticks.len(), ticks[0]), (2, implied()));
        assert_eq!(ticks[1].flags(), Flags::LAST_OF_EVENT);
    }
    let other = {
        let mut message = quote(0, 0, 0, 0);
        message[10..18].copy_from_slice(b"OTHER   ");
        message
    };
    let ticks = decode(&mut decoder(), [&other, &quote(0, 0, 0, 0), &other]);
    let instruments: Vec<u32> = ticks.iter().map(Tick::instrument).collect();
    assert_eq!(instruments, [2, 2, 1, 2]);
}

#[test]
fn both_kinds_of_halt_are_taken_together() {
    let status = |state, code| last(Status::new(state, code, *b"T1  "));
    let by_iex = |state, code| last(Status::new(state, code, *b"    "));
    let mut decoder = decoder();
    let steps = [
        (operational_halt(b'N'), None),
        (
            trading_status(b'T'),
            Some(status(TradingState::Trading, b'T')),
        ),
        (operational_halt(b'N'), None),
        (
            operational_halt(b'O'),
            Some(by_iex(TradingState::Halted, b'O')),
        ),
        (operational_halt(b'O'), None),
        // The market pauses while IEX is halted: the halt stands.
        (
            trading_status(b'P'),
            Some(status(TradingState::Halted, b'P')),
        ),
        (
            operational_halt(b'N'),
            Some(by_iex(TradingState::Paused, b'N')),
        ),
        (
            trading_status(b'O'),
            Some(status(TradingState::Paused, b'O')),
        ),
        (
            trading_status(b'H'),
            Some(status(TradingState::Halted, b'H')),
        ),
        (operational_halt(b'O'), None),
        (operational_halt(b'N'), None),
        (
            trading_status(b'T'),
            Some(status(TradingState::Trading, b'T')),
        ),
    ];
    for (message, expected) in steps {
        assert_eq!(decode(&mut decoder, [&message]), Vec::from_iter(expected));
    }
    assert!(decoder.tally().skipped.is_empty());
    // Nothing is known of the instrument, and it is not halted: nothing to say.
    assert_eq!(decode(&mut Decoder::new(), [&operational_halt(b'N')]), []);
}

#[test]
fn what_cannot_be_understood_is_counted_by_reason() {
    let mut decoder = decoder();
    for (reason, message) in [
        ("unknown_type", b"8".to_vec()),
        ("unknown_type", Vec::new()),
        ("wrong_length", b"Q".to_vec()),
        ("unknown_trading_state", trading_status(b'?')),
        ("unknown_trading_state", operational_halt(b'?')),
        ("price_out_of_range", trade_report(b'T', i64::MAX)),
        ("price_out_of_range", quote(1, i64::MIN, 1, 1)),
    ] {
        let before = decoder.tally().skipped.get(reason).copied().unwrap_or(0);
        assert_eq!(decode(&mut decoder, [&message]), []);
        assert_eq!(decoder.tally().skipped[reason], before + 1);
    }
}

#[test]
fn types_without_ticks_are_not_skipped() {
    let mut decoder = Decoder::new();
    for (kind, length) in [(b'S', 10), (b'P', 19), (b'X', 26), (b'A', 80)] {
        let mut message = vec![0xa5; length];
        message[0] = kind;
        assert_eq!(decode(&mut decoder, [&message]), []);
    }
    assert_eq!(decoder.tally().messages.len(), 4);
    assert!(decoder.tally().skipped.is_empty());
}

#[test]
fn messages_may_grow_and_not_shrink() {
    for message in one_of_each() {
        for end in 1..message.len() {
            let outcome = Message::parse(&message[..end]);
            assert!(matches!(outcome, Err(MessageError::TooShort)));
        }
        let grown = [message.as_slice(), &[0xa5; 9]].concat();
        let (a, b) = (
            decode(&mut Decoder::new(), [&message]),
            decode(&mut Decoder::new(), [&grown]),
        );
        assert_eq!(a, b);
    }
}

fn header(first_seq: i64, messages: &[Vec<u8>]) -> SegmentHeader {
    SegmentHeader {
        version: 1,
        reserved: 0,
        protocol: TOPS.into(),
        channel: 1.into(),
        session: 7.into(),
        payload_length: (messages.iter().map(|m| 2 + m.len()).sum::<usize>() as u16).into(),
        message_count: (messages.len() as u16).into(),
        stream_offset: ((first_seq - 1) * 44).into(),
        first_seq: first_seq.into(),
        send_time: (1_000 + first_seq).into(),
    }
}

fn with_messages(header: SegmentHeader, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = header.as_bytes().to_vec();
    for message in messages {
        bytes.extend((message.len() as u16).to_le_bytes());
        bytes.extend(message);
    }
    bytes
}

/// Quotes with these numbers as bid sizes.
fn quotes(range: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    range.map(|size| quote(size, 1, 1, 1)).collect()
}

/// A segment of quotes whose bid sizes are the numbers of the messages.
fn segment(range: std::ops::Range<u32>) -> Vec<u8> {
    let messages = quotes(range.clone());
    with_messages(header(i64::from(range.start), &messages), &messages)
}

fn read(file: &[u8]) -> Result<(Vec<Tick>, Tally, Option<Notice>), ReadError> {
    let mut reader = IexReader::open(source(file))?;
    let mut ticks = Vec::new();
    loop {
        let before = ticks.len();
        reader.fill(&mut ticks)?;
        if ticks.len() == before {
            break;
        }
    }
    Ok((ticks, reader.tally(), reader.notice().cloned()))
}

/// The bid sizes of the quotes in a capture of these segments, and what was skipped.
fn delivered(segments: &[Vec<u8>]) -> (Vec<u64>, Vec<(&'static str, u64)>) {
    let frames: Vec<Vec<u8>> = segments.iter().map(|s| ethernet_frame(s)).collect();
    let (ticks, tally, _) = read(&classic_file(1, &frames)).unwrap();
    let sizes = ticks
        .iter()
        .filter_map(Tick::as_quote)
        .map(|q| q.bid_size.get())
        .collect();
    (sizes, tally.skipped.into_iter().collect())
}

#[test]
fn a_segment_must_agree_with_itself() {
    let whole = segment(1..4);
    assert!(Segment::parse(&whole).is_ok());
    for end in 0..40 {
        assert!(matches!(
            Segment::parse(&whole[..end]),
            Err(SegmentError::Foreign)
        ));
    }
    for end in 40..whole.len() {
        assert!(matches!(
            Segment::parse(&whole[..end]),
            Err(SegmentError::Damaged)
        ));
    }
    for lie in [0u16, 1, 3, 4, 131, 133, u16::MAX] {
        // The payload's length, the count of messages, the length of the first message.
        for at in [12, 14, 40] {
            let mut bytes = whole.clone();
            bytes[at..at + 2].copy_from_slice(&lie.to_le_bytes());
            if bytes != whole {
                assert!(matches!(Segment::parse(&bytes), Err(SegmentError::Damaged)));
            }
        }
    }
    for first_seq in [0, -1] {
        let bytes = with_messages(header(first_seq, &[]), &[]);
        assert!(matches!(Segment::parse(&bytes), Err(SegmentError::Damaged)));
    }
    assert_eq!(Segment::parse(&whole).unwrap().messages().count(), 3);
}

#[test]
fn holes_are_counted_and_repeats_are_not_delivered() {
    let heartbeat = with_messages(header(12, &[]), &[]);
    let segments = [
        segment(3..5),
        segment(3..5),
        segment(7..9),
        segment(8..10),
        segment(5..7),
        heartbeat,
    ];
    let (sizes, skipped) = delivered(&segments);
    assert_eq!(sizes, [3, 4, 7, 8, 9]);
    // 5 and 6 came too late, 10 and 11 never; 3, 4 and 8 came twice.
    assert_eq!(skipped, [("missing_messages", 4), ("repeated_messages", 5)]);
}

#[test]
fn a_restart_and_a_new_session_begin_anew() {
    let again = |session: u32, sent: i64| {
        let messages = quotes(1..3);
        let mut header = header(1, &messages);
        header.session = session.into();
        header.send_time = sent.into();
        with_messages(header, &messages)
    };
    let restart = again(7, 5_000);
    let new_session = again(8, 6_000);
    let late = again(7, 1_001);
    let segments = [segment(1..3), restart, late.clone(), new_session, late];
    let (sizes, skipped) = delivered(&segments);
    assert_eq!(sizes, [1, 2, 1, 2, 1, 2]);
    assert_eq!(skipped, [("repeated_messages", 4)]);
}

#[test]
fn channels_are_numbered_apart_and_bounded() {
    let on_channel = |channel: u32| {
        let messages = quotes(1..2);
        let mut header = header(1, &messages);
        header.channel = channel.into();
        with_messages(header, &messages)
    };
    let segments: Vec<Vec<u8>> = (0..70).map(on_channel).collect();
    let (sizes, skipped) = delivered(&segments);
    assert_eq!(sizes.len(), 64);
    assert_eq!(skipped, [("too_many_channels", 6)]);
}

#[test]
fn other_packets_are_passed_over_and_counted() {
    let mut damaged = segment(2..4);
    damaged.pop();
    let segments = [
        segment(1..2),
        b"something else".to_vec(),
        damaged,
        segment(4..5),
    ];
    let (sizes, skipped) = delivered(&segments);
    assert_eq!(sizes, [1, 4]);
    let expected = [
        ("damaged_segment", 1),
        ("foreign_packet", 1),
        ("missing_messages", 2),
    ];
    assert_eq!(skipped, expected);
}

#[test]
fn a_cut_capture_gives_what_is_whole_and_a_notice() {
    let frames = [
        ethernet_frame(&segment(1..3)),
        ethernet_frame(&segment(3..5)),
    ];
    let file = classic_file(1, &frames);
    let second = file.len() - 16 - frames[1].len();
    for end in second + 1..file.len() {
        let (ticks, _, notice) = read(&file[..end]).unwrap();
        assert_eq!(ticks.len(), 3);
        let offset = second as u64;
        let bytes = end as u64 - offset;
        assert_eq!(notice, Some(Notice::CutMessage { offset, bytes }));
    }
}

#[test]
fn captures_of_something_else_are_named() {
    let iex_tp = |protocol: u16| {
        let mut header = header(1, &[]);
        header.protocol = protocol.into();
        with_messages(header, &[])
    };
    let mold = [
        b"000010059B".as_slice(),
        &[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 2, b'S', b'x'],
    ];
    let cme = [
        [1u8; 12].as_slice(),
        &[12, 0, 11, 0, 46, 0, 1, 0, 9, 0, 0, 0],
    ];
    let mut damaged = segment(1..2);
    damaged.pop();
    for (payload, found) in [
        (iex_tp(0x8004), Found::IexDeep),
        (iex_tp(0x8002), Found::IexTp { protocol: 0x8002 }),
        (mold.concat(), Found::MoldUdp64),
        (cme.concat(), Found::CmeMdp3),
        (damaged, Found::DamagedTops),
        (b"1234567890".to_vec(), Found::Other(*b"12345678")),
    ] {
        let file = classic_file(1, &[ethernet_frame(&payload)]);
        assert_eq!(read(&file).unwrap_err(), IexError::NotTops { found }.into());
    }
    let link_type = classic_file(147, &[vec![0; 40]]);
    let error = IexError::NotTops {
        found: Found::LinkType(147),
    };
    assert_eq!(read(&link_type).unwrap_err(), error.into());
    let error = IexError::NotTops {
        found: Found::NoPacket,
    };
    assert_eq!(
        read(&classic_file(1, &[])).unwrap_err(),
        error.clone().into()
    );
    assert!(error.to_string().contains("only IEX TOPS 1.6"));
}

#[test]
fn every_changed_byte_of_a_capture_is_survived() {
    let messages = one_of_each();
    let first = with_messages(header(1, &messages), &messages);
    let frames = [ethernet_frame(&first), ethernet_frame(&segment(8..10))];
    let file = classic_file(1, &frames);
    for at in 0..file.len() {
        for value in [0, 0x7f, 0xff, file[at] ^ 1, file[at] ^ 0x20] {
            let mut changed = file.clone();
            changed[at] = value;
            if let Ok((ticks, tally, _)) = read(&changed) {
                assert!(ticks.len() <= 2 * 9);
                assert!(tally.messages.values().sum::<u64>() <= 9);
            }
        }
    }
}

proptest! {
    #[test]
    fn garbage_messages_are_survived(
        messages in proptest::collection::vec(
            (proptest::sample::select(b"QTBDHOSPXA8".to_vec()),
             proptest::collection::vec(any::<u8>(), 0..90)),
            0..60,
        ),
    ) {
        let messages: Vec<Vec<u8>> = messages
            .into_iter()
            .map(|(kind, mut bytes)| { bytes.insert(0, kind); bytes })
            .collect();
        let mut decoder = Decoder::new();
        let ticks = decode(&mut decoder, &messages);
        prop_assert!(ticks.len() <= 2 * messages.len());
    }

    #[test]
    fn garbage_segments_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut payload = header(1, &[]).as_bytes()[..4].to_vec();
        payload.extend(bytes);
        if let Ok(segment) = Segment::parse(&payload) {
            prop_assert_eq!(segment.messages().count() as u64, segment.count());
        }
    }

    #[test]
    fn whatever_the_order_no_message_comes_twice(
        starts in proptest::collection::vec((1u32..40, 0u32..6), 1..40),
    ) {
        let segments: Vec<Vec<u8>> =
            starts.iter().map(|&(start, count)| segment(start..start + count)).collect();
        let (sizes, skipped) = delivered(&segments);
        prop_assert!(sizes.is_sorted_by(|a, b| a < b));
        let sent: u64 = starts.iter().map(|&(_, count)| u64::from(count)).sum();
        let repeated = skipped.iter().find(|(reason, _)| *reason == "repeated_messages");
        prop_assert_eq!(sizes.len() as u64 + repeated.map_or(0, |(_, count)| *count), sent);
    }
}
