//! Windows as they are drawn: one after the other, where something else was done in between as well.

use tickcast_latency::{Run, Window};

/// A window that begins so many lengths after the one before began does not go on from it.
const BREAK: u64 = 3;

/// A window, or the worst of each figure of several, in time that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    pub window: Window,
    pub from_ns: u64,
    pub to_ns: u64,
    /// Between the step before and this one something else was done.
    pub after_break: bool,
}

/// The windows of a run, in at most so many steps.
pub fn steps(run: &Run, most: usize) -> Vec<Step> {
    let single = singles(run);
    let each = single.len().div_ceil(most.max(1)).max(1);
    single.chunks(each).map(joined).collect()
}

fn singles(run: &Run) -> Vec<Step> {
    let begins = run.timeline.iter().map(|window| window.at_ns);
    let lengths: Vec<u64> = begins
        .clone()
        .zip(begins.skip(1))
        .map(|(from, to)| to.saturating_sub(from))
        .collect();
    let usual = usual(&lengths).unwrap_or(run.duration_ns).max(1);
    let is_break = |length: u64| length / BREAK >= usual;
    let mut from_ns = 0u64;
    let mut after_break = false;
    let windows = run.timeline.iter().enumerate();
    windows
        .map(|(nth, window)| {
            let length = lengths.get(nth).copied().unwrap_or(usual);
            let taken = if is_break(length) { usual } else { length };
            let step = Step {
                window: *window,
                from_ns,
                to_ns: from_ns.saturating_add(taken),
                after_break,
            };
            (from_ns, after_break) = (step.to_ns, is_break(length));
            step
        })
        .collect()
}

/// The median.
fn usual(lengths: &[u64]) -> Option<u64> {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

fn joined(group: &[Step]) -> Step {
    let most = |figure: fn(&Window) -> Option<u64>| {
        group.iter().filter_map(|step| figure(&step.window)).max()
    };
    let (first, last) = (group[0], group[group.len() - 1]);
    Step {
        window: Window {
            at_ns: first.window.at_ns,
            samples: group
                .iter()
                .map(|step| step.window.samples)
                .fold(0, u64::saturating_add),
            p50_ns: most(|window| window.p50_ns),
            p99_ns: most(|window| window.p99_ns),
            max_ns: most(|window| window.max_ns),
            stall_max_ns: most(|window| window.stall_max_ns),
        },
        from_ns: first.from_ns,
        to_ns: last.to_ns,
        after_break: group.iter().any(|step| step.after_break),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(begins: &[u64]) -> Run {
        let timeline = begins.iter().map(|&at_ns| Window {
            at_ns,
            samples: 1,
            max_ns: Some(at_ns),
            ..Window::default()
        });
        Run {
            duration_ns: 7,
            timeline: timeline.collect(),
            ..Run::default()
        }
    }

    fn spans(steps: &[Step]) -> Vec<(u64, u64, bool)> {
        steps
            .iter()
            .map(|step| (step.from_ns, step.to_ns, step.after_break))
            .collect()
    }

    #[test]
    fn windows_follow_each_other_over_a_break() {
        let steps = steps(&run(&[0, 10, 21, 30, 500, 510]), 100);
        let expected = [
            (0, 10, false),
            (10, 21, false),
            (21, 30, false),
            (30, 40, false),
            (40, 50, true),
            (50, 60, false),
        ];
        assert_eq!(spans(&steps), expected);
        assert_eq!(steps[4].window.at_ns, 500);
    }

    #[test]
    fn one_window_lasts_as_long_as_the_run() {
        assert_eq!(spans(&steps(&run(&[0]), 100)), [(0, 7, false)]);
        assert_eq!(steps(&run(&[]), 100), []);
    }

    #[test]
    fn many_windows_are_drawn_as_the_worst_of_some() {
        let steps = steps(&run(&[0, 10, 20, 30, 40]), 2);
        assert_eq!(spans(&steps), [(0, 30, false), (30, 50, false)]);
        assert_eq!(
            (steps[0].window.max_ns, steps[0].window.samples),
            (Some(20), 3)
        );
    }
}
