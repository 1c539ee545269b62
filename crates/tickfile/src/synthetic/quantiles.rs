//! Drawing from a distribution that is given by its quantiles.

/// Segments of the table, all equally likely.
const SEGMENTS: usize = 256;

/// A distribution of whole numbers.
pub(super) struct Quantiles {
    /// The smallest value of each segment, and after the last the largest of all.
    values: [u32; SEGMENTS + 1],
}

impl Quantiles {
    /// The distribution through these points, `(thousandths, value)`, straight between them; they
    /// rise from 0 to 1,000 thousandths.
    pub(super) const fn new(points: &[(u32, u32)]) -> Quantiles {
        let mut values = [0; SEGMENTS + 1];
        let mut segment = 0;
        let mut point = 1;
        while segment <= SEGMENTS {
            // Both sides are in units of 1 / (1,000 × SEGMENTS).
            let at = segment as u64 * 1_000;
            while point + 1 < points.len() && at > points[point].0 as u64 * SEGMENTS as u64 {
                point += 1;
            }
            let (low, high) = (points[point - 1], points[point]);
            let width = (high.0 - low.0) as u64 * SEGMENTS as u64;
            let into = at - low.0 as u64 * SEGMENTS as u64;
            values[segment] = low.1 + ((high.1 - low.1) as u64 * into / width) as u32;
            segment += 1;
        }
        Quantiles { values }
    }

    /// The value at `roll / 2^32` of the distribution.
    #[inline]
    pub(super) fn at(&self, roll: u32) -> u32 {
        let segment = (roll >> 24) as usize;
        let (low, high) = (self.values[segment], self.values[segment + 1]);
        let fraction = u64::from(roll & 0xff_ffff);
        low + ((u64::from(high - low) * fraction) >> 24) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_straight_through_its_points() {
        let quantiles = Quantiles::new(&[(0, 10), (500, 20), (1_000, 1_020)]);
        assert_eq!(quantiles.at(0), 10);
        assert_eq!(quantiles.at(1 << 30), 15);
        assert_eq!(quantiles.at(1 << 31), 20);
        assert_eq!(quantiles.at(3 << 30), 520);
        assert_eq!(quantiles.at(u32::MAX), 1_019);
    }

    #[test]
    fn never_falls() {
        let quantiles = Quantiles::new(&[(0, 1), (100, 1), (333, 7), (990, 8), (1_000, 99)]);
        let mut rolls = (0..=u32::MAX).step_by(65_537);
        let mut last = quantiles.at(rolls.next().unwrap());
        for roll in rolls {
            assert!(quantiles.at(roll) >= last);
            last = quantiles.at(roll);
        }
    }
}
