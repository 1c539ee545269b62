//! Messages of ITCH 5.0, made for tests: the layouts as in the specification, type by type.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

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

/// What every message begins with.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
pub(super) struct Header {
    pub kind: u8,
    pub locate: U16,
    pub tracking: U16,
    /// ns since midnight, 48 bits.
    pub timestamp: [u8; 6],
}

macro_rules! layout {
    ($(#[$doc:meta])* $name:ident, $bytes:literal { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
        #[repr(C)]
        pub(super) struct $name {
            pub header: Header,
            $(pub $field: $type,)*
        }

        const _: () = assert!(size_of::<$name>() == $bytes);
    };
}

layout!(
    /// `R`: names an instrument.
    Directory, 39 {
        symbol: [u8; 8],
        market_category: u8,
        financial_status: u8,
        round_lot: U32,
        round_lots_only: u8,
        issue_classification: u8,
        issue_subtype: [u8; 2],
        authenticity: u8,
        short_sale_threshold: u8,
        ipo: u8,
        luld_tier: u8,
        etp: u8,
        etp_leverage: U32,
        inverse: u8,
    }
);
layout!(
    /// `H`: the trading state of an instrument.
    TradingAction, 25 {
        symbol: [u8; 8],
        state: u8,
        reserved: u8,
        reason: [u8; 4],
    }
);
layout!(
    /// `A`, and the first part of `F`: an order rests.
    Add, 36 {
        reference: U64,
        side: u8,
        shares: U32,
        symbol: [u8; 8],
        price: U32,
    }
);
layout!(
    /// `F`: an order rests, with the name of its owner.
    AddAttributed, 40 {
        reference: U64,
        side: u8,
        shares: U32,
        symbol: [u8; 8],
        price: U32,
        attribution: [u8; 4],
    }
);
layout!(
    /// `E`: an order is executed at its price.
    Executed, 31 {
        reference: U64,
        shares: U32,
        match_number: U64,
    }
);
layout!(
    /// `C`: an order is executed at another price.
    ExecutedAt, 36 {
        reference: U64,
        shares: U32,
        match_number: U64,
        printable: u8,
        price: U32,
    }
);
layout!(
    /// `X`: a part of an order is cancelled.
    Cancel, 23 {
        reference: U64,
        shares: U32,
    }
);
layout!(
    /// `D`: an order is deleted.
    Delete, 19 {
        reference: U64,
    }
);
layout!(
    /// `U`: an order is replaced by another.
    Replace, 35 {
        old: U64,
        new: U64,
        shares: U32,
        price: U32,
    }
);
layout!(
    /// `P`: an order that was not displayed is executed.
    HiddenTrade, 44 {
        reference: U64,
        side: u8,
        shares: U32,
        symbol: [u8; 8],
        price: U32,
        match_number: U64,
    }
);
layout!(
    /// `Q`: a cross.
    Cross, 40 {
        shares: U64,
        symbol: [u8; 8],
        price: U32,
        match_number: U64,
        cross_type: u8,
    }
);
layout!(
    /// `B`: a trade is taken back.
    Broken, 19 {
        match_number: U64,
    }
);
