//! Real captures, whose answers were computed by independent decoders. They are found in the
//! folder that TICKCAST_DATA names; without it these tests say that they are skipped.

use std::path::{Path, PathBuf};

use serde_json::{Value, json as object};

use crate::{fails, json, text};

/// The capture of this name, if there are captures.
fn capture(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("TICKCAST_DATA") else {
        println!("skipped: TICKCAST_DATA names no folder with {name}");
        return None;
    };
    let path = Path::new(&folder).join(name);
    assert!(
        path.is_file(),
        "TICKCAST_DATA is set, and {} is not there",
        path.display()
    );
    Some(path)
}

fn sum(object: &Value) -> u64 {
    let object = object.as_object().expect("an object");
    object
        .values()
        .map(|count| count.as_u64().expect("a count"))
        .sum()
}

#[test]
fn iex_tops_as_known() {
    let Some(path) = capture("iex-tops16-20170710.pcapng.gz") else {
        return;
    };
    let report = json(&["inspect", text(&path)]);
    assert_eq!(report["format"], "iex-tops16");
    let messages = object!({
        "S": 6, "D": 10, "P": 7_802, "O": 7_801, "H": 7_803, "Q": 27_217, "T": 6_390, "A": 642,
        "B": 3,
    });
    assert_eq!(report["messages"], messages);
    assert_eq!(sum(&report["messages"]), 57_674);
    assert_eq!(report["kinds"]["quote"], 27_217);
    assert_eq!(report["kinds"]["trade"], 6_390);
    assert_eq!(report["kinds"]["trade_break"], 3);
    assert_eq!(sum(&report["kinds"]), report["ticks"].as_u64().unwrap());
    assert_eq!(report["skipped"], object!({}));
    assert_eq!(report["notices"], object!([]));
    converts_without_loss(&path, &report);
}

#[test]
fn itch_as_known() {
    let Some(path) = capture("itch50-20191230-open.itch") else {
        return;
    };
    let report = json(&["inspect", text(&path)]);
    assert_eq!(report["format"], "itch50");
    let messages = object!({
        "A": 367, "F": 193, "U": 225, "D": 167, "E": 28, "X": 6, "I": 4, "P": 4, "Q": 4, "C": 1,
        "S": 1,
    });
    assert_eq!(report["messages"], messages);
    assert_eq!(report["skipped"], object!({ "unknown_order": 399 }));
    assert_eq!(report["kinds"]["quote"], 384);
    converts_without_loss(&path, &report);
}

#[test]
fn cme_lines_as_known() {
    let Some(path) = capture("cme-mdp3-volume-ab-20160927.pcap") else {
        return;
    };
    let report = json(&["lines", text(&path)]);
    assert_eq!(report["feed"], "CME MDP 3.0");
    assert_eq!(report["packets"], 56);
    assert_eq!(report["lost_by_both"], 4_017);
    for (line, group) in [(0, "224.0.31.11:14320"), (1, "224.0.32.11:15320")] {
        let line = &report["lines"][line];
        assert_eq!(line["group"], group);
        assert_eq!(line["packets"], 56);
        assert_eq!(line["gaps"], 55);
        assert_eq!(line["lost"], 4_017);
        assert_eq!(
            (&line["alone"], &line["duplicates"]),
            (&object!(0), &object!(0))
        );
    }
    assert_eq!(report["lines"][0]["first"], 11);
    assert_eq!(report["lines"][1]["first"], 21);
    assert_eq!(report["ties"], 24);
}

#[test]
fn one_line_is_not_two() {
    for (name, feed) in [
        ("iex-tops16-20170710.pcapng.gz", "13,022 packets IEX-TP"),
        (
            "moldudp64-itch50-20230822-open.pcap",
            "100 packets MoldUDP64",
        ),
    ] {
        let Some(path) = capture(name) else { return };
        let words = ["exactly two groups with the same content", "--line-a", feed];
        fails(&["lines", text(&path)], 1, &words);
    }
}

/// To `.ticks`, to CSV and back: the digest stays.
fn converts_without_loss(capture: &Path, report: &Value) {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| text(&folder.path().join(name)).to_owned();
    let steps = [
        text(capture).to_owned(),
        inside("a.ticks"),
        inside("b.csv"),
        inside("c.ticks"),
    ];
    for pair in steps.windows(2) {
        let converted = json(&["convert", &pair[0], &pair[1]]);
        assert_eq!(converted["digest"], report["digest"], "{pair:?}");
        assert_eq!(converted["ticks"], report["ticks"], "{pair:?}");
        let again = json(&["inspect", &pair[1]]);
        for field in [
            "ticks",
            "kinds",
            "instruments",
            "first_ts_event",
            "last_ts_event",
            "digest",
        ] {
            assert_eq!(again[field], report[field], "{pair:?} {field}");
        }
    }
}
