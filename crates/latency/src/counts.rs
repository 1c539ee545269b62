//! The samples of one window, without the many empty buckets of a histogram.

use foldhash::{HashMap, HashMapExt};

use crate::StageHistogram;

/// Values that occur, rising, with how often each does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts(Vec<(u64, u64)>);

/// The samples of a window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    pub(crate) counts: Counts,
    pub(crate) sum_ns: f64,
    pub(crate) negative: u64,
    pub(crate) saturated: u64,
}

impl Samples {
    pub(crate) fn of(samples: &StageHistogram) -> Samples {
        let histogram = samples.histogram();
        let (mut values, mut sum_ns) = (Vec::new(), 0.0);
        for at in histogram.iter_recorded() {
            let (value, count) = (at.value_iterated_to(), at.count_at_value());
            sum_ns += histogram.median_equivalent(value) as f64 * count as f64;
            values.push((value, count));
        }
        Samples {
            counts: Counts(values),
            sum_ns,
            negative: samples.negative(),
            saturated: samples.saturated(),
        }
    }

    pub(crate) fn add(&mut self, other: &Samples) {
        self.counts.add(&other.counts);
        self.sum_ns += other.sum_ns;
        self.negative = self.negative.saturating_add(other.negative);
        self.saturated = self.saturated.saturating_add(other.saturated);
    }

    /// Without these, which are among them.
    pub(crate) fn without(&self, others: &Samples) -> Samples {
        Samples {
            counts: self.counts.without(&others.counts),
            sum_ns: self.sum_ns - others.sum_ns,
            negative: self.negative.saturating_sub(others.negative),
            saturated: self.saturated.saturating_sub(others.saturated),
        }
    }
}

impl Counts {
    /// From values that rise.
    pub(crate) fn from_rising(values: Vec<(u64, u64)>) -> Counts {
        debug_assert!(values.is_sorted_by(|a, b| a.0 < b.0));
        Counts(values)
    }

    /// All of these together.
    pub(crate) fn sum(windows: &[Counts]) -> Counts {
        let mut sums = HashMap::new();
        for &(value, count) in windows.iter().flat_map(Counts::values) {
            *sums.entry(value).or_default() += count;
        }
        let mut values: Vec<(u64, u64)> = sums.into_iter().collect();
        values.sort_unstable();
        Counts(values)
    }

    pub(crate) fn values(&self) -> &[(u64, u64)] {
        &self.0
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// The value that all samples but one in so many do not exceed; `None` with fewer samples.
    pub(crate) fn percentile(&self, one_in: u64) -> Option<u64> {
        let rank = rank(self.len(), one_in)?;
        let mut sum = 0;
        let mut values = self.0.iter();
        let found = values.find(|(_, count)| {
            sum += count;
            sum >= rank
        });
        found.map(|(value, _)| *value)
    }

    pub(crate) fn max(&self) -> Option<u64> {
        self.0.last().map(|(value, _)| *value)
    }

    pub(crate) fn add(&mut self, other: &Counts) {
        if other.0.is_empty() {
            return;
        }
        let mut merged = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut mine, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            let next = match (mine.peek(), theirs.peek()) {
                (Some(a), Some(b)) if a.0 == b.0 => {
                    let both = (a.0, a.1 + b.1);
                    mine.next();
                    theirs.next();
                    both
                }
                (Some(a), Some(b)) if a.0 < b.0 => {
                    let next = **a;
                    mine.next();
                    next
                }
                (Some(a), None) => {
                    let next = **a;
                    mine.next();
                    next
                }
                (_, Some(b)) => {
                    let next = **b;
                    theirs.next();
                    next
                }
                (None, None) => break,
            };
            merged.push(next);
        }
        merged.shrink_to_fit();
        self.0 = merged;
    }

    fn without(&self, others: &Counts) -> Counts {
        let mut others = others.0.iter().peekable();
        let left = self.0.iter().filter_map(|&(value, count)| {
            let among = others.next_if(|other| other.0 == value);
            let left = count.saturating_sub(among.map_or(0, |(_, count)| *count));
            (left > 0).then_some((value, left))
        });
        Counts(left.collect())
    }
}

/// The place of a percentile among so many samples in order, from 1: one in so many lies beyond it.
/// `None` if none does. Whole numbers, as a product with 0.999 may be a little too large, and its
/// next sample ten times as long.
pub(crate) fn rank(samples: u64, one_in: u64) -> Option<u64> {
    (samples >= one_in).then(|| samples - samples / one_in)
}
