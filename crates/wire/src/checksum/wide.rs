//! The same sums with 256-bit instructions, for processors that have AVX2: a fifth of the
//! instructions. The one place of this crate with `unsafe`: calls that must know what the processor
//! has.

#![allow(unsafe_code)]

use core::arch::x86_64::{
    __m256i, _mm_cvtsi128_si64, _mm_extract_epi64, _mm_shuffle_epi32, _mm_xor_si128,
    _mm256_add_epi64, _mm256_alignr_epi8, _mm256_castsi256_si128, _mm256_extract_epi64,
    _mm256_extracti128_si256, _mm256_set_epi64x, _mm256_setzero_si256,
};
use std::arch::is_x86_feature_detected;

use super::{
    Checked, Columns, Fingerprint, TURN_LAST, TURN_LOWER, TURN_UPPER, mixed, narrow_check, words,
};
use crate::tick::Tick;

/// As `super::check`; `None` on a processor without AVX2.
#[inline]
pub(super) fn check(record: &[u8; 64], ticks: &[Tick], first_seq: u64) -> Option<Checked> {
    // SAFETY: the processor has AVX2, which was asked in this very expression, and that is all that
    // the call needs: the function is safe but for that.
    is_x86_feature_detected!("avx2").then(|| unsafe { check_wide(record, ticks, first_seq) })
}

/// As `super::sum`; `None` on a processor without AVX2.
#[inline]
pub(super) fn sum(columns: Columns, ticks: &[Tick]) -> Option<Columns> {
    // SAFETY: as above.
    is_x86_feature_detected!("avx2").then(|| unsafe { sum_wide(columns, ticks) })
}

#[target_feature(enable = "avx2")]
fn check_wide(record: &[u8; 64], ticks: &[Tick], first_seq: u64) -> Checked {
    let mut sum = Wide(_mm256_setzero_si256(), _mm256_setzero_si256());
    let mut seq = first_seq;
    // Four at a time, for the sake of the loop's own instructions. That a tick carries another seq is
    // so rare that all may be looked at once more.
    let (fours, rest) = ticks.as_chunks::<4>();
    for four in fours {
        for tick in four {
            if tick.seq() != seq {
                return narrow_check(record, ticks, first_seq);
            }
            seq = seq.wrapping_add(1);
            sum = sum.step(Wide::load(tick.to_words().map(u64::from_le)));
        }
    }
    for tick in rest {
        if tick.seq() != seq {
            return narrow_check(record, ticks, first_seq);
        }
        seq = seq.wrapping_add(1);
        sum = sum.step(Wide::load(tick.to_words().map(u64::from_le)));
    }
    Checked {
        checksum: mixed(quarters(sum.step(Wide::load(words(record))).fold())),
        fingerprint: fingerprint(sum.fold()),
        carries_seqs: true,
    }
}

#[target_feature(enable = "avx2")]
fn sum_wide(columns: Columns, ticks: &[Tick]) -> Columns {
    let mut sum = Wide::load(columns);
    for tick in ticks {
        sum = sum.step(Wide::load(tick.to_words().map(u64::from_le)));
    }
    sum.columns()
}

/// The lower four columns and the upper four.
#[derive(Clone, Copy)]
struct Wide(__m256i, __m256i);

impl Wide {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(words: [u64; 8]) -> Wide {
        let [a, b, c, d, e, f, g, h] = words.map(u64::cast_signed);
        Wide(_mm256_set_epi64x(d, c, b, a), _mm256_set_epi64x(h, g, f, e))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn columns(self) -> Columns {
        let [lower, upper] = [quarters(self.0), quarters(self.1)];
        zerocopy::transmute!([lower, upper])
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn fold(self) -> __m256i {
        const LAST: i32 = TURN_LAST as i32 / 8;
        let Wide(lower, upper) = self;
        let turned = _mm256_alignr_epi8::<LAST>(upper, upper);
        _mm256_add_epi64(lower, turned)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn step(self, words: Wide) -> Wide {
        // A byte shift of a pair with itself is a turn to the right.
        const UPPER: i32 = TURN_UPPER as i32 / 8;
        const LOWER: i32 = TURN_LOWER as i32 / 8;
        let Wide(lower, upper) = self;
        let turned_lower = _mm256_alignr_epi8::<LOWER>(lower, lower);
        // What does not depend on the turn comes first: the next step waits for the last addition.
        Wide(
            _mm256_add_epi64(_mm256_alignr_epi8::<UPPER>(upper, upper), words.0),
            _mm256_add_epi64(turned_lower, _mm256_add_epi64(upper, words.1)),
        )
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn quarters(half: __m256i) -> [u64; 4] {
    let quarters = [
        _mm256_extract_epi64::<0>(half),
        _mm256_extract_epi64::<1>(half),
        _mm256_extract_epi64::<2>(half),
        _mm256_extract_epi64::<3>(half),
    ];
    quarters.map(i64::cast_unsigned)
}

/// As `Fingerprint::of`.
#[inline]
#[target_feature(enable = "avx2")]
fn fingerprint(folded: __m256i) -> Fingerprint {
    // Turns both words by 32 bits.
    const SWAP: i32 = 0b10_11_00_01;
    let (lower, upper) = (
        _mm256_castsi256_si128(folded),
        _mm256_extracti128_si256::<1>(folded),
    );
    let halved = _mm_xor_si128(lower, _mm_shuffle_epi32::<SWAP>(upper));
    let halves = [_mm_cvtsi128_si64(halved), _mm_extract_epi64::<1>(halved)];
    Fingerprint::of_halved(halves.map(i64::cast_unsigned))
}
