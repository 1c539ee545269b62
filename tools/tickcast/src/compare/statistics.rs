//! Whether two settings differ: what is concluded from runs that were taken in turns.
//!
//! A turn is a run of each setting, one right after the other, the first of them alternating. What
//! counts is the logarithm of B over A within a turn, so that whatever drifts from turn to turn
//! cancels. The effect is the Hodges-Lehmann estimate of these (the median of the means of all
//! pairs), its interval that of Wilcoxon's signed-rank test: both take any symmetric distribution,
//! however long its tails. The interval is that of several figures at once (Bonferroni).
//!
//! The control is A against itself, each run over the one before, by the same estimate. A
//! difference is one only when its interval leaves 1 out *and* it exceeds [`MARGIN`] times what
//! the control strays.

use serde::Serialize;

/// The chance to call a difference where there is none, all figures together, is at most this.
const ERROR: f64 = 0.05;
/// A difference counts only beyond so many times the spread of the control.
const MARGIN: f64 = 3.0;
/// An interval of one standard error on either side misses with this chance.
const ONE_SIGMA: f64 = 0.317_31;

/// With fewer turns no interval is narrow enough to say anything.
pub const FEWEST_TURNS: usize = 10;
/// The distribution of the ranks is exact, and is worked out for so many turns.
pub const MOST_TURNS: usize = 500;

/// What is known of the ratio of B to A.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// B over A.
    pub ratio: f64,
    /// Where the true ratio lies, with 95 % for all figures of a comparison together.
    pub interval: [f64; 2],
    /// How far such a ratio strays by itself: one standard error of the same figure for A over A,
    /// as a share.
    pub spread: f64,
    /// Whether they differ.
    pub differs: bool,
}

/// The effect of B, from the values of both in each turn. It is one of `figures` that are looked
/// at together. `None` with fewer than [`FEWEST_TURNS`] turns.
pub fn effect(a: &[u64], b: &[u64], figures: usize) -> Option<Effect> {
    if a.len().min(b.len()) < FEWEST_TURNS {
        return None;
    }
    let ratio = |from: u64, to: u64| (to.max(1) as f64 / from.max(1) as f64).ln();
    let within: Vec<f64> = a.iter().zip(b).map(|(&a, &b)| ratio(a, b)).collect();
    let control: Vec<f64> = a.windows(2).map(|pair| ratio(pair[0], pair[1])).collect();
    let estimate = Estimate::new(&within);
    let [low, high] = estimate.interval(ERROR / figures.max(1) as f64);
    let [control_low, control_high] = Estimate::new(&control).interval(ONE_SIGMA);
    let spread = (control_high - control_low) / 2.0;
    let middle = estimate.middle();
    Some(Effect {
        ratio: middle.exp(),
        interval: [low.exp(), high.exp()],
        spread: spread.exp_m1(),
        differs: (low > 0.0 || high < 0.0) && middle.abs() > MARGIN * spread,
    })
}

impl Effect {
    /// The smallest difference that would have been called one, as a share.
    pub fn detectable(&self) -> f64 {
        let half = (self.interval[1] / self.interval[0]).sqrt() - 1.0;
        half.max(MARGIN * self.spread)
    }
}

/// The means of all pairs of values, each with itself too, in order.
struct Estimate {
    values: usize,
    means: Vec<f64>,
}

impl Estimate {
    fn new(values: &[f64]) -> Estimate {
        let mut means = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
        for (at, one) in values.iter().enumerate() {
            means.extend(values[at..].iter().map(|other| f64::midpoint(*one, *other)));
        }
        means.sort_unstable_by(f64::total_cmp);
        Estimate {
            values: values.len(),
            means,
        }
    }

    /// The middle one: the Hodges-Lehmann estimate.
    fn middle(&self) -> f64 {
        let half = self.means.len() / 2;
        if self.means.len().is_multiple_of(2) {
            f64::midpoint(self.means[half - 1], self.means[half])
        } else {
            self.means[half]
        }
    }

    /// Where the true value lies, but for this chance.
    fn interval(&self, error: f64) -> [f64; 2] {
        let outside = left_out(self.values, error / 2.0).min((self.means.len() - 1) / 2);
        [
            self.means[outside],
            self.means[self.means.len() - 1 - outside],
        ]
    }
}

/// How many of the means lie outside of the interval at either end: the largest that a sum of
/// signed ranks of so many values does not exceed but with this chance at most.
fn left_out(values: usize, chance: f64) -> usize {
    // The chance of each sum: every rank is in it or not, one as likely as the other.
    let mut chances = vec![0.0; values * (values + 1) / 2 + 1];
    chances[0] = 1.0;
    for rank in 1..=values {
        let sum_before = rank * (rank - 1) / 2;
        for sum in (0..=sum_before).rev() {
            let half = chances[sum] / 2.0;
            chances[sum] = half;
            chances[sum + rank] += half;
        }
    }
    let up_to = chances.iter().scan(0.0, |total, chance| {
        *total += chance;
        Some(*total)
    });
    let sums = up_to.take_while(|total| *total <= chance).count();
    sums.saturating_sub(1)
}

#[cfg(test)]
mod tests;
