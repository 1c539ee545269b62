//! Tables of what the machine did: the slowest ticks, and stalls.

use maud::{Markup, html};
use tickcast_latency::{Exemplar, Hiccup, Run};

use super::context::lists;
use super::tables::{group, longest, table, time};
use crate::report::figures::{at, legs};
use crate::report::{time_of_day, units};
use crate::show;

/// The slowest ticks, a table a run.
pub fn slowest(runs: &[Run]) -> Markup {
    html! {
        @for (nth, run) in runs.iter().enumerate().filter(|(_, run)| !run.exemplars.is_empty()) {
            @let title = match runs {
                [_] => "The slowest ticks in figures".to_owned(),
                _ => format!("The slowest ticks of {}", run.name),
            };
            (table(
                &format!("slowest-{}", nth + 1),
                &title,
                "Each with the time it spent in every stage, and below it what the machine did meanwhile.",
                &slowest_of(run),
            ))
        }
    }
}

fn slowest_of(run: &Run) -> Markup {
    let stages: Vec<&str> = legs(run).collect();
    html! {
        thead {
            tr {
                @for head in ["seq", "instrument", "by", "due at, UTC", "total"] { th scope="col" { (head) } }
                @for stage in &stages { th scope="col" { (stage) } }
            }
        }
        @for tick in &run.exemplars { tbody { (slow_tick(tick, &stages)) } }
    }
}

fn slow_tick(tick: &Exemplar, stages: &[&str]) -> Markup {
    html! {
        tr {
            th scope="row" { (show::count(tick.seq)) }
            td { (tick.instrument) }
            td { (tick.provenance) }
            td { (time_of_day(tick.due_ns)) }
            td { strong { (units::duration(tick.total_ns as f64)) } }
            @for stage in stages {
                @let leg = tick.waterfall.iter().find(|leg| leg.stage == *stage);
                td { (time(leg.map(|leg| leg.ns as f64))) }
            }
        }
        @if !tick.meanwhile.is_empty() {
            tr.part { td.text colspan=(stages.len() + 5) { (tick.meanwhile.join(" ")) } }
        }
    }
}

/// What the machine did.
pub fn platform(runs: &[Run]) -> Markup {
    let has_meters = |run: &Run| !run.platform.hiccups.is_empty();
    let content = html! {
        thead {
            tr {
                @for head in ["thread", "core", "stalls", "of the time", "p50", "p99", "p99.9", "max"] {
                    th scope="col" { (head) }
                }
            }
        }
        @for (nth, run) in runs.iter().enumerate().filter(|(_, run)| has_meters(run)) {
            tbody {
                @if runs.len() > 1 { (group(nth, run, 8)) }
                @for meter in &run.platform.hiccups { (stalls(meter)) }
            }
        }
    };
    let explanation = "How often and for how long the machine took a core away from a thread: a tail that is no longer \
                       than these stalls is the machine's.";
    let counted =
        "What the system counted meanwhile, for the threads of this process and for the machine.";
    html! {
        @if runs.iter().any(has_meters) {
            (table("platform", "What the machine did: stalls", explanation, &content))
        }
        (lists(runs, "counters", "What the machine did: counters", counted, |run| &run.platform.counters))
    }
}

fn stalls(meter: &Hiccup) -> Markup {
    let percentile = |percent: f64| at(&meter.stalls, percent).and_then(|of| of.ns);
    html! {
        tr {
            th scope="row" { (meter.thread) }
            td { (meter.core.map_or_else(|| "any".into(), |core| core.to_string())) }
            td { (show::count(meter.stalls.samples)) }
            td { (show::share(meter.share)) }
            @for percent in [50.0, 99.0, 99.9] {
                td { (time(percentile(percent).map(|ns| ns as f64))) }
            }
            td { (longest(&meter.stalls)) }
        }
    }
}
