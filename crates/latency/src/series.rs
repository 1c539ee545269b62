//! The samples of one kind, window by window.

use crate::bootstrap::errors;
use crate::counts::{Counts, Samples};
use crate::{Figures, Percentile, Point, StageHistogram};

/// Windows that are kept; with more, two neighbours each become one.
pub const WINDOWS_KEPT: usize = 600;

/// The percentiles of [`Figures`], and how many samples each needs: one lies beyond it then.
pub const PERCENTILES: [(f64, u64); 6] = [
    (50.0, 2),
    (90.0, 10),
    (99.0, 100),
    (99.9, 1_000),
    (99.99, 10_000),
    (99.999, 100_000),
];

/// Points of a curve for each halving of the distance to 100 %.
const POINTS_A_HALVING: f64 = 8.0;
/// A curve has at most so many points: enough for 10^11 samples.
pub const CURVE_POINTS: usize = 300;

/// The samples of one stage and provenance, or of another program's tag, window by window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    windows: Folding<Counts>,
    negative: u64,
    saturated: u64,
    /// The sum of all samples.
    sum_ns: f64,
}

impl Series {
    /// A series without windows.
    #[must_use]
    pub fn new() -> Series {
        Series::default()
    }

    /// Adds a window, with samples or without.
    pub fn add(&mut self, window: &StageHistogram) {
        self.push(Samples::of(window));
    }

    pub(crate) fn push(&mut self, window: Samples) {
        self.sum_ns += window.sum_ns;
        self.negative = self.negative.saturating_add(window.negative);
        self.saturated = self.saturated.saturating_add(window.saturated);
        self.windows.push(window.counts);
    }

    /// Whether nothing was added but windows without samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let mut windows = self.windows.items().iter();
        self.negative == 0 && windows.all(|window| window.values().is_empty())
    }

    /// How many windows there are: those added, or fewer when there were more than
    /// [`WINDOWS_KEPT`].
    #[must_use]
    pub fn window_count(&self) -> usize {
        self.windows.items().len()
    }

    /// Different values, each window's by themselves: what its memory grows with.
    pub(crate) fn value_count(&self) -> usize {
        let windows = self.windows.items().iter();
        windows.map(|window| window.values().len()).sum()
    }

    /// All windows as one.
    pub(crate) fn samples(&self) -> Samples {
        Samples {
            counts: self.all(),
            sum_ns: self.sum_ns,
            negative: self.negative,
            saturated: self.saturated,
        }
    }

    pub(crate) fn negative(&self) -> u64 {
        self.negative
    }

    pub(crate) fn saturated(&self) -> u64 {
        self.saturated
    }

    pub(crate) fn windows(&self) -> &[Counts] {
        self.windows.items()
    }

    /// Their figures, said to be `of` something. Standard errors are there from
    /// [`MIN_WINDOWS`](crate::MIN_WINDOWS) windows on.
    #[must_use]
    pub fn figures(&self, of: &str) -> Figures {
        let all = self.all();
        let samples = all.len();
        let given = PERCENTILES.iter().filter(|(_, one_in)| samples >= *one_in);
        let given: Vec<u64> = given.map(|(_, one_in)| *one_in).collect();
        let errors = errors(&all, self.windows(), &given).unwrap_or_default();
        let percentiles = PERCENTILES.iter().enumerate();
        let percentiles = percentiles.map(|(nth, &(percent, one_in))| Percentile {
            percent,
            ns: all.percentile(one_in),
            error_ns: errors.get(nth).copied(),
            ..Percentile::default()
        });
        Figures {
            of: of.to_owned(),
            samples,
            negative: self.negative,
            saturated: self.saturated,
            mean_ns: (samples > 0).then(|| self.sum_ns / samples as f64),
            percentiles: percentiles.collect(),
            max_ns: all.max(),
            curve: curve(&all),
        }
    }

    /// All windows together.
    pub(crate) fn all(&self) -> Counts {
        Counts::sum(self.windows())
    }
}

/// The curve of these samples: finer the nearer to 100 %, as the tail is what one looks at.
fn curve(all: &Counts) -> Vec<Point> {
    let samples = all.len();
    let step = |quantile: f64| (-(1.0 - quantile).log2() * POINTS_A_HALVING) as u64;
    let (mut points, mut count, mut next_step) = (Vec::<Point>::new(), 0, 0);
    for &(ns, here) in all.values() {
        count += here;
        let quantile = count as f64 / samples as f64;
        let is_last = count == samples;
        if step(quantile) < next_step && !is_last {
            continue;
        }
        next_step = step(quantile).saturating_add(1);
        let point = Point {
            quantile,
            ns,
            count,
        };
        points.truncate(CURVE_POINTS - 1);
        points.push(point);
    }
    points
}

/// What can be put together with its neighbour.
pub(crate) trait Join {
    fn join(&mut self, later: Self);
}

impl Join for Counts {
    fn join(&mut self, later: Counts) {
        self.add(&later);
    }
}

/// A list of bounded length: when it would become longer, two neighbours each become one, as do all
/// that come later.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Folding<T> {
    items: Vec<T>,
    /// So many are in each item, but perhaps the last.
    each: u64,
    in_last: u64,
}

impl<T> Default for Folding<T> {
    fn default() -> Self {
        Folding {
            items: Vec::new(),
            each: 1,
            in_last: 1,
        }
    }
}

impl<T: Join> Folding<T> {
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    pub(crate) fn push(&mut self, item: T) {
        if self.in_last < self.each
            && let Some(last) = self.items.last_mut()
        {
            last.join(item);
            self.in_last += 1;
            return;
        }
        if self.items.len() == WINDOWS_KEPT {
            self.fold();
        }
        self.items.push(item);
        self.in_last = 1;
    }

    fn fold(&mut self) {
        let mut folded = Vec::with_capacity(WINDOWS_KEPT);
        let mut items = self.items.drain(..);
        while let Some(mut first) = items.next() {
            if let Some(second) = items.next() {
                first.join(second);
            }
            folded.push(first);
        }
        drop(items);
        self.items = folded;
        self.each *= 2;
    }
}
