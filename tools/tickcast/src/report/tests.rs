use tickcast_latency::{Figures, Leg, Percentile, Point, Window};

use super::*;

/// What no page may have: a reference to somewhere else, or a figure that is none.
fn assert_sound(page: &str) {
    for word in ["http:", "https:", "//", "NaN", "<script"] {
        assert!(!page.contains(word), "{word} in a page");
    }
    for attribute in page.split('"').skip(1).step_by(2) {
        let is_wrong = attribute.contains("inf") && attribute.starts_with(['M', '0', '-']);
        assert!(!is_wrong, "{attribute}");
    }
}

#[test]
fn a_page_has_every_part() {
    let run = sample::full();
    let page = html(std::slice::from_ref(&run));
    assert_sound(&page);
    for part in [
        &run.name,
        &run.command,
        "2026-11-26 16:00:00 UTC",
        "Intel Xeon",
        "Before you trust a figure",
        &run.statements[0],
        "How long a tick takes",
        "without stalls, 0.30 % left out",
        "bare sockets",
        "× 1.35",
        "When it was slow",
        "longest stall of the machine",
        "Where the time goes",
        "Which stage makes the tail",
        "Whose ticks wait longest",
        "@ index",
        "do not add up",
        "Every stage in figures",
        "retransmit",
        "The slowest ticks, stage by stage",
        "core 1 stood still for",
        "tc-receive",
        "receive buffer, high-water",
        "Clocks of two hosts",
        "± 7.90 µs",
        "synthetic market, 4,000 instruments, seed 1",
        "What the stages are",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Times from one host to the other have where they lie below them.
    let total = figures::all(&run, "total").expect("a total");
    let bounds = total.percentiles[0].between_ns.expect("bounds");
    let [least, most] = bounds.map(|ns| units::duration(ns as f64));
    assert!(page.contains(&format!("<small>{least} to {most}</small>")));
}

#[test]
fn a_run_without_anything_is_a_page_too() {
    let page = html(&[Run::default()]);
    assert_sound(&page);
    assert!(page.contains("A measured run") && !page.contains("<figure"));
    assert_eq!(svgs(&[Run::default()]), []);
}

#[test]
fn what_has_too_few_samples_is_a_dash() {
    let run = sample::run("short", 9, 1, 90, 1.0);
    let page = html(&[run]);
    assert_sound(&page);
    assert!(page.contains("too few samples"));
    assert!(page.contains("<td>–</td>"));
}

#[test]
fn several_runs_stand_beside_each_other() {
    let runs = [sample::full(), sample::run("slower", 9, 20, 2_000, 1.3)];
    let page = html(&runs);
    assert_sound(&page);
    assert!(page.contains("2 runs over each other"));
    // In both drawings of the curves, of the timeline, of the stages, and in every table.
    assert!(page.matches("slower").count() > 10);
    assert!(page.contains("<small class=\"told\">+30 %</small>"));
}

#[test]
fn nothing_of_a_run_is_taken_for_markup() {
    let evil = "<script>alert('x')</script>\" onload=\"x";
    let text = serde_json::to_string(&sample::full()).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    replace(&mut value, evil);
    let run: Run = serde_json::from_value(value).unwrap();
    let runs = [run.clone(), run.clone()];
    for (pages, pictures) in [
        (html(std::slice::from_ref(&run)), svgs(&[run])),
        (html(&runs), svgs(&runs)),
    ] {
        assert!(pages.contains("&lt;script&gt;"));
        for text in pictures.iter().map(|(_, text)| text).chain([&pages]) {
            assert!(!text.contains("<script") && !text.contains("\" onload"));
        }
    }
}

/// Puts `text` in the place of every string.
fn replace(value: &mut serde_json::Value, text: &str) {
    match value {
        serde_json::Value::String(string) => *string = text.into(),
        serde_json::Value::Array(list) => list.iter_mut().for_each(|value| replace(value, text)),
        serde_json::Value::Object(map) => map.values_mut().for_each(|value| replace(value, text)),
        _ => {}
    }
}

#[test]
fn extremes_stay_within_the_picture() {
    let mut run = sample::full();
    let point = |quantile, ns| Point {
        quantile,
        ns,
        count: 1,
    };
    let extreme = Figures {
        of: "all".into(),
        samples: u64::MAX,
        percentiles: vec![Percentile {
            percent: 100.0,
            ns: Some(u64::MAX),
            error_ns: Some(f64::MAX),
            between_ns: Some([0, u64::MAX]),
        }],
        max_ns: Some(u64::MAX),
        curve: vec![point(0.0, 0), point(0.5, 0), point(1.0, u64::MAX)],
        ..Figures::default()
    };
    for stage in &mut run.stages {
        stage.parts = vec![extreme.clone()];
    }
    for view in &mut run.views {
        view.figures = extreme.clone();
    }
    run.timeline.push(Window {
        at_ns: u64::MAX,
        max_ns: Some(0),
        p50_ns: Some(u64::MAX),
        ..Window::default()
    });
    run.exemplars[0].total_ns = 0;
    run.exemplars[1].waterfall.push(Leg {
        stage: "never heard of".into(),
        ns: i64::MIN,
    });
    let page = html(&[run.clone(), run]);
    assert_sound(&page);
    for picture in page.split("<svg").skip(1) {
        assert!(!picture.contains("width=\"-") && !picture.contains("height=\"-"));
    }
}

#[test]
fn pictures_stand_alone() {
    let pictures = svgs(&[sample::full()]);
    let names: Vec<&str> = pictures.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "percentiles.svg",
            "stages.svg",
            "timeline.svg",
            "waterfall.svg",
            "stage-percentiles.svg",
            "groups.svg",
            "slowest.svg"
        ]
    );
    for (name, text) in &pictures {
        assert!(
            text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox="),
            "{name}"
        );
        assert_eq!(text.matches("http").count(), 1, "{name}");
        for part in [
            "<title",
            "<desc",
            "prefers-color-scheme:dark",
            "20,000 ticks/s, inline · Intel Xeon",
        ] {
            assert!(text.contains(part), "{name}: {part}");
        }
    }
}
