//! The messages of ITCH 5.0 that say something about prices, as they lie in the file.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

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

impl Header {
    /// ns since midnight.
    #[inline]
    pub fn nanos(&self) -> u64 {
        let [a, b, c, d, e, f] = self.timestamp;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
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

/// A message of ITCH 5.0.
pub(super) enum Message<'a> {
    Directory(&'a Directory),
    TradingAction(&'a TradingAction),
    Add(&'a Add),
    AddAttributed(&'a AddAttributed),
    Executed(&'a Executed),
    ExecutedAt(&'a ExecutedAt),
    Cancel(&'a Cancel),
    Delete(&'a Delete),
    Replace(&'a Replace),
    HiddenTrade(&'a HiddenTrade),
    Cross(&'a Cross),
    Broken(&'a Broken),
    /// A type that never gives a tick.
    Other,
}

/// Why bytes are no message of ITCH 5.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageError {
    /// No message type of ITCH 5.0.
    UnknownType,
    /// The length does not belong to the type.
    WrongLength,
}

impl<'a> Message<'a> {
    /// The message in these bytes.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, MessageError> {
        let Some(&kind) = bytes.first() else {
            return Err(MessageError::UnknownType);
        };
        Ok(match kind {
            b'A' => Message::Add(layout(bytes)?),
            b'F' => Message::AddAttributed(layout(bytes)?),
            b'E' => Message::Executed(layout(bytes)?),
            b'C' => Message::ExecutedAt(layout(bytes)?),
            b'X' => Message::Cancel(layout(bytes)?),
            b'D' => Message::Delete(layout(bytes)?),
            b'U' => Message::Replace(layout(bytes)?),
            b'P' => Message::HiddenTrade(layout(bytes)?),
            b'Q' => Message::Cross(layout(bytes)?),
            b'B' => Message::Broken(layout(bytes)?),
            b'R' => Message::Directory(layout(bytes)?),
            b'H' => Message::TradingAction(layout(bytes)?),
            _ => match other_length(kind) {
                None => return Err(MessageError::UnknownType),
                Some(length) if length != bytes.len() => return Err(MessageError::WrongLength),
                Some(_) => Message::Other,
            },
        })
    }
}

#[inline]
fn layout<T: FromBytes + KnownLayout + Immutable + Unaligned>(
    bytes: &[u8],
) -> Result<&T, MessageError> {
    T::ref_from_bytes(bytes).map_err(|_| MessageError::WrongLength)
}

/// The length of a message whose type never gives a tick.
fn other_length(kind: u8) -> Option<usize> {
    Some(match kind {
        b'S' | b'W' => 12,
        b'Y' | b'N' => 20,
        b'h' => 21,
        b'L' => 26,
        b'K' => 28,
        b'V' | b'J' => 35,
        b'O' => 48,
        b'I' => 50,
        _ => return None,
    })
}
