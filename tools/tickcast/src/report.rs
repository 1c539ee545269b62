//! `tickcast report`: runs as a page, as pictures, as a table beside each other.

mod chart;
mod figures;
mod page;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
mod units;

use std::time::{Duration, UNIX_EPOCH};

use tickcast_latency::Run;

use chart::{Chart, Curve};

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
    let is_total = runs
        .iter()
        .all(|run| figures::headline(run).is_some_and(|of| of.stage == "total"));
    let title = if is_total {
        "How long a tick takes"
    } else {
        "How long it took"
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
                    units::share(share)
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

/// A line about some runs, for below the title of a picture.
fn about(runs: &[Run]) -> String {
    let [run] = runs else {
        let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
        return names.join(" · ");
    };
    let machine = run
        .machine
        .iter()
        .take(2)
        .map(|setting| setting.value.clone());
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
