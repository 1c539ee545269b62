//! What was shown before, for a curve.

use std::collections::VecDeque;

use crate::live::snapshot::Snapshot;

/// Intervals that are kept: as many as a wide terminal has columns.
const INTERVALS: usize = 400;

/// The rate of each interval.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<u64>);

impl History {
    pub(super) fn add(&mut self, snapshot: &Snapshot) {
        if self.0.len() == INTERVALS {
            self.0.pop_front();
        }
        self.0.push_back(snapshot.stream.ticks_per_s.round() as u64);
    }

    /// Ticks a second of the last intervals, the oldest first, at most so many.
    pub(super) fn last(&self, most: usize) -> Vec<u64> {
        let skip = self.0.len().saturating_sub(most);
        self.0.iter().skip(skip).copied().collect()
    }
}
