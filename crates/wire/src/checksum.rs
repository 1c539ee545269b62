//! Checksums: of the ticks of a packet, and of a record with the ticks that follow it.

use crate::digest::{KEYS, mix};
use crate::tick::Tick;

/// A sum over ticks in their order, to tell damaged ticks from sound ones and two copies apart.
///
/// Eight columns of 64-bit words are added up, each turned by five bits before the next word, so
/// that the order counts and the same bit wrong in two ticks does not cancel out. It costs a few
/// vector instructions a tick; damage goes unnoticed once in 2^64. It is no defence against
/// somebody who makes ticks to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of these ticks.
    #[inline]
    #[must_use]
    pub fn of(ticks: &[Tick]) -> Fingerprint {
        Fingerprint(fold(columns([0; 8], ticks)))
    }

    /// The fingerprint of the ticks of both slices, one after the other.
    #[must_use]
    pub fn of_both(first: &[Tick], second: &[Tick]) -> Fingerprint {
        Fingerprint(fold(columns(columns([0; 8], first), second)))
    }
}

#[inline]
fn columns(mut columns: [u64; 8], ticks: &[Tick]) -> [u64; 8] {
    for tick in ticks {
        for (column, word) in columns.iter_mut().zip(tick.to_words()) {
            *column = column.rotate_left(5).wrapping_add(u64::from_le(word));
        }
    }
    columns
}

#[inline]
fn fold([a, b, c, d, e, f, g, h]: [u64; 8]) -> u64 {
    mix(a ^ KEYS[0], b ^ KEYS[1])
        ^ mix(c ^ KEYS[2], d ^ KEYS[3])
        ^ mix(e ^ KEYS[4], f ^ KEYS[5])
        ^ mix(g ^ KEYS[6], h ^ KEYS[7])
}

/// The checksum of a record, whose own checksum must be 0 in `words`, and of the ticks after it.
#[inline]
pub(crate) fn checksum(words: [u64; 8], ticks: Fingerprint) -> u64 {
    fold(words) ^ ticks.0
}

/// The words of a record as it lies.
#[inline]
pub(crate) fn words(record: &[u8; 64]) -> [u64; 8] {
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
        let value = |n| format!("{:016x}", Fingerprint::of(&ticks(n)).0);
        assert_eq!(value(0), "028f5d952da7ace0");
        assert_eq!(value(1), "bd43d121a2ae2aa2");
        assert_eq!(value(21), "0514708fd2f31f82");
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
                    assert_ne!(Fingerprint::of(&damaged), Fingerprint::of(&sound));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_changed_bit_shows(n in 1u64..30, at in 0usize..30, bit in 0usize..512) {
            let mut ticks = ticks(n);
            let at = at % ticks.len();
            let before = Fingerprint::of(&ticks);
            ticks[at].as_mut_bytes()[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(Fingerprint::of(&ticks), before);
        }

        #[test]
        fn swapped_words_show(n in 2u64..40, a in 0usize..40, b in 0usize..40, word in 0usize..8) {
            let mut ticks = ticks(n);
            let (a, b) = (a % ticks.len(), b % ticks.len());
            let before = Fingerprint::of(&ticks);
            let (mut one, mut other) = (ticks[a].to_words(), ticks[b].to_words());
            let is_same = one[word] == other[word];
            std::mem::swap(&mut one[word], &mut other[word]);
            (ticks[a], ticks[b]) = (Tick::from_words(one), Tick::from_words(other));
            prop_assert_eq!(Fingerprint::of(&ticks) == before, a == b || is_same);
        }

        #[test]
        fn the_cut_does_not_matter(n in 0u64..60, cut in 0usize..60) {
            let ticks = ticks(n);
            let (first, second) = ticks.split_at(cut.min(ticks.len()));
            prop_assert_eq!(Fingerprint::of_both(first, second), Fingerprint::of(&ticks));
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
