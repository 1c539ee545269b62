//! Running state that can be checked: the publisher's digests, held against what was delivered.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tickcast_net::{Group, Interface, MulticastSender, SendConfig};
use tickcast_wire::{Digest, PacketHeader, Quote, Tick, TickSum, Venue};
use zerocopy::IntoBytes;

use crate::account::seq;
use crate::feed::{Feed, folder, market, text};
use crate::program::{Ended, Program, count};

const TICKS: u64 = 40;

fn tick(seq: u64) -> Tick {
    Tick::new(Quote::new(seq as i64, 1, 9, 2), Venue::SYNTHETIC, 3, seq).with_seq(seq)
}

/// What a subscriber ends with whose publisher sends `TICKS` ticks and says at the end that they
/// have this digest.
fn told(said: Digest) -> Ended {
    let feed = Feed::on_loopback();
    let mut subscriber = feed.subscriber(&["--from", "start"]);
    let group: Group = feed.line_a.parse().expect("a group");
    let interface = Interface::loopback().expect("the loopback interface");
    let line = MulticastSender::open(&SendConfig::new(group, interface)).expect("line A");
    let send = |header: PacketHeader, ticks: &[Tick]| {
        let header = header.with_ts_sent(7);
        let checksum = header.checksum(TickSum::of(ticks));
        let bytes = [header.as_bytes(), ticks.as_bytes(), &checksum].concat();
        line.send(&bytes, bytes.len()).expect("sent");
    };
    for first in (1..=TICKS).step_by(10) {
        let ticks: Vec<Tick> = (first..first + 10).map(tick).collect();
        send(PacketHeader::data(7, 0, first, 10), &ticks);
    }
    let end = PacketHeader::end_of_session(7, 0, TICKS + 1).with_digest(said);
    while !subscriber.has_ended_after(Duration::from_millis(20)) {
        send(end, &[]);
    }
    subscriber.finish()
}

fn true_digest() -> Digest {
    let mut digest = Digest::default();
    (1..=TICKS).for_each(|seq| digest.update(&tick(seq)));
    digest
}

#[test]
fn a_publisher_that_says_the_truth_is_believed() {
    let result = told(true_digest()).expect(0).json();
    assert_eq!(
        result["proof"],
        json!({"checked": 1, "session": 7, "from_seq": 1, "proven_to": TICKS, "differs": null,
            "refuted": 0})
    );
}

#[test]
fn a_stream_that_differs_is_an_error() {
    let said = Digest::from_value(true_digest().value() ^ 1);
    let ended = told(said).expect(1);
    let differs = &ended.json()["proof"]["differs"];
    assert_eq!(differs["session"], 7);
    assert_eq!(
        (count(differs, "after_seq"), count(differs, "at_seq")),
        (0, TICKS)
    );
    assert_eq!(differs["published"], said.to_string());
    assert_eq!(differs["delivered"], true_digest().to_string());
    ended.explains(&[
        "has not the digest that the publisher says",
        "error: what was delivered of session 7 differs from what was published",
        "agree up to seq 0 and no more at seq 40",
    ]);
}

/// What a subscriber to two sessions ends with, the state of the first changed in between.
fn restarted(change: impl FnOnce(&mut Value), code: i32) -> Ended {
    let folder = folder();
    let file = market(folder.path(), 2_000);
    let path = folder.path().join("feed.state");
    let feed = Feed::on_loopback();
    let linger = ["--linger", "100ms", "--state", text(&path)];
    let fast = [&["--speed", "20000/s"], &linger[..]].concat();
    let mut subscriber = feed.subscriber(&["--from", "start", "--strategy", "print", "--stay"]);
    let first = feed.publisher(&file, &fast).finish().expect(0).json();
    let mut state: Value =
        serde_json::from_slice(&std::fs::read(&path).expect("the state")).expect("JSON");
    assert_eq!(state["digest"], first["digest"]);
    change(&mut state);
    std::fs::write(&path, state.to_string()).expect("the state");
    let digest = state["digest"].as_str().map(str::to_owned);
    feed.publisher(&file, &fast).finish().expect(0);
    let names = digest.map_or_else(String::new, |digest| format!(" and digest {digest}"));
    subscriber.wait_until_it_says(&format!("which ended with 2000{names}"));
    subscriber.wait_for("the end", |line| seq(line) == Some(2_000));
    wait_for_end(&mut subscriber);
    subscriber.signal(Signal::INT);
    subscriber.finish().expect(code)
}

fn wait_for_end(subscriber: &mut Program) {
    subscriber.wait_for("the end of the session", |line| {
        line.starts_with("end of session") && line.ends_with("2000")
    });
}

#[test]
fn the_next_session_names_the_digest_of_the_last() {
    let result = restarted(|_| (), 130).json();
    assert_eq!(count(&result, "sessions"), 2);
    assert_eq!(count(&result["proof"], "proven_to"), 2_000);
    assert!(result["proof"]["differs"].is_null(), "{result}");
}

#[test]
fn a_next_session_that_remembers_another_one_is_an_error() {
    let ended = restarted(|state| state["digest"] = "00000000000000ab".into(), 1);
    let differs = &ended.json()["proof"]["differs"];
    assert_eq!(
        (count(differs, "after_seq"), count(differs, "at_seq")),
        (2_000, 2_000)
    );
    assert_eq!(differs["published"], "00000000000000ab");
}
