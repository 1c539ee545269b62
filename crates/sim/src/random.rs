//! Chance, all of it from one seed.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A million: rates are in parts of it, so that a draw is the same on every machine.
const MILLION: u32 = 1_000_000;

/// A seeded stream of random numbers.
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A stream of its own, so that what one part draws does not shift what another draws.
    pub(crate) fn fork(&mut self) -> Random {
        Random::new(self.any())
    }

    pub(crate) fn any(&mut self) -> u64 {
        self.0.random()
    }

    /// A number of `0 .. end`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        if end == 0 {
            return 0;
        }
        self.0.random_range(0..end)
    }

    /// A number of `low ..= high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..=high)
    }

    /// A number of `low ..= high`, every order of magnitude as likely as the next.
    pub(crate) fn spread(&mut self, low: u64, high: u64) -> u64 {
        let (low_bits, high_bits) = (low.max(1).ilog2(), high.max(1).ilog2());
        let bits = self.between(u64::from(low_bits), u64::from(high_bits));
        let drawn = (1u64 << bits) | self.below(1 << bits);
        drawn.clamp(low, high)
    }

    /// True so many times in a million.
    pub(crate) fn chance(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.0.random_range(0..MILLION) < ppm
    }

    pub(crate) fn percent(&mut self, percent: u32) -> bool {
        self.chance(percent * (MILLION / 100))
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Mostly 0, otherwise a rate of up to `most` in a million.
    pub(crate) fn rate(&mut self, percent_on: u32, most: u32) -> u32 {
        if self.percent(percent_on) {
            self.spread(200, u64::from(most)) as u32
        } else {
            0
        }
    }
}
