//! Seqs, as ranges of them.

use std::io::{self, Write};

use serde::Serialize;

use crate::show;

/// Ranges that are kept; what is in others only counts.
const MOST: usize = 10_000;
/// Ranges that people are shown.
const MOST_SHOWN: usize = 20;

/// Seqs in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Range {
    first_seq: u64,
    last_seq: u64,
}

/// Seqs of one sort: a list of ranges.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Ranges {
    ranges: Vec<Range>,
    #[serde(skip)]
    count: u64,
    /// Ranges that were not kept.
    #[serde(skip)]
    more: u64,
}

impl Ranges {
    /// Adds seqs, at least one.
    pub fn add(&mut self, first_seq: u64, last_seq: u64) {
        self.count += (last_seq - first_seq).saturating_add(1);
        if let Some(last) = self.ranges.last_mut()
            && self.more == 0
            && last.last_seq.checked_add(1) == Some(first_seq)
        {
            last.last_seq = last_seq;
        } else if self.ranges.len() < MOST {
            self.ranges.push(Range {
                first_seq,
                last_seq,
            });
        } else {
            self.more += 1;
        }
    }

    /// How many seqs.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Names them, for people; nothing if there are none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, out: &mut dyn Write, what: &str) -> io::Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        writeln!(out, "  {what:<15} {}", show::count(self.count))?;
        for range in self.ranges.iter().take(MOST_SHOWN) {
            let (first, last) = (range.first_seq, range.last_seq);
            if first == last {
                writeln!(out, "    seq {first}")?;
            } else {
                writeln!(out, "    seq {first}..={last}")?;
            }
        }
        if self.ranges.len() > MOST_SHOWN {
            let more = show::count((self.ranges.len() - MOST_SHOWN) as u64 + self.more);
            writeln!(out, "    and {more} more ranges, which --json names")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_on_is_one_range() {
        let mut ranges = Ranges::default();
        ranges.add(1, 4);
        ranges.add(5, 5);
        ranges.add(7, 9);
        let range = |first_seq, last_seq| Range {
            first_seq,
            last_seq,
        };
        assert_eq!(ranges.ranges, [range(1, 5), range(7, 9)]);
        assert_eq!(ranges.count(), 8);
    }

    #[test]
    fn what_is_not_kept_counts() {
        let mut ranges = Ranges::default();
        let seqs = (1..=MOST as u64 + 5).map(|at| at * 2);
        seqs.for_each(|seq| ranges.add(seq, seq));
        assert_eq!((ranges.ranges.len(), ranges.more), (MOST, 5));
        assert_eq!(ranges.count(), MOST as u64 + 5);
    }
}
