//! Messages of ITCH 5.0, made for tests.

use zerocopy::IntoBytes;

use super::message::{
    Add, AddAttributed, Broken, Cancel, Cross, Delete, Directory, Executed, ExecutedAt, Header,
    HiddenTrade, Replace, TradingAction,
};

pub(super) const LOCATE: u16 = 0x0102;
pub(super) const NANOS: u64 = 0x1f1a_ced9_f07b;

pub(super) fn header(kind: u8) -> Header {
    let [_, _, timestamp @ ..] = NANOS.to_be_bytes();
    Header {
        kind,
        locate: LOCATE.into(),
        tracking: 7.into(),
        timestamp,
    }
}

pub(super) fn add(reference: u64, side: u8, shares: u32, price: u32) -> Vec<u8> {
    let message = Add {
        header: header(b'A'),
        reference: reference.into(),
        side,
        shares: shares.into(),
        symbol: *b"ZVZZT   ",
        price: price.into(),
    };
    message.as_bytes().to_vec()
}

pub(super) fn add_attributed(reference: u64, side: u8, shares: u32, price: u32) -> Vec<u8> {
    let message = AddAttributed {
        header: header(b'F'),
        reference: reference.into(),
        side,
        shares: shares.into(),
        symbol: *b"ZVZZT   ",
        price: price.into(),
        attribution: *b"FLTG",
    };
    message.as_bytes().to_vec()
}

pub(super) fn executed(reference: u64, shares: u32) -> Vec<u8> {
    let message = Executed {
        header: header(b'E'),
        reference: reference.into(),
        shares: shares.into(),
        match_number: 99.into(),
    };
    message.as_bytes().to_vec()
}

pub(super) fn executed_at(reference: u64, shares: u32, price: u32, printable: u8) -> Vec<u8> {
    let message = ExecutedAt {
        header: header(b'C'),
        reference: reference.into(),
        shares: shares.into(),
        match_number: 98.into(),
        printable,
        price: price.into(),
    };
    message.as_bytes().to_vec()
}

pub(super) fn cancel(reference: u64, shares: u32) -> Vec<u8> {
    let message = Cancel {
        header: header(b'X'),
        reference: reference.into(),
        shares: shares.into(),
    };
    message.as_bytes().to_vec()
}

pub(super) fn delete(reference: u64) -> Vec<u8> {
    let message = Delete {
        header: header(b'D'),
        reference: reference.into(),
    };
    message.as_bytes().to_vec()
}

pub(super) fn replace(old: u64, new: u64, shares: u32, price: u32) -> Vec<u8> {
    let message = Replace {
        header: header(b'U'),
        old: old.into(),
        new: new.into(),
        shares: shares.into(),
        price: price.into(),
    };
    message.as_bytes().to_vec()
}

pub(super) fn hidden_trade() -> Vec<u8> {
    let message = HiddenTrade {
        header: header(b'P'),
        reference: 0.into(),
        side: b'B',
        shares: 84.into(),
        symbol: *b"ZVZZT   ",
        price: 1_377_000.into(),
        match_number: 53_487.into(),
    };
    message.as_bytes().to_vec()
}

pub(super) fn cross() -> Vec<u8> {
    let message = Cross {
        header: header(b'Q'),
        shares: 6_185.into(),
        symbol: *b"ZVZZT   ",
        price: 404_300.into(),
        match_number: 53_497.into(),
        cross_type: b'O',
    };
    message.as_bytes().to_vec()
}

pub(super) fn broken() -> Vec<u8> {
    let message = Broken {
        header: header(b'B'),
        match_number: 53_487.into(),
    };
    message.as_bytes().to_vec()
}

pub(super) fn directory() -> Vec<u8> {
    let message = Directory {
        header: header(b'R'),
        symbol: *b"ZVZZT   ",
        market_category: b'Q',
        financial_status: b'N',
        round_lot: 100.into(),
        round_lots_only: b'N',
        issue_classification: b'C',
        issue_subtype: *b"Z ",
        authenticity: b'T',
        short_sale_threshold: b'N',
        ipo: b'N',
        luld_tier: b'1',
        etp: b'N',
        etp_leverage: 0.into(),
        inverse: b'N',
    };
    message.as_bytes().to_vec()
}

pub(super) fn trading_action(state: u8) -> Vec<u8> {
    let message = TradingAction {
        header: header(b'H'),
        symbol: *b"ZVZZT   ",
        state,
        reserved: b' ',
        reason: *b"T1  ",
    };
    message.as_bytes().to_vec()
}

/// One of each type that gives ticks, in an order in which all are understood.
pub(super) fn one_of_each() -> Vec<Vec<u8>> {
    vec![
        directory(),
        trading_action(b'T'),
        add(1, b'B', 100, 10_000),
        add_attributed(2, b'S', 200, 10_100),
        executed(1, 10),
        executed_at(2, 20, 10_050, b'Y'),
        cancel(1, 5),
        replace(1, 3, 50, 10_001),
        hidden_trade(),
        cross(),
        broken(),
        delete(3),
        delete(2),
    ]
}
