//! The stages one after the other, each at the same percentile of its own.

use maud::{Markup, html};
use tickcast_latency::Run;

use super::scale::Scale;
use super::{Chart, Drawing, LETTER, ROW, colour, shortened, width_of};
use crate::report::figures::{all, at, legs_of_total};
use crate::report::units;

/// The percentiles that are drawn, of each run.
const PERCENTS: [f64; 2] = [50.0, 99.0];
/// Room for the names of stages.
const LEFT: f64 = 74.0;
/// Between two waterfalls beside each other.
const GAP: f64 = 32.0;

/// A chart with a waterfall for each percentile and run.
pub fn waterfall(runs: &[Run]) -> Chart<'_> {
    Chart {
        name: "waterfall",
        title: "The way at its median and at its 99th percentile".into(),
        explanation: "Each bar is that stage's own percentile, begun where the one before it \
                      ended; the last bar is the total's. Percentiles do not add up: a tick that \
                      is slow in one stage is seldom the one that is slow in the next, so the \
                      stages end (at the dotted line) elsewhere than the total. Compare bars, do \
                      not sum them."
            .into(),
        draw: Box::new(move |width| draw(runs, width)),
    }
}

fn draw(runs: &[Run], width: f64) -> Drawing {
    let beside = width > 600.0;
    let each = if beside { (width - GAP) / 2.0 } else { width };
    let columns = if beside { PERCENTS.len() } else { 1 };
    let falls = runs.iter().enumerate().flat_map(|(nth, run)| {
        let percents = PERCENTS.iter();
        percents.map(move |&percent| (nth, Fall::of(run, percent)))
    });
    let falls: Vec<(usize, Fall)> = falls.collect();
    let (mut top, mut body) = (0.0, html! {});
    for row in falls.chunks(columns) {
        for (column, (nth, fall)) in row.iter().enumerate() {
            let mut title = units::percentile(fall.percent);
            if runs.len() > 1 {
                title = format!("{title}, {}", runs[*nth].name);
            }
            // Waterfalls of the same percentile can be compared.
            let same = falls.iter().filter(|(_, of)| of.percent == fall.percent);
            let scale = Scale::linear(same.map(|(_, of)| of.end()));
            let left = column as f64 * (each + GAP);
            body = html! {
                (body)
                g transform=(format!("translate({left} {top:.1})")) {
                    text.strong x="0" y="20" { (shortened(&title, (each / 7.0) as usize)) }
                    (fall.draw(&colour(*nth), scale, each))
                }
            };
        }
        let heights = row.iter().map(|(_, fall)| fall.height());
        top += heights.fold(0.0, f64::max);
    }
    Drawing { height: top, body }
}

/// One waterfall.
struct Fall<'a> {
    percent: f64,
    bars: Vec<Bar<'a>>,
    total: Bar<'a>,
}

/// A bar that begins at `from`; it has no length where there are too few samples.
struct Bar<'a> {
    stage: &'a str,
    from: u64,
    ns: Option<u64>,
}

impl<'a> Fall<'a> {
    fn of(run: &'a Run, percent: f64) -> Fall<'a> {
        let value = |stage: &str| at(all(run, stage)?, percent)?.ns;
        let bars = legs_of_total(run).scan(0, |from, stage| {
            let bar = Bar {
                stage,
                from: *from,
                ns: value(stage),
            };
            *from = bar.to();
            Some(bar)
        });
        Fall {
            percent,
            bars: bars.collect(),
            total: Bar {
                stage: "total",
                from: 0,
                ns: value("total"),
            },
        }
    }

    /// Where the stages end.
    fn stages_end(&self) -> u64 {
        self.bars.last().map_or(0, Bar::to)
    }

    /// How far to the right it reaches.
    fn end(&self) -> f64 {
        self.stages_end().max(self.total.to()) as f64
    }

    fn row(nth: usize) -> f64 {
        44.0 + nth as f64 * ROW
    }

    fn height(&self) -> f64 {
        Self::row(self.bars.len()) + 32.0
    }

    fn draw(&self, class: &str, scale: Scale, width: f64) -> Markup {
        let room = width - LEFT - width_of("999.99 µs");
        let x = |ns: u64| LEFT + scale.at(ns as f64) * room;
        let last = Self::row(self.bars.len());
        let (begin, end) = (Self::row(0) - 10.0, last + 14.0);
        html! {
            path.axis.few d=(format!("M{:.1} {begin:.1}V{end:.1}", x(self.stages_end()))) {}
            path.grid d=(format!("M0 {:.1}H{width}", last - ROW / 2.0 - 2.0)) {}
            @for (nth, bar) in self.bars.iter().enumerate() {
                (bar.draw(Self::row(nth), class, x))
            }
            (self.total.draw(last + 4.0, "ink", x))
        }
    }
}

impl Bar<'_> {
    fn to(&self) -> u64 {
        self.from.saturating_add(self.ns.unwrap_or(0))
    }

    fn draw(&self, middle: f64, class: &str, x: impl Fn(u64) -> f64) -> Markup {
        let (left, right) = (x(self.from), x(self.to()));
        let baseline = format!("{:.1}", middle + LETTER / 3.0);
        html! {
            text x="0" y=(baseline) { (shortened(self.stage, 10)) }
            @if let Some(ns) = self.ns {
                rect.bar.(class) x=(format!("{left:.1}")) y=(format!("{:.1}", middle - 6.0)) width=(format!("{:.1}", (right - left).max(1.0))) height="12" rx="1" {}
                text x=(format!("{:.1}", right + 6.0)) y=(baseline) { (units::duration(ns as f64)) }
            } @else {
                text.muted x=(format!("{:.1}", left + 6.0)) y=(baseline) { "too few samples" }
            }
        }
    }
}
