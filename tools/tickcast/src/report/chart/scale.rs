//! Scales: from values to places on an axis, and the marks on it.

use super::super::units;

/// What an axis shows. Places on it go from 0 to 1; values beyond its ends are at its ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Times in ns from 0 to this.
    Linear(f64),
    /// Times in ns from the first to the second, a decade as long as every other.
    Log(f64, f64),
    /// Shares of samples from 0 to all but one in 10 to the power of this, a nine as long as every
    /// other: the axis of HdrHistogram's plotter.
    Nines(f64),
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where, from 0 to 1.
    pub at: f64,
    /// What stands there; nothing at a lesser mark.
    pub label: Option<String>,
}

impl Scale {
    /// A logarithmic scale over these times, from and to a round one.
    pub fn log(times: impl Iterator<Item = u64>) -> Scale {
        let (low, high) = times.fold((u64::MAX, 1), |(low, high), ns| {
            (low.min(ns.max(1)), high.max(ns))
        });
        let low = round_below(low.min(high) as f64);
        Scale::Log(low, round_above(high as f64).max(low * 10.0))
    }

    /// A linear scale from 0 over these times.
    pub fn linear(times: impl Iterator<Item = f64>) -> Scale {
        Scale::Linear(times.filter(|ns| ns.is_finite()).fold(1.0, f64::max))
    }

    /// A scale of nines on which this many samples have their place.
    pub fn nines(samples: u64) -> Scale {
        Scale::Nines((samples as f64).log10().max(2.0))
    }

    /// The place of a value: a time in ns, or a share from 0 to 1.
    pub fn at(self, value: f64) -> f64 {
        let place = match self {
            Scale::Linear(high) => value / high,
            Scale::Log(low, high) => (value.max(low) / low).ln() / (high / low).ln(),
            Scale::Nines(last) => -(1.0 - value).max(0.0).log10() / last,
        };
        // Not -0, which would be seen.
        place.clamp(0.0, 1.0) + 0.0
    }

    /// The share of samples at a place of [`Scale::Nines`].
    pub fn share_at(last: f64, place: f64) -> f64 {
        1.0 - 10f64.powf(-place * last)
    }

    /// The marks, with at most so many labels.
    pub fn marks(self, labels: usize) -> Vec<Mark> {
        match self {
            Scale::Linear(high) => linear_marks(self, high, labels),
            Scale::Log(low, high) => log_marks(self, low, high, labels),
            Scale::Nines(last) => nines_marks(self, last, labels),
        }
    }
}

fn linear_marks(scale: Scale, high: f64, labels: usize) -> Vec<Mark> {
    let step = round_above(high / labels.max(1) as f64);
    let marks = (0..=(high / step) as usize).map(|nth| nth as f64 * step);
    marks.map(|ns| mark(scale, ns, true)).collect()
}

/// Every decade, and 2 to 9 of each as lesser marks; where there are few decades 2 and 5 have
/// labels as well.
fn log_marks(scale: Scale, low: f64, high: f64, labels: usize) -> Vec<Mark> {
    let decades = (high / low).log10();
    let every = (decades / labels.max(1) as f64).ceil().max(1.0) as i32;
    let between = decades * 3.0 <= labels as f64;
    let first = low.log10().floor() as i32;
    let mut marks = Vec::new();
    for decade in first..=high.log10().ceil() as i32 {
        for digit in 1..=9 {
            let ns = f64::from(digit) * 10f64.powi(decade);
            // Powers of ten are not exact.
            if ns < low * 0.999 || ns > high * 1.001 {
                continue;
            }
            let labelled = match digit {
                1 => decade.rem_euclid(every) == 0,
                2 | 5 => between,
                _ => false,
            };
            if labelled || every == 1 {
                marks.push(mark(scale, ns, labelled));
            }
        }
    }
    marks
}

/// 0, 50 % and every nine.
fn nines_marks(scale: Scale, last: f64, labels: usize) -> Vec<Mark> {
    let nines = last as i32;
    let every = (f64::from(nines) / labels.saturating_sub(2).max(1) as f64).ceil() as i32;
    let mut marks = vec![share(scale, 0.0, true), share(scale, 0.5, every == 1)];
    for nth in 1..=nines {
        let labelled = (nines - nth) % every.max(1) == 0;
        marks.push(share(scale, 1.0 - 10f64.powi(-nth), labelled));
    }
    marks
}

fn mark(scale: Scale, ns: f64, labelled: bool) -> Mark {
    Mark {
        at: scale.at(ns),
        label: labelled.then(|| units::mark(ns)),
    }
}

fn share(scale: Scale, share: f64, labelled: bool) -> Mark {
    Mark {
        at: scale.at(share),
        label: labelled.then(|| units::percent(share * 100.0)),
    }
}

/// The largest of 1, 2 and 5 times a power of ten that is at most `value`.
fn round_below(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let steps = [5.0, 2.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step <= value)
        .unwrap_or(power)
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `value`.
fn round_above(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    /// The labels and where they stand, in hundredths; lesser marks as dots.
    fn shown(scale: Scale, labels: usize) -> String {
        let marks = scale.marks(labels).into_iter();
        let marks = marks.map(|mark| match mark.label {
            Some(label) => format!(" {label} @{:.0} ", mark.at * 100.0),
            None => ".".into(),
        });
        marks.collect::<String>().trim().replace("  ", ", ")
    }

    #[test]
    fn logarithmic_axes_have_round_marks() {
        assert_snapshot!(shown(Scale::log([1_700, 8_200_000].into_iter()), 11), @"1 µs @0 ........ 10 µs @25 ........ 100 µs @50 ........ 1 ms @75 ........ 10 ms @100");
        assert_snapshot!(shown(Scale::log([2_100, 9_000].into_iter()), 11), @"2 µs @0 .. 5 µs @40 .... 10 µs @70, 20 µs @100");
        assert_snapshot!(shown(Scale::log([1, 60_000_000_000].into_iter()), 5), @"1 ns @0, 1 µs @27, 1 ms @55, 1 s @82");
    }

    #[test]
    fn nines_are_equally_far_apart() {
        assert_snapshot!(shown(Scale::nines(200_000), 12), @"0 % @0, 50 % @6, 90 % @19, 99 % @38, 99.9 % @57, 99.99 % @75, 99.999 % @94");
        assert_snapshot!(shown(Scale::nines(200_000), 5), @"0 % @0 . 90 % @19 . 99.9 % @57 . 99.999 % @94");
        assert_snapshot!(shown(Scale::nines(0), 5), @"0 % @0, 50 % @15, 90 % @50, 99 % @100");
    }

    #[test]
    fn linear_axes_begin_with_nothing() {
        assert_snapshot!(shown(Scale::Linear(10e9), 12), @"0 @0, 1 s @10, 2 s @20, 3 s @30, 4 s @40, 5 s @50, 6 s @60, 7 s @70, 8 s @80, 9 s @90, 10 s @100");
        assert_snapshot!(shown(Scale::Linear(8_196.0), 7), @"0 @0, 2 µs @24, 4 µs @49, 6 µs @73, 8 µs @98");
    }

    #[test]
    fn values_beyond_the_ends_are_at_the_ends() {
        for scale in [
            Scale::Linear(10.0),
            Scale::Log(10.0, 100.0),
            Scale::Nines(3.0),
        ] {
            assert_eq!(
                (scale.at(-1.0), scale.at(0.0), scale.at(1e30)),
                (0.0, 0.0, 1.0)
            );
        }
    }
}
