//! What reports ask of runs.

use std::fmt;

use tickcast_latency::{Figures, Percentile, Run, StageFigures};

use super::units;

/// Stages that are no part of the way on their own: they hold others, or what lies beside it.
const NO_LEGS: [&str; 4] = ["total", "service", "stalled", "heal"];

/// The percentile figures of a part that this percent has.
pub fn at(figures: &Figures, percent: f64) -> Option<&Percentile> {
    let near = |of: &&Percentile| (of.percent - percent).abs() < 1e-9;
    figures.percentiles.iter().find(near)
}

/// All samples of a stage.
pub fn all<'a>(run: &'a Run, stage: &str) -> Option<&'a Figures> {
    run.stages
        .iter()
        .find(|of| of.stage == stage)?
        .parts
        .first()
}

/// The stage that a run is judged by: `total`, or the first one in a log of another program.
pub fn headline(run: &Run) -> Option<&StageFigures> {
    let total = run.stages.iter().find(|of| of.stage == "total");
    total.or(run.stages.first())
}

/// All samples of [`headline`].
pub fn headline_figures(run: &Run) -> Option<&Figures> {
    headline(run)?.parts.first()
}

/// The stages of a run that are parts of the way, one after the other.
pub fn legs(run: &Run) -> impl Iterator<Item = &str> {
    let names = run.stages.iter().map(|of| of.stage.as_str());
    names.filter(|name| !NO_LEGS.contains(name))
}

/// Those of them that the total holds: it ends when a strategy has taken the tick.
pub fn legs_of_total(run: &Run) -> impl Iterator<Item = &str> {
    legs(run).filter(|name| *name != "strategy")
}

/// The stages that any of these runs has, in the order of the first that has them.
pub fn stages(runs: &[Run]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for stage in runs.iter().flat_map(|run| &run.stages) {
        if !names.contains(&stage.stage.as_str()) {
            names.push(&stage.stage);
        }
    }
    names
}

/// The percentiles that any of these runs has, rising.
pub fn percents(runs: &[Run]) -> Vec<f64> {
    let parts = runs
        .iter()
        .flat_map(|run| &run.stages)
        .flat_map(|stage| &stage.parts);
    let mut percents: Vec<f64> = parts
        .flat_map(|part| part.percentiles.iter().map(|of| of.percent))
        .collect();
    percents.sort_by(f64::total_cmp);
    percents.dedup();
    percents
}

/// How a percentile differs from the same of another run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// As a share of the other: 0.03 is 3 % more.
    pub share: f64,
    /// The same in standard errors of the difference; none where no error is known.
    pub errors: Option<f64>,
}

/// A difference of fewer standard errors than these says nothing.
const TOLD_FROM: f64 = 3.0;

impl Change {
    /// From `first` to `other`; none where one of them has too few samples.
    pub fn between(first: &Percentile, other: &Percentile) -> Option<Change> {
        let (from, to) = (first.ns? as f64, other.ns? as f64);
        let error = first.error_ns.zip(other.error_ns).map(|(a, b)| a.hypot(b));
        Some(Change {
            share: to / from.max(1.0) - 1.0,
            errors: error
                .filter(|error| *error > 0.0)
                .map(|error| (to - from).abs() / error),
        })
    }

    /// Whether it is more than the errors of both alone would make it.
    pub fn is_told(self) -> bool {
        self.errors.is_some_and(|errors| errors >= TOLD_FROM)
    }
}

impl fmt::Display for Change {
    /// With a sign that says how much it says: `+30 %`, `≈ +1.2 %` when it is less than three standard
    /// errors, `+30 % ?` when they are not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = units::change(self.share);
        match self.errors {
            Some(_) if self.is_told() => f.write_str(&share),
            Some(_) => write!(f, "≈ {share}"),
            None => write!(f, "{share} ?"),
        }
    }
}

/// What a stage is, in a sentence; nothing for one that is not ours.
pub fn meaning(stage: &str) -> Option<&'static str> {
    Some(match stage {
        "publish" => {
            "From the instant at which the schedule said that the tick leaves, to its packet being handed to the kernel."
        }
        "network" => "From there to the receiving kernel's stamp.",
        "kernel" => "From there to the receive thread having read the packet.",
        "handle" => "From there to the tick being checked, put in order and in the queue.",
        "queue" => "From there to a strategy having taken it.",
        "strategy" => "From there to the strategy having dealt with it.",
        "service" => {
            "From the packet being handed to the kernel to a strategy having taken the tick: what it says of a publisher that was late is nothing."
        }
        "total" => {
            "The whole way, from the instant at which the tick was due, not from when the publisher got round to it."
        }
        "stalled" => "The total of those ticks on whose way the machine took a core away.",
        "heal" => {
            "From a gap on both lines being seen to its last tick being there; a sample is a gap."
        }
        _ => return None,
    })
}
