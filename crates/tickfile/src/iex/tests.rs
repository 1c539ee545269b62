use proptest::prelude::*;
use tickcast_wire::{
    Definition, Flags, Quote, Side, Status, Symbol, Tick, TickBody, Trade, TradeBreak,
    TradingState, UNDEFINED_PRICE, Venue,
};

use super::decoder::Decoder;
use super::encode::{
    SYMBOL, TIME, directory, one_of_each, operational_halt, quote, trade_report, trading_status,
};
use super::message::{Message, MessageError};

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
}
