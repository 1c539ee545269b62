//! Percentiles for people (a table) and for programs (serde).

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{Histograms, LONGEST_NS, Provenance, Stage, StageHistogram};

/// Percentiles of every stage that has histograms.
///
/// Displays as a table: a row for each stage, and for the parts of `total` when there are several.
/// Serialises as a map from [`Stage::name`] to [`StageRows`].
///
/// A percentile is given only when at least one sample lies beyond it: p50 from 2 samples on, p90
/// from 10, p99 from 100, p99.9 from 1,000, and so on. Otherwise it is a dash, or null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    stages: Vec<(Stage, StageRows)>,
}

/// The figures of one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageRows {
    /// Of all ticks.
    #[serde(flatten)]
    pub all: Row,
    /// Of what each provenance brought, when it brought any, by [`Provenance::name`].
    #[serde(serialize_with = "by_name")]
    pub by_provenance: Vec<(Provenance, Row)>,
}

/// The figures of one stage, in nanoseconds, rounded up by at most 0.1 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Samples in the percentiles: every one that is not negative, saturated ones included.
    pub samples: u64,
    /// Half of the samples took at most this long.
    pub p50: Option<u64>,
    /// 90 % of the samples took at most this long.
    pub p90: Option<u64>,
    /// 99 % of the samples took at most this long.
    pub p99: Option<u64>,
    /// 99.9 % of the samples took at most this long.
    pub p99_9: Option<u64>,
    /// 99.99 % of the samples took at most this long.
    pub p99_99: Option<u64>,
    /// 99.999 % of the samples took at most this long.
    pub p99_999: Option<u64>,
    /// The longest sample; `None` without samples.
    pub max: Option<u64>,
    /// Samples that ended before they started, by clocks that disagree. In no figure above.
    pub negative: u64,
    /// Samples longer than [`LONGEST_NS`], which count as [`LONGEST_NS`] above.
    pub saturated: u64,
}

impl Report {
    /// Takes the figures of `histograms`.
    pub fn new(histograms: &Histograms) -> Self {
        let stages = histograms
            .stages()
            .filter_map(|stage| Some((stage, StageRows::new(stage, histograms)?)))
            .collect();
        Report { stages }
    }

    /// The figures of each stage, in the order a tick passes them.
    pub fn stages(&self) -> &[(Stage, StageRows)] {
        &self.stages
    }

    /// The figures of all ticks of `stage`; `None` when it has no histogram.
    pub fn row(&self, stage: Stage) -> Option<&Row> {
        let mut stages = self.stages.iter();
        stages
            .find(|(of, _)| *of == stage)
            .map(|(_, rows)| &rows.all)
    }
}

impl StageRows {
    fn new(stage: Stage, histograms: &Histograms) -> Option<Self> {
        Some(StageRows {
            all: Row::new(&histograms.sum(stage)?),
            by_provenance: histograms
                .parts(stage)
                .filter(|(_, part)| !part.is_empty())
                .map(|(of, part)| (of, Row::new(part)))
                .collect(),
        })
    }

    /// Whether the parts say more than the sum does.
    fn are_several(&self) -> bool {
        match &*self.by_provenance {
            [] => false,
            [(only, _)] => !only.is_summed(),
            _ => true,
        }
    }
}

impl Row {
    fn new(counts: &StageHistogram) -> Self {
        let histogram = counts.histogram();
        let samples = histogram.len();
        Row {
            samples,
            p50: counts.percentile(2),
            p90: counts.percentile(10),
            p99: counts.percentile(100),
            p99_9: counts.percentile(1_000),
            p99_99: counts.percentile(10_000),
            p99_999: counts.percentile(100_000),
            max: (samples > 0).then(|| histogram.max()),
            negative: counts.negative(),
            saturated: counts.saturated(),
        }
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.stages.iter().map(|(stage, rows)| (stage.name(), rows)))
    }
}

fn by_name<S: Serializer>(rows: &[(Provenance, Row)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(rows.iter().map(|(of, row)| (of.name(), row)))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<13}{:>14}", "stage", "samples")?;
        for title in ["p50", "p90", "p99", "p99.9", "p99.99", "p99.999", "max"] {
            write!(f, "{title:>10}")?;
        }
        for (stage, rows) in &self.stages {
            rows.all.write_line(f, stage.name())?;
            if *stage == Stage::Total && rows.are_several() {
                for (provenance, row) in &rows.by_provenance {
                    row.write_line(f, &format!("  {provenance}"))?;
                }
            }
        }
        self.stages
            .iter()
            .try_for_each(|(stage, rows)| rows.all.write_notes(f, *stage))
    }
}

impl Row {
    fn write_line(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        write!(f, "\n{name:<13}{:>14}", grouped(self.samples))?;
        let percentiles = [self.p50, self.p90, self.p99, self.p99_9, self.p99_99];
        for ns in percentiles.into_iter().chain([self.p99_999, self.max]) {
            write!(f, "{:>10}", ns.map_or_else(|| "-".to_owned(), duration))?;
        }
        Ok(())
    }

    /// What a reader must know of the samples that are in no percentile, or not as they are.
    fn write_notes(&self, f: &mut fmt::Formatter<'_>, stage: Stage) -> fmt::Result {
        if self.negative > 0 {
            let count = grouped(self.negative);
            write!(
                f,
                "\n{stage}: {count} negative, in no percentile: two clocks disagree"
            )?;
        }
        if self.saturated > 0 {
            let (count, longest) = (grouped(self.saturated), duration(LONGEST_NS));
            write!(f, "\n{stage}: {count} over {longest}, counted as {longest}")?;
        }
        Ok(())
    }
}

/// A time with three significant digits, in the largest unit that leaves it at least 1: `8.28 µs`.
#[must_use]
pub fn duration(ns: u64) -> String {
    let ns = ns as f64;
    let (value, unit) = match ns {
        ..999.5 => return format!("{ns} ns"),
        ..999_500.0 => (ns / 1e3, "µs"),
        ..999_500_000.0 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// A value of at least 1 with three significant digits, more only before the point: `8.28`, `1234`.
#[must_use]
pub fn three_digits(value: f64) -> String {
    let decimals = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// A count with a comma before every three digits: `1,234,567`.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{duration, grouped};

    #[test]
    fn times_have_three_digits() {
        let shown = [
            0, 999, 1_000, 8_285, 9_994, 9_996, 99_940, 99_960, 123_456, 999_600, 1_234_567,
        ]
        .map(duration);
        let expected = [
            "0 ns", "999 ns", "1.00 µs", "8.29 µs", "9.99 µs", "10.0 µs", "99.9 µs", "100 µs",
            "123 µs", "1.00 ms", "1.23 ms",
        ];
        assert_eq!(shown, expected);
        assert_eq!(duration(60_000_000_000), "60.0 s");
        assert_eq!(duration(3_600_000_000_000), "3600 s");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
