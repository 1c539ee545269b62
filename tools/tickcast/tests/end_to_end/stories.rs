//! What two processes go through, wherever they run.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::account::{Session, seq, sessions};
use crate::feed::{Feed, PRINT, PRINT_ALL, folder, market, text};
use crate::program::{Program, count, json};

/// Ticks that are enough for every story at [`PACE`]; each stops its publisher when it is done.
const TICKS: u64 = 200_000;
const PACE: &str = "5000/s";
/// A seq that says that things are well under way.
const HALF_WAY: u64 = 1_500;

/// A subscriber that prints what it gets, from the start, and that the publisher waits for.
const FROM_START: &[&str] = &[
    "--flow-control",
    "--from",
    "start",
    "--strategy",
    "print",
    "--recovery-deadline",
    "60s",
];

pub fn wait_for_seq(subscriber: &mut Program, from: u64) -> u64 {
    let line = subscriber.wait_for(&format!("tick from seq {from} on"), |line| {
        seq(line).is_some_and(|seq| seq >= from)
    });
    seq(&line).expect("a seq")
}

/// What the operator is told when the kernel drops.
const RAN_OVER: &[&str] = &["the receive buffer of line", "ran over", "--receive-buffer"];

fn wait_for_number(subscriber: &mut Program, words: &str) -> u64 {
    let line = subscriber.wait_until_it_says(words);
    let number = line.rsplit(' ').next().and_then(|word| word.parse().ok());
    number.expect("a number at the end of the line")
}

/// The range that is proven to be as published, and that there is no other word about it.
fn proven(result: &Value) -> (u64, u64) {
    let proof = &result["proof"];
    assert!(
        proof["differs"].is_null() && proof["refuted"] == 0,
        "{proof}"
    );
    assert!(count(proof, "checked") > 0, "{proof}");
    (count(proof, "from_seq"), count(proof, "proven_to"))
}

/// A whole file, live from the first tick, recorded: the same digest on both ends and on disk.
pub fn live(feed: &Feed) {
    let folder = folder();
    let file = market(folder.path(), 20_000);
    let recording = folder.path().join("recording.ticks");
    let publisher = feed.publisher(&file, &["--speed", "50000/s", "--flow-control", "1"]);
    let recorded = [FROM_START, &["--record", text(&recording)]].concat();
    let subscriber = feed.subscriber(&recorded);

    let ended = subscriber.finish().expect(0);
    let published = publisher.finish().expect(0).json();
    let delivered = ended.json();
    let inspected = json(&["inspect", text(&recording)]);
    assert_eq!(count(&published, "published"), 20_000);
    assert_eq!(count(&delivered, "delivered"), 20_000);
    assert_eq!(count(&delivered, "lost"), 0);
    assert_eq!(count(&delivered, "recorded"), 20_000);
    assert_eq!(delivered["session"], published["session"]);
    assert_eq!(delivered["digest"], published["digest"]);
    assert_eq!(proven(&delivered), (1, 20_000));
    assert_eq!(inspected["digest"], published["digest"]);
    assert_eq!(inspected["notices"], serde_json::json!([]));
    assert_eq!(proven(&inspected["recording"]), (1, 20_000));
    assert_eq!(count(&inspected["recording"], "missing"), 0);
    assert_eq!(
        json(&["inspect", text(&file)])["digest"],
        published["digest"]
    );
    let sessions = sessions(&ended.out);
    assert_eq!((sessions.len(), sessions[0].next_seq()), (1, 20_001));
    assert!(sessions[0].ended);
    assert!(delivered["snapshot_as_of"].is_null(), "{delivered}");
}

/// What a subscriber prints of a market when nothing goes wrong: its ticks, a line each.
pub fn all_lines(feed: &Feed, market: &Path) -> Vec<String> {
    let fast = ["--speed", "max", "--flow-control", "1"];
    let _publisher = feed.publisher(market, &fast);
    let ended = feed.subscriber(FROM_START).finish().expect(0);
    assert_eq!(
        ended.json()["digest"],
        json(&["inspect", text(market)])["digest"]
    );
    ended
        .out
        .into_iter()
        .filter(|line| seq(line).is_some())
        .collect()
}

