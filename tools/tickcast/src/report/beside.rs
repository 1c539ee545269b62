//! Runs beside each other, as a table for people and as JSON.

use std::io::{self, Write};

use serde::Serialize;
use tickcast_latency::{Figures, Percentile, Run};

use super::figures::{Change, all, at, percents, stages};
use super::{instant, units};
use crate::show::{self, BOLD};

/// What `--json` prints.
#[derive(Serialize)]
pub struct Report {
    runs: Vec<Shown>,
    differences: Vec<Difference>,
    /// Pages and pictures that were written.
    pub written: Vec<String>,
}

/// A run without what only a picture shows.
#[derive(Serialize)]
struct Shown {
    name: String,
    began_ns: u64,
    duration_ns: u64,
    stages: Vec<ShownStage>,
    statements: Vec<String>,
}

#[derive(Serialize)]
struct ShownStage {
    stage: String,
    of: String,
    samples: u64,
    negative: u64,
    saturated: u64,
    mean_ns: Option<f64>,
    percentiles: Vec<Percentile>,
    max_ns: Option<u64>,
}

/// How a percentile of a run differs from that of the first run.
#[derive(Serialize)]
struct Difference {
    run: String,
    stage: String,
    percent: f64,
    /// As a share of the first: 0.03 is 3 % more.
    change: f64,
    /// The same in standard errors; none when they are not known.
    errors: Option<f64>,
}

impl Report {
    /// Takes what is shown of these runs.
    pub fn new(runs: &[Run]) -> Report {
        Report {
            runs: runs.iter().map(shown).collect(),
            differences: differences(runs),
            written: Vec::new(),
        }
    }
}

fn shown(run: &Run) -> Shown {
    let stages = run.stages.iter().flat_map(|stage| {
        stage.parts.iter().map(|part| ShownStage {
            stage: stage.stage.clone(),
            of: part.of.clone(),
            samples: part.samples,
            negative: part.negative,
            saturated: part.saturated,
            mean_ns: part.mean_ns,
            percentiles: part.percentiles.clone(),
            max_ns: part.max_ns,
        })
    });
    Shown {
        name: run.name.clone(),
        began_ns: run.began_ns,
        duration_ns: run.duration_ns,
        stages: stages.collect(),
        statements: run.statements.clone(),
    }
}

fn differences(runs: &[Run]) -> Vec<Difference> {
    let Some((first, others)) = runs.split_first() else {
        return Vec::new();
    };
    let mut differences = Vec::new();
    for stage in stages(runs) {
        for run in others {
            let (Some(from), Some(to)) = (all(first, stage), all(run, stage)) else {
                continue;
            };
            for percent in percents(runs) {
                let Some(change) = change(from, to, percent) else {
                    continue;
                };
                differences.push(Difference {
                    run: run.name.clone(),
                    stage: stage.to_owned(),
                    percent,
                    change: change.share,
                    errors: change.errors,
                });
            }
        }
    }
    differences
}

fn change(from: &Figures, to: &Figures, percent: f64) -> Option<Change> {
    Change::between(at(from, percent)?, at(to, percent)?)
}

/// Prints the table, and which files were written.
///
/// # Errors
/// When `out` cannot be written to.
pub fn print(out: &mut dyn Write, runs: &[Run], written: &[String]) -> io::Result<()> {
    for (nth, run) in runs.iter().enumerate() {
        let began = (run.began_ns > 0).then(|| format!(", {}", instant(run.began_ns)));
        let took =
            (run.duration_ns > 0).then(|| format!(", {}", units::mark(run.duration_ns as f64)));
        let (began, took) = (began.unwrap_or_default(), took.unwrap_or_default());
        writeln!(
            out,
            "{BOLD}run {}{BOLD:#}  {}{began}{took}",
            nth + 1,
            run.name
        )?;
    }
    let percents = percents(runs);
    write!(out, "{:<12}{:<5}{:>15}", "stage", "run", "samples")?;
    for percent in &percents {
        write!(out, "{:>10}", units::percentile(*percent))?;
    }
    writeln!(out, "{:>10}", "max")?;
    for stage in stages(runs) {
        let mut name = stage;
        let first = runs.first().and_then(|run| all(run, stage));
        for (nth, run) in runs.iter().enumerate() {
            let Some(figures) = all(run, stage) else {
                continue;
            };
            row(out, std::mem::take(&mut name), nth + 1, figures, &percents)?;
            if let Some(first) = first.filter(|_| nth > 0) {
                changes(out, first, figures, &percents)?;
            }
        }
    }
    if runs.len() > 1 {
        writeln!(
            out,
            "changes are from run 1; ≈ is less than three standard errors and says nothing, ? that they are not known"
        )?;
    }
    for name in written {
        writeln!(out, "{BOLD}written{BOLD:#} {name}")?;
    }
    Ok(())
}

fn row(
    out: &mut dyn Write,
    stage: &str,
    run: usize,
    figures: &Figures,
    percents: &[f64],
) -> io::Result<()> {
    let time = |ns: Option<u64>| ns.map_or_else(|| "-".into(), |ns| units::duration(ns as f64));
    let samples = show::count(figures.samples);
    write!(out, "{stage:<12}{run:<5}{samples:>15}")?;
    for percent in percents {
        let ns = at(figures, *percent).and_then(|of| of.ns);
        write!(out, "{:>10}", time(ns))?;
    }
    writeln!(out, "{:>10}", time(figures.max_ns))
}

fn changes(
    out: &mut dyn Write,
    first: &Figures,
    figures: &Figures,
    percents: &[f64],
) -> io::Result<()> {
    let known: Vec<Option<Change>> = percents
        .iter()
        .map(|percent| change(first, figures, *percent))
        .collect();
    if known.iter().all(Option::is_none) {
        return Ok(());
    }
    write!(out, "{:<32}", "")?;
    for change in known {
        let text = change.map_or_else(String::new, |change| change.to_string());
        write!(out, "{text:>10}")?;
    }
    writeln!(out)
}
