//! The bodies of ticks, one a kind, 32 bytes each.

use core::fmt;

use zerocopy::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute};

use crate::tick::Kind;

/// Price units in one whole currency unit: prices are `i64 × 1e-9`.
pub const NANOS_PER_UNIT: i64 = 1_000_000_000;

/// The price of a side that has no price.
pub const UNDEFINED_PRICE: i64 = i64::MAX;

/// The body of a tick, seen by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// See [`Definition`].
    Definition(&'a Definition),
    /// See [`Status`].
    Status(&'a Status),
    /// See [`Quote`].
    Quote(&'a Quote),
    /// See [`Trade`].
    Trade(&'a Trade),
    /// See [`TradeBreak`].
    TradeBreak(&'a TradeBreak),
    /// See [`Clear`].
    Clear(&'a Clear),
    /// A kind of a later version: its code and bytes.
    Unknown(u8, &'a [u8; 32]),
}

mod sealed {
    pub trait Sealed {}
}

/// A body type: 32 bytes with a fixed kind. Implemented by the six bodies only.
pub trait TickBody: sealed::Sealed + IntoBytes + Immutable {
    /// The kind that a tick with this body has.
    const KIND: Kind;
    /// The body as it lies in the tick.
    fn into_body(self) -> [u8; 32];
}

/// A ticker symbol: ASCII, padded with spaces on the right, at most 16 bytes.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Hash,
)]
#[repr(C)]
pub struct Symbol([u8; 16]);

impl Symbol {
    /// The symbol in these bytes, cut at 16 and padded with spaces; spaces and NULs at the end of
    /// `text` do not count.
    #[must_use]
    pub fn new(text: &[u8]) -> Symbol {
        let text = trim(text);
        let mut bytes = [b' '; 16];
        let len = text.len().min(16);
        bytes[..len].copy_from_slice(&text[..len]);
        Symbol(bytes)
    }

    /// The bytes without the padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        trim(&self.0)
    }
}

fn trim(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .rposition(|b| !matches!(b, b' ' | 0))
        .map_or(0, |last| last + 1);
    &text[..end]
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        let mut text = Text::default();
        for &byte in self.as_bytes() {
            text.write_char(if byte.is_ascii_graphic() {
                char::from(byte)
            } else {
                '?'
            })?;
        }
        f.pad(text.as_str())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Sixteen ASCII characters on the stack, so that a symbol can be padded without the heap.
#[derive(Default)]
struct Text {
    bytes: [u8; 16],
    len: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or("")
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len + s.len();
        self.bytes
            .get_mut(self.len..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Names an instrument.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct Definition {
    /// The ticker symbol.
    pub symbol: Symbol,
    /// The smallest price step, `× 1e-9`; [`UNDEFINED_PRICE`] if not known.
    pub price_increment: I64,
    /// The round lot in units of the instrument; 0 if not known.
    pub lot_size: U32,
    reserved: [u8; 4],
}

impl Definition {
    /// A definition; `price_increment` is `× 1e-9` ([`UNDEFINED_PRICE`] if not known), `lot_size`
    /// 0 if not known.
    #[must_use]
    pub const fn new(symbol: Symbol, price_increment: i64, lot_size: u32) -> Definition {
        Definition {
            symbol,
            price_increment: I64::new(price_increment),
            lot_size: U32::new(lot_size),
            reserved: [0; 4],
        }
    }
}

/// Whether an instrument may trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TradingState {
    /// Not trading.
    Halted = 1,
    /// Quotes are taken, no trading (Nasdaq: quotation only).
    QuoteOnly = 2,
    /// Orders are taken for an auction (IEX: order acceptance period; Nasdaq: paused).
    Paused = 3,
    /// Trading.
    Trading = 4,
}

impl TradingState {
    /// The state with this code, if this version knows it.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<TradingState> {
        match code {
            1 => Some(TradingState::Halted),
            2 => Some(TradingState::QuoteOnly),
            3 => Some(TradingState::Paused),
            4 => Some(TradingState::Trading),
            _ => None,
        }
    }
}

/// Trading state of an instrument.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct Status {
    /// A code of [`TradingState`].
    pub state: u8,
    /// The venue's own code of the state, as it was on its wire.
    pub venue_state: u8,
    reserved: [u8; 2],
    /// The venue's reason, ASCII, padded with spaces.
    pub reason: [u8; 4],
    reserved_2: [u8; 24],
}

impl Status {
    /// A status.
    #[must_use]
    pub const fn new(state: TradingState, venue_state: u8, reason: [u8; 4]) -> Status {
        Status {
            state: state as u8,
            venue_state,
            reserved: [0; 2],
            reason,
            reserved_2: [0; 24],
        }
    }

    /// The state, or `None` for one that this version does not know.
    #[must_use]
    pub const fn trading_state(&self) -> Option<TradingState> {
        TradingState::from_code(self.state)
    }
}

/// Best bid and offer.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct Quote {
    /// Best bid, `× 1e-9`; [`UNDEFINED_PRICE`] when there is none.
    pub bid: I64,
    /// Best ask, `× 1e-9`; [`UNDEFINED_PRICE`] when there is none.
    pub ask: I64,
    /// Size at the best bid, in units of the instrument; 0 when there is no bid.
    pub bid_size: U64,
    /// Size at the best ask, in units of the instrument; 0 when there is no ask.
    pub ask_size: U64,
}

impl Quote {
    /// A quote: prices `× 1e-9` ([`UNDEFINED_PRICE`] for an empty side), sizes in units of the
    /// instrument.
    #[must_use]
    pub const fn new(bid: i64, bid_size: u64, ask: i64, ask_size: u64) -> Quote {
        Quote {
            bid: I64::new(bid),
            ask: I64::new(ask),
            bid_size: U64::new(bid_size),
            ask_size: U64::new(ask_size),
        }
    }
}

/// Who crossed the spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// Not known, or nobody (a cross).
    None = 0,
    /// The buyer.
    Buy = 1,
    /// The seller.
    Sell = 2,
}

/// An execution or a cross.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct Trade {
    /// Price, `× 1e-9`.
    pub price: I64,
    /// Size, in units of the instrument.
    pub size: U64,
    /// The venue's number of the trade.
    pub trade_id: U64,
    /// A code of [`Side`]: who crossed the spread.
    pub aggressor: u8,
    /// The venue's conditions, as they were on its wire; unused bytes are 0.
    pub conditions: [u8; 7],
}