/// A second subscriber comes half-way: a snapshot of the state so far, then every tick.
pub fn late_join(feed: &Feed) {
    let folder = folder();
    let file = market(folder.path(), TICKS);
    let publisher = feed.publisher(&file, &["--speed", PACE, "--flow-control", "1"]);
    let mut witness = feed.subscriber(FROM_START);
    wait_for_seq(&mut witness, HALF_WAY);
    let mut late = feed.subscriber(PRINT);
    let as_of = wait_for_number(&mut late, "snapshot as of seq");
    wait_for_seq(&mut late, as_of + HALF_WAY);
    publisher.signal(Signal::INT);

    let published = publisher.finish().expect(130).json();
    let witness = witness.finish().expect(0).json();
    let ended = late.finish().expect(0);
    let late = ended.json();
    assert_eq!(witness["digest"], published["digest"]);
    assert!(as_of >= HALF_WAY);
    assert_eq!(count(&late, "lost"), 0);
    assert_eq!(count(&late, "snapshots"), 1);
    assert_eq!(count(&late, "snapshot_as_of"), as_of);
    assert!(count(&late, "snapshot_ticks") > 0);
    let after = count(&published, "published") - as_of;
    assert_eq!(count(&late, "delivered"), after);
    assert_eq!(proven(&late), (as_of + 1, as_of + after));
    let expected = Session {
        session: count(&published, "session"),
        first_seq: as_of + 1,
        as_of: Some(as_of),
        rows: count(&late, "snapshot_ticks"),
        delivered: after,
        lost: 0,
        ended: true,
    };
    assert_eq!(sessions(&ended.out), [expected]);
}

/// The publisher is killed and started again; the subscriber stays.
pub fn publisher_killed(feed: &Feed) {
    let folder = folder();
    let file = market(folder.path(), TICKS);
    let first = feed.publisher(&file, &["--speed", PACE, "--flow-control", "1"]);
    let mut subscriber = feed.subscriber(&[FROM_START, &["--stay"]].concat());
    wait_for_seq(&mut subscriber, HALF_WAY);
    first.kill();

    let second = feed.publisher(&file, &["--speed", PACE]);
    subscriber.wait_until_it_says("session ");
    wait_for_seq(&mut subscriber, HALF_WAY);
    second.signal(Signal::TERM);
    let published = second.finish().expect(130).json();
    // It may have printed the last tick already.
    let end = format!("with seq {}", count(&published, "published"));
    subscriber.wait_until_it_says(&end);
    subscriber.signal(Signal::INT);

    let ended = subscriber.finish().expect(130);
    let result = ended.json();
    assert_eq!(count(&result, "sessions"), 2);
    assert_eq!(count(&result, "lost"), 0);
    assert_eq!(result["session"], published["session"]);
    assert_eq!(result["digest"], published["digest"]);
    let [before, after]: [Session; 2] = sessions(&ended.out).try_into().expect("two sessions");
    assert!(before.session < after.session);
    assert_eq!((before.ended, after.ended), (false, true));
    assert_eq!((before.first_seq, after.first_seq), (1, 1));
    assert!(before.delivered >= HALF_WAY);
    assert_eq!(after.session, count(&published, "session"));
    assert_eq!(after.delivered, count(&published, "published"));
    assert_eq!(
        before.delivered + after.delivered,
        count(&result, "delivered")
    );
}

/// A recording subscriber is killed and another one started: the recording can be read, and the
/// new one joins late.
pub fn subscriber_killed(feed: &Feed) {
    let folder = folder();
    let file = market(folder.path(), TICKS);
    let recording = folder.path().join("recording.ticks");
    let publisher = feed.publisher(&file, &["--speed", PACE, "--flow-control", "1"]);
    let recorded = [FROM_START, &["--record", text(&recording)]].concat();
    let mut first = feed.subscriber(&recorded);
    // More than a block of the file.
    wait_for_seq(&mut first, 6_000);
    let first = first.kill();
    let first = sessions(&first.out).pop().expect("a session");

    let inspected = json(&["inspect", text(&recording)]);
    let ticks = count(&inspected, "ticks");
    assert!(ticks > 0, "{inspected}");
    let notice = inspected["notices"][0].as_str().expect("a notice");
    assert!(notice.contains("not closed"), "{notice}");
    assert!(
        notice.contains(&format!("recovered {ticks} ticks")),
        "{notice}"
    );
    let (from, to) = proven(&inspected["recording"]);
    assert!(from == 1 && to <= ticks, "{from} {to} {ticks}");

    let mut second = feed.subscriber(PRINT);
    let as_of = wait_for_number(&mut second, "snapshot as of seq");
    wait_for_seq(&mut second, as_of + HALF_WAY);
    publisher.signal(Signal::INT);
    let published = publisher.finish().expect(130).json();
    let ended = second.finish().expect(0);
    let result = ended.json();
    assert!(as_of + 1 >= first.next_seq(), "{as_of} {first:?}");
    assert_eq!(count(&result, "lost"), 0);
    assert_eq!(
        count(&result, "delivered"),
        count(&published, "published") - as_of
    );
    assert_eq!(sessions(&ended.out).len(), 1);
}

