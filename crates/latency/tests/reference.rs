//! The reference reader of HdrHistogram's logs, PyPI's `hdrhistogram`, reads ours: the same tags, the
//! same percentiles. `.ci/hdrhistogram` prepares it, and prints the Python that has it:
//!
//! ```sh
//! TICKCAST_HDR_PYTHON=$(.ci/hdrhistogram) cargo test -p tickcast-latency --test reference
//! ```

mod support;

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Feeder, SECOND};
use tickcast_latency::{HlogWriter, PERCENTILES, Provenance, Stage, StallLog, Windows, write_hgrm};

const STAGES: [Stage; 3] = [Stage::Queue, Stage::Total, Stage::Stalled];
const START_NS: u64 = 1_700_000_000_250_000_000;
const WINDOWS: u64 = 10;
/// Of a window and provenance: with ten windows, every percentile stands at a whole sample.
const SAMPLES: u64 = 10_000;

/// The Python that has the package; `None` if the test is skipped, which it says.
fn python() -> Option<String> {
    let python = env::var("TICKCAST_HDR_PYTHON").ok();
    if python.is_none() {
        let must_be_there = env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(
            !must_be_there,
            "with CI=true TICKCAST_HDR_PYTHON must be set: see .ci/hdrhistogram"
        );
        // Past the test harness, which would keep it to itself.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: TICKCAST_HDR_PYTHON names no Python with the package hdrhistogram"
        );
    }
    python
}

/// Runs the script; it is given these lines, and answers with JSON.
fn ask(python: &str, arguments: [&Path; 3], lines: &str) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference.py");
    let mut child = Command::new(python)
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {python}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The numbers of each row of a percentile distribution: value, quantile, samples.
fn rows(text: &str) -> Vec<[f64; 3]> {
    let rows = text
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let numbers = |line: &str| -> Vec<f64> {
        let words = line.split_whitespace().take(3);
        words.map(|word| word.parse().unwrap()).collect()
    };
    rows.map(|line| numbers(line).try_into().unwrap()).collect()
}

/// The number that a distribution gives for a name in its last lines.
fn footer(text: &str, name: &str) -> f64 {
    let last = text.lines().filter_map(|line| line.strip_prefix("#["));
    let told = last.flat_map(|line| line.trim_end_matches(']').split(','));
    let mut told = told.filter_map(|told| told.split_once('='));
    let (_, number) = told.find(|(of, _)| of.trim() == name).unwrap();
    number.trim().parse().unwrap()
}

#[test]
fn the_reference_reader_says_the_same() {
    let Some(python) = python() else { return };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (hlog, theirs) = (folder.join("reference.hlog"), folder.join("theirs.hgrm"));

    let (mut run, mut feeder) = (Windows::new(&STAGES), Feeder::new(&STAGES));
    let mut log = HlogWriter::new(fs::File::create(&hlog).unwrap(), START_NS).unwrap();
    for window in 0..WINDOWS {
        let set = feeder.set(|recorder| {
            for n in 0..SAMPLES {
                // From 1 µs to some 10 ms, most of them short.
                let ns = 1_000 + n * n % 8_191 + 10_000_000 / (n + 7 * window + 1);
                for provenance in [Provenance::A, Provenance::B, Provenance::Retransmit] {
                    recorder.record((Stage::Queue, provenance), 0, ns / 9, 1);
                    recorder.record((Stage::Total, provenance), 0, ns, 1);
                }
                recorder.record((Stage::Total, Provenance::Snapshot), 0, SECOND + ns, 1);
            }
        });
        let from = START_NS + window * SECOND;
        run.add(from, from + SECOND, set, &StallLog::default());
        log.write(from, from + SECOND, set).unwrap();
    }
    let mut ours = Vec::new();
    let total = run.totals().sum(Stage::Total).unwrap();
    write_hgrm(&mut ours, &total).unwrap();
    let ours = String::from_utf8(ours).unwrap();
    let rows_of_ours = rows(&ours);
    let lines = rows_of_ours
        .iter()
        .map(|[us, ..]| format!("{}\n", (us * 1e3).round()));
    let said = ask(
        &python,
        [&hlog, Path::new("total"), &theirs],
        &lines.collect::<String>(),
    );

    // The log: nothing is left out, and nothing is told otherwise.
    assert_eq!(said["start"], 1_700_000_000.25);
    let mut tags = 0;
    for stage in run.stages() {
        for figures in &stage.parts {
            let tag = match &*figures.of {
                "all" => stage.stage.clone(),
                of => format!("{}.{of}", stage.stage),
            };
            let read = &said["tags"][&tag];
            assert_eq!(read["samples"], figures.samples, "{tag}");
            assert_eq!(read["max"], figures.max_ns.unwrap(), "{tag}");
            let (mean, of_ours) = (read["mean"].as_f64().unwrap(), figures.mean_ns.unwrap());
            assert!(
                (mean - of_ours).abs() < 1e-9 * mean,
                "{tag}: {mean} {of_ours}"
            );
            for (nth, percentile) in figures.percentiles.iter().enumerate() {
                let percent = PERCENTILES[nth].0;
                assert_eq!(
                    read["percentiles"][nth],
                    percentile.ns.unwrap(),
                    "{tag} p{percent}"
                );
            }
            tags += 1;
        }
    }
    assert_eq!(said["tags"].as_object().unwrap().len(), tags);
    assert_eq!(said["intervals"], WINDOWS * tags as u64);

    // The distribution. Its steps are those of HdrHistogram's Java, theirs a little finer: each row of
    // either counts what the other counts.
    for (nth, [us, _, samples]) in rows_of_ours.iter().enumerate() {
        assert_eq!(said["counts"][nth].as_f64().unwrap(), *samples, "{us} µs");
    }
    let theirs = fs::read_to_string(theirs).unwrap();
    let rows_of_theirs = rows(&theirs);
    for [us, _, samples] in &rows_of_theirs {
        let counted = total
            .histogram()
            .count_between(0, (us * 1e3).round() as u64);
        assert_eq!(counted as f64, *samples, "{us} µs");
    }
    assert_eq!(rows_of_ours[..2], rows_of_theirs[..2]);
    assert_eq!(rows_of_ours.last(), rows_of_theirs.last());
    for name in ["Mean", "Max", "Buckets", "SubBuckets"] {
        assert_eq!(footer(&ours, name), footer(&theirs, name), "{name}");
    }
    assert_eq!(footer(&ours, "Total count"), footer(&theirs, "TotalCount"));
}
