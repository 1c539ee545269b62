//! Differences over the time of a capture: its timeline, and where all of them jump.

use hdrhistogram::Histogram;
use tickcast_latency::{LONGEST_NS, Window};

use super::{Pair, histogram};

/// Windows that the time of a capture is cut into.
const WINDOWS: u64 = 200;
/// The shortest window, in ns: 1 ms.
const SHORTEST_NS: u64 = 1_000_000;
/// Samples that a window must have to say that a clock was set.
const JUMP_SAMPLES: u64 = 10;
/// The smallest jump that is told of, in ns: 1 ms. Clocks drift by less within a window.
const JUMP_NS: u64 = 1_000_000;
/// Jumps that are told of.
const MOST_JUMPS: usize = 10;

/// The window that is being filled, and those before it.
pub struct Windows {
    from: u64,
    length: u64,
    at: u64,
    over: Histogram<u64>,
    /// The least and the largest difference in it.
    extremes: Option<(i64, i64)>,
    timeline: Vec<Window>,
    /// Those of the last window with enough samples.
    before: Option<(i64, i64)>,
    jumps: Vec<String>,
}

impl Windows {
    pub fn new(from: u64, to: u64) -> anyhow::Result<Windows> {
        Ok(Windows {
            from,
            length: ((to - from) / WINDOWS + 1).max(SHORTEST_NS),
            at: 0,
            over: histogram()?,
            extremes: None,
            timeline: Vec::new(),
            before: None,
            jumps: Vec::new(),
        })
    }

    /// Takes in a pair and how much its difference is over the least of all.
    pub fn take(&mut self, pair: &Pair, over: u64) {
        let at = pair.at.saturating_sub(self.from) / self.length;
        // One that comes late counts to the window that is being filled.
        if at > self.at {
            self.close();
            self.at = at;
        }
        self.over.saturating_record(over.min(LONGEST_NS));
        let (least, most) = self.extremes.unwrap_or((pair.ns, pair.ns));
        self.extremes = Some((least.min(pair.ns), most.max(pair.ns)));
    }

    fn close(&mut self) {
        let Some(extremes) = self.extremes.take() else {
            return;
        };
        let samples = self.over.len();
        let quantile =
            |quantile, least| (samples >= least).then(|| self.over.value_at_quantile(quantile));
        self.timeline.push(Window {
            at_ns: self.at * self.length,
            samples,
            p50_ns: quantile(0.5, 2),
            p99_ns: quantile(0.99, 100),
            max_ns: Some(self.over.max()),
            stall_max_ns: None,
        });
        if samples >= JUMP_SAMPLES {
            self.look_for_jump(extremes);
            self.before = Some(extremes);
        }
        self.over.reset();
    }

    /// All of a window's differences beyond all of those before: no queue does that.
    fn look_for_jump(&mut self, (least, most): (i64, i64)) {
        let Some((least_before, most_before)) = self.before else {
            return;
        };
        let up = i128::from(least) - i128::from(most_before);
        let down = i128::from(least_before) - i128::from(most);
        let jump = up.max(down);
        if jump > i128::from(JUMP_NS) && self.jumps.len() < MOST_JUMPS {
            let seconds = (self.at * self.length) as f64 / 1e9;
            let by = jump as f64 / 1e9 * if up > down { 1.0 } else { -1.0 };
            self.jumps.push(format!(
                "after {seconds:.3} s all differences jump by {by:+.3} s or more: one of the clocks \
                 was set, or the way changed; figures over all of the time mean little"
            ));
        }
    }

    /// The timeline, and a statement for each jump.
    pub fn end(mut self) -> (Vec<Window>, Vec<String>) {
        self.close();
        (self.timeline, self.jumps)
    }
}
