//! Whether the real-time clock stepped while it was measured by.

use tickcast_net::clock::{monotonic_ns, realtime_ns};

use crate::show;

/// From one look to the next the clocks drift apart by less: a real-time clock that is slewed does
/// so by at most 500 ppm, which is a tenth of this in the time between two looks.
const STEP_NS: i64 = 1_000_000;
/// Between two looks at the one clock is a look at the other; what was cut short by the machine is
/// looked at again, at most so often.
const TRIES: usize = 16;
/// A look that took no longer is good enough.
const GOOD_NS: u64 = 2_000;

/// Compares the real-time clock, which all stamps are by, with the monotonic one.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    last: Option<i64>,
    steps: Vec<i64>,
}

impl ClockWatch {
    /// To be called about ten times a second.
    pub(super) fn look(&mut self) {
        self.take(offset());
    }

    fn take(&mut self, offset: i64) {
        if let Some(last) = self.last.replace(offset)
            && (offset - last).abs() >= STEP_NS
        {
            self.steps.push(offset - last);
        }
    }

    /// The step since the last look, to be forgotten: nothing was measured meanwhile.
    pub(super) fn skip(&mut self) {
        self.last = None;
    }

    /// What a reader must know; `None` when the clock did not step.
    pub(super) fn statement(&self) -> Option<String> {
        let largest = self.steps.iter().max_by_key(|step| step.abs())?;
        Some(format!(
            "the real-time clock stepped {} times while it was measured, by up to {}{} µs: what \
             was on its way then is measured wrong by that, and max and far percentiles with it; \
             run again when the clock is steady",
            show::count(self.steps.len() as u64),
            if *largest < 0 { "-" } else { "" },
            show::count(largest.unsigned_abs() / 1_000),
        ))
    }
}

/// Real-time minus monotonic clock, by the quickest of some looks.
fn offset() -> i64 {
    let mut best = (u64::MAX, 0);
    for _ in 0..TRIES {
        let (before, real, after) = (monotonic_ns(), realtime_ns(), monotonic_ns());
        let took = after - before;
        if took < best.0 {
            best = (took, real as i64 - (before + took / 2) as i64);
        }
        if took <= GOOD_NS {
            break;
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_from_drift() {
        let mut watch = ClockWatch::default();
        for offset in [0, 50_000, 100_000, 40_000] {
            watch.take(offset);
        }
        assert_eq!(watch.statement(), None);
        watch.take(12_040_000);
        watch.take(12_041_000);
        watch.take(10_000_000);
        let said = watch.statement().expect("it stepped");
        assert!(said.contains("stepped 2 times"), "{said}");
        assert!(said.contains("by up to 12,000 µs"), "{said}");
        let mut watch = ClockWatch::default();
        watch.take(0);
        watch.skip();
        watch.take(1 << 40);
        assert_eq!(watch.statement(), None);
        watch.take(0);
        assert!(watch.statement().expect("back").contains("by up to -1,099"));
    }

    #[test]
    fn clocks_of_a_quiet_machine_do_not_step() {
        let mut watch = ClockWatch::default();
        (0..100).for_each(|_| watch.look());
        assert_eq!(watch.steps, [0; 0]);
    }
}
