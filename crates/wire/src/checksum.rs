//! Checksums: of a record with the ticks that follow it.

#[cfg(target_arch = "x86_64")]
mod wide;

use crate::digest::{KEYS, mix};
use crate::packet::carries_seqs;
use crate::tick::Tick;

/// Eight columns of 64-bit words, one for each word of a record or tick.
type Columns = [u64; 8];

/// By how many bits a pair of columns is turned to the right before the next words are added: what
/// was the upper half of the columns, and what was the lower.
const TURN_UPPER: u32 = 40;
const TURN_LOWER: u32 = 24;

/// The same for the upper half when, at the end, it is added to the lower.
const TURN_LAST: u32 = 56;

/// The part that ticks have in a checksum: their sum, in their order.
///
/// Eight columns take in a 64-bit word of each tick. Before that the upper half of the columns becomes
/// the lower, and the lower is added to the upper, each turned by some bytes: what a tick brought
/// lies in ever more places with every tick after it, so that the order counts and two errors do not
/// cancel out. It costs five instructions a tick where the processor has AVX2. It is
/// no defence against somebody who makes ticks to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TickSum(Columns);

impl TickSum {
    /// The sum of these ticks.
    #[inline]
    #[must_use]
    pub fn of(ticks: &[Tick]) -> TickSum {
        TickSum(sum([0; 8], ticks))
    }

    /// The sum of the ticks of both slices, one after the other.
    #[must_use]
    pub fn of_both(first: &[Tick], second: &[Tick]) -> TickSum {
        TickSum(sum(sum([0; 8], first), second))
    }

    /// The checksum of a record, whose own checksum must be 0 in `record`, and of these ticks.
    #[inline]
    pub(crate) fn checksum(self, record: &[u8; 64]) -> u64 {
        mixed(fold(step(self.0, words(record))))
    }
}

/// Tells the ticks of a packet from those of another copy: made of their sum, and never sent. Ticks
/// that differ have the same one once in 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// From the four words to which columns are folded. What one wrong word of a tick changes lies in
    /// the first two or in the last two, so that it does not cancel out here.
    #[inline]
    const fn of([a, b, c, d]: [u64; 4]) -> Fingerprint {
        Fingerprint::of_halved([a ^ c.rotate_left(32), b ^ d.rotate_left(32)])
    }

    #[inline]
    const fn of_halved([a, b]: [u64; 2]) -> Fingerprint {
        Fingerprint(mix(a ^ KEYS[0], b ^ KEYS[1]))
    }
}

/// What one look at a record and its ticks tells.
pub(crate) struct Checked {
    pub(crate) checksum: u64,
    pub(crate) fingerprint: Fingerprint,
    /// Tick `i` carries seq `first_seq + i`.
    pub(crate) carries_seqs: bool,
}

/// Looks at a record and the ticks after it, once.
#[inline]
pub(crate) fn check(record: &[u8; 64], ticks: &[Tick], first_seq: u64) -> Checked {
    #[cfg(target_arch = "x86_64")]
    if let Some(checked) = wide::check(record, ticks, first_seq) {
        return checked;
    }
    narrow_check(record, ticks, first_seq)
}

fn narrow_check(record: &[u8; 64], ticks: &[Tick], first_seq: u64) -> Checked {
    let sum = narrow_sum([0; 8], ticks);
    Checked {
        checksum: mixed(fold(step(sum, words(record)))),
        fingerprint: Fingerprint::of(fold(sum)),
        carries_seqs: carries_seqs(ticks, first_seq),
    }
}

/// Goes on with a sum.
#[inline]
fn sum(columns: Columns, ticks: &[Tick]) -> Columns {
    #[cfg(target_arch = "x86_64")]
    if let Some(columns) = wide::sum(columns, ticks) {
        return columns;
    }
    narrow_sum(columns, ticks)
}

fn narrow_sum(columns: Columns, ticks: &[Tick]) -> Columns {
    let words = ticks.iter().map(|tick| tick.to_words().map(u64::from_le));
    words.fold(columns, step)
}

#[inline]
fn step([a, b, c, d, e, f, g, h]: Columns, words: [u64; 8]) -> Columns {
    let turned = [
        turn(e, f, TURN_UPPER),
        turn(g, h, TURN_UPPER),
        turn(a, b, TURN_LOWER),
        turn(c, d, TURN_LOWER),
    ];
    let turned: Columns = zerocopy::transmute!(turned);
    let stays = [0, 0, 0, 0, e, f, g, h];
    core::array::from_fn(|at| turned[at].wrapping_add(stays[at]).wrapping_add(words[at]))
}

/// Turns a pair of columns to the right, as one number of 128 bits with `low` as its lower half.
#[inline]
const fn turn(low: u64, high: u64, bits: u32) -> [u64; 2] {
    let turned = ((high as u128) << 64 | low as u128).rotate_right(bits);
    [turned as u64, (turned >> 64) as u64]
}

/// Adds the upper half, turned, to the lower.
#[inline]
fn fold([a, b, c, d, e, f, g, h]: Columns) -> [u64; 4] {
    let turned = [turn(e, f, TURN_LAST), turn(g, h, TURN_LAST)];
    let [e, f, g, h] = zerocopy::transmute!(turned);
    [
        a.wrapping_add(e),
        b.wrapping_add(f),
        c.wrapping_add(g),
        d.wrapping_add(h),
    ]
}

