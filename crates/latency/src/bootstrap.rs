//! How much a percentile would differ had the run been another of the same kind: the windows are
//! drawn anew, with repetition, again and again, and the percentile taken of each draw.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::counts::Counts;

/// So often the windows are drawn.
const RESAMPLES: usize = 200;
/// With fewer windows nothing can be said.
pub const MIN_WINDOWS: usize = 10;
/// Values between which a percentile is looked for; between two of them it is interpolated.
const STEPS: usize = 40;
/// Values are looked at as far as a draw may have its percentile there, in standard errors of how
/// many samples lie up to them.
const REACH: f64 = 6.0;

/// The standard errors of percentiles, beyond each of which lies one in so many samples; `None` with
/// too few windows.
///
/// The samples of a window may depend on each other, those of two windows should not: a window is
/// drawn as a whole.
pub(crate) fn errors(all: &Counts, windows: &[Counts], one_in: &[u64]) -> Option<Vec<f64>> {
    if windows.len() < MIN_WINDOWS || all.values().is_empty() {
        return None;
    }
    let windows: Vec<Window<'_>> = windows.iter().map(Window::new).collect();
    let scales: Vec<Scale> = one_in
        .iter()
        .map(|&one_in| Scale::around(one_in, all, &windows))
        .collect();
    let values: Vec<u64> = scales.iter().flat_map(|it| it.values.clone()).collect();
    // Of each window: how many samples do not exceed each value, and how many there are.
    let rows: Vec<Vec<f64>> = windows
        .iter()
        .map(|window| {
            let up_to = values.iter().map(|&value| window.up_to(value));
            up_to
                .chain([window.len])
                .map(|count| count as f64)
                .collect()
        })
        .collect();
    let mut found = vec![Vec::with_capacity(RESAMPLES); one_in.len()];
    // Chosen once: the same run has the same errors.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(0x7469_636b);
    for _ in 0..RESAMPLES {
        let drawn = draw(&rows, &mut random);
        let (mut up_to, samples) = (&drawn[..values.len()], drawn[values.len()]);
        for ((scale, one_in), found) in scales.iter().zip(one_in).zip(&mut found) {
            let (own, rest) = up_to.split_at(scale.values.len());
            up_to = rest;
            let rank = samples - (samples / *one_in as f64).floor();
            found.push(scale.value_at(rank, own));
        }
    }
    Some(found.iter().map(|values| deviation(values)).collect())
}

/// The sum of as many rows as there are, drawn with repetition.
fn draw(rows: &[Vec<f64>], random: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    let mut times = vec![0_u32; rows.len()];
    for _ in rows {
        times[random.random_range(0..rows.len())] += 1;
    }
    let mut sum = vec![0.0; rows.first().map_or(0, Vec::len)];
    for (row, times) in rows.iter().zip(times).filter(|(_, times)| *times > 0) {
        for (sum, count) in sum.iter_mut().zip(row) {
            *sum += f64::from(times) * count;
        }
    }
    sum
}

/// The samples of a window up to each value.
struct Window<'a> {
    values: &'a [(u64, u64)],
    sums: Vec<u64>,
    len: u64,
}

impl<'a> Window<'a> {
    fn new(counts: &'a Counts) -> Window<'a> {
        let mut len = 0;
        let sums = counts.values().iter().map(|(_, count)| {
            len += count;
            len
        });
        Window {
            values: counts.values(),
            sums: sums.collect(),
            len,
        }
    }

    fn up_to(&self, value: u64) -> u64 {
        let place = self.values.partition_point(|(at, _)| *at <= value);
        place.checked_sub(1).map_or(0, |last| self.sums[last])
    }
}

/// Rising values around a percentile.
struct Scale {
    values: Vec<u64>,
    /// Whether only some of those that occur are among them.
    is_thinned: bool,
}

impl Scale {
    fn around(one_in: u64, all: &Counts, windows: &[Window<'_>]) -> Scale {
        let share = 1.0 - 1.0 / one_in as f64;
        let values: Vec<u64> = all.values().iter().map(|(value, _)| *value).collect();
        let percentile = all.percentile(one_in).unwrap_or(0);
        let at = values.partition_point(|value| *value < percentile);
        let low = values[..at].partition_point(|&value| {
            let (more, reach) = beyond_share(value, share, windows);
            more < -reach
        });
        // The value above those that may have too few up to them.
        let high = values[at..].partition_point(|&value| {
            let (more, reach) = beyond_share(value, share, windows);
            more <= reach
        });
        // One value below stays, so that there is something to come from.
        let last = (at + high).min(values.len() - 1);
        let values = &values[low.saturating_sub(1)..=last];
        let is_thinned = values.len() > STEPS;
        let every = values.len().div_ceil(STEPS);
        let mut thinned: Vec<u64> = values.iter().copied().step_by(every).collect();
        if thinned.last() != values.last() {
            thinned.extend(values.last());
        }
        Scale {
            values: thinned,
            is_thinned,
        }
    }

    /// The value of the sample at this place, given how many do not exceed each value.
    fn value_at(&self, rank: f64, up_to: &[f64]) -> f64 {
        let place = up_to.partition_point(|&count| count < rank);
        let place = place.min(self.values.len() - 1);
        let to = self.values[place] as f64;
        if !self.is_thinned || place == 0 || up_to[place] < rank {
            return to;
        }
        let from = self.values[place - 1] as f64;
        from + (to - from) * (rank - up_to[place - 1]) / (up_to[place] - up_to[place - 1])
    }
}

/// By how many the samples up to a value are more than their share, and by how many more or less
/// they may be in a draw. A burst is in one window or in a few, and a draw may lack them: far from the
/// percentile the windows differ otherwise than at it.
fn beyond_share(value: u64, share: f64, windows: &[Window<'_>]) -> (f64, f64) {
    let more = windows
        .iter()
        .map(|window| window.up_to(value) as f64 - share * window.len as f64);
    let (sum, squares) = more.fold((0.0, 0.0), |(sum, squares), more| {
        (sum + more, squares + more * more)
    });
    let variance = squares - sum * sum / windows.len() as f64;
    (sum, REACH * variance.max(1.0).sqrt())
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}
