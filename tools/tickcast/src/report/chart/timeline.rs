//! Window by window: percentiles against what the machine did.

use maud::{Markup, html};
use tickcast_latency::{Run, Window};

use super::plane::{BELOW, Plane};
use super::scale::Scale;
use super::{Chart, Drawing, Key, legend, shortened};
use crate::report::units;

/// A step of a chart is at least so wide; more windows are drawn together.
const NARROWEST: f64 = 3.0;
/// Room above each plane of several.
const ABOVE: f64 = 40.0;

/// What is drawn of a window, and what it looks like.
const LINES: [(&str, &str, fn(&Window) -> Option<u64>); 3] = [
    ("max", "s2", |window| window.max_ns),
    ("p99", "s3", |window| window.p99_ns),
    ("p50", "s1", |window| window.p50_ns),
];

/// A chart of the windows of some runs, a plane each.
pub fn timeline<'a>(runs: &'a [Run]) -> Chart<'a> {
    Chart {
        name: "timeline",
        title: "When it was slow, and what the machine did".into(),
        explanation: "Half, 99 % and all of the ticks of each window took at most as long as the three lines are \
                      high; a grey bar is the longest time for which the machine took a core away in that window. A \
                      peak on top of a bar as high is the machine's, one without a bar is the program's."
            .into(),
        draw: Box::new(move |width| draw(runs, width)),
    }
}

fn draw(runs: &[Run], width: f64) -> Drawing {
    let drawn: Vec<&Run> = runs.iter().filter(|run| !run.timeline.is_empty()).collect();
    let stalls = drawn.iter().any(|run| {
        run.timeline
            .iter()
            .any(|window| window.stall_max_ns.is_some())
    });
    let (mut top, legend) = legend(&keys(stalls), width);
    let y = Scale::log(
        drawn
            .iter()
            .flat_map(|run| run.timeline.iter().flat_map(times)),
    );
    let height = match (drawn.len(), width < 600.0) {
        (0 | 1, false) => 300.0,
        (0 | 1, true) => 230.0,
        _ => 150.0,
    };
    let x = Scale::Linear(span(&drawn));
    let mut body = legend;
    for (nth, run) in drawn.iter().enumerate() {
        let plane = Plane::new(width, top + ABOVE, height, x, y);
        let x_title = (nth + 1 == drawn.len()).then_some("time since the measured part began");
        let y_title = match runs {
            [_] => "latency, on a logarithmic scale".into(),
            _ => shortened(&run.name, 50),
        };
        body = html! {
            (body)
            (plane.axes(x_title, &y_title))
            (windows(&plane, &together(run, plane.width)))
        };
        top = plane.bottom();
    }
    Drawing {
        height: top + BELOW,
        body,
    }
}

fn keys(stalls: bool) -> Vec<Key> {
    let lines = LINES.iter().map(|(name, class, _)| Key {
        class: (*class).into(),
        shape: "line",
        name: (*name).into(),
    });
    let stalls = stalls.then(|| Key {
        class: "grey".into(),
        shape: "bar",
        name: "longest stall of the machine".into(),
    });
    lines.chain(stalls).collect()
}

fn times(window: &Window) -> impl Iterator<Item = u64> {
    [window.p50_ns, window.p99_ns, window.max_ns]
        .into_iter()
        .flatten()
}

/// How long the longest of these runs took.
fn span(runs: &[&Run]) -> f64 {
    runs.iter()
        .map(|run| run.duration_ns)
        .max()
        .unwrap_or(0)
        .max(1) as f64
}

/// A window as it is drawn, and where it ends.
struct Step {
    window: Window,
    to_ns: u64,
}

/// The windows of a run; of several that have no room, the worst of each figure.
fn together(run: &Run, width: f64) -> Vec<Step> {
    let most = (width / NARROWEST) as usize;
    let each = run.timeline.len().div_ceil(most).max(1);
    let groups: Vec<&[Window]> = run.timeline.chunks(each).collect();
    let ends = groups
        .iter()
        .skip(1)
        .map(|group| group[0].at_ns)
        .chain([run.duration_ns]);
    let steps = groups.iter().zip(ends);
    steps
        .map(|(group, to_ns)| Step {
            window: worst(group),
            to_ns,
        })
        .collect()
}

fn worst(group: &[Window]) -> Window {
    let most = |figure: fn(&Window) -> Option<u64>| group.iter().filter_map(figure).max();
    Window {
        at_ns: group[0].at_ns,
        samples: group.iter().map(|window| window.samples).sum(),
        p50_ns: most(|window| window.p50_ns),
        p99_ns: most(|window| window.p99_ns),
        max_ns: most(|window| window.max_ns),
        stall_max_ns: most(|window| window.stall_max_ns),
    }
}

fn windows(plane: &Plane, steps: &[Step]) -> Markup {
    let from = |step: &Step| plane.across(step.window.at_ns as f64);
    let to = |step: &Step| plane.across(step.to_ns.max(step.window.at_ns) as f64);
    html! {
        @for step in steps {
            @if let Some(stall) = step.window.stall_max_ns {
                @let top = plane.up(stall as f64);
                rect.bar.grey x=(format!("{:.1}", from(step) + 0.5)) y=(format!("{top:.1}")) width=(format!("{:.1}", (to(step) - from(step) - 1.0).max(1.0))) height=(format!("{:.1}", plane.bottom() - top)) {}
            }
        }
        @for (_, class, figure) in LINES {
            path.line.thin.(class) d=(stairs(plane, steps, figure)) {}
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
        let ends = [step.window.at_ns, step.to_ns];
        ends.map(|at| figure(&step.window).map(|ns| (at as f64, ns as f64)))
    });
    plane.path(points)
}

fn read(step: &Step) -> Vec<String> {
    let window = &step.window;
    let time = |ns: Option<u64>| ns.map_or_else(|| "–".into(), |ns| units::duration(ns as f64));
    let (from, to) = (window.at_ns as f64, step.to_ns as f64);
    let mut lines = vec![format!("{} to {}", units::mark(from), units::mark(to))];
    lines.extend(
        LINES
            .iter()
            .map(|(name, _, figure)| format!("{}\u{2002}{name}", time(figure(window)))),
    );
    lines.push(format!(
        "{}\u{2002}longest stall",
        time(window.stall_max_ns)
    ));
    lines
}
