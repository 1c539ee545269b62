//! The table, the JSON, and the interval log as its own reader sees it.

use base64::prelude::{BASE64_STANDARD, Engine};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use tickcast_latency::{
    Histograms, HlogWriter, LONGEST_NS, Provenance, Recorder, Report, Row, Stage, stages,
};

const START_NS: u64 = 1_700_000_000_250_000_000;

fn recorded(record: impl FnOnce(&mut Recorder)) -> Histograms {
    let list = [Stage::Network, Stage::Queue, Stage::Total];
    let (mut recorder, mut reporter) = stages(&list);
    record(&mut recorder);
    drop(recorder);
    let mut histograms = Histograms::new(&list);
    reporter.collect(&mut histograms);
    histograms
}

fn some_of_each() -> Histograms {
    recorded(|recorder| {
        for ns in 1..=100_000 {
            recorder.record((Stage::Network, Provenance::A), 0, ns, 5);
            recorder.record((Stage::Network, Provenance::B), 0, ns, 5);
        }
        for ns in [300, 400, 512] {
            recorder.record((Stage::Queue, Provenance::B), 0, ns, 4);
        }
        recorder.record((Stage::Network, Provenance::A), 7, 6, 21);
        recorder.record((Stage::Total, Provenance::A), 0, 2_500_000, 1);
        recorder.record((Stage::Total, Provenance::Retransmit), 0, LONGEST_NS + 1, 1);
        recorder.record((Stage::Total, Provenance::Snapshot), 0, 40_000_000_000, 3);
    })
}

#[test]
fn table() {
    let expected = "\
stage               samples       p50       p90       p99     p99.9    p99.99   p99.999       max
network           1,000,000   50.0 µs   90.0 µs   99.0 µs   99.9 µs    100 µs    100 µs    100 µs
queue                    12    400 ns    512 ns         -         -         -         -    512 ns
total                     2   2.50 ms         -         -         -         -         -    60.0 s
  A                       1         -         -         -         -         -         -   2.50 ms
  retransmit              1         -         -         -         -         -         -    60.0 s
  snapshot                3    40.0 s         -         -         -         -         -    40.0 s
network: 21 negative, in no percentile: two clocks disagree
total: 1 over 60.0 s, counted as 60.0 s";
    let table = Report::new(&some_of_each()).to_string();
    assert_eq!(table, expected, "\n{table}\n");
    assert!(table.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn a_percentile_needs_a_sample_beyond_it() {
    type Percentile = fn(&Row) -> Option<u64>;
    let rules: [(u64, Percentile); 6] = [
        (2, |row| row.p50),
        (10, |row| row.p90),
        (100, |row| row.p99),
        (1_000, |row| row.p99_9),
        (10_000, |row| row.p99_99),
        (100_000, |row| row.p99_999),
    ];
    for (enough, percentile) in rules {
        for (samples, given) in [(enough - 1, None), (enough, Some(42))] {
            let histograms =
                recorded(|recorder| recorder.record((Stage::Queue, Provenance::A), 0, 42, samples));
            let report = Report::new(&histograms);
            assert_eq!(
                percentile(report.row(Stage::Queue).unwrap()),
                given,
                "{samples} samples"
            );
        }
    }
    let none = recorded(|_| ());
    assert_eq!(Report::new(&none).row(Stage::Queue).unwrap().max, None);
    assert_eq!(Report::new(&none).row(Stage::Kernel), None);
}

#[test]
fn json() {
    let histograms =
        recorded(|recorder| recorder.record((Stage::Queue, Provenance::A), 0, 42, 100));
    let json = serde_json::to_value(Report::new(&histograms)).unwrap();
    assert_eq!(
        json["queue"],
        serde_json::json!({
            "samples": 100, "p50": 42, "p90": 42, "p99": 42, "p99_9": null, "p99_99": null,
            "p99_999": null, "max": 42, "negative": 0, "saturated": 0,
            "by_provenance": {"A": {
                "samples": 100, "p50": 42, "p90": 42, "p99": 42, "p99_9": null, "p99_99": null,
                "p99_999": null, "max": 42, "negative": 0, "saturated": 0,
            }},
        })
    );
    assert_eq!(json.as_object().unwrap().len(), 3);
}

#[test]
fn interval_log_reads_back() {
    let second = 1_000_000_000;
    let histograms = some_of_each();
    let queue_only = recorded(|recorder| recorder.record((Stage::Queue, Provenance::A), 0, 77, 5));
    let mut bytes = Vec::new();
    let mut log = HlogWriter::new(&mut bytes, START_NS).unwrap();
    log.write(START_NS, START_NS + second, &histograms).unwrap();
    log.write(START_NS + second, START_NS + 3 * second, &queue_only)
        .unwrap();

    let text = std::str::from_utf8(&bytes).unwrap();
    let header = "#[Histogram log format version 1.3]\n\
                  #[tickcast: values in ns; a tag is a stage, or a part of it: stage.provenance or stage@group]\n\
                  #[StartTime: 1700000000.250 (seconds since epoch)]\n\
                  \"StartTimestamp\",";
    assert!(text.starts_with(header), "{text}");

    let mut lines = Vec::new();
    for entry in IntervalLogIterator::new(&bytes) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let encoded = BASE64_STANDARD
                .decode(interval.encoded_histogram())
                .unwrap();
            let histogram: Histogram<u64> = Deserializer::new()
                .deserialize(&mut encoded.as_slice())
                .unwrap();
            lines.push((
                interval.tag().unwrap().as_str().to_owned(),
                interval.start_timestamp().as_secs(),
                interval.duration().as_secs(),
                histogram,
            ));
        }
    }
    let shape: Vec<_> = lines
        .iter()
        .map(|(tag, start, length, _)| (&**tag, *start, *length))
        .collect();
    assert_eq!(
        shape,
        [
            ("network", 0, 1),
            ("network.A", 0, 1),
            ("network.B", 0, 1),
            ("queue", 0, 1),
            ("queue.B", 0, 1),
            ("total", 0, 1),
            ("total.A", 0, 1),
            ("total.retransmit", 0, 1),
            ("total.snapshot", 0, 1),
            ("queue", 1, 2),
            ("queue.A", 1, 2)
        ]
    );
    let tagged = |tag: &str| &lines.iter().find(|line| line.0 == tag).unwrap().3;
    for stage in histograms.stages() {
        let sum = histograms.sum(stage).unwrap();
        assert_eq!(tagged(stage.name()), sum.histogram());
        for (provenance, part) in histograms.parts(stage).filter(|(_, part)| !part.is_empty()) {
            assert_eq!(tagged(&format!("{stage}.{provenance}")), part.histogram());
        }
    }
    assert_eq!(lines[9].3.len(), 5);
    assert_eq!(lines[9].3.max(), 77);
}

#[test]
fn a_sum_is_its_parts_but_for_the_age_of_state() {
    let histograms = some_of_each();
    let sum = histograms.sum(Stage::Total).unwrap();
    assert_eq!((sum.histogram().len(), sum.saturated()), (2, 1));
    let network = histograms.sum(Stage::Network).unwrap();
    assert_eq!(
        (network.histogram().len(), network.negative()),
        (1_000_000, 21)
    );
    assert!(histograms.sum(Stage::Kernel).is_none());
    assert!(
        histograms
            .part(Stage::Network, Provenance::Retransmit)
            .is_none()
    );
    assert!(
        histograms
            .part(Stage::Queue, Provenance::Retransmit)
            .unwrap()
            .is_empty()
    );
}
