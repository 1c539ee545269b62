//! A histogram for each stage and provenance, with counts of what no histogram can hold.

use hdrhistogram::Histogram;

use crate::counts::rank;
use crate::slowest::Slowest;
use crate::{Provenance, Stage, Way};

/// The longest difference a histogram tells apart: 60 s. A longer one counts as this one, and as
/// saturated.
pub const LONGEST_NS: u64 = 60_000_000_000;

/// Histograms keep this many significant decimal digits: figures are at most 0.1 % too high.
pub const SIGNIFICANT_DIGITS: u8 = 3;

/// The differences of one stage, of one provenance or of several, in nanoseconds.
#[derive(Clone, Debug)]
pub struct StageHistogram {
    histogram: Histogram<u64>,
    negative: u64,
    saturated: u64,
}

impl StageHistogram {
    pub(crate) fn new() -> Self {
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

    /// Adds so many samples of a difference that is at most [`LONGEST_NS`].
    pub(crate) fn add(&mut self, ns: u64, count: u64) {
        self.histogram.saturating_record_n(ns, count);
    }

    /// Counts negative samples, and how many of those that were added had been longer.
    pub(crate) fn add_odd(&mut self, negative: u64, saturated: u64) {
        self.negative = self.negative.saturating_add(negative);
        self.saturated = self.saturated.saturating_add(saturated);
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty() && self.negative == 0
    }

    /// Adds all that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        if !other.histogram.is_empty() {
            self.histogram
                .add(&other.histogram)
                .expect("all histograms have the same bounds");
        }
        self.add_odd(other.negative, other.saturated);
    }

    /// The value that all samples but one in so many do not exceed, such as p99.9 with 1,000; `None`
    /// if there are fewer samples, so that none lies beyond it.
    #[must_use]
    pub fn percentile(&self, one_in: u64) -> Option<u64> {
        let samples = self.histogram.len();
        // The middle of a rank, so that no rounding leads to another.
        let quantile = |rank| (rank as f64 - 0.5) / samples as f64;
        rank(samples, one_in).map(|rank| self.histogram.value_at_quantile(quantile(rank)))
    }

    fn clear(&mut self) {
        if !self.histogram.is_empty() {
            // Not `clear`, which keeps the longest and the shortest.
            self.histogram.reset();
        }
        self.negative = 0;
        self.saturated = 0;
    }
}

/// One for each stage and provenance that there is.
pub(crate) type Parts<T> = [[Option<T>; Provenance::ALL.len()]; Stage::ALL.len()];

/// Those of the stages in `list`: one for each of [`Stage::provenances`].
pub(crate) fn parts<T>(list: &[Stage], new: impl Fn() -> T) -> Parts<T> {
    Stage::ALL.map(|stage| {
        Provenance::ALL.map(|provenance| {
            let is_there = list.contains(&stage) && stage.provenances().contains(&provenance);
            is_there.then(&new)
        })
    })
}

/// One for each stage that a group of instruments has.
pub(crate) type OfGroup<T> = [T; Stage::ALL.len()];

/// Those of [`Stage::has_groups`].
pub(crate) fn of_group<T>(new: impl Fn() -> T) -> OfGroup<Option<T>> {
    Stage::ALL.map(|stage| stage.has_groups().then(&new))
}

/// Histograms of some or all stages, one for each provenance, those of groups of instruments, and
/// the slowest ticks. One histogram takes about 220 KiB, all of it allocated and touched when it is
/// made.
#[derive(Clone, Debug)]
pub struct Histograms {
    pub(crate) parts: Parts<StageHistogram>,
    pub(crate) groups: Vec<OfGroup<Option<StageHistogram>>>,
    pub(crate) slowest: Slowest,
}

impl Histograms {
    /// Makes the empty histograms of each stage in `list`: one for each of
    /// [`Stage::provenances`].
    pub fn new(list: &[Stage]) -> Self {
        Histograms {
            parts: parts(list, StageHistogram::new),
            groups: Vec::new(),
            slowest: Slowest::default(),
        }
    }

    /// The histogram of `stage` of what `provenance` brought; `None` when there is none.
    pub fn part(&self, stage: Stage, provenance: Provenance) -> Option<&StageHistogram> {
        self.parts[stage.index()][provenance.index()].as_ref()
    }

    /// The parts of `stage` that have a histogram.
    pub fn parts(&self, stage: Stage) -> impl Iterator<Item = (Provenance, &StageHistogram)> {
        Provenance::ALL
            .into_iter()
            .zip(&self.parts[stage.index()])
            .filter_map(|(provenance, part)| part.as_ref().map(|part| (provenance, part)))
    }

    /// All ticks of `stage`: its parts together, but for rows of snapshots
    /// ([`Provenance::is_summed`]). `None` when the stage has no histogram.
    pub fn sum(&self, stage: Stage) -> Option<StageHistogram> {
        let mut parts = self.parts(stage).filter(|(of, _)| of.is_summed());
        let mut sum = parts.next()?.1.clone();
        parts.for_each(|(_, part)| sum.merge(part));
        Some(sum)
    }

    /// The histograms of `stage` of each group of instruments, in the order of the groups; none
    /// when no groups are told apart, or the stage [has none](Stage::has_groups).
    pub fn groups(&self, stage: Stage) -> impl Iterator<Item = &StageHistogram> {
        let groups = self.groups.iter();
        groups.filter_map(move |of_group| of_group[stage.index()].as_ref())
    }

    /// Makes those histograms of so many groups that are not there yet.
    pub fn make_groups(&mut self, groups: usize) {
        while self.groups.len() < groups {
            self.groups.push(of_group(StageHistogram::new));
        }
    }

    /// The stages that have histograms, in the order a tick passes them.
    pub fn stages(&self) -> impl Iterator<Item = Stage> {
        let has = |stage: &Stage| self.parts(*stage).next().is_some();
        Stage::ALL.into_iter().filter(has)
    }

    /// The slowest ticks by [`Way::total_ns`], the slowest first: at most
    /// [`EXEMPLARS`](crate::EXEMPLARS), and of ticks that came together the one that was due first.
    pub fn slowest(&self) -> Vec<Way> {
        let mut ways = self.slowest.ways().to_vec();
        ways.sort_by_key(|way| std::cmp::Reverse(way.total_ns()));
        ways
    }

    /// Adds all that `other` holds. A histogram that is not here is made.
    pub fn merge(&mut self, other: &Histograms) {
        let (mine, theirs) = (self.parts.as_flattened_mut(), other.parts.as_flattened());
        for (mine, theirs) in mine.iter_mut().zip(theirs) {
            if let Some(theirs) = theirs {
                mine.get_or_insert_with(StageHistogram::new).merge(theirs);
            }
        }
        self.make_groups(other.groups.len());
        let mine = self.groups.as_flattened_mut().iter_mut();
        for (mine, theirs) in mine.zip(other.groups.as_flattened()) {
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                mine.merge(theirs);
            }
        }
        self.slowest.merge(&other.slowest);
    }

    /// Empties everything.
    pub fn clear(&mut self) {
        let parts = self.parts.as_flattened_mut();
        let groups = self.groups.as_flattened_mut();
        let all = parts.iter_mut().chain(groups).flatten();
        all.for_each(StageHistogram::clear);
        self.slowest.clear();
    }
}
