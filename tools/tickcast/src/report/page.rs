//! The page: everything about some runs, in one file that needs nothing else.

mod context;
mod machine;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use tickcast_latency::Run;

use super::chart::{self, Chart};
use super::figures::{at, headline, headline_figures};
use super::{instant, units};
use crate::show;
pub use context::in_short;
pub use tables::view_name;

/// How a page looks that is not a chart.
const STYLE: &str = include_str!("page.css");
/// What a browser may load for it: nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// The percentiles that stand in large at the top; the longest sample follows.
const LARGE: [f64; 4] = [50.0, 99.0, 99.9, 99.99];

/// The page of some runs, with these charts.
pub fn page(runs: &[Run], charts: &[Chart]) -> String {
    let title = title(runs);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) " – tickcast latency" }
                style { (PreEscaped(chart::STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kicker { "tickcast latency report" }
                    h1 { (title) }
                    (context::runs(runs))
                }
                main {
                    (statements(runs))
                    @if let [run] = runs { (tiles(run)) }
                    (figure(charts, "percentiles"))
                    @if runs.len() > 1 { (tables::stages(runs)) }
                    (tables::views(runs))
                    @for name in ["timeline", "stages", "stage-percentiles", "groups", "waterfall"] {
                        (figure(charts, name))
                    }
                    @if runs.len() == 1 { (tables::stages(runs)) }
                    (figure(charts, "slowest"))
                    (machine::slowest(runs))
                    (machine::platform(runs))
                    (context::clocks(runs))
                    (context::settings(runs))
                    (context::words(runs))
                }
                footer { p { "Made by tickcast " (env!("CARGO_PKG_VERSION")) ". Times from due to taken count what was not sent in time." } }
            }
        }
    };
    markup.into_string()
}

fn title(runs: &[Run]) -> String {
    match runs {
        [run] if run.name.is_empty() => "A measured run".into(),
        [run] => run.name.clone(),
        runs => format!("{} runs over each other", runs.len()),
    }
}

fn figure(charts: &[Chart], name: &str) -> Markup {
    html! {
        @if let Some(chart) = charts.iter().find(|chart| chart.name == name) { (chart.figure()) }
    }
}

/// What must be known before trusting a figure.
fn statements(runs: &[Run]) -> Markup {
    let any = runs.iter().any(|run| !run.statements.is_empty());
    html! {
        @if any {
            section.statements aria-labelledby="statements" {
                h2 #statements { "Before you trust a figure" }
                ul {
                    @for run in runs {
                        @for statement in &run.statements {
                            li {
                                @if runs.len() > 1 { strong { (run.name) } ": " }
                                (statement)
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The figures that one looks for first.
fn tiles(run: &Run) -> Markup {
    let Some(figures) = headline_figures(run) else {
        return html! {};
    };
    let floor = run.views.iter().find(|view| view.name == "floor");
    let ratio = |percent: f64| {
        let ratios = &floor?.ratios;
        ratios
            .iter()
            .find(|of| of.percent == percent)
            .map(|of| format!("× {:.2} the bare socket", of.median))
    };
    html! {
        section.tiles aria-label="At a glance" {
            @for percent in LARGE {
                @let of = at(figures, percent);
                @let value = of.and_then(|of| of.ns).map(|ns| ns as f64);
                div.tile {
                    p.what { (units::percentile(percent)) }
                    p.value { (value.map_or_else(|| "–".into(), units::duration)) }
                    p.more {
                        @match (value, of.and_then(|of| of.error_ns)) {
                            (None, _) => { "too few samples" }
                            (_, Some(error)) => { (units::error(error)) }
                            _ => {}
                        }
                        @if let Some(ratio) = ratio(percent) { br; (ratio) }
                    }
                }
            }
            div.tile {
                p.what { "max" }
                p.value { (figures.max_ns.map_or_else(|| "–".into(), |ns| units::duration(ns as f64))) }
                p.more { "of " (show::count(figures.samples)) " samples" }
            }
            p.explanation {
                @match headline(run) {
                    Some(stage) if stage.stage == "total" => {
                        "From the instant a tick was due to a strategy having taken it; after ± the standard error."
                    }
                    _ => { "All samples of the log; after ± the standard error." }
                }
            }
        }
    }
}

/// When a run began, for people.
fn began(run: &Run) -> Option<String> {
    (run.began_ns > 0).then(|| instant(run.began_ns))
}
