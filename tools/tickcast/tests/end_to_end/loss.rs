//! Loss on purpose: healed by the other line, by recovery, or named.

use serde_json::Value;

use crate::account::sessions;
use crate::demo::kept;
use crate::feed::{Feed, folder, market};
use crate::program::{Program, count, json, tickcast};

#[test]
fn on_both_lines_is_retransmitted() {
    let demo = ["demo", "--ticks", "30000", "--strategies", "3"];
    let report = json(&[&demo[..], &["--drop-a", "5%", "--drop-b", "5%"]].concat());
    kept(&report, 3);
    assert!(count(&report, "gaps") > 0, "{report}");
    assert!(count(&report, "retransmitted") > 0, "{report}");
}

#[test]
fn on_one_line_is_filled_by_the_other() {
    let report = json(&["demo", "--ticks", "30000", "--drop-a", "30%"]);
    kept(&report, 1);
    assert!(
        report["faults"][0]["dropped"].as_u64() > Some(0),
        "{report}"
    );
    assert_eq!(count(&report, "retransmitted"), 0);
}

#[test]
fn one_line_dead_and_the_other_lossy() {
    let drops = ["--drop-a", "10%", "--drop-b", "100%"];
    for speed in ["100000/s", "max"] {
        let report = json(&[&["demo", "--ticks", "20000", "--speed", speed], &drops[..]].concat());
        kept(&report, 1);
        assert!(count(&report, "retransmitted") > 0, "{report}");
    }
}

/// What cannot be asked for again is named, tick by tick, and the exit code says so.
fn is_named(recovery: &str, reason: &str) {
    let folder = folder();
    let file = market(folder.path(), 20_000);
    let feed = Feed::on_loopback();
    let alone = Feed {
        recovery: recovery.into(),
        ..feed.clone()
    };
    let drops = ["--drop-a", "20%", "--drop-b", "20%"];
    let patience = ["--recovery-deadline", "100ms"];
    let print = ["--from", "start", "--strategy", "print"];
    let subscriber = alone.subscriber(&[&print[..], &drops, &patience].concat());
    let publisher = feed.publisher(&file, &["--speed", "20000/s"]);
    let published = publisher.finish().expect(0).json();
    let ended = subscriber.finish().expect(3);
    let result = ended.json();
    let (delivered, lost) = (count(&result, "delivered"), count(&result, "lost"));
    assert!(lost > 0, "{result}");
    assert_eq!(delivered + lost, 20_000);
    assert_eq!(in_ranges(&result["losses"]), lost);
    assert_eq!(result["losses"][0]["reason"], reason);
    assert_eq!(result["losses"][0]["cause"], "both_lines");
    assert_eq!(in_all(&result["causes"]), lost);
    assert_eq!(count(&published, "published"), 20_000);
    let sessions = sessions(&ended.out);
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].first_seq, sessions[0].next_seq()), (1, 20_001));
    assert_eq!((sessions[0].delivered, sessions[0].lost), (delivered, lost));
}

/// The ticks of all causes.
fn in_all(causes: &Value) -> u64 {
    let causes = causes.as_object().expect("causes");
    causes
        .keys()
        .map(|code| count(&Value::Object(causes.clone()), code))
        .sum()
}

/// The ticks in these ranges.
fn in_ranges(losses: &Value) -> u64 {
    let ranges = losses.as_array().expect("ranges");
    ranges
        .iter()
        .map(|range| count(range, "last_seq") + 1 - count(range, "first_seq"))
        .sum()
}

#[test]
fn without_recovery_is_named() {
    is_named("none", "no_recovery");
}

#[test]
fn with_a_dead_recovery_server_is_named() {
    // Where the publisher of another feed would listen: nobody else does.
    let dead = Feed::on_loopback().recovery;
    is_named(&dead, "recovery_deadline");
}

/// The strategy that only counts names what is lost too, for people.
#[test]
fn people_read_what_is_lost() {
    let folder = folder();
    let file = market(folder.path(), 5_000);
    let feed = Feed::on_loopback();
    let subscribe = [
        "subscribe",
        "--line-a",
        &feed.line_a,
        "--line-b",
        "none",
        "--recovery",
        "none",
    ];
    let lossy = ["--from", "start", "--drop-a", "5%"];
    let mut subscriber = Program::start(tickcast(&[&subscribe[..], &lossy].concat()));
    subscriber.wait_until_it_says("subscribing");
    feed.publisher(&file, &["--speed", "20000/s"])
        .finish()
        .expect(0);
    let said = subscriber.finish().expect(3).out.join("\n");
    assert!(said.contains("  lost "), "{said}");
    assert!(said.contains("; there is no recovery server"), "{said}");
}
