//! The messages of ITCH 5.0, and a table of where the fields of each type lie.
//!
//! The order of the types in a day cannot be learnt by a branch predictor, and a guess that fails
//! costs more than a message: so a field is read in the same way for every type, at the offset
//! that the table gives, and no branch depends on the type.

use std::hint::black_box;

/// A message of ITCH 5.0 where it lies.
///
/// Each field is read when it is asked for. A field that the type does not have is some number
/// without a meaning, and so is every field of a message that is refused.
#[derive(Debug, Clone, Copy)]
pub struct ItchMessage<'a> {
    /// At least one.
    bytes: &'a [u8],
    layout: &'static Layout,
}

impl<'a> ItchMessage<'a> {
    /// The [`kind`](ItchMessage::kind) of a message of no type of ITCH 5.0.
    pub const UNKNOWN_TYPE: u8 = 0;
    /// The [`kind`](ItchMessage::kind) of a message whose length does not belong to its type.
    pub const WRONG_LENGTH: u8 = 1;

    /// The message in these bytes, which are not empty.
    #[inline]
    fn new(bytes: &'a [u8]) -> ItchMessage<'a> {
        let layout = &LAYOUTS[usize::from(bytes[0])];
        ItchMessage { bytes, layout }
    }

    /// The type, a letter; or [`UNKNOWN_TYPE`](ItchMessage::UNKNOWN_TYPE),
    /// [`WRONG_LENGTH`](ItchMessage::WRONG_LENGTH).
    #[must_use]
    #[inline]
    pub fn kind(&self) -> u8 {
        if usize::from(self.layout.length) == self.bytes.len() {
            self.bytes[0]
        } else {
            self.layout.refused
        }
    }

    /// All types: the stock locate.
    #[must_use]
    #[inline]
    pub fn locate(&self) -> u16 {
        u16::from_be_bytes(self.field(1))
    }

    /// All types: ns since midnight, US Eastern time.
    #[must_use]
    #[inline]
    pub fn nanos(&self) -> u64 {
        // 48 bits, after the 16 of the tracking number.
        u64::from_be_bytes(self.field(3)) & 0xffff_ffff_ffff
    }

    /// `A F E C X D U P`: the order's reference. `Q`: shares. `B`: match number.
    #[must_use]
    #[inline]
    pub fn reference(&self) -> u64 {
        u64::from_be_bytes(self.field(11))
    }

    /// `U`: the new reference. `E C P Q`: match number.
    #[must_use]
    #[inline]
    pub fn second(&self) -> u64 {
        u64::from_be_bytes(self.field(self.layout.second))
    }

    /// `A F E C X U P`: shares. `R`: round lot.
    #[must_use]
    #[inline]
    pub fn shares(&self) -> u32 {
        u32::from_be_bytes(self.field(self.layout.shares))
    }

    /// `A F C U P Q`: price, `× 1e-4`.
    #[must_use]
    #[inline]
    pub fn price(&self) -> u32 {
        u32::from_be_bytes(self.field(self.layout.price))
    }

    /// `A F P`: side. `C`: whether it is printable. `Q`: type of cross. `H`: trading state.
    #[must_use]
    #[inline]
    pub fn code(&self) -> u8 {
        let [code] = self.field(self.layout.code);
        code
    }

    /// `A F P Q R H`: symbol, filled up with spaces.
    #[must_use]
    #[inline]
    pub fn symbol(&self) -> [u8; 8] {
        self.field(self.layout.symbol)
    }

    /// `H`: reason, filled up with spaces.
    #[must_use]
    #[inline]
    pub fn reason(&self) -> [u8; 4] {
        self.field(self.layout.reason)
    }

    /// The bytes at an offset. Those of a sound message are all there.
    #[inline]
    fn field<const N: usize>(&self, offset: u8) -> [u8; N] {
        let at = usize::from(offset);
        let bytes = self.bytes.get(at..at + N);
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or([0; N])
    }
}

/// How far ahead bytes are brought into the cache: some 30 messages. Where a message begins is known
/// when the length before it is there, so that the processor cannot fetch ahead by itself.
const AHEAD_BYTES: usize = 1024;

/// The messages at the beginning of some bytes, each after its length as in a BinaryFILE. Ends
/// before a message that is not all there, and before a length of 0.
///
/// ```
/// use tickcast_tickfile::ItchMessages;
///
/// let file = b"\0\x13D\0\x07\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x2a";
/// let delete = ItchMessages::new(file).next().unwrap();
/// assert_eq!((delete.kind(), delete.locate(), delete.reference()), (b'D', 7, 42));
/// ```
#[derive(Debug, Clone)]
pub struct ItchMessages<'a> {
    rest: &'a [u8],
}

