//! Where a tick's time goes: every stage from its median to its longest.

use maud::{Markup, html};
use tickcast_latency::{Figures, Run};

use super::plane::BELOW;
use super::scale::Scale;
use super::{Chart, Drawing, Key, ROW, colour, legend, point, shortened};
use crate::report::figures::{self, at};
use crate::report::units;

/// The points of a stage: their names, percentiles (the longest sample has none) and shapes.
const POINTS: [(&str, Option<f64>, &str); 4] = [
    ("p50", Some(50.0), "disc"),
    ("p99", Some(99.0), "square"),
    ("p99.9", Some(99.9), "triangle"),
    ("max", None, "ring"),
];
/// Room for the names of stages, and right of the plane.
const LEFT: f64 = 74.0;
const RIGHT: f64 = 22.0;

/// A chart of the stages of some runs, a row each.
pub fn stages<'a>(runs: &'a [Run]) -> Chart<'a> {
    Chart {
        name: "stages",
        title: "Where the time goes".into(),
        explanation: "Each row is a stage of a tick's way, from its median to its longest sample on a logarithmic axis: \
                      a long row is a stage with a tail, and the row that reaches as far right as the total's made it."
            .into(),
        draw: Box::new(move |width| draw(runs, width)),
    }
}

/// A row: a stage's name where it is the first of its stage, and what one run has of it.
struct Row<'a> {
    stage: Option<&'a str>,
    class: String,
    figures: &'a Figures,
}

fn rows(runs: &[Run]) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for stage in figures::stages(runs) {
        let mut name = Some(stage);
        for (nth, run) in runs.iter().enumerate() {
            let figures = figures::all(run, stage).filter(|figures| figures.samples > 0);
            let Some(figures) = figures else { continue };
            rows.push(Row {
                stage: name.take(),
                class: colour(nth),
                figures,
            });
        }
    }
    rows
}

fn draw(runs: &[Run], width: f64) -> Drawing {
    let rows = rows(runs);
    let (top, legend) = legend(&keys(runs), width);
    let times = rows.iter().flat_map(|row| {
        POINTS
            .iter()
            .filter_map(|&(_, percent, _)| value(row.figures, percent))
    });
    let scale = Scale::log(times);
    let plane_width = width - LEFT - RIGHT;
    let row_height = if runs.len() > 1 { ROW } else { 30.0 };
    let bottom = top + rows.len() as f64 * row_height + 8.0;
    let x = |ns: f64| LEFT + scale.at(ns) * plane_width;
    let body = html! {
        (legend)
        @for mark in scale.marks((plane_width / 70.0) as usize) {
            @let x = format!("{:.1}", LEFT + mark.at * plane_width);
            path.grid.minor[mark.label.is_none()] d=(format!("M{x} {top}V{bottom}")) {}
            @if let Some(label) = mark.label {
                text.middle x=(x) y=(bottom + 18.0) { (label) }
            }
        }
        path.axis d=(format!("M{LEFT} {bottom}H{}", LEFT + plane_width)) {}
        text.muted.end x=(width - RIGHT) y=(bottom + 38.0) { "time in the stage" }
        @for (nth, row) in rows.iter().enumerate() {
            @let middle = top + (nth as f64 + 0.5) * row_height + 4.0;
            @if let Some(stage) = row.stage {
                @if nth > 0 && runs.len() > 1 {
                    path.grid d=(format!("M0 {0:.1}H{1}", middle - row_height / 2.0, LEFT + plane_width)) {}
                }
                text x="0" y=(format!("{:.1}", middle + 4.0)) { (shortened(stage, 10)) }
            }
            (points(row, middle, x))
        }
    };
    Drawing {
        height: bottom + BELOW,
        body,
    }
}

fn keys(runs: &[Run]) -> Vec<Key> {
    let several = runs.len() > 1;
    let class = if several { "ink".into() } else { colour(0) };
    let points = POINTS.iter().map(|&(name, _, shape)| Key {
        class: class.clone(),
        shape,
        name: name.into(),
    });
    let runs = runs
        .iter()
        .enumerate()
        .filter(|_| several)
        .map(|(nth, run)| Key {
            class: colour(nth),
            shape: "line",
            name: run.name.clone(),
        });
    points.chain(runs).collect()
}

fn value(figures: &Figures, percent: Option<f64>) -> Option<u64> {
    match percent {
        Some(percent) => at(figures, percent).and_then(|percentile| percentile.ns),
        None => figures.max_ns,
    }
}

fn points(row: &Row, middle: f64, x: impl Fn(f64) -> f64) -> Markup {
    let known: Vec<(&str, &str, f64)> = POINTS
        .iter()
        .filter_map(|&(name, percent, shape)| {
            Some((name, shape, value(row.figures, percent)? as f64))
        })
        .collect();
    html! {
        @if let (Some(first), Some(last)) = (known.first(), known.last()) {
            path.line.(row.class) d=(format!("M{:.1} {middle:.1}H{:.1}", x(first.2), x(last.2))) {}
        }
        // The median last, so that it lies on top.
        @for (name, shape, ns) in known.iter().rev() {
            g transform=(format!("translate({:.1} {middle:.1})", x(*ns))) {
                title { (name) ": " (units::duration(*ns)) }
                (point(shape, &row.class))
            }
        }
    }
}
