//! When a run has warmed up.

use crate::{Histograms, Stage};

/// So many windows in a row have to agree.
const WINDOWS: usize = 3;
/// A window with fewer samples of `total` says nothing.
const MIN_SAMPLES: u64 = 100;
/// How far the highest p50 may be above the lowest: 10 %.
const P50_PERCENT: u64 = 10;
/// How far the highest p90 may be above the lowest: 25 %.
const P90_PERCENT: u64 = 25;

/// Says when a run is steady: three windows in a row have at least 100 samples of `total` each, their
/// p50 lie within 10 % and their p90 within 25 % of each other. Beyond p90 a warmed-up run differs
/// from one window to the next by chance.
#[derive(Clone, Debug, Default)]
pub struct Steady {
    last: Vec<[u64; 2]>,
}

impl Steady {
    /// Before the first window.
    #[must_use]
    pub fn new() -> Steady {
        Steady::default()
    }

    /// Looks at the next window; true if the run is steady with it.
    pub fn add(&mut self, window: &Histograms) -> bool {
        let total = window.sum(Stage::Total);
        let total = total.filter(|total| total.histogram().len() >= MIN_SAMPLES);
        let percentiles =
            total.and_then(|total| Some([total.percentile(2)?, total.percentile(10)?]));
        let Some(percentiles) = percentiles else {
            self.last.clear();
            return false;
        };
        if self.last.len() == WINDOWS {
            self.last.remove(0);
        }
        self.last.push(percentiles);
        let agree = |nth: usize, percent: u64| {
            let values = self.last.iter().map(|window| window[nth]);
            let (low, high) = (values.clone().min(), values.max());
            high.unwrap_or(0) * 100 <= low.unwrap_or(0) * (100 + percent)
        };
        self.last.len() == WINDOWS && agree(0, P50_PERCENT) && agree(1, P90_PERCENT)
    }
}
