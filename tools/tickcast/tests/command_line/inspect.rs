//! `tickcast inspect`.

use std::fs;

use serde_json::{Value, json as object};
use tickcast_tickfile::TickWriter;
use tickcast_wire::{Clear, Definition, Digest, Quote, Side, Status, Symbol, Tick, Trade};
use tickcast_wire::{TradeBreak, TradingState, UNDEFINED_PRICE, Venue};

use crate::{fails, json, market, stderr, stdout, text, tickcast};

/// One tick of every kind, of two instruments.
fn ticks() -> Vec<Tick> {
    let aapl = Definition::new(Symbol::new(b"AAPL"), 10_000_000, 100);
    let time = 1_499_697_155_788_781_087;
    vec![
        Tick::new(aapl, Venue::IEX, 1, time),
        Tick::new(
            Status::new(TradingState::Trading, b'T', *b"    "),
            Venue::IEX,
            1,
            time + 1,
        ),
        Tick::new(
            Quote::new(UNDEFINED_PRICE, 0, 148_910_000_000, 871),
            Venue::IEX,
            1,
            time + 2,
        ),
        Tick::new(
            Trade::new(148_910_000_000, 283, 7, Side::Buy, [0; 7]),
            Venue::IEX,
            1,
            time + 3,
        ),
        Tick::new(
            TradeBreak::new(148_910_000_000, 283, 7),
            Venue::IEX,
            1,
            time + 4,
        ),
        Tick::new(Clear::default(), Venue::IEX, 2, time + 5),
    ]
}

fn write(path: &std::path::Path, ticks: &[Tick]) {
    let mut writer = TickWriter::create(path).unwrap();
    writer.write_all(ticks).unwrap();
    writer.finish().unwrap();
}

#[test]
fn every_field_of_the_json_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ticks");
    write(&path, &ticks());

    let numbered = ticks()
        .into_iter()
        .zip(1..)
        .map(|(tick, seq)| tick.with_seq(seq));
    let mut digest = Digest::default();
    numbered.for_each(|tick| digest.update(&tick));
    let report = json(&["inspect", text(&path)]);
    assert_eq!(
        report,
        object!({
            "format": "ticks",
            "ticks": 6,
            "kinds": {
                "definition": 1, "status": 1, "quote": 1, "trade": 1, "trade_break": 1, "clear": 1,
            },
            "instruments": 2,
            "first_ts_event": 1_499_697_155_788_781_087_u64,
            "last_ts_event": 1_499_697_155_788_781_092_u64,
            "messages": {},
            "skipped": {},
            "recording": null,
            "digest": digest.to_string(),
            "notices": [],
        })
    );
}

#[test]
fn people_see_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ticks");
    write(&path, &ticks());
    let output = tickcast(&["inspect", text(&path)]);
    let table = stdout(&output);
    for line in [
        "  first event  2017-07-10T14:32:35.788781087Z",
        "    AAPL                          5      -                    871 @ 148.91",
        "    #2                            1      -                    -",
    ] {
        assert!(table.contains(line), "{line:?} not in\n{table}");
    }
    assert!(!table.contains('\x1b'), "no colours but on a terminal");
}

#[test]
fn a_file_without_ticks_has_no_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.ticks");
    write(&path, &[]);
    let report = json(&["inspect", text(&path)]);
    assert_eq!(report["ticks"], 0);
    assert_eq!(report["first_ts_event"], Value::Null);
    assert_eq!(tickcast(&["inspect", text(&path)]).status.code(), Some(0));
}

#[test]
fn what_is_no_tick_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| text(&folder.path().join(name)).to_owned();
    fails(
        &["inspect", &inside("gone.ticks")],
        1,
        &["error: ", "gone.ticks", "No such file"],
    );
    fails(&["inspect", text(folder.path())], 1, &["directory"]);

    fs::write(inside("empty.ticks"), b"").unwrap();
    fails(
        &["inspect", &inside("empty.ticks")],
        1,
        &["empty.ticks is empty"],
    );
    fs::write(
        inside("letter.ticks"),
        b"Dear reader, this is no tick file.",
    )
    .unwrap();
    fails(
        &["inspect", &inside("letter.ticks")],
        1,
        &["letter.ticks", "ITCH", ".ticks"],
    );
}

#[test]
fn damage_is_an_error_and_a_torn_tail_a_notice() {
    let folder = tempfile::tempdir().unwrap();
    let path = market(folder.path(), "market.ticks");
    let whole = fs::read(&path).unwrap();

    let mut damaged = whole.clone();
    damaged[70_000] ^= 1;
    fs::write(&path, &damaged).unwrap();
    fails(&["inspect", &path, "--json"], 1, &["market.ticks"]);

    fs::write(&path, &whole[..whole.len() - 1_000]).unwrap();
    let report = json(&["inspect", &path]);
    assert_eq!(
        report["notices"].as_array().map(Vec::len),
        Some(1),
        "{report}"
    );
    assert!(report["ticks"].as_u64() < Some(5_000));
    let shown = tickcast(&["inspect", &path]);
    assert!(stderr(&shown).starts_with("notice: "), "{}", stderr(&shown));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = market(folder.path(), "market.ticks");
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("tickcast"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command
        .args(["inspect", &path])
        .stdout(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = market(folder.path(), "market.ticks");
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("tickcast"));
    let output = command
        .args(["inspect", &path])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("No space left"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_log_goes_to_stderr_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = market(folder.path(), "market.ticks");
    let output = tickcast(&["--log", "info", "inspect", &path, "--json"]);
    assert!(stderr(&output).contains("opened"), "{}", stderr(&output));
    assert!(!stderr(&output).contains('\x1b'));
    assert_eq!(
        stdout(&output),
        stdout(&tickcast(&["inspect", &path, "--json"]))
    );
}