impl<'a> ItchMessages<'a> {
    /// The messages at the beginning of these bytes.
    #[must_use]
    #[inline]
    pub fn new(bytes: &'a [u8]) -> ItchMessages<'a> {
        ItchMessages { rest: bytes }
    }

    /// The bytes after the messages that were given.
    #[must_use]
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for ItchMessages<'a> {
    type Item = ItchMessage<'a>;

    #[inline]
    fn next(&mut self) -> Option<ItchMessage<'a>> {
        let (&[high, low], rest) = self.rest.split_first_chunk()?;
        if let Some(ahead) = rest.get(AHEAD_BYTES) {
            black_box(*ahead);
        }
        // Each length waits for the one before it: that of every type is in the low byte, and
        // not having to put the two together shortens the wait.
        let length = if high == 0 {
            usize::from(low)
        } else {
            longer_than_any_type(high, low)
        };
        if length == 0 {
            return None;
        }
        let (bytes, after) = rest.split_at_checked(length)?;
        self.rest = after;
        Some(ItchMessage::new(bytes))
    }
}

#[cold]
#[inline(never)]
fn longer_than_any_type(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high, low]))
}

/// The length of a message of this type; `None` for no type of ITCH 5.0.
pub(crate) fn length_of(kind: u8) -> Option<u16> {
    let length = LAYOUTS[usize::from(kind)].length;
    (length > 0).then_some(length.into())
}

/// Where the fields of a type lie; 0 for those that it does not have.
#[derive(Debug, Clone, Copy)]
#[repr(align(8))]
struct Layout {
    /// Of the whole message; 0 for no type.
    length: u8,
    /// The `kind` of a message of another length.
    refused: u8,
    code: u8,
    shares: u8,
    second: u8,
    symbol: u8,
    price: u8,
    reason: u8,
}

/// By type.
static LAYOUTS: [Layout; 256] = {
    let mut layouts = [Layout::of_no_type(); 256];
    let mut at = 0;
    while at < TYPES.len() {
        let (kind, layout) = TYPES[at];
        layouts[kind as usize] = layout;
        at += 1;
    }
    layouts
};

/// As in the specification.
const TYPES: [(u8, Layout); 23] = [
    (
        b'A',
        Layout::of(36).code(19).shares(20).symbol(24).price(32),
    ),
    (
        b'F',
        Layout::of(40).code(19).shares(20).symbol(24).price(32),
    ),
    (b'E', Layout::of(31).shares(19).second(23)),
    (
        b'C',
        Layout::of(36).shares(19).second(23).code(31).price(32),
    ),
    (b'X', Layout::of(23).shares(19)),
    (b'D', Layout::of(19)),
    (b'U', Layout::of(35).second(19).shares(27).price(31)),
    (
        b'P',
        Layout::of(44)
            .code(19)
            .shares(20)
            .symbol(24)
            .price(32)
            .second(36),
    ),
    (
        b'Q',
        Layout::of(40).symbol(19).price(27).second(31).code(39),
    ),
    (b'B', Layout::of(19)),
    (b'R', Layout::of(39).symbol(11).shares(21)),
    (b'H', Layout::of(25).symbol(11).code(19).reason(21)),
    // Types that say nothing about prices.
    (b'S', Layout::of(12)),
    (b'W', Layout::of(12)),
    (b'Y', Layout::of(20)),
    (b'N', Layout::of(20)),
    (b'h', Layout::of(21)),
    (b'L', Layout::of(26)),
    (b'K', Layout::of(28)),
    (b'V', Layout::of(35)),
    (b'J', Layout::of(35)),
    (b'O', Layout::of(48)),
    (b'I', Layout::of(50)),
];

impl Layout {
    const fn of_no_type() -> Layout {
        Layout {
            length: 0,
            refused: ItchMessage::UNKNOWN_TYPE,
            code: 0,
            shares: 0,
            second: 0,
            symbol: 0,
            price: 0,
            reason: 0,
        }
    }

    const fn of(length: u8) -> Layout {
        Layout {
            length,
            refused: ItchMessage::WRONG_LENGTH,
            ..Layout::of_no_type()
        }
    }

    const fn code(self, code: u8) -> Layout {
        Layout { code, ..self }
    }

    const fn shares(self, shares: u8) -> Layout {
        Layout { shares, ..self }
    }

    const fn second(self, second: u8) -> Layout {
        Layout { second, ..self }
    }

    const fn symbol(self, symbol: u8) -> Layout {
        Layout { symbol, ..self }
    }

    const fn price(self, price: u8) -> Layout {
        Layout { price, ..self }
    }

    const fn reason(self, reason: u8) -> Layout {
        Layout { reason, ..self }
    }
}
