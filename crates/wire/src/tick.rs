//! The tick: one event of one instrument, 64 bytes, one cache line.

use core::fmt;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute, transmute_ref};

use crate::body::{Body, Definition, Quote, Status, TickBody, Trade};

/// Size of a tick in bytes.
pub const TICK_BYTES: usize = 64;

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
    /// A trade that is taken back: [`TradeBreak`](crate::TradeBreak).
    TradeBreak = 5,
    /// Whatever was known of the instrument's prices no longer holds: [`Clear`](crate::Clear).
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
};

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
    pub const fn from_words(words: [u64; 8]) -> Tick {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{NANOS_PER_UNIT, UNDEFINED_PRICE};

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
}
