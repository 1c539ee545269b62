//! Choices read off the bytes of an input.

/// The bytes of an input, taken from the front. When they run out, every choice is the first.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// All of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { rest: bytes }
    }

    /// Whether all has been taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next bytes, as many as are asked for or there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// The next byte as a number below `end`, which is at most 256.
    pub fn below(&mut self, end: u64) -> u64 {
        u64::from(self.byte()) % end.max(1)
    }

    /// The next byte as a choice.
    pub fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// The next eight bytes as a number.
    pub fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        let taken = self.take(8);
        bytes[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(bytes)
    }

    /// Any number, mostly near the ends of the range or near `around`.
    pub fn number_near(&mut self, around: u64) -> u64 {
        match self.below(4) {
            0 => self.below(256),
            1 => around.wrapping_add(self.below(16)).wrapping_sub(8),
            2 => u64::MAX - self.below(256),
            _ => self.number(),
        }
    }
}
