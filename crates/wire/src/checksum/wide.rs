//! The same sums with 256-bit instructions, for processors that have AVX2: a fifth of the
//! instructions. The one place of this crate with `unsafe`: calls that must know what the processor
//! has.

#![allow(unsafe_code)]

use core::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_alignr_epi8, _mm256_extract_epi64, _mm256_or_si256,
    _mm256_set_epi64x, _mm256_setzero_si256, _mm256_testz_si256, _mm256_xor_si256,
};
use std::arch::is_x86_feature_detected;

use super::{Checked, Columns, Fingerprint, TURN_LAST, TURN_LOWER, TURN_UPPER, mixed, words};
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
    let zero = _mm256_setzero_si256();
    let one = _mm256_set_epi64x(0, 0, 1, 0);
    let seq_only = _mm256_set_epi64x(0, 0, -1, 0);
    let mut sum = Wide(zero, zero);
    let mut seq = _mm256_set_epi64x(0, 0, first_seq.cast_signed(), 0);
    let mut wrong = zero;
    for tick in ticks {
        let words = Wide::load(tick.to_words().map(u64::from_le));
        wrong = _mm256_or_si256(wrong, _mm256_xor_si256(words.0, seq));
        seq = _mm256_add_epi64(seq, one);
        sum = sum.step(words);
    }
    Checked {
        checksum: mixed(quarters(sum.step(Wide::load(words(record))).fold())),
        fingerprint: Fingerprint::of(quarters(sum.fold())),
        carries_seqs: _mm256_testz_si256(wrong, seq_only) == 1,
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
        Wide(
            _mm256_add_epi64(_mm256_alignr_epi8::<UPPER>(upper, upper), words.0),
            _mm256_add_epi64(_mm256_add_epi64(turned_lower, upper), words.1),
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
