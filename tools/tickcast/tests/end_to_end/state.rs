//! `publish --state`: the next session comes after the last one and names it.

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::account::seq;
use crate::feed::{Feed, PRINT_ALL, folder, market, text};
use crate::program::count;

fn state(path: &Path) -> Value {
    let text = std::fs::read(path).expect("the state file");
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn the_next_session_names_the_last_one() {
    let folder = folder();
    let file = market(folder.path(), 2_000);
    let path = folder.path().join("feed.state");
    let feed = Feed::on_loopback();
    let fast = [
        "--speed",
        "20000/s",
        "--state",
        text(&path),
        "--linger",
        "1s",
    ];
    let mut subscriber = feed.subscriber(&[PRINT_ALL, &["--stay"]].concat());
    let first = feed.publisher(&file, &fast).finish().expect(0).json();
    assert_eq!(state(&path)["session"], first["session"]);
    assert_eq!(state(&path)["last_seq"], 2_000);

    let second = feed.publisher(&file, &fast).finish().expect(0).json();
    let (before, after) = (count(&first, "session"), count(&second, "session"));
    assert!(before < after);
    assert_eq!(state(&path)["session"], second["session"]);
    let named =
        format!("session {after} from seq 1, after session {before}, which ended with 2000");
    subscriber.wait_until_it_says(&named);
    subscriber.wait_for("last tick", |line| seq(line) == Some(2_000));
    subscriber.signal(Signal::INT);
    let result = subscriber.finish().expect(130).json();
    assert_eq!(count(&result, "delivered"), 4_000);
    assert_eq!(count(&result, "lost"), 0);
    assert_eq!(count(&result, "sessions"), 2);
}

#[test]
fn of_a_killed_publisher_only_the_session_is_known() {
    let folder = folder();
    let file = market(folder.path(), 2_000);
    let path = folder.path().join("feed.state");
    let feed = Feed::on_loopback();
    let more = ["--speed", "max", "--state", text(&path), "--linger", "0s"];
    let first = feed.publisher(&file, &[&more[..], &["--flow-control", "1"]].concat());
    first.kill();
    let killed = state(&path);
    assert_eq!(killed["last_seq"], Value::Null);
    let second = feed.publisher(&file, &more).finish().expect(0).json();
    assert!(count(&killed, "session") < count(&second, "session"));
}

#[test]
fn a_file_that_is_no_state() {
    let folder = folder();
    let file = market(folder.path(), 10);
    for (name, content) in [("empty", ""), ("other", "{\"a\":1}"), ("binary", "\0\u{1}")] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        let publish = Feed::on_loopback().publish(&file, &["--state", text(&path)]);
        let ended = crate::program::Program::start(publish).finish().expect(1);
        ended.explains(&[text(&path), "not a state file", "--state"]);
        assert_eq!(std::fs::read(&path).expect("it"), content.as_bytes());
    }
}
