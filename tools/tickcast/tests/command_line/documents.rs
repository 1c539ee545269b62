//! `docs/command-line.md` names the fields that `--json` prints.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::lines::both_lines;
use crate::{json, market, report, text};

const DOCUMENT: &str = include_str!("../../../../docs/command-line.md");

/// The fields in the table of a command.
fn documented(command: &str) -> BTreeSet<String> {
    let heading = format!("## {command}\n");
    let (_, rest) = DOCUMENT.split_once(&heading).expect("a heading");
    let (section, _) = rest.split_once("\n## ").unwrap_or((rest, ""));
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next())
        .map(str::to_owned)
        .collect()
}

fn printed(report: &Value) -> BTreeSet<String> {
    report
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect()
}

#[test]
fn every_field_is_documented_and_every_documented_field_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let first = market(folder.path(), "first.ticks");
    let second = folder.path().join("second.csv");
    let third = folder.path().join("third.ticks");
    let run = report::sample_file(folder.path());
    for (command, report) in [
        ("report", json(&["report", text(&run)])),
        ("inspect", json(&["inspect", &first])),
        ("convert", json(&["convert", &first, text(&second)])),
        (
            "generate",
            json(&["generate", text(&third), "--ticks", "10"]),
        ),
        ("lines", json(&["lines", text(&both_lines(folder.path()))])),
        ("machine", json(&["machine", "--hiccups", "0s"])),
        (
            "latency",
            json(&["latency", "--rate", "2000/s", "--duration", "100ms"]),
        ),
    ] {
        assert_eq!(printed(&report), documented(command), "{command}");
    }
}
