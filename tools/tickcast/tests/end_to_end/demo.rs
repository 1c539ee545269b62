//! `demo`: everything in one process.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

use crate::feed::{folder, market, text};
use crate::program::{Program, count, json, run, tickcast};

/// Checks all that must hold of a demo that lost nothing.
#[track_caller]
pub fn kept(report: &Value, strategies: usize) {
    let published = count(report, "published");
    assert_eq!(
        report["delivered"],
        Value::from(vec![published; strategies])
    );
    assert_eq!(report["lost"], Value::from(vec![0; strategies]));
    let digest = report["digest_published"].as_str().expect("a digest");
    assert_eq!(
        report["digest_delivered"],
        Value::from(vec![digest; strategies])
    );
}

#[test]
fn a_result_for_programs() {
    let report = json(&["demo", "--ticks", "20000"]);
    kept(&report, 1);
    assert_eq!(count(&report, "published"), 20_000);
    for field in ["duplicates", "retransmitted", "snapshots", "gaps"] {
        count(&report, field);
    }
    assert_eq!(count(&report, "retransmitted"), 0);
    assert!(report["elapsed_s"].as_f64().expect("elapsed_s") > 0.0);
    let stages = report["latency_ns"].as_object().expect("stages");
    for stage in ["network", "kernel", "handle", "queue", "total"] {
        let stage = &stages[stage];
        assert!(count(stage, "samples") > 0, "{stage}");
        for figure in ["p50", "p90", "p99", "p99_9", "max"] {
            assert!(count(stage, figure) <= count(stage, "max"), "{stage}");
        }
    }
    assert_eq!(count(&stages["total"], "samples"), 20_000);
}

#[test]
fn a_story_for_people() {
    let ended = run(&["demo", "--ticks", "5000"]).expect(0);
    assert!(ended.err.is_empty(), "{:?}", ended.err);
    let said = ended.out.join("\n");
    for words in [
        "synthetic market, 4,000 instruments, seed 1",
        "published   5,000 ticks",
        "5,000 delivered + 0 lost = 5,000 published, digests equal",
        "p99.9",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    assert!(!said.contains('\x1b'), "colours where there is no terminal");
}

#[test]
fn several_strategies_inline_and_behind_the_queue() {
    for place in [&[] as &[&str], &["--inline"]] {
        let demo = ["demo", "--ticks", "20000", "--strategies", "3"];
        let report = json(&[&demo, place].concat());
        kept(&report, 3);
        assert_eq!(count(&report["latency_ns"]["total"], "samples"), 60_000);
    }
}

#[test]
fn as_fast_as_the_strategies_take_it() {
    kept(&json(&["demo", "--ticks", "300000", "--speed", "max"]), 1);
}

#[test]
fn at_the_pace_of_a_file() {
    let folder = folder();
    // The first 2,000 ticks of the market take some hundredths of a second.
    let file = market(folder.path(), 2_000);
    let inspected = json(&["inspect", text(&file)]);
    for speed in ["1x", "10x"] {
        let report = json(&["demo", "--input", text(&file), "--speed", speed]);
        kept(&report, 1);
        assert_eq!(report["digest_published"], inspected["digest"], "{speed}");
    }
}

#[test]
fn histograms_that_hdrhistogram_reads() {
    let folder = folder();
    let path = folder.path().join("demo.hlog");
    let demo = ["demo", "--ticks", "20000", "--strategies", "2"];
    let report = json(&[&demo[..], &["--hlog", text(&path)]].concat());
    let log = std::fs::read(&path).expect("the log");
    let mut samples: BTreeMap<String, u64> = BTreeMap::new();
    for entry in IntervalLogIterator::new(&log) {
        let LogEntry::Interval(interval) = entry.expect("a line of the log") else {
            continue;
        };
        let stage = interval.tag().expect("a stage").as_str().to_owned();
        *samples.entry(stage).or_default() += decode(interval.encoded_histogram()).len();
    }
    for stage in ["network", "kernel", "handle", "queue", "total"] {
        let told = count(&report["latency_ns"][stage], "samples");
        assert_eq!(samples.get(stage), Some(&told), "{stage}");
    }
}

fn decode(text: &str) -> Histogram<u64> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("base64");
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .expect("a histogram")
}

#[test]
fn two_at_once_do_not_meet() {
    let demo = |seed| {
        let arguments = ["demo", "--ticks", "30000", "--seed", seed, "--json"];
        Program::start(tickcast(&arguments))
    };
    let reports = [demo("1"), demo("2")].map(|demo| demo.finish().expect(0).json());
    for report in &reports {
        kept(report, 1);
        assert_eq!(count(report, "published"), 30_000);
    }
    assert_ne!(
        reports[0]["digest_published"],
        reports[1]["digest_published"]
    );
}

#[test]
fn the_same_seed_the_same_ticks() {
    let digest = |seed| {
        json(&[
            "demo", "--ticks", "5000", "--speed", "max", "--seed", seed, "--drop-a", "5%",
        ])["digest_published"]
            .clone()
    };
    let first = digest("7");
    assert_eq!(first, digest("7"));
    assert_ne!(first, digest("8"));
}

#[test]
fn what_is_conflated_is_accounted_for() {
    let demo = [
        "demo",
        "--ticks",
        "30000",
        "--speed",
        "max",
        "--strategies",
        "2",
    ];
    let report = json(&[&demo[..], &["--overflow", "latest=0"]].concat());
    for strategy in 0..2 {
        let of = |field: &str| {
            report[field][strategy]
                .as_u64()
                .expect("a number a strategy")
        };
        assert!(of("conflated") > 0, "{report}");
        let sum = of("delivered") + of("conflated") + of("lost");
        assert_eq!(sum, 30_000, "{report}");
        assert!(of("refills") <= of("lapped"), "{report}");
    }
    assert_eq!(report["kept"], true);
    // The queue is long enough for all of it: whatever the pace, nothing is left out.
    let lossless = json(&[&demo[..], &["--overflow", "lossless=30000", "--refill"]].concat());
    kept(&lossless, 2);
    assert_eq!(lossless["conflated"], Value::from(vec![0; 2]));
}
