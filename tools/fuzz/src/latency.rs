//! Interval logs and percentile distributions of anybody.

use base64::prelude::{BASE64_STANDARD, Engine};
use tickcast_latency::{CURVE_POINTS, Figures, Log, Run, read_hgrm};

/// An interval log, as text.
pub fn hlog(bytes: &[u8]) {
    if let Ok(log) = Log::read(bytes) {
        check(&log.run(""));
    }
}

/// The histogram in a line of a log, before it is deflated.
pub fn histogram(bytes: &[u8]) {
    let histogram = BASE64_STANDARD.encode(bytes);
    let line = format!("#[Histogram log format version 1.3]\n0.0,1.0,1.0,{histogram}\n");
    hlog(line.as_bytes());
}

/// A percentile distribution.
pub fn hgrm(bytes: &[u8]) {
    if let Ok(run) = read_hgrm(bytes, "") {
        check(&run);
    }
}

fn check(run: &Run) {
    let parts = run.stages.iter().flat_map(|stage| &stage.parts);
    parts.for_each(check_figures);
}

/// Figures that contradict themselves are wrong.
fn check_figures(figures: &Figures) {
    let curve = &figures.curve;
    assert!(
        curve.is_sorted_by(|a, b| {
            a.quantile <= b.quantile && a.ns <= b.ns && a.count <= b.count
        })
    );
    let last = curve.last().map(|point| (Some(point.ns), point.count));
    assert_eq!(last.unwrap_or_default(), (figures.max_ns, figures.samples));
    let given = figures.percentiles.iter().filter_map(|it| it.ns);
    assert!(given.clone().is_sorted());
    assert!(given.max() <= figures.max_ns);
    assert!(curve.len() <= CURVE_POINTS || figures.mean_ns.is_none());
}
