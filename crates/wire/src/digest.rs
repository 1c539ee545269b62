//! The digest of a stream.

use crate::tick::Tick;

/// Digest of a stream of ticks, in order.
///
/// It covers every byte of every tick but `ts_due`, which is the time of one replay and not part
/// of what was published; so the same stream has the same digest whenever and however fast it is
/// replayed, and however it is cut into packets.
///
/// The digest of a stream is `D(n) = D(n-1) × P + h(tick n)` modulo 2^64, with `D(0) = 0`, `P` an
/// odd constant and `h` a 64-bit hash of the tick: so the digest of two streams one after the
/// other follows from their digests and lengths. It guards against damage and mistakes, not
/// against somebody who makes ticks to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(u64);

const P: u64 = 0x9fb2_1c65_1e98_df25;
const P2: u64 = P.wrapping_mul(P);
const P4: u64 = P2.wrapping_mul(P2);
pub(crate) const KEYS: [u64; 8] = [
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
    0x8ebc_6af0_9c88_c6e3,
    0x5899_65cc_7537_4cc3,
    0x1d8e_4e27_c47d_124f,
    0xeb44_acca_b455_d165,
    0x9c6e_6877_736c_46e3,
    0x2d35_8dcc_aa6c_78a5,
];

impl Digest {
    /// The digest with this value.
    #[must_use]
    pub const fn from_value(value: u64) -> Digest {
        Digest(value)
    }

    /// The value, as it stands in packet headers and reports.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Takes in the next tick.
    #[inline]
    pub fn update(&mut self, tick: &Tick) {
        self.0 = self.0.wrapping_mul(P).wrapping_add(hash(tick));
    }

    /// Takes in the next ticks.
    #[inline]
    pub fn update_all(&mut self, ticks: &[Tick]) {
        // Four at a time: the hashes do not wait for each other, and the chain is one step long.
        let (fours, rest) = ticks.as_chunks::<4>();
        for [a, b, c, d] in fours {
            let low = hash(c).wrapping_mul(P).wrapping_add(hash(d));
            let high = hash(a).wrapping_mul(P).wrapping_add(hash(b));
            self.0 = self
                .0
                .wrapping_mul(P4)
                .wrapping_add(high.wrapping_mul(P2))
                .wrapping_add(low);
        }
        for tick in rest {
            self.update(tick);
        }
    }
}

impl Digest {
    /// What this digest would be if it had been `to`, not `from`, before its last `ticks` ticks.
    #[must_use]
    pub const fn rebased(self, from: Digest, to: Digest, ticks: u64) -> Digest {
        let shift = to.0.wrapping_sub(from.0);
        Digest(self.0.wrapping_add(shift.wrapping_mul(power(ticks))))
    }
}

/// `P` to the power of `exponent`, modulo 2^64.
const fn power(mut exponent: u64) -> u64 {
    let (mut power, mut square) = (1u64, P);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = power.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        exponent >>= 1;
    }
    power
}

impl core::fmt::Display for Digest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[inline]
fn hash(tick: &Tick) -> u64 {
    let [a, b, c, _ts_due, d, e, f, g] = tick.to_words().map(u64::to_le);
    mix(a ^ KEYS[0], b ^ KEYS[1])
        ^ mix(c ^ KEYS[2], d ^ KEYS[3])
        ^ mix(e ^ KEYS[4], f ^ KEYS[5])
        ^ mix(g ^ KEYS[6], KEYS[7])
}

/// Both halves of the 128-bit product, folded.
#[inline]
pub(crate) const fn mix(a: u64, b: u64) -> u64 {
    let product = (a as u128) * (b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{Quote, Side, Trade};
    use proptest::prelude::*;
    use zerocopy::{FromBytes, IntoBytes};

    fn stream(n: u64) -> Vec<Tick> {
        (1..=n)
            .map(|seq| {
                let tick = if seq % 3 == 0 {
                    Tick::new(
                        Trade::new(seq as i64, 1, seq, Side::Buy, [0; 7]),
                        1u16,
                        4,
                        seq * 7,
                    )
                } else {
                    Tick::new(Quote::new(seq as i64, 5, 9, seq), 1u16, 3, seq * 7)
                };
                tick.with_seq(seq)
            })
            .collect()
    }

    fn digest(ticks: &[Tick]) -> Digest {
        let mut digest = Digest::default();
        digest.update_all(ticks);
        digest
    }

    #[test]
    fn golden_values() {
        assert_eq!(digest(&[]).value(), 0);
        assert_eq!(digest(&stream(1)).to_string(), "6000e8d8c346af95");
        assert_eq!(digest(&stream(100)).to_string(), "6e7716d651649f74");
    }

    #[test]
    fn due_time_is_not_part_of_the_stream() {
        let ticks = stream(9);
        let later: Vec<Tick> = ticks.iter().map(|tick| tick.with_ts_due(77)).collect();
        assert_eq!(digest(&ticks), digest(&later));
    }

    proptest! {
        #[test]
        fn the_cut_into_packets_does_not_matter(n in 0u64..60, cut in 0usize..60) {
            let ticks = stream(n);
            let cut = cut.min(ticks.len());
            let mut by_parts = Digest::default();
            by_parts.update_all(&ticks[..cut]);
            for tick in &ticks[cut..] {
                by_parts.update(tick);
            }
            prop_assert_eq!(by_parts, digest(&ticks));
        }

        #[test]
        fn a_digest_goes_on_from_a_part_that_was_not_seen(n in 0u64..200, cut in 0usize..200) {
            let ticks = stream(n);
            let cut = cut.min(ticks.len());
            let rest = &ticks[cut..];
            let seen = digest(rest);
            let whole = seen.rebased(Digest::default(), digest(&ticks[..cut]), rest.len() as u64);
            prop_assert_eq!(whole, digest(&ticks));
        }

        #[test]
        fn any_changed_bit_shows(n in 1u64..30, at in 0usize..30, bit in 0usize..512) {
            let mut ticks = stream(n);
            let at = at % ticks.len();
            let before = digest(&ticks);
            let mut bytes: [u8; 64] = ticks[at].as_bytes().try_into().unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            ticks[at] = Tick::read_from_bytes(&bytes).unwrap();
            let is_ts_due = (24..32).contains(&(bit / 8));
            prop_assert_eq!(digest(&ticks) == before, is_ts_due);
        }

        #[test]
        fn swapped_ticks_show(n in 2u64..40, a in 0usize..40, b in 0usize..40) {
            let mut ticks = stream(n);
            let (a, b) = (a % ticks.len(), b % ticks.len());
            let before = digest(&ticks);
            ticks.swap(a, b);
            prop_assert_eq!(digest(&ticks) == before, a == b);
        }
    }
}