#[inline]
const fn mixed([a, b, c, d]: [u64; 4]) -> u64 {
    mix(a ^ KEYS[0], b ^ KEYS[1]) ^ mix(c ^ KEYS[2], d ^ KEYS[3])
}

/// The words of a record as it lies.
#[inline]
fn words(record: &[u8; 64]) -> [u64; 8] {
    let words: [u64; 8] = zerocopy::transmute!(*record);
    words.map(u64::from_le)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Quote;
    use proptest::prelude::*;
    use zerocopy::{FromBytes, IntoBytes};

    fn ticks(n: u64) -> Vec<Tick> {
        let quote = |seq| Quote::new(seq as i64, 5, 9, seq);
        let tick = |seq| Tick::new(quote(seq), 1u16, 3, seq * 7).with_seq(seq);
        (1..=n).map(tick).collect()
    }

    #[test]
    fn golden_values() {
        let record = std::array::from_fn(|at| at as u8);
        let value = |n| format!("{:016x}", TickSum::of(&ticks(n)).checksum(&record));
        assert_eq!(value(0), "35ffbe69e1b8b1ae");
        assert_eq!(value(1), "2a66eaedb9ad5745");
        assert_eq!(value(21), "32c5aea39ccd2504");
    }

    /// The same bit wrong in two ticks: a plain sum would not see the highest.
    #[test]
    fn one_bit_wrong_in_two_ticks_shows() {
        let sound = ticks(21);
        for byte in 0..64 {
            for bit in 0..8 {
                for (a, b) in [(0, 1), (3, 11), (0, 16), (7, 20)] {
                    let mut damaged = sound.clone();
                    for at in [a, b] {
                        damaged[at].as_mut_bytes()[byte] ^= 1 << bit;
                    }
                    assert_ne!(TickSum::of(&damaged), TickSum::of(&sound));
                }
            }
        }
    }

    proptest! {
        /// Whatever the processor has, the sums are the same.
        #[test]
        fn wide_and_narrow_agree(n in 0u64..50, lie in 0usize..60, record: [u8; 32]) {
            let mut ticks = ticks(n);
            if let Some(tick) = ticks.get_mut(lie) {
                *tick = tick.with_seq(7_000);
            }
            let record = [record, record].concat().try_into().unwrap();
            let (one, other) = (check(&record, &ticks, 1), narrow_check(&record, &ticks, 1));
            prop_assert_eq!(one.checksum, other.checksum);
            prop_assert_eq!(one.fingerprint, other.fingerprint);
            prop_assert_eq!(one.carries_seqs, lie as u64 >= n);
            prop_assert_eq!(one.carries_seqs, other.carries_seqs);
            let columns: Columns = zerocopy::transmute!(record);
            prop_assert_eq!(sum(columns, &ticks), narrow_sum(columns, &ticks));
            prop_assert_eq!(TickSum::of(&ticks).checksum(&record), one.checksum);
        }

        #[test]
        fn any_changed_bit_shows(n in 1u64..30, at in 0usize..30, bit in 0usize..512) {
            let mut ticks = ticks(n);
            let at = at % ticks.len();
            let before = TickSum::of(&ticks);
            ticks[at].as_mut_bytes()[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(TickSum::of(&ticks), before);
        }

        /// The fingerprint too tells any changed bit.
        #[test]
        fn a_copy_with_any_changed_bit_is_told(n in 1u64..30, at in 0usize..30, bit in 0usize..512) {
            let mut ticks = ticks(n);
            let at = at % ticks.len();
            let before = check(&[0; 64], &ticks, 1).fingerprint;
            ticks[at].as_mut_bytes()[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(check(&[0; 64], &ticks, 1).fingerprint, before);
        }

        #[test]
        fn swapped_words_show(n in 2u64..40, a in 0usize..40, b in 0usize..40, word in 0usize..8) {
            let mut ticks = ticks(n);
            let (a, b) = (a % ticks.len(), b % ticks.len());
            let before = TickSum::of(&ticks);
            let (mut one, mut other) = (ticks[a].to_words(), ticks[b].to_words());
            let is_same = one[word] == other[word];
            std::mem::swap(&mut one[word], &mut other[word]);
            (ticks[a], ticks[b]) = (Tick::from_words(one), Tick::from_words(other));
            prop_assert_eq!(TickSum::of(&ticks) == before, a == b || is_same);
        }

        #[test]
        fn the_cut_does_not_matter(n in 0u64..60, cut in 0usize..60) {
            let ticks = ticks(n);
            let (first, second) = ticks.split_at(cut.min(ticks.len()));
            prop_assert_eq!(TickSum::of_both(first, second), TickSum::of(&ticks));
        }
    }

    #[test]
    fn words_are_little_endian() {
        let record: [u8; 64] = std::array::from_fn(|at| at as u8);
        assert_eq!(words(&record)[1], 0x0f0e_0d0c_0b0a_0908);
        assert_eq!(
            u64::read_from_bytes(&record[8..16]),
            Ok(words(&record)[1].to_le())
        );
    }
}
