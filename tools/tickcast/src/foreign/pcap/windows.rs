//! Differences over the time of a capture: their figures, and where all of them jump.

use tickcast_latency::{Provenance, StageFigures, StallLog, Window, Windows};

use super::{NAMES, Pair};
use crate::foreign::{Differences, STAGES};

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

/// The differences of one window, in short.
#[derive(Clone, Copy)]
struct Extremes {
    /// The number of the window.
    at: u64,
    samples: u64,
    least: i64,
    most: i64,
}

/// The window that is being filled, and those before it.
pub struct Timeline {
    from: u64,
    length: u64,
    /// The least difference of all.
    least: i64,
    at: u64,
    differences: Differences,
    windows: Windows,
    extremes: Option<Extremes>,
    /// Those of the last window with enough samples, and of the one before that.
    before: [Option<Extremes>; 2],
    jumps: Vec<String>,
}

impl Timeline {
    /// Of the time from the first stamp to the last, with this as the least difference of all.
    pub fn new(from: u64, to: u64, least: i64) -> Timeline {
        Timeline {
            from,
            length: ((to - from) / WINDOWS + 1).max(SHORTEST_NS),
            least,
            at: 0,
            differences: Differences::new(),
            windows: Windows::new(&STAGES),
            extremes: None,
            before: [None; 2],
            jumps: Vec::new(),
        }
    }

    /// Takes in a pair.
    pub fn take(&mut self, pair: &Pair) {
        let at = pair.at.saturating_sub(self.from) / self.length;
        // One that comes late counts to the window that is being filled.
        if at > self.at {
            self.close();
            self.at = at;
        }
        let [between, above] = STAGES;
        let there = pair.at.saturating_add_signed(pair.ns);
        self.differences.add(between, Provenance::A, pair.at, there);
        let over = pair.ns.abs_diff(self.least);
        self.differences.add(above, Provenance::A, 0, over);
        let extremes = self.extremes.get_or_insert(Extremes {
            at: self.at,
            samples: 0,
            least: pair.ns,
            most: pair.ns,
        });
        extremes.samples += 1;
        extremes.least = extremes.least.min(pair.ns);
        extremes.most = extremes.most.max(pair.ns);
    }

    fn close(&mut self) {
        let Some(extremes) = self.extremes.take() else {
            return;
        };
        let begin = self.from + self.at * self.length;
        let (taken, no_stalls) = (self.differences.take(), StallLog::default());
        self.windows
            .add(begin, begin + self.length, taken, &no_stalls);
        if extremes.samples >= JUMP_SAMPLES {
            self.look_for_jump(extremes);
        }
    }

    /// All of a window's differences beyond all of those of the window before, or of the one before
    /// that, as the clock may have been set in between: no queue does that.
    fn look_for_jump(&mut self, now: Extremes) {
        let [last, older] = self.before;
        self.before = [Some(now), last];
        let jump = last.and_then(|last| {
            let told = jump(last, now).map(|by| (now.at, by));
            told.or_else(|| Some((last.at, jump(older?, now)?)))
        });
        let Some((at, by)) = jump else {
            return;
        };
        // It is told once.
        self.before = [Some(now), None];
        if self.jumps.len() < MOST_JUMPS {
            let seconds = (at * self.length) as f64 / 1e9;
            let by = by as f64 / 1e9;
            self.jumps.push(format!(
                "after {seconds:.3} s all differences jump by {by:+.3} s or more: one of the clocks \
                 was set, or the way changed; figures over all of the time mean little"
            ));
        }
    }

    /// The figures of both stages, the timeline of the second, and a statement for each jump.
    pub fn end(mut self) -> (Vec<StageFigures>, Vec<Window>, Vec<String>) {
        self.close();
        let stages = self.windows.stages().into_iter().map(|mut figures| {
            let which = STAGES.iter().position(|it| it.name() == figures.stage);
            figures.stage = NAMES[which.unwrap_or_default()].into();
            // There is no line by which it came.
            figures.parts.truncate(1);
            figures
        });
        (stages.collect(), self.windows.timeline(), self.jumps)
    }
}

/// By how much all differences of a window are beyond all of another one's; `None` when it is no
/// more than clocks and queues do.
fn jump(from: Extremes, to: Extremes) -> Option<i128> {
    let up = i128::from(to.least) - i128::from(from.most);
    let down = i128::from(from.least) - i128::from(to.most);
    let by = if up > down { up } else { -down };
    (by.abs() > i128::from(JUMP_NS) && up.max(down) > 0).then_some(by)
}
