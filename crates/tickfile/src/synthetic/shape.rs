//! Numbers taken from the IEX TOPS capture that `docs/synthetic-market.md` describes.

/// Of 1,024 events, how many have 1, 2, 3, … ticks.
pub(super) const RUN_LENGTHS: [u32; 9] = [392, 328, 161, 84, 37, 13, 5, 2, 2];

/// Of 1,024 events, how many begin with trades. With the lengths above this gives 11 trades on 47
/// quotes.
pub(super) const TRADES: u64 = 273;

/// Rare events are counted among so many.
pub(super) const EVENTS: u64 = 4_096;

/// Of [`EVENTS`], how many halt an instrument.
pub(super) const STATUSES: u64 = 1;

/// Of [`EVENTS`], how many take a trade back.
pub(super) const BREAKS: u64 = 1;

/// Time between events, in thousandths of its median.
pub(super) const GAPS: [(u32, u32); 14] = [
    (0, 1),
    (50, 181),
    (100, 271),
    (200, 364),
    (300, 544),
    (400, 814),
    (500, 1_000),
    (600, 1_361),
    (700, 1_811),
    (800, 2_527),
    (900, 3_719),
    (950, 5_261),
    (990, 23_697),
    (1_000, 100_000),
];

/// First asks, in steps of the grid.
pub(super) const PRICES: [(u32, u32); 8] = [
    (0, 273),
    (100, 542),
    (250, 1_002),
    (500, 2_003),
    (750, 5_072),
    (900, 7_187),
    (950, 14_900),
    (1_000, 36_498),
];

/// Spreads, in steps of the grid.
pub(super) const SPREADS: [(u32, u32); 8] = [
    (0, 1),
    (120, 2),
    (250, 2),
    (500, 4),
    (750, 6),
    (880, 7),
    (950, 8),
    (1_000, 10),
];

/// Sizes at the best price, in lots.
pub(super) const QUOTE_LOTS: [(u32, u32); 8] = [
    (0, 1),
    (250, 2),
    (500, 4),
    (750, 8),
    (900, 12),
    (950, 16),
    (990, 24),
    (1_000, 33),
];

/// Sizes of trades, in lots.
pub(super) const TRADE_LOTS: [(u32, u32); 6] =
    [(0, 1), (500, 2), (750, 3), (950, 6), (990, 8), (1_000, 50)];

/// Of 256 quotes, how many change a price and not a size only.
pub(super) const PRICE_CHANGES: u64 = 154;

/// Of 256 quotes, how many show one side only.
pub(super) const ONE_SIDED: u64 = 66;

/// The count of ticks of an event, for a roll below 1,024.
pub(super) fn run_length(mut roll: u32) -> u32 {
    for (length, weight) in (1..).zip(RUN_LENGTHS) {
        if roll < weight {
            return length;
        }
        roll -= weight;
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_events_are_shares_of_1024() {
        assert_eq!(RUN_LENGTHS.iter().sum::<u32>(), 1_024);
        assert_eq!((run_length(0), run_length(391), run_length(392)), (1, 1, 2));
        assert_eq!(run_length(1_023), 9);
    }
}
