//! Real captures through the whole program. They are found in the folder that TICKCAST_DATA names;
//! without it these tests say that they are skipped.

use std::path::{Path, PathBuf};

use crate::demo::kept;
use crate::feed::{folder, text};
use crate::namespaces::skipped;
use crate::program::{count, json};

/// The capture of this name, if there are captures.
fn capture(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("TICKCAST_DATA") else {
        skipped(&format!("TICKCAST_DATA names no folder with {name}"));
        return None;
    };
    let path = Path::new(&folder).join(name);
    assert!(path.is_file(), "there is no {}", path.display());
    Some(path)
}

/// Inspected, replayed, and replayed from what it was converted to: always the same ticks.
fn is_the_same_everywhere(name: &str, ticks: u64) {
    let Some(path) = capture(name) else {
        return;
    };
    let folder = folder();
    let inspected = json(&["inspect", text(&path)]);
    assert_eq!(count(&inspected, "ticks"), ticks);
    let mut inputs = vec![path.clone()];
    for name in ["converted.ticks", "converted.csv"] {
        let to = folder.path().join(name);
        let converted = json(&["convert", text(&path), text(&to)]);
        assert_eq!(converted["digest"], inspected["digest"], "{name}");
        inputs.push(to);
    }
    for input in inputs {
        let report = json(&["demo", "--input", text(&input), "--speed", "max"]);
        kept(&report, 1);
        assert_eq!(count(&report, "published"), ticks);
        assert_eq!(report["digest_published"], inspected["digest"], "{input:?}");
    }
}

#[test]
fn iex_tops() {
    is_the_same_everywhere("iex-tops16-20170710.pcapng.gz", 49_214);
}

#[test]
fn itch() {
    is_the_same_everywhere("itch50-20191230-open.itch", 578);
}
