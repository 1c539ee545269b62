//! The tick: one event of one instrument, 64 bytes, one cache line.

use core::fmt;

use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute, transmute_ref};

/// Size of a tick in bytes.
pub const TICK_BYTES: usize = 64;

/// Price units in one whole currency unit: prices are `i64 × 1e-9`.
pub const NANOS_PER_UNIT: i64 = 1_000_000_000;

/// The price of a side that has no price.
pub const UNDEFINED_PRICE: i64 = i64::MAX;

/// What a tick says. Readers pass over kinds they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Names an instrument: [`Definition`].
    Definition = 1,
    /// Trading state of an instrument: [`Status`].
    Status = 2,
    /// Best bid and offer of an instrument: [`Quote`].
    Quote = 3,
    /// An execution or a cross: [`Trade`].
    Trade = 4,
    /// A trade that is taken back: [`TradeBreak`].
    TradeBreak = 5,
    /// Whatever was known of the instrument's prices no longer holds: [`Clear`].
    Clear = 6,
}

impl Kind {
    /// Every kind this version knows, in the order of their codes.
    pub const ALL: [Kind; 6] = [
        Kind::Definition,
        Kind::Status,
        Kind::Quote,
        Kind::Trade,
        Kind::TradeBreak,
        Kind::Clear,
    ];

    /// The kind with this code, if this version knows it.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Kind> {
        match code {
            1 => Some(Kind::Definition),
            2 => Some(Kind::Status),
            3 => Some(Kind::Quote),
            4 => Some(Kind::Trade),
            5 => Some(Kind::TradeBreak),
            6 => Some(Kind::Clear),
            _ => None,
        }
    }

    /// The name used in reports and CSV files: `definition`, `status`, `quote`, `trade`,
    /// `trade_break`, `clear`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Definition => "definition",
            Kind::Status => "status",
            Kind::Quote => "quote",
            Kind::Trade => "trade",
            Kind::TradeBreak => "trade_break",
            Kind::Clear => "clear",
        }
    }
}

/// Bits of [`Tick::flags`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// The last tick that one venue message gave.
    pub const LAST_OF_EVENT: Flags = Flags(1);
    /// Part of a snapshot: state, not an event. Its `seq` is that of the tick it repeats.
    pub const SNAPSHOT: Flags = Flags(2);
    /// A definition made by a reader at the first sight of an instrument, because the venue had
    /// sent no directory message for it.
    pub const IMPLIED: Flags = Flags(4);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These bits and those of `other`.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// Codes of [`Tick::venue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Venue(pub u16);

impl Venue {
    /// No venue was given.
    pub const NONE: Venue = Venue(0);
    /// The seeded synthetic market.
    pub const SYNTHETIC: Venue = Venue(1);
    /// Nasdaq, from ITCH 5.0.
    pub const NASDAQ: Venue = Venue(2);
    /// IEX, from TOPS 1.6.
    pub const IEX: Venue = Venue(3);
}

impl From<Venue> for u16 {
    fn from(venue: Venue) -> u16 {
        venue.0
    }
}

/// One event of one instrument.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 1 | kind, see [`Kind`] |
/// | 1 | 1 | flags, see [`Flags`] |
/// | 2 | 2 | venue, see [`Venue`] |
/// | 4 | 4 | instrument, unique within the stream |
/// | 8 | 8 | seq, from 1 without holes |
/// | 16 | 8 | ts_event, ns since the Unix epoch, clock of the venue |
/// | 24 | 8 | ts_due, ns since the Unix epoch: when the schedule said it leaves; 0 before that |
/// | 32 | 32 | body, by kind |
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Tick {
    kind: u8,
    flags: u8,
    venue: U16,
    instrument: U32,
    seq: U64,
    ts_event: U64,
    ts_due: U64,
    body: [u8; 32],
}

const _: () = {
    assert!(size_of::<Tick>() == TICK_BYTES && align_of::<Tick>() == 1);
    assert!(core::mem::offset_of!(Tick, instrument) == 4);
    assert!(core::mem::offset_of!(Tick, seq) == 8);
    assert!(core::mem::offset_of!(Tick, ts_event) == 16);
    assert!(core::mem::offset_of!(Tick, ts_due) == 24);
    assert!(core::mem::offset_of!(Tick, body) == 32);
    assert!(size_of::<Definition>() == 32 && size_of::<Status>() == 32);
    assert!(size_of::<Quote>() == 32 && size_of::<Trade>() == 32);
    assert!(size_of::<TradeBreak>() == 32 && size_of::<Clear>() == 32);
};

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

impl Tick {
    /// A tick with `seq`, `ts_due` and flags still zero. `ts_event` is in ns since the Unix epoch.
    #[must_use]
    pub fn new<B: TickBody>(
        body: B,
        venue: impl Into<u16>,
        instrument: u32,
        ts_event: u64,
    ) -> Tick {
        Tick {
            kind: B::KIND as u8,
            flags: 0,
            venue: U16::new(venue.into()),
            instrument: U32::new(instrument),
            seq: U64::ZERO,
            ts_event: U64::new(ts_event),
            ts_due: U64::ZERO,
            body: body.into_body(),
        }
    }

