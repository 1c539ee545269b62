//! Figures of differences.

use hdrhistogram::Histogram;
use tickcast_latency::{Figures, LONGEST_NS, Percentile, Point, SIGNIFICANT_DIGITS};

/// The percentiles of a report, each as a quantile too, and how many samples it needs so that one
/// lies beyond it.
const PERCENTS: [(f64, f64, u64); 6] = [
    (50.0, 0.5, 2),
    (90.0, 0.9, 10),
    (99.0, 0.99, 100),
    (99.9, 0.999, 1_000),
    (99.99, 0.9999, 10_000),
    (99.999, 0.99999, 100_000),
];

/// Points of a curve each time that what is left of the samples is halved.
const CURVE_STEPS: u32 = 5;

/// An empty histogram of ns, as those of stages are.
pub fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(
        1,
        LONGEST_NS,
        SIGNIFICANT_DIGITS,
    )?)
}

/// The figures of what a histogram holds.
pub fn figures(of: &str, histogram: &Histogram<u64>, saturated: u64) -> Figures {
    let samples = histogram.len();
    let percentiles = PERCENTS.map(|(percent, quantile, least)| Percentile {
        percent,
        ns: (samples >= least).then(|| histogram.value_at_quantile(quantile)),
        error_ns: None,
    });
    let mut curve: Vec<Point> = Vec::new();
    for step in histogram.iter_quantiles(CURVE_STEPS) {
        let (quantile, ns) = (step.quantile(), step.value_iterated_to());
        // Few samples make many steps of the same value.
        if curve.last().is_none_or(|last| quantile > last.quantile) {
            let count = histogram.count_between(0, ns);
            curve.push(Point {
                quantile,
                ns,
                count,
            });
        }
    }
    Figures {
        of: of.into(),
        samples,
        negative: 0,
        saturated,
        mean_ns: (samples > 0).then(|| histogram.mean()),
        percentiles: percentiles.to_vec(),
        max_ns: (samples > 0).then(|| histogram.max()),
        curve,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_rises_to_the_last_sample() {
        let mut samples = histogram().unwrap();
        (1..=1_000).for_each(|ns| samples.saturating_record(ns));
        let figures = figures("all", &samples, 0);
        let is_rising =
            |pair: &[Point]| pair[0].quantile < pair[1].quantile && pair[0].ns < pair[1].ns;
        assert!(figures.curve.windows(2).all(is_rising));
        let last = figures.curve.last().unwrap();
        assert_eq!((last.quantile, last.ns, last.count), (1.0, 1_000, 1_000));
        assert_eq!(figures.percentiles[2].ns, Some(990));
    }

    #[test]
    fn without_samples_there_are_no_figures() {
        let figures = figures("A", &histogram().unwrap(), 0);
        assert!(figures.curve.is_empty());
        assert_eq!(
            (figures.samples, figures.max_ns, figures.mean_ns),
            (0, None, None)
        );
        assert!(
            figures
                .percentiles
                .iter()
                .all(|percentile| percentile.ns.is_none())
        );
    }
}
