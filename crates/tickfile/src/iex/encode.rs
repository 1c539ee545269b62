//! Messages of TOPS 1.6, made for tests.

use zerocopy::IntoBytes;

use super::message::{Directory, OperationalHalt, QuoteUpdate, TradeReport, TradingStatus};

pub(super) const TIME: u64 = 1_499_697_155_788_781_087;
pub(super) const SYMBOL: &[u8; 8] = b"ZIEXT   ";

pub(super) fn quote(bid_size: u32, bid_price: i64, ask_price: i64, ask_size: u32) -> Vec<u8> {
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

pub(super) fn trade_report(kind: u8, price: i64) -> Vec<u8> {
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

pub(super) fn directory() -> Vec<u8> {
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

pub(super) fn trading_status(status: u8) -> Vec<u8> {
    let message = TradingStatus {
        kind: b'H',
        status,
        timestamp: TIME.into(),
        symbol: *SYMBOL,
        reason: *b"T1  ",
    };
    message.as_bytes().to_vec()
}

pub(super) fn operational_halt(status: u8) -> Vec<u8> {
    let message = OperationalHalt {
        kind: b'O',
        status,
        timestamp: TIME.into(),
        symbol: *SYMBOL,
    };
    message.as_bytes().to_vec()
}

pub(super) fn one_of_each() -> Vec<Vec<u8>> {
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
