//! `tickcast report`: runs as a page, as pictures, as a table beside each other.

mod beside;
mod chart;
mod figures;
mod page;
mod read;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod units;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use tickcast_latency::Run;

use self::chart::{Chart, Curve, MOST_SERIES};
use crate::{Outcome, show};

const HELP: &str = "\
Examples:
  tickcast report run.json
  tickcast report before.hlog after.hlog --html report.html
  tickcast report run.json --svg pictures
  tickcast report run.json other.hgrm --json

Files are told apart by their content: what `tickcast latency --json` prints, interval logs of
HdrHistogram (.hlog; ours have a tag for each stage) and its percentile distributions (.hgrm), those
of other programs as well. Up to 6 runs are drawn over each other, and the later ones compared with
the first. What must be known before a figure is trusted is said first.

  p99        99 % of the samples took at most so long; a dash when not one lies beyond
  +30 %      a change from the first run
  ≈ +1.2 %   one of less than three standard errors, which says nothing
  +30 % ?    one whose errors are not known: too few windows, or a file without any

Pictures: percentiles.svg, timeline.svg, stages.svg, stage-percentiles.svg, groups.svg, waterfall.svg
and slowest.svg, those of them for which a run has what they show.";

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct ReportArgs {
    /// The runs: a file each.
    #[arg(value_name = "FILE", required = true, num_args = 1..=MOST_SERIES)]
    files: Vec<PathBuf>,

    /// Write a page that needs no other file and no network.
    #[arg(long, value_name = "FILE", value_parser = page_name)]
    html: Option<PathBuf>,

    /// Write the pictures of the page into this folder.
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,

    /// Print one line, a JSON object.
    #[arg(long)]
    json: bool,
}

/// The name of a page: another ending may be that of a run, which would be lost.
fn page_name(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    match path.extension() {
        Some(ending) if ending == "html" => Ok(path),
        _ => Err("expected a name that ends in .html".into()),
    }
}

/// Runs the command.
pub fn run(args: &ReportArgs) -> anyhow::Result<Outcome> {
    let runs = args.files.iter().map(|path| read::run(path));
    let mut runs: Vec<Run> = runs.collect::<anyhow::Result<_>>()?;
    read::tell_apart(&mut runs);
    let mut report = beside::Report::new(&runs);
    if let Some(path) = &args.html {
        report.written.push(write(path, &html(&runs))?);
    }
    if let Some(folder) = &args.svg {
        let context = || format!("cannot make the folder {}", folder.display());
        fs::create_dir_all(folder).with_context(context)?;
        for (name, svg) in svgs(&runs) {
            report.written.push(write(&folder.join(name), &svg)?);
        }
    }
    if !args.json {
        show::notices(&statements(&runs));
    }
    show::result(&report, args.json, |out, report| {
        beside::print(out, &runs, &report.written)
    })?;
    Ok(Outcome::Done)
}

fn write(path: &Path, text: &str) -> anyhow::Result<String> {
    let name = path.display().to_string();
    fs::write(path, text).with_context(|| format!("cannot write {name}"))?;
    Ok(name)
}

/// What must be known before a figure is trusted.
fn statements(runs: &[Run]) -> Vec<String> {
    let all = runs
        .iter()
        .flat_map(|run| run.statements.iter().map(move |said| (run, said)));
    all.map(|(run, said)| match runs {
        [_] => said.clone(),
        _ => format!("{}: {said}", run.name),
    })
    .collect()
}

/// A page with everything about these runs, which needs no other file and no network.
pub fn html(runs: &[Run]) -> String {
    page::page(runs, &charts(runs))
}

/// The charts of the page as files of their own: names and contents.
pub fn svgs(runs: &[Run]) -> Vec<(String, String)> {
    let about = about(runs);
    let charts = charts(runs);
    let files = charts.iter();
    files
        .map(|chart| (format!("{}.svg", chart.name), chart.file(&about)))
        .collect()
}

/// Every chart for which there is something to draw.
fn charts(runs: &[Run]) -> Vec<Chart<'_>> {
    let any = |has: &dyn Fn(&Run) -> bool| runs.iter().any(has);
    let has_samples =
        |run: &Run| figures::headline_figures(run).is_some_and(|part| part.samples > 0);
    let mut charts = Vec::new();
    if any(&has_samples) {
        charts.push(percentiles(runs));
        charts.push(chart::stages(runs));
    }
    if any(&|run| run.timeline.iter().any(|window| window.samples > 0)) {
        charts.push(chart::timeline(runs));
    }
    if any(&|run| figures::legs(run).count() > 1 && has_samples(run)) {
        charts.push(chart::waterfall(runs));
    }
    if let [run] = runs
        && figures::legs(run).count() > 1
        && has_samples(run)
    {
        charts.push(stage_percentiles(run));
    }
    if let [run] = runs
        && figures::headline(run).is_some_and(|of| !of.groups.is_empty())
    {
        charts.push(groups(run));
    }
    if any(&|run| !run.exemplars.is_empty()) {
        charts.push(chart::slowest(runs));
    }
    charts
}

