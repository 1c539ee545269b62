//! Tables of figures.

use maud::{Markup, html};
use tickcast_latency::{Figures, Percentile, Run, View};

use super::context::swatch;
use crate::report::figures::{self, Change, all, at};
use crate::report::units;
use crate::show;

/// A table that scrolls sideways where there is no room, with its heading and how to read it.
pub fn table(id: &str, title: &str, explanation: &str, content: &Markup) -> Markup {
    html! {
        section {
            h2 #(id) { (title) }
            p.explanation { (explanation) }
            div.scroll tabindex="0" role="region" aria-labelledby=(id) { table { (content) } }
        }
    }
}

/// The head of a table: names, with percentiles before the last.
fn head(names: &[&str], percents: &[f64]) -> Markup {
    html! {
        thead {
            tr {
                @for name in names { th scope="col" { (name) } }
                @for percent in percents { th scope="col" { (units::percentile(*percent)) } }
                th scope="col" { "max" }
            }
        }
    }
}

/// A row that names the run of those below it.
pub fn group(nth: usize, run: &Run, columns: usize) -> Markup {
    html! { tr.group { th scope="rowgroup" colspan=(columns) { (swatch(nth)) (run.name) } } }
}

/// A time, or a dash.
pub fn time(ns: Option<f64>) -> String {
    ns.map_or_else(|| "–".into(), units::duration)
}

/// The longest sample, or a dash.
pub fn longest(figures: &Figures) -> String {
    time(figures.max_ns.map(|ns| ns as f64))
}

/// A percentile with its standard error, and how it differs from that of the first run.
fn cell(of: Option<&Percentile>, first: Option<&Percentile>) -> Markup {
    let change = first
        .zip(of)
        .and_then(|(first, of)| Change::between(first, of));
    html! {
        td {
            (time(of.and_then(|of| of.ns).map(|ns| ns as f64)))
            @if let Some(error) = of.and_then(|of| of.error_ns) { small { (units::error(error)) } }
            @if let Some([least, most]) = of.and_then(|of| of.between_ns) {
                small { (units::duration(least as f64)) " to " (units::duration(most as f64)) }
            }
            @if let Some(change) = change { small.told[change.is_told()] { (change.to_string()) } }
        }
    }
}

/// The cells of some samples, beside those of the first run if there is one.
fn cells(figures: &Figures, first: Option<&Figures>, percents: &[f64]) -> Markup {
    html! {
        @for percent in percents {
            (cell(at(figures, *percent), first.and_then(|first| at(first, *percent))))
        }
        td { (longest(figures)) }
    }
}

/// Every stage: of one run with its provenances and groups, of several beside each other.
pub fn stages(runs: &[Run]) -> Markup {
    let percents = figures::percents(runs);
    let explanation = match runs {
        [_] => {
            "Below each value stands its standard error, by bootstrap over windows, and where it lies, from and to, when it \
             is a time from one host to another. A dash: not one sample lies beyond that percentile, or too few windows \
             for an error."
        }
        _ => {
            "Below each value stand its standard error and how far it is from the first run's; after ≈ that is less than \
             three standard errors and says nothing, before ? the errors are not known. A dash: too few samples."
        }
    };
    let content = html! {
        (head(&["stage", "samples"], &percents))
        @for stage in figures::stages(runs) {
            tbody {
                @match runs {
                    [run] => { (parts(run, stage, &percents)) }
                    runs => { (beside(runs, stage, &percents)) }
                }
            }
        }
    };
    table("table", "Every stage in figures", explanation, &content)
}

/// A stage of one run, and below it its provenances and groups.
fn parts(run: &Run, stage: &str, percents: &[f64]) -> Markup {
    let row = |name: &str, is_part: bool, figures: &Figures| {
        html! {
            tr.part[is_part] {
                th scope="row" { (name) }
                td { (show::count(figures.samples)) }
                (cells(figures, None, percents))
            }
        }
    };
    html! {
        @for stage in run.stages.iter().filter(|of| of.stage == stage) {
            @for (nth, part) in stage.parts.iter().enumerate() {
                (row(if nth == 0 { &stage.stage } else { &part.of }, nth > 0, part))
            }
            @for group in &stage.groups { (row(&format!("@ {}", group.of), true, group)) }
        }
    }
}

/// A stage of several runs.
fn beside(runs: &[Run], stage: &str, percents: &[f64]) -> Markup {
    let first = runs.first().and_then(|run| all(run, stage));
    html! {
        tr.group { th scope="rowgroup" colspan=(percents.len() + 3) { (stage) } }
        @for (nth, run) in runs.iter().enumerate() {
            @if let Some(figures) = all(run, stage) {
                tr {
                    th scope="row" { (swatch(nth)) (run.name) }
                    td { (show::count(figures.samples)) }
                    (cells(figures, first.filter(|_| nth > 0), percents))
                }
            }
        }
    }
}

/// The total seen in three ways.
pub fn views(runs: &[Run]) -> Markup {
    // One alone is the stage `total`, which has a row of its own.
    if runs.iter().all(|run| run.views.len() < 2) {
        return html! {};
    }
    let percents = figures::percents(runs);
    let content = html! {
        (head(&["view", "left out"], &percents))
        @for (nth, run) in runs.iter().enumerate().filter(|(_, run)| !run.views.is_empty()) {
            tbody {
                @if runs.len() > 1 { (group(nth, run, percents.len() + 3)) }
                @for view in &run.views { (view_rows(view, &percents)) }
            }
        }
    };
    let explanation = "The tail as it was; without the ticks that were under way while the machine stood still, and the \
                       share that this leaves out; and that of bare sockets, measured in turns with the run, with the \
                       run as a multiple of it (below, the quartiles over the turns).";
    table("views", "Whose tail it is", explanation, &content)
}

/// A view as it is called for people.
pub fn view_name(name: &str) -> &str {
    match name {
        "raw" => "as it was",
        "floor" => "bare sockets",
        name => name,
    }
}

fn view_rows(view: &View, percents: &[f64]) -> Markup {
    let left_out = Some(view.left_out).filter(|share| *share > 0.0);
    html! {
        tr {
            th scope="row" { (view_name(&view.name)) }
            td { (left_out.map_or_else(|| "–".into(), show::share)) }
            (cells(&view.figures, None, percents))
        }
        @if !view.ratios.is_empty() {
            tr.part {
                th scope="row" { "the run as a multiple" }
                td { "–" }
                @for percent in percents { (ratio(view, *percent)) }
                td { "–" }
            }
        }
    }
}

fn ratio(view: &View, percent: f64) -> Markup {
    let ratio = view.ratios.iter().find(|ratio| ratio.percent == percent);
    html! {
        td {
            @match ratio {
                Some(ratio) => {
                    (format!("× {:.2}", ratio.median))
                    small { (format!("{:.2} to {:.2}", ratio.quartiles[0], ratio.quartiles[1])) }
                }
                None => { "–" }
            }
        }
    }
}
