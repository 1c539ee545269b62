//! The stages one after the other, each at the same percentile of its own.

use maud::{Markup, html};
use tickcast_latency::Run;

use super::scale::Scale;
use super::{Chart, Drawing, LETTER, ROW, shortened, width_of};
use crate::report::figures::{all, at, legs};
use crate::report::units;

/// The percentiles that are drawn.
const PERCENTS: [f64; 2] = [50.0, 99.0];
/// Room for the names of stages.
const LEFT: f64 = 74.0;

/// A chart with a waterfall for each percentile and run.
pub fn waterfall<'a>(runs: &'a [Run]) -> Chart<'a> {
    Chart {
        name: "waterfall",
        title: "The way at its median and at its 99th percentile".into(),
        explanation: "Each bar is that stage's own percentile, begun where the one before it ended; the last is the \
                      total's. Percentiles do not add up: a tick that is slow in one stage is seldom the one that is \
                      slow in the next, so the bars end elsewhere than the total does. Compare bars, do not sum them."
            .into(),
        draw: Box::new(move |width| draw(runs, width)),
    }
}

fn draw(runs: &[Run], width: f64) -> Drawing {
    let side_by_side = width > 600.0;
    let each = if side_by_side {
        (width - 32.0) / 2.0
    } else {
        width
    };
    let mut top = 0.0;
    let mut body = html! {};
    for (nth, run) in runs.iter().enumerate() {
        let mut lowest: f64 = top;
        for (place, percent) in PERCENTS.into_iter().enumerate() {
            let left = if side_by_side {
                place as f64 * (each + 32.0)
            } else {
                0.0
            };
            let of = if runs.len() > 1 {
                format!(", {}", run.name)
            } else {
                String::new()
            };
            let title = shortened(
                &format!("{}{of}", units::percentile(percent)),
                (each / 7.0) as usize,
            );
            let (height, panel) = panel(run, percent, &title, &super::colour(nth), each);
            body = html! { (body) g transform=(format!("translate({left} {top:.1})")) { (panel) } };
            lowest = lowest.max(top + height);
            if !side_by_side {
                top = lowest;
            }
        }
        top = lowest;
    }
    Drawing { height: top, body }
}

/// One waterfall and how high it is.
fn panel(run: &Run, percent: f64, title: &str, class: &str, width: f64) -> (f64, Markup) {
    let value = |stage: &str| at(all(run, stage)?, percent)?.ns;
    let bars: Vec<(&str, Option<u64>)> = legs(run).map(|stage| (stage, value(stage))).collect();
    let total = value("total");
    let sum: u64 = bars
        .iter()
        .filter_map(|(_, ns)| *ns)
        .fold(0, u64::saturating_add);
    let scale = Scale::Linear(sum.max(total.unwrap_or(0)).max(1) as f64);
    let room = width - LEFT - width_of("999.99 µs");
    let row = |nth: usize| 44.0 + nth as f64 * ROW;
    let ends = bars.iter().scan(0u64, |end, (_, ns)| {
        *end = end.saturating_add(ns.unwrap_or(0));
        Some(*end)
    });
    let begins = [0].into_iter().chain(ends);
    let markup = html! {
        text.strong x="0" y="20" { (title) }
        @for (nth, ((stage, ns), begin)) in bars.iter().zip(begins).enumerate() {
            (bar(stage, row(nth), begin, *ns, class, scale, room))
        }
        @let end = row(bars.len());
        path.grid d=(format!("M0 {0:.1}H{width}", end - ROW / 2.0 - 2.0)) {}
        (bar("total", end + 4.0, 0, total, "ink", scale, room))
        path.axis.few d=(format!("M{0:.1} {1:.1}V{2:.1}", LEFT + scale.at(sum as f64) * room, row(0) - 10.0, end + 14.0)) {}
    };
    (row(bars.len()) + 40.0, markup)
}

fn bar(
    stage: &str,
    middle: f64,
    from: u64,
    ns: Option<u64>,
    class: &str,
    scale: Scale,
    room: f64,
) -> Markup {
    let left = LEFT + scale.at(from as f64) * room;
    let right = LEFT + scale.at(from.saturating_add(ns.unwrap_or(0)) as f64) * room;
    let baseline = format!("{:.1}", middle + LETTER / 3.0);
    html! {
        text x="0" y=(baseline) { (shortened(stage, 10)) }
        @match ns {
            Some(ns) => {
                rect.bar.(class) x=(format!("{left:.1}")) y=(format!("{:.1}", middle - 6.0)) width=(format!("{:.1}", (right - left).max(1.0))) height="12" rx="1" {}
                text x=(format!("{:.1}", right + 6.0)) y=(baseline) { (units::duration(ns as f64)) }
            }
            None => { text.muted x=(format!("{:.1}", left + 6.0)) y=(baseline) { "– too few samples" } }
        }
    }
}
