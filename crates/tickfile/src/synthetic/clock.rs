//! When the next event happens: bursts, and a rush at the opening that thins out.

use rand_xoshiro::rand_core::Rng;

use super::quantiles::Quantiles;
use super::shape::GAPS;

/// Median time between events in calm trading, in ns.
const CALM_MEDIAN_NS: u64 = 100_000;

/// How many times busier than in calm trading it is at the opening.
const RUSH: u64 = 16;

/// The time in which the rush falls by half, in ns.
const RUSH_HALF_NS: u64 = 10_000_000_000;

/// How busy a phase is, in 256ths of calm trading, all equally likely.
const PHASES: [u64; 8] = [64, 128, 128, 256, 256, 256, 512, 2_048];

/// Most events in a phase; at least a sixteenth of it.
const PHASE_EVENTS: u64 = 4_096;

/// Events after which the rush is looked at again.
const STEP_EVENTS: u64 = 256;

static GAP: Quantiles = Quantiles::new(&GAPS);

pub(super) struct Clock {
    open: u64,
    now: u64,
    /// How busy it is now, in 256ths of calm trading.
    pace: u64,
    /// How busy the phase is, without the rush.
    phase: u64,
    phase_left: u64,
    step_left: u64,
}

impl Clock {
    pub(super) fn new(open: u64) -> Clock {
        Clock {
            open,
            now: open,
            pace: 256,
            phase: 256,
            phase_left: 0,
            step_left: 0,
        }
    }

    /// The time of the next event, ns since the Unix epoch; later than that of the last.
    #[inline]
    pub(super) fn advance(&mut self, random: &mut impl Rng) -> u64 {
        if self.step_left == 0 {
            self.step(random);
        }
        self.step_left -= 1;
        let thousandths = u64::from(GAP.at((random.next_u64() >> 32) as u32));
        let calm_ns = thousandths * CALM_MEDIAN_NS / 1_000;
        self.now += (calm_ns * 256 / self.pace).max(1);
        self.now
    }

    #[cold]
    fn step(&mut self, random: &mut impl Rng) {
        if self.phase_left == 0 {
            let roll = random.next_u64();
            self.phase = PHASES[(roll >> 61) as usize];
            self.phase_left = PHASE_EVENTS / 16 + roll % (PHASE_EVENTS - PHASE_EVENTS / 16);
        }
        self.step_left = STEP_EVENTS.min(self.phase_left);
        self.phase_left -= self.step_left;
        self.pace = (self.phase * rush(self.now - self.open) / 256).max(1);
    }
}

/// How much busier than in calm trading, in 256ths, this long after the opening: it falls by half
/// every [`RUSH_HALF_NS`], in a straight line between.
fn rush(elapsed_ns: u64) -> u64 {
    let halvings = elapsed_ns / RUSH_HALF_NS;
    let more = ((RUSH - 1) << 8).checked_shr(halvings as u32).unwrap_or(0);
    let into = elapsed_ns % RUSH_HALF_NS / 1_000;
    256 + more - more * into / (2 * (RUSH_HALF_NS / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rush_halves_and_ends() {
        assert_eq!(rush(0), 16 << 8);
        assert_eq!(rush(RUSH_HALF_NS), 256 + (15 << 7));
        assert_eq!(rush(RUSH_HALF_NS / 2), 256 + (15 << 8) * 3 / 4);
        assert_eq!(rush(u64::MAX), 256);
    }
}
