//! `tickcast verify`: recordings held against the store of the publisher that they are of.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tickcast_tickfile::{TickWriter, TicksFile};
use tickcast_wire::{Flags, Reply, ReplyStatus, Request, Tick};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::account::seq;
use crate::certificates::Files;
use crate::feed::{Feed, PRINT, PRINT_ALL, folder, free_address, market, text};
use crate::program::{Ended, Program, count, run, tickcast};
use crate::stories::wait_for_seq;

const TICKS: u64 = 5_000;
const RECORDER: &[&str] = &["--from", "start", "--recovery-deadline", "60s"];

/// A publisher that stays, and a recording of all that it published.
struct Recorded {
    folder: TempDir,
    feed: Feed,
    publisher: Program,
    recording: PathBuf,
}

fn recorded(publishing: &[&str], subscribing: &[&str]) -> Recorded {
    let folder = folder();
    let file = market(folder.path(), TICKS);
    let feed = Feed::on_loopback();
    let recording = folder.path().join("recording.ticks");
    let recorder = [RECORDER, subscribing, &["--record", text(&recording)]].concat();
    let subscriber = feed.subscriber(&recorder);
    let stays = ["--speed", "20000/s", "--linger", "1h"];
    let publisher = feed.publisher(&file, &[&stays, publishing].concat());
    subscriber.finish().expect(0);
    Recorded {
        folder,
        feed,
        publisher,
        recording,
    }
}

fn verify(feed: &Feed, recording: &Path, more: &[&str]) -> Ended {
    let verify = ["verify", text(recording), "--recovery", &feed.recovery];
    run(&[&verify[..], more].concat())
}

fn verified(feed: &Feed, recording: &Path, code: i32) -> Value {
    verify(feed, recording, &["--json"]).expect(code).json()
}

fn range(first_seq: u64, last_seq: u64) -> Value {
    json!({"first_seq": first_seq, "last_seq": last_seq})
}

/// The same recording with other rows: `change` is given each, and writes what it likes.
fn rewritten(
    recording: &Path,
    name: &str,
    mut change: impl FnMut(&mut TickWriter, &Tick),
) -> PathBuf {
    let path = recording.with_file_name(name);
    let file = TicksFile::open(recording).expect("a recording");
    let mut writer = TickWriter::create(&path).expect("a new file");
    let mut blocks = file.blocks();
    while let Some(rows) = blocks.next() {
        let rows = rows.expect("a sound block");
        writer.session(blocks.said().session).expect("written");
        rows.iter().for_each(|row| change(&mut writer, row));
    }
    writer.finish().expect("written");
    path
}

fn write(writer: &mut TickWriter, row: &Tick) {
    writer.write(row).expect("written");
}

/// The tick with another byte in one place.
fn with_byte(tick: &Tick, at: usize) -> Tick {
    let mut bytes: [u8; 64] = tick.as_bytes().try_into().expect("64 bytes");
    bytes[at] ^= 0x5a;
    Tick::read_from_bytes(&bytes).expect("a tick")
}

#[test]
fn what_was_recorded_is_what_was_published() {
    let mut of = recorded(&[], &[]);
    let report = verified(&of.feed, &of.recording, 0);
    assert_eq!(count(&report, "equal"), TICKS);
    assert_eq!(report["equal_ranges"], json!([range(1, TICKS)]));
    for none in ["missing", "not_kept", "differing", "not_published"] {
        assert_eq!(count(&report, none), 0, "{report}");
    }
    assert_eq!(count(&report, "published_after"), 0);

    let said = verify(&of.feed, &of.recording, &[])
        .expect(0)
        .out
        .join("\n");
    assert!(said.contains("as published    5,000"), "{said}");
    assert!(said.contains("seq 1..=5000"), "{said}");
    assert!(!of.publisher.has_ended_after(Duration::ZERO));
    every_field_is_documented(&report);
}

/// The fields of the report are those of the table in `docs/command-line.md`.
fn every_field_is_documented(report: &Value) {
    let document = include_str!("../../../../docs/command-line.md");
    let (_, rest) = document.split_once("## verify\n").expect("a heading");
    let (section, _) = rest.split_once("\n## ").unwrap_or((rest, ""));
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut documented: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
    let printed = report.as_object().expect("an object");
    let mut printed: Vec<_> = printed.keys().map(String::as_str).collect();
    documented.sort_unstable();
    printed.sort_unstable();
    assert_eq!(printed, documented);
}

