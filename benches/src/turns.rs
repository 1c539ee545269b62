//! Ways that take turns: on a machine that changes its speed from one minute to the next, only
//! figures of the same moment compare.

use std::fmt;

/// Runs the ways `0..ways` in turns: A B C, C B A, A B C, … Returns for every way what its runs
/// gave, one a turn, so that the values at one index are of the same moment.
pub fn in_turns<T>(turns: usize, ways: usize, mut run: impl FnMut(usize) -> T) -> Vec<Vec<T>> {
    let mut runs: Vec<Vec<T>> = (0..ways).map(|_| Vec::with_capacity(turns)).collect();
    for turn in 0..turns {
        for step in 0..ways {
            let way = if turn % 2 == 0 { step } else { ways - 1 - step };
            runs[way].push(run(way));
        }
    }
    runs
}

/// As [`in_turns`], with ways that may fail.
///
/// # Errors
/// The first failure: none runs after it.
pub fn try_in_turns<T, E>(
    turns: usize,
    ways: usize,
    mut run: impl FnMut(usize) -> Result<T, E>,
) -> Result<Vec<Vec<T>>, E> {
    let mut failed = None;
    let runs = in_turns(turns, ways, |way| {
        if failed.is_some() {
            return None;
        }
        run(way).map_err(|error| failed = Some(error)).ok()
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(runs
            .into_iter()
            .map(|it| it.into_iter().flatten().collect())
            .collect()),
    }
}

/// A median and the quartiles around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter of the values is below.
    pub lower: f64,
    /// Half of the values is below.
    pub median: f64,
    /// A quarter of the values is above.
    pub upper: f64,
}

impl Spread {
    /// The spread of some values; not a number when there are none.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let at = |quarters: usize| {
            let index = (values.len() * quarters / 4).min(values.len().saturating_sub(1));
            values.get(index).copied().unwrap_or(f64::NAN)
        };
        Spread {
            lower: at(1),
            median: at(2),
            upper: at(3),
        }
    }
}

/// `1.04 (1.02 to 1.07)`
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread {
            lower,
            median,
            upper,
        } = self;
        write!(f, "{median:.2} ({lower:.2} to {upper:.2})")
    }
}

/// The median of some values; not a number when there are none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    Spread::of(values.to_vec()).median
}

/// How many times the other's value one way's value is, turn by turn.
#[must_use]
pub fn ratio(ours: &[f64], other: &[f64]) -> Spread {
    Spread::of(
        ours.iter()
            .zip(other)
            .map(|(our, other)| our / other)
            .collect(),
    )
}

/// The A/A control: how many times its own value of the turn before a way's value is. A ratio that
/// differs from 1 by less than three times this spread says nothing.
#[must_use]
pub fn control(values: &[f64]) -> Spread {
    Spread::of(values.windows(2).map(|pair| pair[1] / pair[0]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_runs_once_a_turn_there_and_back() {
        let mut order = Vec::new();
        let runs = in_turns(2, 3, |way| {
            order.push(way);
            order.len()
        });
        assert_eq!(order, [0, 1, 2, 2, 1, 0]);
        assert_eq!(runs, [vec![1, 6], vec![2, 5], vec![3, 4]]);
    }

    #[test]
    fn a_ratio_is_the_median_of_pairs() {
        let (ours, other) = ([2.0, 30.0, 4.0], [1.0, 10.0, 1.0]);
        assert_eq!(ratio(&ours, &other).median, 3.0);
        assert_eq!(ratio(&ours, &other).to_string(), "3.00 (2.00 to 4.00)");
        assert_eq!(control(&[1.0, 2.0, 4.0]).median, 2.0);
        assert!(median(&[]).is_nan());
    }
}