/// Something happens to the network half-way; every tick arrives all the same.
pub fn network_cut(feed: &Feed, happens: &mut dyn FnMut(&mut Program)) {
    let folder = folder();
    let file = market(folder.path(), TICKS);
    // Slowly, as it takes some seconds until a line counts as silent.
    let publisher = feed.publisher(&file, &["--speed", "2000/s"]);
    let mut subscriber = feed.subscriber(PRINT_ALL);
    let seq = wait_for_seq(&mut subscriber, HALF_WAY);
    happens(&mut subscriber);
    wait_for_seq(&mut subscriber, seq + HALF_WAY);
    publisher.signal(Signal::INT);

    let published = publisher.finish().expect(130).json();
    let ended = subscriber.finish().expect(0);
    let result = ended.json();
    assert_eq!(result["delivered"], published["published"]);
    assert_eq!(result["digest"], published["digest"]);
    assert_eq!(count(&result, "lost"), 0);
    assert_eq!(count(&result, "sessions"), 1);
    assert_eq!(sessions(&ended.out).len(), 1);
}

/// The subscriber's process stands still while its small receive buffer runs over.
pub fn subscriber_paused(feed: &Feed) {
    let folder = folder();
    let file = market(folder.path(), TICKS);
    // The publisher is never held back, and there for as long as something may be asked for again.
    let window = TICKS.to_string();
    let stays = ["--flow-control", "1", "--window", &window, "--linger", "1h"];
    let publisher = feed.publisher(&file, &[&["--speed", "20000/s"], &stays[..]].concat());
    let small = ["--flow-control", "--receive-buffer", "16KiB"];
    let mut subscriber = feed.subscriber(&[PRINT_ALL, &small].concat());
    let seq = wait_for_seq(&mut subscriber, HALF_WAY);
    subscriber.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(300));
    subscriber.signal(Signal::CONT);
    wait_for_seq(&mut subscriber, seq + 10_000);
    publisher.signal(Signal::INT);

    let published = publisher.finish().expect(130).json();
    let ended = subscriber.finish().expect(0).explains(RAN_OVER);
    let result = ended.json();
    assert_eq!(result["delivered"], published["published"]);
    assert_eq!(result["digest"], published["digest"]);
    assert!(
        result["dropped_by_kernel"][0].as_u64() > Some(0),
        "{result}"
    );
    assert!(count(&result, "retransmitted") > 0, "{result}");
}

/// A receive buffer that is much too small at a high rate: the kernel drops, says so, and every
/// tick is healed or named all the same.
pub fn receive_buffer_too_small(feed: &Feed) {
    const TICKS: u64 = 200_000;
    let folder = folder();
    let file = market(folder.path(), TICKS);
    let window = TICKS.to_string();
    let fast = ["--speed", "max", "--flow-control", "1", "--window", &window];
    let publisher = feed.publisher(&file, &fast);
    let subscriber = feed.subscriber(&[
        "--from",
        "start",
        "--flow-control",
        "--receive-buffer",
        "4KiB",
    ]);
    let published = publisher.finish().expect(0).json();
    let ended = subscriber.finish();
    let result = ended.json();
    let (delivered, lost) = (count(&result, "delivered"), count(&result, "lost"));
    let ended = ended.expect(if lost == 0 { 0 } else { 3 });
    let ended = ended.explains(RAN_OVER);
    assert_eq!(count(&published, "published"), TICKS);
    assert_eq!(delivered + lost, TICKS, "{:?}", ended.err);
    let dropped = &result["dropped_by_kernel"];
    let dropped = dropped[0].as_u64().max(dropped[1].as_u64());
    assert!(dropped > Some(0), "{result}");
    if lost == 0 {
        assert_eq!(result["digest"], published["digest"]);
    }
}
