//! Losses made on purpose on the receiving side, the same for the same seed.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use tickcast_protocol::Line;

/// What goes wrong on one line.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LineFaults {
    /// The share of packets that is dropped after having been received, from 0 to 1.
    pub drop: f64,
}

/// Decides packet by packet.
pub(crate) struct FaultInjector {
    faults: LineFaults,
    random: Xoshiro256PlusPlus,
    dropped: u64,
}

impl FaultInjector {
    /// The faults of a line. The lines of one seed lose packets independently.
    pub(crate) fn new(faults: LineFaults, seed: u64, line: Line) -> FaultInjector {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed ^ (line as u64) << 63);
        let drop = faults.drop.clamp(0.0, 1.0);
        FaultInjector {
            faults: LineFaults { drop },
            random,
            dropped: 0,
        }
    }

    /// Whether the next packet is dropped.
    #[inline]
    pub(crate) fn drops(&mut self) -> bool {
        if self.faults.drop == 0.0 {
            return false;
        }
        let drops = self.random.random_bool(self.faults.drop);
        self.dropped += u64::from(drops);
        drops
    }

    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(drop: f64, seed: u64, line: Line) -> Vec<bool> {
        let mut injector = FaultInjector::new(LineFaults { drop }, seed, line);
        (0..10_000).map(|_| injector.drops()).collect()
    }

    #[test]
    fn the_same_seed_drops_the_same_packets() {
        assert_eq!(pattern(0.3, 7, Line::A), pattern(0.3, 7, Line::A));
        assert_ne!(pattern(0.3, 7, Line::A), pattern(0.3, 7, Line::B));
        assert_ne!(pattern(0.3, 7, Line::A), pattern(0.3, 8, Line::A));
    }

    #[test]
    fn the_share_is_kept() {
        let dropped = pattern(0.3, 1, Line::A)
            .iter()
            .filter(|&&drop| drop)
            .count();
        assert!((2_800..3_200).contains(&dropped), "{dropped}");
        assert!(pattern(0.0, 1, Line::A).iter().all(|&drop| !drop));
        assert!(pattern(1.0, 1, Line::A).iter().all(|&drop| drop));
    }
}
