//! Runs from files: what `latency --json` prints, interval logs, percentile distributions.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use tickcast_latency::{Figures, Log, RUN_VERSION, Run, read_hgrm};

/// A larger file is no run: it is not read as JSON.
const MOST_BYTES: u64 = 256 << 20;

/// The run of a file, whose content tells what it is.
///
/// # Errors
/// When nothing can be had of it.
pub fn run(path: &Path) -> anyhow::Result<Run> {
    let context = || format!("cannot report on {}", path.display());
    let file = File::open(path).with_context(context)?;
    let mut input = BufReader::with_capacity(1 << 16, file);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let run = match kind(input.fill_buf().with_context(context)?) {
        Kind::Run => json(input, &stem),
        Kind::Log => Log::read(input)
            .map(|log| log.run(&stem))
            .map_err(Into::into),
        Kind::Distribution => read_hgrm(input, &stem).map_err(Into::into),
        Kind::Other => Err(anyhow::anyhow!(
            "it is neither a run as `tickcast latency --json` prints it, nor an interval log \
             (.hlog) or a percentile distribution (.hgrm) of HdrHistogram"
        )),
    };
    run.with_context(context)
}

/// Runs of the same name are told apart by a number.
pub fn tell_apart(runs: &mut [Run]) {
    for nth in 1..runs.len() {
        let (before, rest) = runs.split_at_mut(nth);
        let name = rest[0].name.clone();
        let same = before
            .iter()
            .filter(|run| run.name == name || run.name.starts_with(&format!("{name} (")))
            .count();
        if same > 0 {
            rest[0].name = format!("{name} ({})", same + 1);
        }
    }
}

enum Kind {
    Run,
    Log,
    Distribution,
    Other,
}

/// What a file is that begins so.
fn kind(beginning: &[u8]) -> Kind {
    let text = String::from_utf8_lossy(beginning);
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim_start();
    let is_interval = |line: &str| line.split(',').count() >= 4;
    if first.starts_with('{') {
        Kind::Run
    } else if first.starts_with("Value") {
        Kind::Distribution
    } else if first.starts_with(['#', '"']) || first.starts_with("Tag=") || is_interval(first) {
        Kind::Log
    } else {
        Kind::Other
    }
}

/// What every layout of a run has.
#[derive(Deserialize)]
struct Versioned {
    version: Option<u32>,
}

fn json(input: impl Read, stem: &str) -> anyhow::Result<Run> {
    let mut text = Vec::new();
    input.take(MOST_BYTES + 1).read_to_end(&mut text)?;
    ensure!(
        text.len() as u64 <= MOST_BYTES,
        "it is larger than {MOST_BYTES} bytes"
    );
    let Versioned { version } = serde_json::from_slice(&text).context("it is cut or damaged")?;
    match version {
        Some(RUN_VERSION) => {}
        Some(version) => {
            bail!("it is a run of version {version}; this program reads version {RUN_VERSION}")
        }
        None => bail!("it is no run: `tickcast latency --json` prints one"),
    }
    let mut run: Run = serde_json::from_slice(&text).context("it is damaged")?;
    check(&run).context("it is damaged")?;
    if run.name.is_empty() {
        run.name = stem.to_owned();
    }
    Ok(run)
}

/// Figures that no run has.
fn check(run: &Run) -> anyhow::Result<()> {
    let stages = run.stages.iter();
    let stages = stages.flat_map(|stage| stage.parts.iter().chain(&stage.groups));
    let views = run.views.iter().map(|view| &view.figures);
    let meters = run.platform.hiccups.iter().map(|meter| &meter.stalls);
    for figures in stages.chain(views).chain(meters) {
        check_figures(figures)?;
    }
    let shares = run.views.iter().map(|view| view.left_out);
    let mut shares = shares.chain(run.platform.hiccups.iter().map(|meter| meter.share));
    ensure!(shares.all(is_share), "a share is not between 0 and 1");
    let windows = run.timeline.windows(2);
    let mut windows = windows.map(|pair| pair[0].at_ns <= pair[1].at_ns);
    ensure!(windows.all(|rises| rises), "its windows are not in order");
    Ok(())
}

fn check_figures(figures: &Figures) -> anyhow::Result<()> {
    let mut percents = figures.percentiles.iter().map(|of| of.percent);
    ensure!(
        percents.all(|percent| is_share(percent / 100.0)),
        "a percentile is not between 0 and 100"
    );
    let mut quantiles = figures.curve.iter().map(|point| point.quantile);
    ensure!(
        quantiles.all(is_share),
        "a point of a curve is not between 0 and 1"
    );
    let steps = figures.curve.windows(2);
    let mut rises =
        steps.map(|pair| pair[0].quantile <= pair[1].quantile && pair[0].ns <= pair[1].ns);
    ensure!(rises.all(|rises| rises), "a curve falls");
    Ok(())
}

fn is_share(share: f64) -> bool {
    (0.0..=1.0).contains(&share)
}