/// Of one run in its views; of several the headline of each.
fn percentiles(runs: &[Run]) -> Chart<'_> {
    let curves = match runs {
        [run] if !run.views.is_empty() => views(run),
        runs => headlines(runs),
    };
    let mut stages = runs.iter().filter_map(figures::headline);
    let title = match stages.all(|of| of.stage == "total") {
        true => "How long a tick takes",
        false => "How long it took",
    };
    chart::curves(
        "percentiles",
        title.into(),
        "Above 99 % stands the time that 99 % of the ticks did not exceed, and every step to the right leaves a tenth of \
         them. Whiskers are a standard error; where a curve is dotted fewer than ten ticks lie beyond, and another run \
         would end elsewhere."
            .into(),
        curves,
    )
}

fn views(run: &Run) -> Vec<Curve<'_>> {
    let views = run.views.iter().enumerate();
    let views = views.filter(|(_, view)| view.figures.samples > 0);
    views
        .map(|(nth, view)| Curve {
            name: match view.left_out {
                0.0 => page::view_name(&view.name).to_owned(),
                share => format!(
                    "{}, {} left out",
                    page::view_name(&view.name),
                    show::share(share)
                ),
            },
            class: if view.name == "floor" {
                "grey".into()
            } else {
                chart::colour(2 * nth)
            },
            figures: &view.figures,
        })
        .collect()
}

fn headlines(runs: &[Run]) -> Vec<Curve<'_>> {
    let runs = runs.iter().enumerate();
    let known = runs.filter_map(|(nth, run)| Some((nth, run, figures::headline_figures(run)?)));
    known
        .filter(|(_, _, figures)| figures.samples > 0)
        .map(|(nth, run, figures)| Curve {
            name: run.name.clone(),
            class: chart::colour(nth),
            figures,
        })
        .collect()
}

/// The stages of one run over each other.
fn stage_percentiles(run: &Run) -> Chart<'_> {
    let legs = figures::legs(run).take(chart::MOST_SERIES).enumerate();
    let legs = legs.map(|(nth, stage)| (stage, chart::colour(nth)));
    let all = legs.chain([("total", "ink".to_owned())]);
    let curves = all.filter_map(|(stage, class)| {
        Some(Curve {
            name: stage.to_owned(),
            class,
            figures: figures::all(run, stage)?,
        })
    });
    chart::curves(
        "stage-percentiles",
        "Which stage makes the tail".into(),
        "The same curve for every stage: where the total's bends upwards, the stage that bends with it is the cause.".into(),
        curves.collect(),
    )
}

/// The groups of instruments of one run over each other.
fn groups(run: &Run) -> Chart<'_> {
    let headline = figures::headline(run);
    let groups = headline.iter().flat_map(|of| &of.groups);
    let groups = groups.take(chart::MOST_SERIES).enumerate();
    let curves = groups.map(|(nth, figures)| Curve {
        name: figures.of.clone(),
        class: chart::colour(nth),
        figures,
    });
    let all = figures::headline_figures(run).map(|figures| Curve {
        name: "all".to_owned(),
        class: "ink".to_owned(),
        figures,
    });
    chart::curves(
        "groups",
        "Whose ticks wait longest".into(),
        "The same curve for the ticks of each group of instruments, and for all.".into(),
        curves.chain(all).collect(),
    )
}

/// A line about some runs, for below the title of a picture.
fn about(runs: &[Run]) -> String {
    let [run] = runs else {
        let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
        return names.join(" · ");
    };
    let machine = run.machine.iter().take(3).map(page::in_short);
    let began = (run.began_ns > 0).then(|| instant(run.began_ns));
    let samples = figures::headline_figures(run)
        .map(|part| format!("{} samples", crate::show::count(part.samples)));
    let parts = [run.name.clone()]
        .into_iter()
        .chain(machine)
        .chain(began)
        .chain(samples);
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    parts.join(" · ")
}

/// An instant to the second, in UTC.
fn instant(ns: u64) -> String {
    let second =
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_nanos(ns)).to_string();
    format!("{} UTC", second.replace('T', " ").trim_end_matches('Z'))
}

/// The time of day of an instant, to the millisecond, in UTC.
fn time_of_day(ns: u64) -> String {
    let text = humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(ns)).to_string();
    let (_, time) = text.split_once('T').unwrap_or_default();
    time.trim_end_matches('Z').to_owned()
}