impl Trade {
    /// A trade: price `× 1e-9`, size in units of the instrument.
    #[must_use]
    pub const fn new(
        price: i64,
        size: u64,
        trade_id: u64,
        aggressor: Side,
        conditions: [u8; 7],
    ) -> Trade {
        Trade {
            price: I64::new(price),
            size: U64::new(size),
            trade_id: U64::new(trade_id),
            aggressor: aggressor as u8,
            conditions,
        }
    }
}

/// A trade that is taken back.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct TradeBreak {
    /// The trade's price, `× 1e-9`; [`UNDEFINED_PRICE`] if the venue does not repeat it.
    pub price: I64,
    /// The trade's size, in units of the instrument; 0 if the venue does not repeat it.
    pub size: U64,
    /// The venue's number of the trade.
    pub trade_id: U64,
    reserved: [u8; 8],
}

impl TradeBreak {
    /// A trade break: price `× 1e-9`, size in units of the instrument.
    #[must_use]
    pub const fn new(price: i64, size: u64, trade_id: u64) -> TradeBreak {
        TradeBreak {
            price: I64::new(price),
            size: U64::new(size),
            trade_id: U64::new(trade_id),
            reserved: [0; 8],
        }
    }
}

/// Whatever was known of the instrument's prices no longer holds.
#[derive(
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
)]
#[repr(C)]
pub struct Clear {
    reserved: [u8; 32],
}

macro_rules! body {
    ($($body:ident),*) => {$(
        impl sealed::Sealed for $body {}
        impl TickBody for $body {
            const KIND: Kind = Kind::$body;
            fn into_body(self) -> [u8; 32] {
                transmute!(self)
            }
        }
    )*};
}

body!(Definition, Status, Quote, Trade, TradeBreak, Clear);

const _: () = {
    assert!(size_of::<Definition>() == 32 && size_of::<Status>() == 32);
    assert!(size_of::<Quote>() == 32 && size_of::<Trade>() == 32);
    assert!(size_of::<TradeBreak>() == 32 && size_of::<Clear>() == 32);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bodies_both_ways() {
        let definition = Definition::new(Symbol::new(b"ZVZZT "), 10_000_000, 100);
        let mut expected = [0u8; 32];
        expected[..16].copy_from_slice(b"ZVZZT           ");
        expected[16..24].copy_from_slice(&[0x80, 0x96, 0x98, 0, 0, 0, 0, 0]);
        expected[24] = 100;
        assert_eq!(definition.into_body(), expected);

        let status = Status::new(TradingState::Halted, b'H', *b"T1  ");
        let mut expected = [0u8; 32];
        expected[..8].copy_from_slice(b"\x01H\0\0T1  ");
        assert_eq!(status.into_body(), expected);

        let trade = Trade::new(-1, 2, 3, Side::Sell, *b"@\0\0\0\0\0\0");
        let mut expected = [0u8; 32];
        expected[..8].copy_from_slice(&[0xff; 8]);
        expected[8] = 2;
        expected[16] = 3;
        expected[24..26].copy_from_slice(b"\x02@");
        assert_eq!(trade.into_body(), expected);

        let broken = TradeBreak::new(1, 2, 3);
        let mut expected = [0u8; 32];
        (expected[0], expected[8], expected[16]) = (1, 2, 3);
        assert_eq!(broken.into_body(), expected);
        assert_eq!(Clear::default().into_body(), [0; 32]);
    }

    #[test]
    fn symbols_are_trimmed_padded_and_printable() {
        assert_eq!(Symbol::new(b"AAPL    ").as_bytes(), b"AAPL");
        assert_eq!(Symbol::new(b"").as_bytes(), b"");
        assert_eq!(Symbol::new(b"A\0\xff").to_string(), "A??");
        assert_eq!(format!("{:<6}|", Symbol::new(b"ZVZZT")), "ZVZZT |");
        assert_eq!(Symbol::new(&[b'X'; 20]).as_bytes(), &[b'X'; 16]);
    }
}