#[test]
fn holes_are_named() {
    let of = recorded(&[], &[]);
    let holed = rewritten(&of.recording, "holed.ticks", |writer, row| {
        if !(101..=150).contains(&row.seq()) && row.seq() != 3_000 {
            write(writer, row);
        }
    });
    let report = verified(&of.feed, &holed, 3);
    assert_eq!(count(&report, "equal"), TICKS - 51);
    assert_eq!(count(&report, "missing"), 51);
    assert_eq!(
        report["missing_ranges"],
        json!([range(101, 150), range(3_000, 3_000)])
    );
    let equal = json!([range(1, 100), range(151, 2_999), range(3_001, TICKS)]);
    assert_eq!(report["equal_ranges"], equal);

    let said = verify(&of.feed, &holed, &[]).expect(3).out.join("\n");
    assert!(said.contains("seq 101..=150\n    seq 3000"), "{said}");
}

#[test]
fn what_the_publisher_had_said_and_is_not_there_is_missing() {
    let of = recorded(&[], &[]);
    let cut = rewritten(&of.recording, "cut.ticks", |writer, row| match row.seq() {
        ..=4_000 => write(writer, row),
        4_001 => writer.checkpoint(4_501, Default::default()),
        _ => {}
    });
    let report = verified(&of.feed, &cut, 3);
    assert_eq!(report["missing_ranges"], json!([range(4_001, 4_500)]));
    assert_eq!(count(&report, "published_after"), TICKS - 4_500);
}

#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    let of = recorded(&[], &[]);
    // One byte each of 55 ticks. Those of the seq and of the flags tell other stories.
    let changed = rewritten(&of.recording, "changed.ticks", |writer, row| {
        let at = usize::try_from(row.seq().wrapping_sub(1_000)).unwrap_or(usize::MAX);
        let is_seq = (8..16).contains(&at);
        let is_flags = at == 1;
        if at < 64 && !is_seq && !is_flags {
            write(writer, &with_byte(row, at));
        } else {
            write(writer, row);
        }
    });
    let ended = verify(&of.feed, &changed, &["--json"]).expect(1);
    let report = ended.json();
    assert_eq!(count(&report, "differing"), 64 - 9);
    assert_eq!(count(&report, "equal"), TICKS - (64 - 9));
    let differences = report["differences"].as_array().expect("a list");
    assert_eq!(differences.len(), 20);
    for difference in differences {
        let at = 2 * (count(difference, "seq") - 1_000) as usize;
        let side = |name: &str| difference[name].as_str().expect("digits").to_owned();
        let (recorded, published) = (side("recorded"), side("published"));
        assert_eq!((recorded.len(), published.len()), (128, 128));
        let byte = |digits: &str| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex");
        assert_eq!(byte(&recorded), byte(&published) ^ 0x5a);
        assert_eq!(recorded[..at], published[..at]);
        assert_eq!(recorded[at + 2..], published[at + 2..]);
    }
    ended.explains(&["error:", "is not what was published: 55 of other bytes"]);

    let said = verify(&of.feed, &changed, &[]).expect(1).out.join("\n");
    assert!(said.contains("seq 1002, bytes 2..=2: recorded "), "{said}");
    assert!(said.contains("and 35 more"), "{said}");
}

#[test]
fn seqs_that_are_wrong() {
    let of = recorded(&[], &[]);
    let wrong = rewritten(&of.recording, "wrong.ticks", |writer, row| {
        match row.seq() {
            100 => write(writer, &row.with_seq(TICKS + 7)),
            200 => [row, row].iter().for_each(|row| write(writer, row)),
            300 => write(writer, &row.with_seq(u64::MAX)),
            _ => write(writer, row),
        }
    });
    let ended = verify(&of.feed, &wrong, &["--json"]).expect(1);
    let report = ended.json();
    let never = json!([range(TICKS + 7, TICKS + 7), range(u64::MAX, u64::MAX)]);
    assert_eq!(report["not_published_ranges"], never);
    assert_eq!(
        report["missing_ranges"],
        json!([range(100, 100), range(300, 300)])
    );
    assert_eq!(count(&report, "out_of_order"), 1);
    ended.explains(&["2 never published, 1 out of order"]);
}

