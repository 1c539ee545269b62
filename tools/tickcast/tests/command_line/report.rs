//! `tickcast report`.

use std::fs;
use std::path::{Path, PathBuf};

use tickcast_latency::{HlogWriter, Run, StageHistogram, write_hgrm};

use crate::{fails, json, names, sample, stderr, stdout, text, tickcast};

/// Writes a made-up run as `latency --json` prints it.
fn write(path: &Path, run: &Run) {
    fs::write(path, serde_json::to_string(run).expect("JSON")).expect("file");
}

/// A made-up run in a file.
pub fn sample_file(folder: &Path) -> PathBuf {
    let path = folder.join("run.json");
    write(&path, &sample::full());
    path
}

/// Where pages are looked at by a validator and a browser, if somebody wants to; else a folder that
/// is gone afterwards.
fn pages() -> (PathBuf, Option<tempfile::TempDir>) {
    match std::env::var_os("TICKCAST_PAGES") {
        Some(folder) => (folder.into(), None),
        None => {
            let folder = tempfile::tempdir().unwrap();
            (folder.path().to_owned(), Some(folder))
        }
    }
}

#[test]
fn pages_and_pictures_are_written() {
    let (folder, _kept) = pages();
    let full = sample_file(&folder);
    let [slower, few, empty] =
        ["slower.json", "few.json", "empty.json"].map(|name| folder.join(name));
    write(
        &slower,
        &sample::run("40,000 ticks/s, in its own thread", 9, 100, 4_000, 1.3),
    );
    let mut short = sample::run("a short run", 9, 2, 90, 1.0);
    short.statements.push(
        "total: p99.9 and beyond are not given: 180 samples are too few, it needs 1,000".into(),
    );
    write(&few, &short);
    write(
        &empty,
        &Run {
            version: 1,
            ..Run::default()
        },
    );

    for (name, runs) in [
        ("one", &[&full][..]),
        ("two", &[&full, &slower]),
        ("six", &[&full, &slower, &full, &few, &empty, &slower]),
        ("few", &[&few]),
        ("empty", &[&empty]),
    ] {
        let page = folder.join(format!("{name}.html"));
        let pictures = folder.join(name);
        let mut arguments = vec!["report"];
        arguments.extend(runs.iter().map(|path| text(path)));
        arguments.extend(["--html", text(&page), "--svg", text(&pictures)]);
        let written = json(&arguments)["written"].clone();
        let written: Vec<&str> = written
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap())
            .collect();
        assert_eq!(written[0], text(&page));
        assert_eq!(written.len(), 1 + names(&pictures).len());
        assert!(
            fs::read_to_string(&page)
                .unwrap()
                .starts_with("<!DOCTYPE html>")
        );
    }
    assert_eq!(names(&folder.join("one")).len(), 7);
    assert_eq!(names(&folder.join("empty")), [""; 0]);
}

