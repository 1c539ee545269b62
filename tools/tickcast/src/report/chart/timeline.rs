//! Window by window: percentiles against what the machine did.

use maud::{Markup, html};
use tickcast_latency::{Run, Window};

use super::plane::{BELOW, Plane};
use super::scale::Scale;
use super::steps::{Step, steps};
use super::{Chart, Drawing, Key, legend, shortened};
use crate::report::units;

/// A step of a chart is at least so wide; more windows are drawn together.
const NARROWEST: f64 = 3.0;
/// Room above each plane of several.
const ABOVE: f64 = 40.0;

/// What is drawn of a window, and what it looks like.
struct Line {
    name: &'static str,
    class: &'static str,
    figure: fn(&Window) -> Option<u64>,
}

const LINES: [Line; 3] = [
    Line {
        name: "max",
        class: "s2",
        figure: |window| window.max_ns,
    },
    Line {
        name: "p99",
        class: "s3",
        figure: |window| window.p99_ns,
    },
    Line {
        name: "p50",
        class: "s1",
        figure: |window| window.p50_ns,
    },
];

/// A chart of the windows of some runs, a plane each.
pub fn timeline<'a>(runs: &'a [Run]) -> Chart<'a> {
    Chart {
        name: "timeline",
        title: "When it was slow, and what the machine did".into(),
        explanation: "Half, 99 % and all of the ticks of each window took at most as long as the three lines are \
                      high; a grey bar is the longest time for which the machine took a core away in that window. A \
                      peak on top of a bar as high is the machine's, one without a bar is the program's. Across a \
                      dotted line something else was measured in between, such as bare sockets."
            .into(),
        draw: Box::new(move |width| draw(runs, width)),
    }
}

fn draw(runs: &[Run], width: f64) -> Drawing {
    let drawn = runs.iter().filter(|run| !run.timeline.is_empty());
    let drawn: Vec<(&Run, Vec<Step>)> = drawn
        .map(|run| (run, steps(run, (width / NARROWEST) as usize)))
        .collect();
    let all = || drawn.iter().flat_map(|(_, steps)| steps);
    let (mut top, legend) = legend(
        &keys(all().any(|step| step.window.stall_max_ns.is_some())),
        width,
    );
    let x = Scale::linear(all().map(|step| step.to_ns as f64));
    let y = Scale::log(all().flat_map(times));
    let height = match (drawn.len(), width < 600.0) {
        (1, false) => 300.0,
        (1, true) => 230.0,
        _ => 150.0,
    };
    let mut body = legend;
    for (nth, (run, steps)) in drawn.iter().enumerate() {
        let plane = Plane::new(width, top + ABOVE, height, x, y);
        let x_title = (nth + 1 == drawn.len()).then_some("time that was measured");
        let y_title = match runs {
            [_] => "latency, on a logarithmic scale".into(),
            _ => shortened(&run.name, 50),
        };
        body = html! {
            (body)
            (plane.axes(x_title, &y_title))
            (windows(&plane, steps))
        };
        top = plane.bottom();
    }
    Drawing {
        height: top + BELOW,
        body,
    }
}

fn keys(stalls: bool) -> Vec<Key> {
    let lines = LINES.iter().map(|line| Key {
        class: line.class.into(),
        shape: "line",
        name: line.name.into(),
    });
    let stalls = stalls.then(|| Key {
        class: "grey".into(),
        shape: "bar",
        name: "longest stall of the machine".into(),
    });
    lines.chain(stalls).collect()
}

fn times(step: &Step) -> impl Iterator<Item = u64> {
    LINES.iter().filter_map(|line| (line.figure)(&step.window))
}

fn windows(plane: &Plane, steps: &[Step]) -> Markup {
    let from = |step: &Step| plane.across(step.from_ns as f64);
    let to = |step: &Step| plane.across(step.to_ns as f64);
    html! {
        @for step in steps {
            @if let Some(stall) = step.window.stall_max_ns {
                @let (x, y) = (from(step) + 0.5, plane.up(stall as f64));
                @let (width, height) = ((to(step) - x - 0.5).max(1.0), plane.bottom() - y);
                rect.bar.grey x=(format!("{x:.1}")) y=(format!("{y:.1}")) width=(format!("{width:.1}")) height=(format!("{height:.1}")) {}
            }
            @if step.after_break {
                path.axis.few d=(format!("M{:.1} {}V{}", from(step), plane.top, plane.bottom())) {}
            }
        }
        @for line in &LINES {
            path.line.thin.(line.class) d=(stairs(plane, steps, line.figure)) {}
        }
        @for step in steps {
            @let middle = (from(step) + to(step)) / 2.0;
            (plane.reading(from(step), to(step), middle, &read(step)))
        }
    }
}

/// A line that is level along each window.
fn stairs(plane: &Plane, steps: &[Step], figure: fn(&Window) -> Option<u64>) -> String {
    let points = steps.iter().flat_map(|step| {
        let ends = [step.from_ns, step.to_ns];
        ends.map(|at| figure(&step.window).map(|ns| (at as f64, ns as f64)))
    });
    plane.path(points)
}

fn read(step: &Step) -> Vec<String> {
    let window = &step.window;
    let time = |ns: Option<u64>| ns.map_or_else(|| "–".into(), |ns| units::duration(ns as f64));
    let mut lines = vec![format!(
        "{} after the start",
        units::mark(window.at_ns as f64)
    )];
    lines.extend(
        LINES
            .iter()
            .map(|line| format!("{}\u{2002}{}", time((line.figure)(window)), line.name)),
    );
    lines.push(format!(
        "{}\u{2002}longest stall",
        time(window.stall_max_ns)
    ));
    lines
}
