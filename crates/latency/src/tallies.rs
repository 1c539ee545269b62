//! What a measuring thread records into: bare counters, at the places that an HdrHistogram has for
//! its values. Whoever reads them makes histograms of them, and empties them.

use std::fmt::Display;
use std::mem::take;

use crate::histograms::{OfGroup, of_group, parts};
use crate::slowest::Slowest;
use crate::{Histograms, LONGEST_NS, Provenance, Stage, StageHistogram, Way};

/// Three significant digits need 2,000 values told apart: a value of more than 11 bits counts with
/// its first 11, so that each doubling has 2^10 counters.
const DOUBLING_BITS: u32 = 10;
/// The place of the longest. Its counter lies apart, so that whatever has none of the others is
/// looked at more closely.
const LAST: usize = place(LONGEST_NS);

/// The counter of a difference.
#[inline]
const fn place(ns: u64) -> usize {
    let left_out = (ns | 1 << DOUBLING_BITS).ilog2() - DOUBLING_BITS;
    ((left_out << DOUBLING_BITS) as u64 + (ns >> left_out)) as usize
}

/// The least difference of those that this counter counts.
const fn least_at(place: usize) -> u64 {
    let left_out = (place >> DOUBLING_BITS).saturating_sub(1);
    ((place - (left_out << DOUBLING_BITS)) as u64) << left_out
}

/// Counters of one stage and provenance.
#[derive(Debug, Default)]
struct Tally {
    /// Of all places before the last; none when nothing is to be recorded here.
    counts: Box<[u64]>,
    last: u64,
    negative: u64,
    saturated: u64,
}

impl Tally {
    fn new() -> Tally {
        let mut counts = vec![0; LAST].into_boxed_slice();
        // Writes every counter, so that recording never meets a page for the first time: what the
        // compiler can see to be zero it would not write.
        std::hint::black_box(&mut counts).fill(0);
        Tally {
            counts,
            ..Tally::default()
        }
    }

    /// Records; false if nothing is to be recorded here.
    #[inline]
    fn record(&mut self, from_ns: u64, to_ns: u64, count: u64) -> bool {
        // A negative one wraps to what is longer than any.
        match self.counts.get_mut(place(to_ns.wrapping_sub(from_ns))) {
            Some(counter) => {
                *counter += count;
                true
            }
            None => self.record_odd(to_ns.checked_sub(from_ns), count),
        }
    }

    /// What has none of the many counters.
    #[cold]
    fn record_odd(&mut self, ns: Option<u64>, count: u64) -> bool {
        match ns {
            None => self.negative += count,
            Some(ns) => {
                self.last += count;
                self.saturated += if ns > LONGEST_NS { count } else { 0 };
            }
        }
        !self.counts.is_empty()
    }

    /// Empties it into a histogram.
    fn move_to(&mut self, histogram: &mut StageHistogram) {
        for (place, count) in self.counts.iter_mut().enumerate() {
            if *count > 0 {
                histogram.add(least_at(place), take(count));
            }
        }
        if self.last > 0 {
            histogram.add(LONGEST_NS, take(&mut self.last));
        }
        histogram.add_odd(take(&mut self.negative), take(&mut self.saturated));
    }
}

/// Counters of some or all stages, one set for each provenance, those of groups of instruments, and
/// the slowest ticks.
#[derive(Debug)]
pub(crate) struct Tallies {
    parts: [[Tally; Provenance::ALL.len()]; Stage::ALL.len()],
    groups: Box<[OfGroup<Tally>]>,
    slowest: Slowest,
}

impl Tallies {
    /// Empty ones of each stage in `list`, and of so many groups.
    pub(crate) fn new(list: &[Stage], groups: usize) -> Tallies {
        let new_group = || of_group(Tally::new).map(Option::unwrap_or_default);
        Tallies {
            parts: parts(list, Tally::new).map(|of_stage| of_stage.map(Option::unwrap_or_default)),
            groups: std::iter::repeat_with(new_group).take(groups).collect(),
            slowest: Slowest::default(),
        }
    }

