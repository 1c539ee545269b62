//! What becomes of a reader that does not keep up: declared for each, before the start.

use tickcast_queue::KEPT_LINES;

/// The most lines of 64 bytes that the queue may have: 4 GiB.
pub const MAX_QUEUE_LINES: usize = 1 << 26;

/// The shortest queue: many batches of 63 ticks and a mark, so that a lapped reader finds one.
const LEAST_QUEUE_LINES: u64 = 1_024;

/// Lines that the receive thread may be writing while a reader reads, a mark and 63 ticks, and those
/// that the queue keeps for it to write ahead.
const WRITTEN_LINES: u64 = 64 + KEPT_LINES as u64;

/// What a reader is given when it does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverflowPolicy {
    /// When the queue runs over, the oldest is lost, by exact notice.
    #[default]
    DropOldest,
    /// Nothing is lost until more than so many ticks, rows of snapshots and notices wait for this
    /// reader: the queue is made long enough for them however they are packed. Beyond that, the
    /// oldest is lost by exact notice, and the log has an error.
    Lossless {
        /// How many.
        ticks: u64,
    },
    /// When more than so many ticks wait for this reader, it is given of each instrument and kind
    /// only the latest; [`Event::Conflated`](crate::Event::Conflated) says of what they are. Trade
    /// breaks are given all. The queue is made long enough for twice as many.
    ///
    /// If even so the queue runs over, the oldest is lost by exact notice, and the reader is
    /// refilled.
    Latest {
        /// How many.
        behind: u64,
    },
}

/// How a reader is treated, or a strategy behind the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReaderConfig {
    /// What it is given when it does not keep up.
    pub overflow: OverflowPolicy,
    /// Whether it is given the state from the local image, as a snapshot, when it was lapped. The
    /// image costs a thread, `tc-image`, and the memory for the latest ticks of all instruments.
    pub refill: bool,
}

impl From<OverflowPolicy> for ReaderConfig {
    /// This policy; without refill, except [`OverflowPolicy::Latest`], which is always refilled.
    fn from(overflow: OverflowPolicy) -> ReaderConfig {
        ReaderConfig {
            overflow,
            refill: false,
        }
    }
}

impl ReaderConfig {
    /// Whether there must be a local image.
    pub(crate) const fn wants_image(&self) -> bool {
        self.refill || matches!(self.overflow, OverflowPolicy::Latest { .. })
    }

    /// How many lines the queue must have for this reader.
    fn queue_lines(&self) -> u64 {
        // A tick needs no more than a line and the mark before it, a notice a line.
        let lines = |ticks: u64| ticks.saturating_mul(2).saturating_add(WRITTEN_LINES);
        match self.overflow {
            OverflowPolicy::DropOldest => 0,
            OverflowPolicy::Lossless { ticks } => lines(ticks),
            OverflowPolicy::Latest { behind } => lines(behind.saturating_mul(2)),
        }
    }
}

/// How many lines the queue must have for all of them; the number wanted if that is too many.
pub(crate) fn queue_lines(
    configured: usize,
    readers: impl Iterator<Item = ReaderConfig>,
) -> Result<usize, u64> {
    let wanted = readers
        .map(|reader| reader.queue_lines())
        .fold(LEAST_QUEUE_LINES.max(configured as u64), u64::max);
    match usize::try_from(wanted) {
        Ok(lines) if lines <= MAX_QUEUE_LINES => Ok(lines.next_power_of_two()),
        _ => Err(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_long_enough_for_everybody_or_refused() {
        let of = |configured, policies: &[OverflowPolicy]| {
            queue_lines(configured, policies.iter().map(|&policy| policy.into()))
        };
        assert_eq!(of(0, &[]), Ok(1_024));
        assert_eq!(of(5_000, &[OverflowPolicy::DropOldest]), Ok(8_192));
        let lossless = |ticks| OverflowPolicy::Lossless { ticks };
        assert_eq!(of(0, &[lossless(352)]), Ok(1_024));
        assert_eq!(of(0, &[lossless(353), lossless(5)]), Ok(2_048));
        assert_eq!(of(0, &[OverflowPolicy::Latest { behind: 177 }]), Ok(2_048));
        let most = MAX_QUEUE_LINES as u64 / 2 - 160;
        assert_eq!(of(0, &[lossless(most)]), Ok(MAX_QUEUE_LINES));
        assert_eq!(
            of(0, &[lossless(most + 1)]),
            Err(MAX_QUEUE_LINES as u64 + 2)
        );
        assert_eq!(of(0, &[lossless(u64::MAX)]), Err(u64::MAX));
        assert!(of(usize::MAX, &[]).is_err());
    }
}