#[test]
fn a_table_is_for_people_and_statements_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let run = sample_file(folder.path());
    let output = tickcast(&["report", text(&run), text(&run)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for words in [
        "run 1  20,000 ticks/s, inline, 2026-11-26",
        "run 2  20,000 ticks/s, inline (2)",
        "p99.999",
        "≈ +0.0 %",
    ] {
        assert!(
            stdout(&output).contains(words),
            "{words} is not in {}",
            stdout(&output)
        );
    }
    assert!(
        stderr(&output).contains("notice: 20,000 ticks/s, inline: The clock of"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn differences_are_from_the_first_run() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["a.json", "b.json"].map(|name| folder.path().join(name));
    write(&first, &sample::run("a", 1, 30, 1_000, 1.0));
    write(&second, &sample::run("b", 1, 30, 1_000, 1.5));
    let report = json(&["report", text(&first), text(&second)]);
    let differences = report["differences"].as_array().unwrap();
    let total = differences
        .iter()
        .find(|it| it["stage"] == "network" && it["percent"] == 50.0)
        .unwrap();
    assert_eq!(total["run"], "b");
    let change = total["change"].as_f64().unwrap();
    assert!((change - 0.5).abs() < 0.01, "{change}");
    assert!(total["errors"].as_f64().unwrap() > 3.0);
}

/// An interval log and a distribution that say the same.
#[test]
fn logs_and_distributions_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let [log, distribution] = ["a.hlog", "b.hgrm"].map(|name| folder.path().join(name));
    let recorded = recorded();
    let mut writer = HlogWriter::new(fs::File::create(&log).unwrap(), 1_000_000_000).unwrap();
    writer
        .write(1_000_000_000, 2_000_000_000, &recorded)
        .unwrap();
    let total: StageHistogram = recorded.sum(tickcast_latency::Stage::Total).unwrap();
    write_hgrm(fs::File::create(&distribution).unwrap(), &total).unwrap();

    let report = json(&["report", text(&log), text(&distribution)]);
    let p50 = |nth: usize| {
        let stages = report["runs"][nth]["stages"].as_array().unwrap();
        let total = stages
            .iter()
            .find(|it| it["stage"] == "total" && it["of"] == "all")
            .unwrap();
        assert_eq!(total["samples"], 1_000);
        total["percentiles"][0]["ns"].as_u64().unwrap()
    };
    assert!(
        p50(0).abs_diff(500_000) < 1_000 && p50(1).abs_diff(500_000) < 1_000,
        "{report}"
    );
    assert_eq!(report["runs"][0]["name"], "a");
    assert_eq!(report["runs"][1]["name"], "b");
}

/// Totals of 1 µs to 1 ms, all by line A.
fn recorded() -> tickcast_latency::Histograms {
    use tickcast_latency::{Histograms, Provenance, Stage, stages};
    let (mut recorder, mut reporter) = stages(&[Stage::Total]);
    for us in 1..=1_000 {
        recorder.record((Stage::Total, Provenance::A), 0, us * 1_000, 1);
    }
    reporter.request();
    recorder.poll_swap();
    let mut totals = Histograms::new(&Stage::ALL);
    reporter.collect(&mut totals);
    totals
}

#[test]
fn what_cannot_be_trusted_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.hgrm");
    let rows = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n   1.5 0.0 1 1.00\n   3.0 0.5 2 2.00\n   9.0 1.0 4\n";
    fs::write(&path, rows).unwrap();
    let report = json(&["report", text(&path)]);
    let said = report["runs"][0]["statements"][0].as_str().unwrap();
    assert!(said.contains("unit"), "{said}");
}

#[test]
fn what_cannot_be_read_fails_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        text(&path).to_owned()
    };
    let run = serde_json::to_string(&sample::full()).unwrap();
    let cut = &run[..run.len() / 2];
    let newer = run.replacen("\"version\":1", "\"version\":9", 1);
    let falling = run.replacen("\"quantile\":0.5", "\"quantile\":7.5", 1);
    let negative = run.replacen("\"samples\":", "\"samples\":-", 1);
    for (name, content, words) in [
        ("cut.json", cut, &["cut.json", "cut or damaged"][..]),
        ("newer.json", &newer, &["version 9", "version 1"]),
        ("falling.json", &falling, &["damaged", "between 0 and 1"]),
        ("negative.json", &negative, &["damaged"]),
        ("other.json", "{\"ticks\": 5}", &["no run"]),
        ("empty", "", &["neither a run", ".hlog", ".hgrm"]),
        ("text.txt", "nothing of the kind\n", &["neither a run"]),
        (
            "none.hlog",
            "#[Histogram log format version 1.3]\n",
            &["no interval"],
        ),
        (
            "later.hlog",
            "#[Histogram log format version 2.0]\n",
            &["version 2.0"],
        ),
        (
            "damaged.hlog",
            "#[Histogram log format version 1.3]\nTag=total,0.0,1.0,5,HISTxxxx\n",
            &["line 2"],
        ),
        (
            "cut.hgrm",
            "Value Percentile TotalCount 1/(1-Percentile)\n\n1.5 0.0 1 1.00\n",
            &["cut off"],
        ),
    ] {
        fails(&["report", &file(name, content)], 1, words);
    }
    fails(&["report", "gone.json"], 1, &["gone.json", "No such file"]);
    let good = file("good.json", &run);
    fails(
        &["report", &good, "--html", "gone/x.html"],
        1,
        &["gone/x.html"],
    );
    fails(
        &["report", &good, "--svg", &good],
        1,
        &["folder", "good.json"],
    );
}