#[test]
fn a_late_joiners_recording_begins_behind_its_snapshot() {
    let folder = folder();
    let file = market(folder.path(), 200_000);
    let feed = Feed::on_loopback();
    let pace = ["--speed", "5000/s", "--linger", "1h"];
    let publisher = feed.publisher(&file, &pace);
    let mut witness = feed.subscriber(PRINT_ALL);
    wait_for_seq(&mut witness, 1_000);
    let recording = folder.path().join("recording.ticks");
    let mut late = feed.subscriber(&[PRINT, &["--record", text(&recording)]].concat());
    // Of the stream: on a slow machine rows of the snapshot may have such seqs, and be all there is.
    let line = late.wait_for("a tick behind the snapshot", |line| {
        seq(line) >= Some(2_000) && !line.contains(" snapshot ")
    });
    late.signal(Signal::INT);
    let late = late.finish().expect(130).json();

    let report = verified(&feed, &recording, 0);
    let as_of = count(&late, "snapshot_as_of");
    assert_eq!(count(&report, "first_seq"), as_of + 1);
    assert!(Some(count(&report, "last_seq")) >= seq(&line));
    assert_eq!(report["equal"], late["delivered"]);
    assert_eq!(report["snapshot_rows"], late["snapshot_ticks"]);
    assert!(count(&report, "snapshot_rows") > 0);
    assert!(count(&report, "published_after") > 0);
    drop(publisher);
}

#[test]
fn the_recording_of_a_killed_subscriber() {
    let folder = folder();
    let file = market(folder.path(), 200_000);
    let feed = Feed::on_loopback();
    let publisher = feed.publisher(&file, &["--speed", "5000/s", "--flow-control", "1"]);
    let recording = folder.path().join("recording.ticks");
    let recorder = [PRINT_ALL, &["--flow-control", "--record", text(&recording)]].concat();
    let mut killed = feed.subscriber(&recorder);
    // More than a second: something is in the file.
    wait_for_seq(&mut killed, 7_500);
    killed.kill();
    let report = verified(&feed, &recording, 0);
    assert_eq!(count(&report, "first_seq"), 1);
    assert!(count(&report, "equal") > 0);
    assert_eq!(report["equal"], report["last_seq"]);
    assert!(count(&report, "published_after") > 0);
    drop(publisher);
}

#[test]
fn what_the_store_no_longer_has_is_named() {
    let of = recorded(&["--store", "1024"], &[]);
    let report = verified(&of.feed, &of.recording, 0);
    let kept_from = TICKS - 1_024 + 1;
    assert_eq!(report["not_kept_ranges"], json!([range(1, kept_from - 1)]));
    assert_eq!(report["equal_ranges"], json!([range(kept_from, TICKS)]));

    let old = rewritten(&of.recording, "old.ticks", |writer, row| {
        if row.seq() < kept_from {
            write(writer, row);
        }
    });
    let ended = verify(&of.feed, &old, &["--json"]).expect(1);
    assert_eq!(count(&ended.json(), "not_kept"), kept_from - 1);
    ended.explains(&["keeps none of the ticks", "--store"]);
}

#[test]
fn only_the_session_that_runs_is_compared() {
    let of = recorded(&[], &[]);
    let second = recorded(&[], &[]);
    let ended = verify(&second.feed, &of.recording, &["--json"]).expect(1);
    assert_eq!(ended.out, Vec::<String>::new());
    ended.explains(&["the publisher runs session", "holds session", "--linger"]);

    let both = of.folder.path().join("both.ticks");
    let mut writer = TickWriter::create(&both).expect("a new file");
    let mut sessions = Vec::new();
    for recording in [&of.recording, &second.recording] {
        let file = TicksFile::open(recording).expect("a recording");
        let mut blocks = file.blocks();
        while let Some(rows) = blocks.next() {
            let rows = rows.expect("a sound block");
            sessions.push(blocks.said().session);
            writer.session(blocks.said().session).expect("written");
            writer.write_all(rows).expect("written");
        }
    }
    writer.finish().expect("written");
    sessions.dedup();
    for (feed, session, other) in [
        (&of.feed, sessions[0], sessions[1]),
        (&second.feed, sessions[1], sessions[0]),
    ] {
        let report = verified(feed, &both, 0);
        assert_eq!(count(&report, "session"), session);
        assert_eq!(count(&report, "equal"), TICKS);
        let others = json!([{"session": other, "ticks": TICKS}]);
        assert_eq!(report["other_sessions"], others);
    }
}

