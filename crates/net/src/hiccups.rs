//! The hiccup meter: what the machine does to a thread that only looks at the clock. A tail
//! without it says nothing on a virtual machine.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::clock;

/// Gaps that a thread saw between two looks at the clock.
#[derive(Clone, Debug)]
pub struct Hiccups {
    /// Gaps above [`Hiccups::THRESHOLD_NS`], in nanoseconds.
    pub gaps: Histogram<u64>,
    /// For how long the thread looked.
    pub seconds: f64,
}

impl Hiccups {
    /// A shorter gap is the clock itself.
    pub const THRESHOLD_NS: u64 = 500;
}

/// Spins on the clock for a time, on the core that the thread runs on.
///
/// # Panics
/// Never: the bounds of the histogram are sound.
#[must_use]
pub fn hiccups(duration: Duration) -> Hiccups {
    let mut gaps = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("sound bounds");
    let start = clock::monotonic_ns();
    let end = start + duration.as_nanos() as u64;
    let mut last = start;
    while last < end {
        let now = clock::monotonic_ns();
        if now - last > Hiccups::THRESHOLD_NS {
            gaps.saturating_record(now - last);
        }
        last = now;
    }
    Hiccups {
        gaps,
        seconds: (last - start) as f64 / 1e9,
    }
}

/// `731 gaps over 500 ns a second, p50 3.1 µs, p99 1200.5 µs, max 4000.0 µs`
impl fmt::Display for Hiccups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let a_second = self.gaps.len() as f64 / self.seconds;
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|q| self.gaps.value_at_quantile(q) as f64 / 1e3);
        write!(
            f,
            "{a_second:.0} gaps over {} ns a second, p50 {p50:.1} µs, p99 {p99:.1} µs, max \
             {max:.1} µs",
            Hiccups::THRESHOLD_NS
        )
    }
}
