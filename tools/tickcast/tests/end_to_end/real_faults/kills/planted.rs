//! The checks are worth nothing if they cannot fail: what a round left is spoiled, and found out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tickcast_tickfile::TickWriter;
use tickcast_wire::Tick;

use super::check::holds;
use super::place;
use super::plan::Plan;
use super::round::{Remains, play};
use super::truth::Truth;

/// Makes something wrong with the lines of a stream or the rows of a recording.
type Spoil<T> = fn(&mut Vec<T>);

const SPOILED_STREAMS: &[(&str, Spoil<String>)] = &[
    ("a tick is missing", |lines| {
        lines.remove(2_000);
    }),
    ("a tick comes twice", |lines| {
        lines.insert(2_000, lines[2_000].clone());
    }),
    ("two ticks change places", |lines| lines.swap(2_000, 2_001)),
    ("a tick has another body", |lines| {
        let (seq, body) = (lines[2_000][..10].to_owned(), lines[4_999][10..].to_owned());
        lines[2_000] = seq + &body;
    }),
    ("a tick was never published", |lines| {
        lines.insert(5_001, lines[5_000].replacen("5000", "5001", 1));
    }),
    ("a session was never published", |lines| {
        lines[0] = "session 7 from seq 1".into();
    }),
    ("the end is missing", |lines| {
        lines.retain(|line| !line.starts_with("end of session"));
    }),
    ("the result says something else", |lines| {
        let result = lines.last_mut().expect("a result");
        *result = result.replace("\"digest\":\"", "\"digest\":\"0");
    }),
];

const SPOILED_RECORDINGS: &[(&str, Spoil<Tick>)] = &[
    ("a tick is missing", |ticks| {
        ticks.remove(2_000);
    }),
    ("the last tick is missing", |ticks| {
        ticks.pop();
    }),
    ("a tick comes twice", |ticks| {
        ticks.insert(2_000, ticks[2_000]);
    }),
    ("a tick has another body", |ticks| {
        ticks[2_000] = ticks[4_000].with_seq(2_001);
    }),
];

#[test]
fn what_is_wrong_is_found() {
    let truth = Truth::find_out();
    let quiet = Plan {
        seed: 0,
        in_order: true,
        from_start: true,
        lose: [0, 0],
        acts: Vec::new(),
    };
    let mut remains = play(&quiet, &place(1), &truth);
    holds(&remains, &truth);

    for (what, spoil) in SPOILED_STREAMS {
        let out = remains.followers[0].ended.out.clone();
        spoil(&mut remains.followers[0].ended.out);
        assert!(is_found(&remains, &truth), "{what}");
        remains.followers[0].ended.out = out;
    }
    let recorder = remains
        .followers
        .iter()
        .find_map(|follower| follower.recording.clone());
    let recording = recorder.expect("a recording");
    let rows: Vec<Tick> = tickcast_tickfile::open(&recording)
        .expect("the recording")
        .map(|row| row.expect("a row"))
        .collect();
    for (what, spoil) in SPOILED_RECORDINGS {
        let mut rows = rows.clone();
        spoil(&mut rows);
        record(&recording, &rows);
        assert!(is_found(&remains, &truth), "{what}");
    }
    record(&recording, &rows);
    holds(&remains, &truth);
}

fn is_found(remains: &Remains, truth: &Truth) -> bool {
    catch_unwind(AssertUnwindSafe(|| holds(remains, truth))).is_err()
}

fn record(path: &Path, rows: &[Tick]) {
    std::fs::remove_file(path).expect("the recording before");
    let mut writer = TickWriter::create(path).expect("a recording");
    writer.write_all(rows).expect("its rows");
    writer.finish().expect("its end");
}