    #[inline]
    pub(crate) fn record(
        &mut self,
        (stage, provenance): (Stage, Provenance),
        from_ns: u64,
        to_ns: u64,
        count: u64,
    ) {
        let tally = &mut self.parts[stage.index()][provenance.index()];
        if !tally.record(from_ns, to_ns, count) {
            refuse(stage, provenance);
        }
    }

    pub(crate) fn record_group(
        &mut self,
        (stage, group): (Stage, usize),
        from_ns: u64,
        to_ns: u64,
        count: u64,
    ) {
        let tally = &mut self.groups[group][stage.index()];
        if !tally.record(from_ns, to_ns, count) {
            refuse(stage, group);
        }
    }

    #[inline]
    pub(crate) fn is_among_slowest(&self, total_ns: u64) -> bool {
        self.slowest.is_among(total_ns)
    }

    pub(crate) fn keep(&mut self, way: &Way) {
        self.slowest.keep(way);
    }

    /// Adds all of this to histograms, and is empty then.
    pub(crate) fn move_to(&mut self, histograms: &mut Histograms) {
        let mine = self.parts.as_flattened_mut().iter_mut();
        let both = mine.zip(histograms.parts.as_flattened_mut());
        for (mine, theirs) in both.filter(|(mine, _)| !mine.counts.is_empty()) {
            mine.move_to(theirs.get_or_insert_with(StageHistogram::new));
        }
        histograms.make_groups(self.groups.len());
        let mine = self.groups.as_flattened_mut().iter_mut();
        let both = mine.zip(histograms.groups.as_flattened_mut());
        for (mine, theirs) in both {
            if let Some(theirs) = theirs {
                mine.move_to(theirs);
            }
        }
        histograms.slowest.merge(&self.slowest);
        self.slowest.clear();
    }
}

#[cold]
fn refuse(stage: Stage, of: impl Display) -> ! {
    panic!("{stage} of {of} is not what this recorder was made for");
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    use super::*;

    /// A difference of any size, small ones as often as large ones, and some about the longest.
    fn differences() -> impl Strategy<Value = u64> {
        const ABOUT: u64 = 200_000_000;
        prop_oneof![
            3 => (any::<u64>(), 0..64).prop_map(|(ns, shift)| ns >> shift),
            1 => LONGEST_NS - ABOUT..LONGEST_NS + ABOUT,
        ]
    }

    proptest! {
        /// To the last count what HdrHistogram makes of the same differences.
        #[test]
        fn nothing_tells_it_from_a_histogram(
            samples in prop::collection::vec((differences(), 1..100u64), 1..200)
        ) {
            let mut expected = Histogram::new_with_bounds(1, LONGEST_NS, 3).unwrap();
            let (mut tally, mut histogram) = (Tally::new(), StageHistogram::new());
            for &(ns, count) in &samples {
                prop_assert!(tally.record(7, ns.saturating_add(7), count));
                expected.record_n(ns.min(LONGEST_NS), count).unwrap();
            }
            tally.move_to(&mut histogram);
            prop_assert_eq!(histogram.histogram(), &expected);
            let saturated = samples.iter().filter(|(ns, _)| *ns > LONGEST_NS);
            prop_assert_eq!(histogram.saturated(), saturated.map(|(_, count)| count).sum::<u64>());
            let mut again = StageHistogram::new();
            tally.move_to(&mut again);
            prop_assert!(again.is_empty() && again.saturated() == 0);
        }

        #[test]
        fn a_counter_is_found_by_its_least_difference(ns in 0..=LONGEST_NS) {
            let least = least_at(place(ns));
            prop_assert!(least <= ns && place(least) == place(ns));
            prop_assert!(least == 0 || place(least - 1) + 1 == place(ns));
        }
    }
}
