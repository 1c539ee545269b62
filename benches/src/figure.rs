//! A figure that `benches/run` finds in a bench's output and puts into `docs/performance.md`.

use std::fmt;

use crate::{control, median, ratio};

/// One row of the table: what we take, what the floor or a peer takes, how they compare.
#[derive(Clone, Debug)]
pub struct Figure<'a> {
    /// What is measured, in a few words: `one way, p50`.
    pub what: &'a str,
    /// Our values, one a turn.
    pub ours: &'a [f64],
    /// The unit of the values: `µs`, `ns a tick`, `M ticks/s`.
    pub unit: &'a str,
    /// The floor or the peer, and its values in the same turns and unit.
    pub against: Option<(&'a str, &'a [f64])>,
    /// What is to be reached.
    pub bound: Option<Bound>,
}

/// What a figure is to reach.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// Our median, in the figure's unit.
    AtMost(f64),
    /// Our median, in the figure's unit.
    AtLeast(f64),
    /// The ratio of ours to the other's.
    RatioAtMost(f64),
    /// The ratio of ours to the other's.
    RatioAtLeast(f64),
}

impl Bound {
    fn is_met(self, ours: f64, ratio: f64) -> bool {
        match self {
            Bound::AtMost(bound) => ours <= bound,
            Bound::AtLeast(bound) => ours >= bound,
            Bound::RatioAtMost(bound) => ratio <= bound,
            Bound::RatioAtLeast(bound) => ratio >= bound,
        }
    }
}

/// `at most 1.10 ×`, or with a unit in place of the sign when it is no ratio.
struct WithUnit<'a>(Bound, &'a str);

impl fmt::Display for WithUnit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WithUnit(bound, unit) = self;
        match bound {
            Bound::AtMost(bound) => write!(f, "at most {bound} {unit}"),
            Bound::AtLeast(bound) => write!(f, "at least {bound} {unit}"),
            Bound::RatioAtMost(bound) => write!(f, "at most {bound:.2} ×"),
            Bound::RatioAtLeast(bound) => write!(f, "at least {bound:.2} ×"),
        }
    }
}

impl Figure<'_> {
    /// Prints the figure on a line of its own, as [`Display`](fmt::Display) writes it.
    pub fn print(&self) {
        println!("{self}");
    }
}

/// `figure | what | ours | against | theirs | ratio | A/A | bound | met`, empty where there is
/// nothing to say.
impl fmt::Display for Figure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, unit, ours) = (self.what, self.unit, median(self.ours));
        write!(f, "figure | {what} | {} {unit} |", Digits(ours))?;
        let mut times = f64::NAN;
        match self.against {
            Some((name, values)) => {
                let ratio = ratio(self.ours, values);
                times = ratio.median;
                let theirs = Digits(median(values));
                write!(f, " {name} | {theirs} {unit} | {ratio} |")?;
            }
            None => write!(f, " | | |")?,
        }
        if self.ours.len() > 1 {
            write!(f, " {}", control(self.ours))?;
        }
        match self.bound {
            Some(bound) if bound.is_met(ours, times) => {
                write!(f, " | {} | met", WithUnit(bound, unit))
            }
            Some(bound) => write!(f, " | {} | **missed**", WithUnit(bound, unit)),
            None => write!(f, " | |"),
        }
    }
}

/// Three digits, or all before the point.
struct Digits(f64);

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = match self.0.abs() {
            0.0..10.0 => 2,
            10.0..100.0 => 1,
            _ => 0,
        };
        write!(f, "{:.decimals$}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_a_row() {
        let figure = Figure {
            what: "one way, p50",
            ours: &[3.0, 3.3, 3.3],
            unit: "µs",
            against: Some(("bare socket", &[3.0, 3.0, 3.0])),
            bound: Some(Bound::RatioAtMost(1.05)),
        };
        assert_eq!(
            figure.to_string(),
            "figure | one way, p50 | 3.30 µs | bare socket | 3.00 µs | 1.10 (1.00 to 1.10) | \
             1.10 (1.00 to 1.10) | at most 1.05 × | **missed**"
        );
        let alone = Figure {
            ours: &[123.4],
            against: None,
            bound: Some(Bound::AtLeast(120.0)),
            ..figure
        };
        assert_eq!(
            alone.to_string(),
            "figure | one way, p50 | 123 µs | | | | | at least 120 µs | met"
        );
    }
}
