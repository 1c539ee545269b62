//! Percentile curves on the axis of nines.

use maud::{Markup, html};
use tickcast_latency::{Figures, Point};

use super::plane::{BELOW, Plane};
use super::scale::Scale;
use super::{Chart, Drawing, Key, legend};
use crate::report::units;

/// Fewer samples than these beyond a place of a curve, and it is drawn with dots: another run would
/// draw it elsewhere.
const FEW: f64 = 10.0;
/// Places at which a curve is read, for each nine.
const READINGS: f64 = 12.0;

/// Figures, and what their curve is called and looks like.
pub struct Curve<'a> {
    pub name: String,
    /// `s1` to `s6`, or `grey`.
    pub class: String,
    pub figures: &'a Figures,
}

/// A chart of some curves.
pub fn curves<'a>(
    name: &'static str,
    title: String,
    explanation: String,
    curves: Vec<Curve<'a>>,
) -> Chart<'a> {
    let draw = move |width| draw(&curves, width);
    Chart {
        name,
        title,
        explanation,
        draw: Box::new(draw),
    }
}

fn draw(curves: &[Curve], width: f64) -> Drawing {
    let keys: Vec<Key> = curves.iter().map(key).collect();
    let (top, legend) = legend(&keys, width);
    let most = curves.iter().map(|curve| curve.figures.samples).max();
    let times = curves.iter().flat_map(|curve| times(curve.figures));
    let height = if width < 600.0 { 260.0 } else { 340.0 };
    let plane = Plane::new(
        width,
        top + 26.0,
        height,
        Scale::nines(most.unwrap_or(0)),
        Scale::log(times),
    );
    let body = html! {
        (legend)
        (plane.axes(Some("ticks that took at most so long"), "latency, on a logarithmic scale"))
        @for curve in curves {
            g class=(curve.class) { (line(&plane, curve)) }
        }
        (readings(&plane, curves))
    };
    Drawing {
        height: plane.bottom() + BELOW,
        body,
    }
}

fn key(curve: &Curve) -> Key {
    Key {
        class: curve.class.clone(),
        shape: "line",
        name: curve.name.clone(),
    }
}

/// All times that must have a place: of the curve, and where its errors end.
fn times(figures: &Figures) -> impl Iterator<Item = u64> {
    let maximum = figures.max_ns.into_iter();
    figures.curve.iter().map(|point| point.ns).chain(maximum)
}

fn line(plane: &Plane, curve: &Curve) -> Markup {
    let figures = curve.figures;
    let (sure, few) = split(figures);
    let along = |points: Places| plane.path(points.into_iter().map(Some));
    html! {
        path.line d=(along(sure)) {}
        path.line.few d=(along(few)) {}
        @for percentile in &figures.percentiles {
            @if let (Some(ns), Some(error)) = (percentile.ns, percentile.error_ns) {
                @let (x, ns) = (plane.across(percentile.percent / 100.0), ns as f64);
                @let (high, low) = (plane.up(ns + error), plane.up(ns - error));
                // One that is smaller than the line is wide says nothing.
                @if low - high > 3.0 {
                    path.whisker d=(format!("M{x:.1} {high:.1}V{low:.1}M{:.1} {high:.1}h8M{:.1} {low:.1}h8", x - 4.0, x - 4.0)) {}
                }
            }
        }
        @if let Some(max) = figures.max_ns {
            circle.end-point cx=(format!("{:.1}", plane.across(end(figures)))) cy=(format!("{:.1}", plane.up(max as f64))) r="3.5" {}
        }
    }
}

/// Shares of the samples, and the times that they do not exceed.
type Places = Vec<(f64, f64)>;

/// The share of all samples but one: where the longest has its place.
fn end(figures: &Figures) -> f64 {
    1.0 - 1.0 / figures.samples.max(1) as f64
}

/// The curve up to where few samples lie beyond it, and from there to the longest one.
fn split(figures: &Figures) -> (Places, Places) {
    let end = end(figures);
    let turn = (1.0 - FEW / figures.samples.max(1) as f64).max(0.0);
    let place = |point: &Point| (point.quantile.clamp(0.0, end), point.ns as f64);
    let points = thinned(figures.curve.iter().map(place));
    let (mut sure, mut few): (Vec<_>, Vec<_>) =
        points.into_iter().partition(|(share, _)| *share <= turn);
    if let Some(last) = sure.last() {
        few.insert(0, *last);
    }
    if let Some(max) = figures.max_ns {
        few.push((end, max as f64));
    }
    if figures.samples == 0 {
        (sure, few) = (Vec::new(), Vec::new());
    }
    (sure, few)
}

/// Without points that no picture can tell from the one before.
fn thinned(points: impl Iterator<Item = (f64, f64)>) -> Places {
    let mut kept = Places::new();
    for (share, ns) in points {
        let told = kept.last().is_none_or(|(before, ns_before)| {
            (1.0 - before) / (1.0 - share) > 1.02 || ns > ns_before * 1.01 || share - before > 0.05
        });
        if told {
            kept.push((share, ns));
        }
    }
    kept
}

/// Strips across the plane, each with what all curves are there.
fn readings(plane: &Plane, curves: &[Curve]) -> Markup {
    let Scale::Nines(last) = plane.x else {
        return html! {};
    };
    let strips = (last * READINGS) as usize;
    let step = 1.0 / strips as f64;
    html! {
        @for nth in 0..=strips {
            @let place = nth as f64 * step;
            @let share = Scale::share_at(last, place);
            @let at = plane.left + place * plane.width;
            @let half = step * plane.width / 2.0;
            (plane.reading(at - half, at + half, at, &read(curves, share)))
        }
    }
}

fn read(curves: &[Curve], share: f64) -> Vec<String> {
    let decimals = (-(1.0 - share).log10()).ceil().clamp(1.0, 7.0);
    let rounded = 10f64.powf(decimals - 1.0);
    let percent = (share * 100.0 * rounded).round() / rounded;
    let mut lines = vec![units::percent(percent)];
    for curve in curves.iter().filter(|curve| share <= end(curve.figures)) {
        let reached = curve
            .figures
            .curve
            .iter()
            .find(|point| point.quantile >= share);
        lines.extend(reached.map(|point| {
            format!(
                "{}\u{2002}{}",
                units::duration(point.ns as f64),
                super::shortened(&curve.name, 28)
            )
        }));
    }
    lines
}
