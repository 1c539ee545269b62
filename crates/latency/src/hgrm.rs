//! The percentile distribution of HdrHistogram: a text that its plotter draws.

use std::io::{self, BufRead, Read, Write};

use hdrhistogram::Histogram;

use crate::series::PERCENTILES;
use crate::{Figures, Percentile, Point, RUN_VERSION, Run, StageFigures, StageHistogram};

/// Rows for each halving of the distance to 100 %.
const ROWS_A_HALVING: u32 = 5;
/// Values are written in microseconds, with three decimals: no digit is lost.
const UNIT_NS: f64 = 1e3;
/// What tells ours from those of others, whose unit nobody knows.
const OURS: &str = "#[tickcast: values in \u{b5}s]";

/// A longer line, or a text of more lines, is nobody's distribution.
const MAX_LINE_BYTES: u64 = 1_024;
const MAX_LINES: u64 = 100_000;
/// Larger numbers than these are not read: as many as a floating-point number counts exactly.
const MAX_NUMBER: f64 = (1_u64 << 53) as f64;

/// Writes the distribution of these samples as HdrHistogram's own tools do, values in microseconds.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_hgrm(mut out: impl Write, samples: &StageHistogram) -> io::Result<()> {
    let histogram = samples.histogram();
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut count = 0;
    for row in histogram.iter_quantiles(ROWS_A_HALVING) {
        count += row.count_since_last_iteration();
        let (value, quantile) = (
            us(row.value_iterated_to() as f64),
            row.quantile_iterated_to(),
        );
        write!(out, "{value:12.3} {quantile:2.12} {count:10}")?;
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    let (mean, deviation) = (us(histogram.mean()), us(histogram.stdev()));
    writeln!(
        out,
        "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]"
    )?;
    let (max, total) = (us(histogram.max() as f64), histogram.len());
    writeln!(out, "#[Max     = {max:12.3}, Total count    = {total:12}]")?;
    let (buckets, sub_buckets) = (histogram.buckets(), sub_buckets(histogram));
    writeln!(
        out,
        "#[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]"
    )?;
    writeln!(out, "{OURS}")?;
    out.flush()
}

fn us(ns: f64) -> f64 {
    ns / UNIT_NS
}

/// So many values are told apart in the first bucket.
fn sub_buckets(histogram: &Histogram<u64>) -> u64 {
    (2 * 10_u64.pow(u32::from(histogram.sigfig()))).next_power_of_two()
}

/// Why a distribution is not read.
#[derive(Debug, thiserror::Error)]
pub enum HgrmReadError {
    /// The file cannot be read.
    #[error("cannot read the percentile distribution: {0}")]
    Io(#[from] io::Error),
    /// It has no rows, or is something else.
    #[error("this is no percentile distribution of HdrHistogram")]
    NotADistribution,
    /// A row is damaged.
    #[error("line {line} of the percentile distribution is no row of it")]
    Row {
        /// Its number, from 1.
        line: u64,
    },
    /// Its values, percentiles or counts do not rise.
    #[error("line {line} of the percentile distribution does not go on from the one before")]
    Order {
        /// Its number, from 1.
        line: u64,
    },
    /// It ends before 100 %.
    #[error("the percentile distribution ends at {percent} %: it was cut off")]
    Cut {
        /// How far it goes.
        percent: f64,
    },
}

/// Reads a distribution as a run that is to be called so: it has one stage, `total`, with what the
/// text has: a curve, and those percentiles that it names.
///
/// # Errors
/// [`HgrmReadError`].
pub fn read_hgrm(mut input: impl BufRead, name: &str) -> Result<Run, HgrmReadError> {
    let (mut points, mut is_ours, mut has_header) = (Vec::<Point>::new(), false, false);
    let mut line = String::new();
    for number in 1..=MAX_LINES {
        line.clear();
        match input.by_ref().take(MAX_LINE_BYTES).read_line(&mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(HgrmReadError::NotADistribution);
            }
            Err(error) => return Err(error.into()),
        }
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            is_ours |= text == OURS;
        } else if !has_header {
            let words: Vec<_> = text.split_whitespace().take(3).collect();
            if words != ["Value", "Percentile", "TotalCount"] {
                return Err(HgrmReadError::NotADistribution);
            }
            has_header = true;
        } else {
            let point = row(text).ok_or(HgrmReadError::Row { line: number })?;
            if points.last().is_some_and(|last| !goes_on(last, &point)) {
                return Err(HgrmReadError::Order { line: number });
            }
            points.push(point);
        }
    }
    let last = points.last().ok_or(HgrmReadError::NotADistribution)?;
    if last.quantile < 1.0 {
        let percent = last.quantile * 100.0;
        return Err(HgrmReadError::Cut { percent });
    }
    Ok(run(name, points, is_ours))
}

fn row(text: &str) -> Option<Point> {
    let mut words = text.split_whitespace();
    let mut number = |most: f64| {
        let number: f64 = words.next()?.parse().ok()?;
        (0.0..=most).contains(&number).then_some(number)
    };
    let (value, quantile, count) = (number(MAX_NUMBER)?, number(1.0)?, number(MAX_NUMBER)?);
    Some(Point {
        quantile,
        ns: (value * UNIT_NS).round() as u64,
        count: count as u64,
    })
}

fn goes_on(last: &Point, next: &Point) -> bool {
    last.quantile <= next.quantile && last.ns <= next.ns && last.count <= next.count
}

fn run(name: &str, points: Vec<Point>, is_ours: bool) -> Run {
    let percentiles = PERCENTILES.map(|(percent, _)| Percentile {
        percent,
        ns: named(&points, percent / 100.0),
        ..Percentile::default()
    });
    let mut statements = Vec::new();
    if !is_ours {
        let unit = "another program wrote this distribution: the unit of its values is not known, \
                    and shown as microseconds";
        statements.push(unit.to_owned());
    }
    let figures = Figures {
        of: "all".to_owned(),
        samples: points.last().map_or(0, |last| last.count),
        max_ns: points.last().map(|last| last.ns),
        percentiles: percentiles.to_vec(),
        curve: points,
        ..Figures::default()
    };
    Run {
        version: RUN_VERSION,
        name: name.to_owned(),
        stages: vec![StageFigures {
            stage: "total".to_owned(),
            parts: vec![figures],
            groups: Vec::new(),
        }],
        statements,
        ..Run::default()
    }
}

/// The value at a quantile, where the rows leave no doubt of it, and a sample lies beyond it.
fn named(points: &[Point], quantile: f64) -> Option<u64> {
    let samples = points.last()?.count as f64;
    if samples * (1.0 - quantile) < 1.0 - 1e-6 {
        return None;
    }
    let place = points.partition_point(|point| point.quantile < quantile - 1e-12);
    let (at, before) = (points.get(place)?, place.checked_sub(1));
    let is_named = (at.quantile - quantile).abs() < 1e-9;
    let is_between = before.is_some_and(|before| points[before].ns == at.ns);
    (is_named || is_between).then_some(at.ns)
}
