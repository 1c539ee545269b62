//! The slowest ticks, each with its whole way.

use maud::{Markup, html};
use tickcast_latency::{Exemplar, Run};

use super::plane::BELOW;
use super::scale::Scale;
use super::{Chart, Drawing, Key, LETTER, ROW, colour, legend, shortened};
use crate::report::figures::legs;
use crate::report::units;
use crate::show;

/// Room for the number of a tick, and for its time.
const LEFT: f64 = 110.0;
const RIGHT: f64 = 66.0;

/// A chart of the slowest ticks of some runs.
pub fn slowest<'a>(runs: &'a [Run]) -> Chart<'a> {
    Chart {
        name: "slowest",
        title: "The slowest ticks, stage by stage".into(),
        explanation: "Each row is one tick, named by its seq, and its time from due to done in the stages it spent it \
                      in: what one tick spent does add up, and the widest part is where this one was held up."
            .into(),
        draw: Box::new(move |width| draw(runs, width)),
    }
}

fn draw(runs: &[Run], width: f64) -> Drawing {
    let stages = stages(runs);
    let keys: Vec<Key> = stages
        .iter()
        .enumerate()
        .map(|(nth, stage)| key(nth, stage))
        .collect();
    let (mut top, legend) = legend(&keys, width);
    let lengths = runs.iter().flat_map(|run| run.exemplars.iter().map(length));
    let scale = Scale::linear(lengths);
    let room = width - LEFT - RIGHT;
    let above = top;
    let mut rows = html! {};
    for run in runs.iter().filter(|run| !run.exemplars.is_empty()) {
        if runs.len() > 1 {
            rows = html! { (rows) text.strong x="0" y=(top + 14.0) { (shortened(&run.name, (width / 7.0) as usize)) } };
            top += ROW + 4.0;
        }
        for tick in &run.exemplars {
            rows = html! { (rows) (row(tick, &stages, top + ROW / 2.0, scale, room)) };
            top += ROW + 2.0;
        }
    }
    let body = html! {
        (legend)
        @for mark in scale.marks((room / 90.0) as usize) {
            @let x = format!("{:.1}", LEFT + mark.at * room);
            path.grid d=(format!("M{x} {above}V{top:.1}")) {}
            text.middle x=(x) y=(format!("{:.1}", top + 18.0)) { (mark.label.unwrap_or_default()) }
        }
        (rows)
        path.axis d=(format!("M{LEFT} {top:.1}H{}", LEFT + room)) {}
        text.muted.end x=(width) y=(format!("{:.1}", top + 38.0)) { "time since the tick was due" }
    };
    Drawing {
        height: top + BELOW,
        body,
    }
}

/// The stages that any of these ticks passed, in order.
fn stages(runs: &[Run]) -> Vec<&str> {
    let mut stages: Vec<&str> = runs
        .first()
        .map(|run| legs(run).collect())
        .unwrap_or_default();
    let ticks = runs.iter().flat_map(|run| &run.exemplars);
    for leg in ticks.flat_map(|tick| &tick.waterfall) {
        if !stages.contains(&leg.stage.as_str()) {
            stages.push(&leg.stage);
        }
    }
    stages
}

fn key(nth: usize, stage: &str) -> Key {
    Key {
        class: colour(nth),
        shape: "bar",
        name: shortened(stage, 20),
    }
}

/// How far to the right a tick's row reaches.
fn length(tick: &Exemplar) -> f64 {
    let legs = tick.waterfall.iter().map(|leg| leg.ns.max(0) as f64);
    (tick.total_ns as f64).max(legs.sum())
}

fn row(tick: &Exemplar, stages: &[&str], middle: f64, scale: Scale, room: f64) -> Markup {
    let baseline = format!("{:.1}", middle + LETTER / 3.0);
    let seq = format!("seq {}", show::count(tick.seq));
    let ends = tick.waterfall.iter().scan(0.0, |end, leg| {
        *end += leg.ns as f64;
        Some(*end)
    });
    html! {
        text.end x=(LEFT - 10.0) y=(baseline) { (shortened(&seq, ((LEFT - 10.0) / 6.6) as usize)) }
        // What no stage accounts for shows as this bar behind them.
        @let whole = scale.at(tick.total_ns as f64) * room;
        rect.bar.grey x=(LEFT) y=(format!("{:.1}", middle - 7.0)) width=(format!("{whole:.1}")) height="14" {}
        @for (leg, end) in tick.waterfall.iter().zip(ends) {
            @let nth = stages.iter().position(|stage| *stage == leg.stage).unwrap_or(0);
            @let (from, to) = (scale.at(end - leg.ns as f64), scale.at(end));
            @let width = (to - from).abs() * room;
            @if width >= 0.2 {
                rect.bar.(colour(nth)) x=(format!("{:.1}", LEFT + from.min(to) * room)) y=(format!("{:.1}", middle - 7.0)) width=(format!("{width:.1}")) height="14" {
                    title { (leg.stage) ": " (units::duration(leg.ns as f64)) }
                }
            }
        }
        @let time = units::duration(tick.total_ns as f64);
        @let right = LEFT + scale.at(length(tick)) * room + 8.0;
        text x=(format!("{right:.1}")) y=(baseline) { (time) }
    }
}