    /// The kind, or `None` for one that this version does not know.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        Kind::from_code(self.kind)
    }

    /// The code of the kind as it lies in the tick.
    #[must_use]
    pub const fn kind_code(&self) -> u8 {
        self.kind
    }

    /// The flags.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        Flags(self.flags)
    }

    /// The venue.
    #[must_use]
    pub const fn venue(&self) -> Venue {
        Venue(self.venue.get())
    }

    /// The instrument, unique within the stream.
    #[must_use]
    pub const fn instrument(&self) -> u32 {
        self.instrument.get()
    }

    /// The place in the stream: from 1, without holes.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq.get()
    }

    /// When it happened, ns since the Unix epoch, clock of the venue.
    #[must_use]
    pub const fn ts_event(&self) -> u64 {
        self.ts_event.get()
    }

    /// When the schedule said it leaves the publisher, ns since the Unix epoch; 0 before that.
    #[must_use]
    pub const fn ts_due(&self) -> u64 {
        self.ts_due.get()
    }

    /// The same tick with these flags added.
    #[must_use]
    pub const fn with_flags(mut self, flags: Flags) -> Tick {
        self.flags |= flags.0;
        self
    }

    /// The same tick at this place in the stream.
    #[must_use]
    pub const fn with_seq(mut self, seq: u64) -> Tick {
        self.seq = U64::new(seq);
        self
    }

    /// The same tick with this due time, ns since the Unix epoch.
    #[must_use]
    pub const fn with_ts_due(mut self, ts_due: u64) -> Tick {
        self.ts_due = U64::new(ts_due);
        self
    }

    /// The body, by kind.
    #[must_use]
    pub fn body(&self) -> Body<'_> {
        let bytes = &self.body;
        match self.kind() {
            Some(Kind::Definition) => Body::Definition(transmute_ref!(bytes)),
            Some(Kind::Status) => Body::Status(transmute_ref!(bytes)),
            Some(Kind::Quote) => Body::Quote(transmute_ref!(bytes)),
            Some(Kind::Trade) => Body::Trade(transmute_ref!(bytes)),
            Some(Kind::TradeBreak) => Body::TradeBreak(transmute_ref!(bytes)),
            Some(Kind::Clear) => Body::Clear(transmute_ref!(bytes)),
            None => Body::Unknown(self.kind, bytes),
        }
    }

    /// The quote, if this tick is one.
    #[must_use]
    pub fn as_quote(&self) -> Option<&Quote> {
        match self.body() {
            Body::Quote(quote) => Some(quote),
            _ => None,
        }
    }

    /// The trade, if this tick is one.
    #[must_use]
    pub fn as_trade(&self) -> Option<&Trade> {
        match self.body() {
            Body::Trade(trade) => Some(trade),
            _ => None,
        }
    }

    /// The definition, if this tick is one.
    #[must_use]
    pub fn as_definition(&self) -> Option<&Definition> {
        match self.body() {
            Body::Definition(definition) => Some(definition),
            _ => None,
        }
    }

    /// The status, if this tick is one.
    #[must_use]
    pub fn as_status(&self) -> Option<&Status> {
        match self.body() {
            Body::Status(status) => Some(status),
            _ => None,
        }
    }

    /// The tick as eight 64-bit words in the byte order of the machine.
    #[must_use]
    pub fn to_words(self) -> [u64; 8] {
        transmute!(self)
    }

    /// The tick whose words these are: the inverse of [`Tick::to_words`].
    #[must_use]
    pub fn from_words(words: [u64; 8]) -> Tick {
        transmute!(words)
    }
}

impl fmt::Debug for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tick")
            .field("seq", &self.seq())
            .field("flags", &self.flags)
            .field("venue", &self.venue())
            .field("instrument", &self.instrument())
            .field("ts_event", &self.ts_event())
            .field("ts_due", &self.ts_due())
            .field("body", &self.body())
            .finish()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A quote, byte for byte as `docs/protocol.md` has it.
    const QUOTE: [u8; 64] = [
        3, 1, 3, 0, 17, 0, 0, 0, // kind, flags, venue, instrument
        2, 1, 0, 0, 0, 0, 0, 0, // seq 258
        0x1f, 0x54, 0xcc, 0x21, 0x1b, 0x02, 0xd0, 0x14, // ts_event
        4, 3, 2, 1, 0, 0, 0, 0, // ts_due 0x01020304
        0x00, 0xca, 0x9a, 0x3b, 0, 0, 0, 0, // bid 1.0
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, // ask undefined
        0x2c, 1, 0, 0, 0, 0, 0, 0, // bid size 300
        0, 0, 0, 0, 0, 0, 0, 0, // ask size 0
    ];

    fn quote() -> Tick {
        Tick::new(
            Quote::new(NANOS_PER_UNIT, 300, UNDEFINED_PRICE, 0),
            Venue::IEX,
            17,
            0x14d0_021b_21cc_541f,
        )
        .with_flags(Flags::LAST_OF_EVENT)
        .with_seq(258)
        .with_ts_due(0x0102_0304)
    }

    #[test]
    fn golden_quote_both_ways() {
        let mut bytes = [0xa5; 64];
        quote().write_to(&mut bytes).unwrap();
        assert_eq!(bytes, QUOTE);
        assert_eq!(*Tick::ref_from_bytes(&QUOTE).unwrap(), quote());
    }

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
    fn bodies_are_seen_by_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind as u8), Some(kind));
        }
        let mut bytes = QUOTE;
        bytes[0] = 99;
        let tick = Tick::read_from_bytes(&bytes).unwrap();
        assert_eq!(tick.kind(), None);
        assert!(matches!(tick.body(), Body::Unknown(99, _)));
    }

    #[test]
    fn words_keep_every_byte() {
        let tick = quote();
        assert_eq!(Tick::from_words(tick.to_words()), tick);
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
