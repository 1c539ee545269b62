//! The histogram in a line of an interval log: version 2 of HdrHistogram's encoding, deflated and in
//! base64. The reader of crate `hdrhistogram` takes as much memory as a header asks for, and
//! overflows on some numbers; a log may be anybody's, so it is read here.

use std::io::Read;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::read::ZlibDecoder;

use crate::counts::{Counts, Samples};

/// The longest encoding of one histogram, before it is deflated.
const MAX_BYTES: u64 = 8 << 20;
/// The most different values in one histogram.
const MAX_VALUES: usize = 1 << 20;
/// The most samples: as many as a floating-point number counts exactly.
pub(super) const MAX_SAMPLES: u64 = 1 << 53;

const COMPRESSED_COOKIE: u32 = 0x1c84_9304;
const COOKIE: u32 = 0x1c84_9303;
/// A nibble of a cookie says how long words are; version 2 has no words.
const COOKIE_MASK: u32 = !0xf0;
const HEADER_BYTES: usize = 40;

/// Why the histogram of a line is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It is not base64.
    #[error("its histogram is not base64")]
    Base64,
    /// It is of another kind or version.
    #[error("its histogram is of a kind or version that is not read ({cookie:#010x})")]
    Kind {
        /// Its first four bytes.
        cookie: u32,
    },
    /// What was deflated cannot be inflated.
    #[error("its histogram is damaged: it cannot be inflated")]
    Inflate,
    /// It ends too early, or goes on too long.
    #[error("its histogram is not as long as it says")]
    Length,
    /// Its bounds or precision are not possible, or are of a kind that is not read.
    #[error("its histogram has bounds, a precision or a scale that are not read")]
    Bounds,
    /// A value is beyond its bounds.
    #[error("its histogram has a value beyond its own bounds")]
    Value,
    /// It is larger than anything this program reads.
    #[error("its histogram has more samples or values than are read")]
    TooLarge,
}

pub(super) fn decode(base64: &str) -> Result<Samples, PayloadError> {
    let bytes = BASE64_STANDARD
        .decode(base64)
        .map_err(|_| PayloadError::Base64)?;
    let (cookie, rest) = take_u32(&bytes)?;
    let inflated = match cookie & COOKIE_MASK {
        // Without deflation, some writers.
        it if it == COOKIE & COOKIE_MASK => bytes,
        it if it == COMPRESSED_COOKIE & COOKIE_MASK => inflate(rest)?,
        _ => return Err(PayloadError::Kind { cookie }),
    };
    let header = Header::parse(&inflated)?;
    header.values(&inflated[HEADER_BYTES..])
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let (length, rest) = take_u32(bytes)?;
    let deflated = rest.get(..length as usize).ok_or(PayloadError::Length)?;
    let mut inflated = Vec::new();
    let mut decoder = ZlibDecoder::new(deflated).take(MAX_BYTES + 1);
    decoder
        .read_to_end(&mut inflated)
        .map_err(|_| PayloadError::Inflate)?;
    if inflated.len() as u64 > MAX_BYTES {
        return Err(PayloadError::TooLarge);
    }
    Ok(inflated)
}

fn take_u32(bytes: &[u8]) -> Result<(u32, &[u8]), PayloadError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(PayloadError::Length)?;
    Ok((u32::from_be_bytes(*number), rest))
}

fn take_u64(bytes: &[u8]) -> Result<(u64, &[u8]), PayloadError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(PayloadError::Length)?;
    Ok((u64::from_be_bytes(*number), rest))
}

/// How buckets stand for values.
struct Header {
    highest: u64,
    /// Values below two to this are not told apart.
    unit_magnitude: u32,
    /// Each doubling of the value has two to this buckets.
    half_count_magnitude: u32,
    /// Bytes of the counts.
    length: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Header, PayloadError> {
        let (cookie, rest) = take_u32(bytes)?;
        if cookie & COOKIE_MASK != COOKIE & COOKIE_MASK {
            return Err(PayloadError::Kind { cookie });
        }
        let (length, rest) = take_u32(rest)?;
        let (offset, rest) = take_u32(rest)?;
        let (digits, rest) = take_u32(rest)?;
        let (lowest, rest) = take_u64(rest)?;
        let (highest, rest) = take_u64(rest)?;
        let (scale, _) = take_u64(rest)?;
        let is_sound = digits <= 5 && lowest >= 1 && highest / 2 >= lowest;
        if offset != 0 || f64::from_bits(scale) != 1.0 || !is_sound {
            return Err(PayloadError::Bounds);
        }
        // A precision of 3 digits needs 2,000 buckets that are 1 wide, so 2,048.
        let count_magnitude = (2 * 10_u64.pow(digits)).next_power_of_two().ilog2();
        Ok(Header {
            highest,
            unit_magnitude: lowest.ilog2(),
            half_count_magnitude: count_magnitude - 1,
            length: length as usize,
        })
    }

    /// Counts of buckets as zigzag numbers of variable length: a negative one leaves out as many
    /// buckets.
    fn values(&self, bytes: &[u8]) -> Result<Samples, PayloadError> {
        let mut bytes = bytes.get(..self.length).ok_or(PayloadError::Length)?;
        let (mut values, mut samples, mut sum) = (Vec::new(), 0_u64, 0.0);
        let mut bucket = 0_u64;
        while !bytes.is_empty() {
            let number = take_zigzag(&mut bytes)?;
            let Ok(count) = u64::try_from(number) else {
                let left_out = number.unsigned_abs();
                bucket = bucket.checked_add(left_out).ok_or(PayloadError::Value)?;
                continue;
            };
            if count > 0 {
                let (low, width) = self.bucket(bucket)?;
                samples = samples.saturating_add(count);
                if samples > MAX_SAMPLES || values.len() == MAX_VALUES {
                    return Err(PayloadError::TooLarge);
                }
                sum += (low + width / 2) as f64 * count as f64;
                values.push((low + (width - 1), count));
            }
            bucket = bucket.checked_add(1).ok_or(PayloadError::Value)?;
        }
        Ok(Samples {
            counts: Counts::from_rising(values),
            sum_ns: sum,
            ..Samples::default()
        })
    }

    /// The lowest value of a bucket, and how many values it stands for.
    fn bucket(&self, bucket: u64) -> Result<(u64, u64), PayloadError> {
        let half_count = 1 << self.half_count_magnitude;
        let doublings = (bucket >> self.half_count_magnitude).saturating_sub(1);
        let place = bucket - doublings * half_count;
        let shift = doublings + u64::from(self.unit_magnitude);
        let low = u32::try_from(shift)
            .ok()
            .filter(|shift| place.leading_zeros() > *shift)
            .map(|shift| (place << shift, 1_u64 << shift));
        low.filter(|(low, _)| *low <= self.highest)
            .ok_or(PayloadError::Value)
    }
}

/// LEB128 of at most nine bytes, the last of which is whole.
fn take_zigzag(bytes: &mut &[u8]) -> Result<i64, PayloadError> {
    let mut number = 0;
    for nth in 0..9 {
        let (&byte, rest) = bytes.split_first().ok_or(PayloadError::Length)?;
        *bytes = rest;
        if nth == 8 {
            number |= u64::from(byte) << 56;
            break;
        }
        number |= u64::from(byte & 0x7f) << (7 * nth);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}
