//! The messages of TOPS 1.6 that say something about prices, as they lie in a segment.

use zerocopy::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

macro_rules! layout {
    ($(#[$doc:meta])* $name:ident, $bytes:literal { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
        #[repr(C)]
        pub(super) struct $name {
            pub kind: u8,
            $(pub $field: $type,)*
        }

        const _: () = assert!(size_of::<$name>() == $bytes);
    };
}

layout!(
    /// `D`: names an instrument.
    Directory, 31 {
        flags: u8,
        timestamp: U64,
        symbol: [u8; 8],
        round_lot: U32,
        close_price: I64,
        luld_tier: u8,
    }
);
layout!(
    /// `H`: the trading state of an instrument.
    TradingStatus, 22 {
        status: u8,
        timestamp: U64,
        symbol: [u8; 8],
        reason: [u8; 4],
    }
);
layout!(
    /// `O`: whether IEX itself has halted an instrument.
    OperationalHalt, 18 {
        status: u8,
        timestamp: U64,
        symbol: [u8; 8],
    }
);
layout!(
    /// `Q`: best bid and offer.
    QuoteUpdate, 42 {
        flags: u8,
        timestamp: U64,
        symbol: [u8; 8],
        bid_size: U32,
        bid_price: I64,
        ask_price: I64,
        ask_size: U32,
    }
);
layout!(
    /// `T`: a trade; and `B`: a trade that is taken back.
    TradeReport, 38 {
        sale_condition: u8,
        timestamp: U64,
        symbol: [u8; 8],
        size: U32,
        price: I64,
        trade_id: U64,
    }
);

/// A message of TOPS 1.6.
pub(super) enum Message<'a> {
    Directory(&'a Directory),
    TradingStatus(&'a TradingStatus),
    OperationalHalt(&'a OperationalHalt),
    Quote(&'a QuoteUpdate),
    Trade(&'a TradeReport),
    Break(&'a TradeReport),
    /// A type that never gives a tick.
    Other,
}

/// Why bytes are no message of TOPS 1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageError {
    /// No message type of TOPS 1.6.
    UnknownType,
    /// Shorter than its type must be.
    TooShort,
}

impl<'a> Message<'a> {
    /// The message in these bytes. More bytes than the type has are passed over: IEX lets messages
    /// grow at their end.
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, MessageError> {
        let Some(&kind) = bytes.first() else {
            return Err(MessageError::UnknownType);
        };
        Ok(match kind {
            b'Q' => Message::Quote(layout(bytes)?),
            b'T' => Message::Trade(layout(bytes)?),
            b'B' => Message::Break(layout(bytes)?),
            b'D' => Message::Directory(layout(bytes)?),
            b'H' => Message::TradingStatus(layout(bytes)?),
            b'O' => Message::OperationalHalt(layout(bytes)?),
            _ => match other_length(kind) {
                None => return Err(MessageError::UnknownType),
                Some(length) if bytes.len() < length => return Err(MessageError::TooShort),
                Some(_) => Message::Other,
            },
        })
    }
}

fn layout<T: FromBytes + KnownLayout + Immutable + Unaligned>(
    bytes: &[u8],
) -> Result<&T, MessageError> {
    let (message, _grown) = T::ref_from_prefix(bytes).map_err(|_| MessageError::TooShort)?;
    Ok(message)
}

/// The length of a message whose type never gives a tick.
fn other_length(kind: u8) -> Option<usize> {
    Some(match kind {
        b'S' => 10,
        b'P' => 19,
        b'X' => 26,
        b'A' => 80,
        _ => return None,
    })
}
