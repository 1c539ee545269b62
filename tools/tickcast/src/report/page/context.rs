//! What was measured, on what, and what the words mean.

use maud::{Markup, html};
use tickcast_latency::{Clocks, Run, Setting};

use super::began;
use crate::report::chart::colour;
use crate::report::{figures, units};
use crate::show;

/// So many lines of the machine stand in the heading.
const IN_HEADING: usize = 3;

/// Of each run, what was typed, where and when.
pub fn runs(runs: &[Run]) -> Markup {
    html! {
        @for (nth, run) in runs.iter().enumerate() {
            div.run {
                @if runs.len() > 1 { p.name { (swatch(nth)) (run.name) } }
                @if !run.command.is_empty() { pre { code { (run.command) } } }
                p { (in_words(run)) }
            }
        }
    }
}

/// The colour of a run beside its name.
pub fn swatch(nth: usize) -> Markup {
    html! {
        svg.swatch viewBox="0 0 12 12" aria-hidden="true" {
            rect.bar.(colour(nth)) width="12" height="12" rx="3" {}
        }
    }
}

fn in_words(run: &Run) -> String {
    let machine = run.machine.iter().take(IN_HEADING);
    let mut parts: Vec<String> = machine.map(in_short).collect();
    parts.extend(began(run));
    if run.duration_ns > 0 {
        let warm_up = match run.warm_up_ns {
            0 => String::new(),
            ns => format!(" after {} of warm-up", units::mark(ns as f64)),
        };
        parts.push(format!("{}{warm_up}", units::mark(run.duration_ns as f64)));
    }
    if run.ticks.published > 0 {
        let [published, delivered, lost] =
            [run.ticks.published, run.ticks.delivered, run.ticks.lost].map(show::count);
        parts.push(format!(
            "{published} ticks published, {delivered} delivered, {lost} lost"
        ));
    }
    parts.join(" · ")
}

/// What a setting is set to, with its name where that alone would be a bare number.
pub fn in_short(setting: &Setting) -> String {
    let Setting { name, value } = setting;
    if value.contains(char::is_alphabetic) {
        value.clone()
    } else {
        format!("{value} {name}")
    }
}

/// How the clocks of two hosts differ.
pub fn clocks(runs: &[Run]) -> Markup {
    let known = || {
        runs.iter()
            .filter_map(|run| Some((run, run.clocks.as_ref()?)))
    };
    html! {
        @if known().next().is_some() {
            section {
                h2 #clocks { "Clocks of two hosts" }
                p.explanation {
                    "A time that begins on one host and ends on the other is known only as well as their clocks are: it \
                     may be longer or shorter than it is shown by the uncertainty."
                }
                @for (run, clocks) in known() {
                    @if runs.len() > 1 { h3 { (run.name) } }
                    (list(&clocks_in_words(clocks)))
                }
            }
        }
    }
}

fn clocks_in_words(clocks: &Clocks) -> Vec<Setting> {
    let line = |name: &str, value: String| Setting {
        name: name.into(),
        value,
    };
    let drift = clocks.drift_ppb.map_or_else(
        || "too few exchanges".into(),
        |ppb| format!("{ppb:+.1} parts per billion"),
    );
    let uncertainty = units::duration(clocks.uncertainty_ns as f64);
    let discipline = clocks.discipline.clone();
    vec![
        line(
            "publisher's clock minus subscriber's",
            units::duration(clocks.offset_ns as f64),
        ),
        line("known to within", format!("± {uncertainty}")),
        line("exchanges", show::count(clocks.exchanges)),
        line("drift", drift),
        line("steps", show::count(clocks.steps)),
        line("kept by", discipline.unwrap_or_else(|| "not known".into())),
    ]
}

/// Settings of the runs, and of what they ran on.
pub fn settings(runs: &[Run]) -> Markup {
    let chosen = "What was chosen on the command line or by default.";
    let machine = "What it ran on, as the system says.";
    html! {
        (lists(runs, "settings", "Settings of the run", chosen, |run| &run.settings))
        (lists(runs, "machine", "The machine", machine, |run| &run.machine))
    }
}

/// A section with a list of each run.
pub fn lists(
    runs: &[Run],
    id: &str,
    title: &str,
    explanation: &str,
    of: fn(&Run) -> &[Setting],
) -> Markup {
    html! {
        @if runs.iter().any(|run| !of(run).is_empty()) {
            section.pairs {
                h2 #(id) { (title) }
                p.explanation { (explanation) }
                @for run in runs.iter().filter(|run| !of(run).is_empty()) {
                    @if runs.len() > 1 { h3 { (run.name) } }
                    (list(of(run)))
                }
            }
        }
    }
}

/// Names and values.
fn list(settings: &[Setting]) -> Markup {
    html! {
        dl {
            @for setting in settings {
                div { dt { (setting.name) } dd { (setting.value) } }
            }
        }
    }
}

/// What the stages are.
pub fn words(runs: &[Run]) -> Markup {
    let meaning = |stage: &str| {
        Some(Setting {
            name: stage.into(),
            value: figures::meaning(stage)?.into(),
        })
    };
    let stages = figures::stages(runs).into_iter();
    let meanings: Vec<Setting> = stages.filter_map(meaning).collect();
    html! {
        @if !meanings.is_empty() {
            section {
                h2 #words { "What the stages are" }
                (list(&meanings))
            }
        }
    }
}