#[test]
fn a_publisher_that_is_not_there() {
    let of = recorded(&[], &[]);
    of.publisher.kill();
    verify(&of.feed, &of.recording, &[]).expect(1).explains(&[
        "cannot ask the publisher at",
        "--recovery",
        &of.feed.recovery,
    ]);
}

/// A server that is too busy for any request.
fn busy() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = Request::new_zeroed();
            while stream.read_exact(request.as_mut_bytes()).is_ok() {
                let reply = Reply::new(&request, 1, ReplyStatus::Busy, 5_000_000);
                // A client that is gone meanwhile was stopped.
                let _ = stream.write_all(reply.as_bytes());
            }
        }
    });
    address
}

#[test]
fn it_can_be_stopped_while_it_waits() {
    let of = recorded(&[], &[]);
    let address = busy().to_string();
    let verify = ["verify", text(&of.recording), "--recovery", &address];
    let mut waiting = Program::start(tickcast(&[&verify[..], &["--log", "info"]].concat()));
    waiting.wait_until_it_says("asking the publisher");
    waiting.signal(Signal::INT);
    let ended = waiting.finish().expect(130);
    assert!(ended.out.is_empty(), "{:?}", ended.out);
}

#[test]
fn another_channel() {
    let of = recorded(&["--channel", "7"], &["--channel", "7"]);
    let report = verify(&of.feed, &of.recording, &["--channel", "7", "--json"]);
    assert_eq!(count(&report.expect(0).json(), "equal"), TICKS);
    verify(&of.feed, &of.recording, &[])
        .expect(1)
        .explains(&["cannot ask the publisher", "--channel"]);
}

#[test]
fn over_tls() {
    let keys = folder();
    let files = Files::new(keys.path(), "127.0.0.1");
    let of = recorded(&files.server(), &files.client());
    let report = verify(
        &of.feed,
        &of.recording,
        &[&files.client()[..], &["--json"]].concat(),
    );
    assert_eq!(count(&report.expect(0).json(), "equal"), TICKS);
    verify(&of.feed, &of.recording, &[])
        .expect(1)
        .explains(&["it speaks TLS only"]);
    let foreign = folder();
    let foreign = Files::new(foreign.path(), "127.0.0.1");
    verify(&of.feed, &of.recording, &foreign.client())
        .expect(1)
        .explains(&["invalid peer certificate"]);
}

#[test]
fn files_that_are_no_recordings() {
    let folder = folder();
    let market = market(folder.path(), 10);
    let feed = Feed {
        recovery: free_address(0).to_string(),
        ..Feed::on_loopback()
    };
    verify(&feed, &market, &[])
        .expect(1)
        .explains(&["holds no recorded stream", "--record"]);
    verify(&feed, &folder.path().join("gone.ticks"), &[])
        .expect(1)
        .explains(&["gone.ticks"]);
    let csv = folder.path().join("market.csv");
    run(&["convert", text(&market), text(&csv)]).expect(0);
    verify(&feed, &csv, &[])
        .expect(1)
        .explains(&["no .ticks file"]);
}

#[test]
fn wrong_flags() {
    for (flags, words) in [
        (&["--recovery", "none"][..], &["--recovery", "none"][..]),
        (&["--recovery", "localhost"], &["--recovery", "localhost"]),
        (&["--channel", "-1"], &["--channel", "-1"]),
        (&["--recovery-token", "t"], &["--recovery-ca"]),
        (&["--force"], &["--force"]),
    ] {
        let ended = run(&[&["verify", "x.ticks"], flags].concat()).expect(2);
        assert!(ended.out.is_empty());
        ended.explains(words);
    }
    run(&["verify"]).expect(2).explains(&["<RECORDING>"]);
    let ca = ["verify", "x.ticks", "--recovery-ca", "gone.pem"];
    run(&ca).expect(1);
}

#[test]
fn a_row_that_is_flagged_as_state_is_no_part_of_the_stream() {
    let of = recorded(&[], &[]);
    let flagged = rewritten(&of.recording, "flagged.ticks", |writer, row| {
        let flags = row.flags().with(Flags::SNAPSHOT);
        write(
            writer,
            &if row.seq() == 9 {
                row.with_flags(flags)
            } else {
                *row
            },
        );
    });
    let report = verified(&of.feed, &flagged, 3);
    assert_eq!(report["missing_ranges"], json!([range(9, 9)]));
    assert_eq!(count(&report, "snapshot_rows"), 1);
}
