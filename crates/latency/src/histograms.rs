//! A histogram for each stage, with counts of what no histogram can hold.

use hdrhistogram::Histogram;

use crate::Stage;

/// The longest difference a histogram tells apart: 60 s. A longer one counts as this one, and as
/// saturated.
pub const LONGEST_NS: u64 = 60_000_000_000;

/// Histograms keep this many significant decimal digits: figures are at most 0.1 % too high.
pub const SIGNIFICANT_DIGITS: u8 = 3;

/// The differences of one stage, in nanoseconds.
#[derive(Clone, Debug)]
pub struct StageHistogram {
    histogram: Histogram<u64>,
    negative: u64,
    saturated: u64,
}

impl StageHistogram {
    fn new() -> Self {
        let mut histogram = Histogram::new_with_bounds(1, LONGEST_NS, SIGNIFICANT_DIGITS)
            .expect("constant bounds that hdrhistogram accepts");
        // Writes every count, so that recording never meets a page for the first time.
        histogram.clear();
        StageHistogram {
            histogram,
            negative: 0,
            saturated: 0,
        }
    }

    /// The histogram of differences that are not negative.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// Samples whose end came before their start. They are in no percentile.
    pub fn negative(&self) -> u64 {
        self.negative
    }

    /// Samples over [`LONGEST_NS`]. In percentiles they count as [`LONGEST_NS`].
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    #[inline]
    pub(crate) fn record(&mut self, from_ns: u64, to_ns: u64, count: u64) {
        let Some(ns) = to_ns.checked_sub(from_ns) else {
            self.negative = self.negative.saturating_add(count);
            return;
        };
        if ns > LONGEST_NS {
            self.saturated = self.saturated.saturating_add(count);
        }
        self.histogram
            .saturating_record_n(ns.min(LONGEST_NS), count);
    }

    fn merge(&mut self, other: &Self) {
        self.histogram
            .add(&other.histogram)
            .expect("all histograms have the same bounds");
        self.negative = self.negative.saturating_add(other.negative);
        self.saturated = self.saturated.saturating_add(other.saturated);
    }

    fn clear(&mut self) {
        self.histogram.clear();
        self.negative = 0;
        self.saturated = 0;
    }
}

/// Histograms of some or all stages. One stage takes about 220 KiB, all of it allocated and
/// touched when it is made.
#[derive(Clone, Debug)]
pub struct Histograms {
    stages: [Option<StageHistogram>; Stage::ALL.len()],
}

impl Histograms {
    /// Makes an empty histogram for each stage in `list`.
    pub fn new(list: &[Stage]) -> Self {
        let stages = Stage::ALL.map(|stage| list.contains(&stage).then(StageHistogram::new));
        Histograms { stages }
    }

    /// The histogram of `stage`; `None` when there is none.
    pub fn stage(&self, stage: Stage) -> Option<&StageHistogram> {
        self.stages[stage.index()].as_ref()
    }

    /// The stages that have a histogram, in the order a tick passes them.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, &StageHistogram)> {
        Stage::ALL
            .into_iter()
            .zip(&self.stages)
            .filter_map(|(stage, histogram)| histogram.as_ref().map(|histogram| (stage, histogram)))
    }

    /// Adds all that `other` holds. A stage that has no histogram here gets one.
    pub fn merge(&mut self, other: &Histograms) {
        for (mine, theirs) in self.stages.iter_mut().zip(&other.stages) {
            if let Some(theirs) = theirs {
                mine.get_or_insert_with(StageHistogram::new).merge(theirs);
            }
        }
    }

    /// Empties every histogram and count.
    pub fn clear(&mut self) {
        self.stages
            .iter_mut()
            .flatten()
            .for_each(StageHistogram::clear);
    }

    #[inline]
    pub(crate) fn record(&mut self, stage: Stage, from_ns: u64, to_ns: u64, count: u64) {
        match &mut self.stages[stage.index()] {
            Some(histogram) => histogram.record(from_ns, to_ns, count),
            None => panic!("stage {stage} is not one this recorder was made for"),
        }
    }
}
