//! Wrong command lines and things that are not there: the message says what was wrong, what was
//! expected, and what to do.

use std::net::TcpListener;

use crate::feed::{Feed, folder, market, text};
use crate::program::{Program, run};

#[test]
fn flags_that_make_no_sense() {
    let wrong: &[(&[&str], &[&str])] = &[
        (&["demo", "--speed", "fast"], &["--speed", "10x", "max"]),
        (&["demo", "--speed", "0x"], &["--speed", "0.001"]),
        (&["demo", "--speed=-1/s"], &["--speed"]),
        (&["demo", "--drop-a", "101%"], &["--drop-a", "100%"]),
        (&["demo", "--drop-b", "much"], &["--drop-b", "5%"]),
        (&["demo", "--drop-a", "-5%"], &["--drop-a", "100%"]),
        (&["demo", "--speed", "-1/s"], &["--speed", "250000/s"]),
        (&["demo", "--ticks", "-5"], &["--ticks"]),
        (
            &["demo", "--drop-a", "100%", "--drop-b", "1"],
            &["--drop-a", "--drop-b", "nothing would arrive"],
        ),
        (&["demo", "--strategies", "0"], &["--strategies", "1..=64"]),
        (&["demo", "--ticks", "0"], &["--ticks"]),
        (
            &["demo", "--ticks", "5", "--input", "f"],
            &["--ticks", "--input"],
        ),
        (&["demo", "--idle", "doze"], &["--idle", "park"]),
        (
            &["subscribe", "--from", "yesterday"],
            &["--from", "live", "seq"],
        ),
        (&["subscribe", "--from", "0"], &["--from", "from 1 on"]),
        (
            &["subscribe", "--line-a", "10.0.0.1:5"],
            &["--line-a", "multicast"],
        ),
        (
            &["subscribe", "--line-a", "239.0.0.1"],
            &["--line-a", "PORT"],
        ),
        (
            &["subscribe", "--line-b", "[fe80::1]:5"],
            &["--line-b", "none"],
        ),
        (
            &["subscribe", "--line-b", "239.0.0.1:0"],
            &["--line-b", "port 0"],
        ),
        (
            &["subscribe", "--recovery", "here"],
            &["--recovery", "none"],
        ),
        (
            &["subscribe", "--receive-buffer", "big"],
            &["--receive-buffer", "8MiB"],
        ),
        (
            &["subscribe", "--receive-buffer", "0"],
            &["--receive-buffer", "at least 1 byte"],
        ),
        (
            &["subscribe", "--queue", "1023"],
            &["--queue", "1024..=67108864"],
        ),
        (
            &["subscribe", "--queue", "99999999999"],
            &["--queue", "1024..=67108864"],
        ),
        (&["subscribe", "--from", "-1"], &["--from", "from 1 on"]),
        (&["subscribe", "--drop-b", "-1%"], &["--drop-b", "100%"]),
        (
            &["subscribe", "--overflow", "latest"],
            &["--overflow", "latest=TICKS"],
        ),
        (
            &["subscribe", "--strategy", "vwap", "--overflow", "latest=9"],
            &["vwap", "--overflow", "every trade"],
        ),
        (&["demo", "--inline", "--refill"], &["--inline", "--refill"]),
        (&["subscribe", "--strategy", "win"], &["--strategy", "vwap"]),
        (&["subscribe", "--force"], &["--record"]),
        (
            &["subscribe", "--recovery-deadline", "x"],
            &["--recovery-deadline"],
        ),
        (&["subscribe", "--symbols", ""], &["--symbols", "16 bytes"]),
        (
            &["subscribe", "--symbols", "A,MUCH-TOO-LONG-FOR-ONE"],
            &["--symbols", "16 bytes"],
        ),
        (&["publish"], &["FILE"]),
        (&["publish", "f", "--recovery", "none"], &["--recovery"]),
        (&["publish", "f", "--window", "5"], &["--flow-control"]),
        (&["publish", "f", "--ttl", "300"], &["--ttl", "255"]),
        (
            &["publish", "f", "--store", "0"],
            &["--store", "1..=1000000000"],
        ),
        (
            &["publish", "f", "--max-instruments", "0"],
            &["--max-instruments", "1.."],
        ),
        (
            &["publish", "f", "--max-clients", "0"],
            &["--max-clients", "1.."],
        ),
        (
            &["publish", "f", "--max-request", "0"],
            &["--max-request", "1.."],
        ),
        (
            &["publish", "f", "--client-rate", "0"],
            &["--client-rate", "at least 1 byte"],
        ),
        (
            &["publish", "f", "--send-buffer", "0"],
            &["--send-buffer", "at least 1 byte"],
        ),
        (&["publish", "f", "--send-buffer", "-1"], &["--send-buffer"]),
        (&["publish", "f", "--linger", "-1s"], &["--linger"]),
        (
            &["publish", "f", "--flow-control", "0"],
            &["--flow-control", "1.."],
        ),
        (
            &["publish", "f", "--flow-control", "1", "--window", "0"],
            &["--window", "1.."],
        ),
        (
            &["publish", "f", "--flow-control", "some"],
            &["--flow-control"],
        ),
        (
            &["publish", "f", "--send-priority", "100"],
            &["--send-priority", "1..=99"],
        ),
        (
            &["subscribe", "--receive-priority", "0"],
            &["--receive-priority", "1..=99"],
        ),
        (
            &["demo", "--strategy-priority", "-1"],
            &["--strategy-priority", "1..=99"],
        ),
        (
            &["demo", "--inline", "--strategy-priority", "5"],
            &["--inline", "--strategy-priority"],
        ),
        (&["machine", "--hiccups", "-1s"], &["--hiccups"]),
        (&["published"], &["published", "publish"]),
        (&["demo", "--dorp-a", "5%"], &["--dorp-a", "--drop-a"]),
    ];
    for (arguments, words) in wrong {
        let ended = run(arguments).expect(2).explains(words);
        assert!(ended.out.is_empty(), "{arguments:?}: {:?}", ended.out);
    }
}

#[test]
fn no_such_file() {
    for command in [&["publish"][..], &["demo", "--input"]] {
        run(&[command, &["not-there.ticks"]].concat())
            .expect(1)
            .explains(&["not-there.ticks", "No such file"]);
    }
}

#[test]
fn no_such_interface() {
    let folder = folder();
    let file = market(folder.path(), 10);
    let nowhere = ["--interface", "nowhere0"];
    let feed = Feed::on_loopback();
    let commands = [
        crate::program::tickcast(&[&["demo"], &nowhere[..]].concat()),
        feed.subscribe(&nowhere),
        feed.publish(&file, &nowhere),
        feed.publish(&file, &["--interface-b", "nowhere0"]),
    ];
    for command in commands {
        let ended = Program::start(command).finish().expect(1);
        ended.explains(&["--interface", "nowhere0", "lo (127.0.0.1"]);
    }
}

#[test]
fn no_such_core() {
    let folder = folder();
    let file = market(folder.path(), 10);
    let feed = Feed::on_loopback();
    for command in [
        feed.publish(&file, &["--send-core", "9999"]),
        feed.subscribe(&["--receive-core", "9999"]),
        feed.subscribe(&["--strategy-core", "9999"]),
    ] {
        let ended = Program::start(command).finish().expect(1);
        ended.explains(&["9999", "core"]);
    }
}

#[test]
fn a_recovery_port_in_use() {
    let folder = folder();
    let file = market(folder.path(), 10);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let mut feed = Feed::on_loopback();
    feed.recovery.clone_from(&address);
    let ended = Program::start(feed.publish(&file, &[])).finish().expect(1);
    ended.explains(&[&address, "in use", "choose another"]);
}

#[test]
fn both_lines_the_same() {
    let mut feed = Feed::on_loopback();
    feed.line_b.clone_from(&feed.line_a);
    let ended = Program::start(feed.subscribe(&[])).finish().expect(1);
    ended.explains(&[&feed.line_a, "--line-b", "none"]);
}

#[test]
fn flow_control_that_the_publisher_does_not_allow() {
    let folder = folder();
    let file = market(folder.path(), 10_000);
    let feed = Feed::on_loopback();
    let _publisher = feed.publisher(&file, &["--speed", "1000/s"]);
    let ended = Program::start(feed.subscribe(&["--flow-control"])).finish();
    ended
        .expect(1)
        .explains(&[&feed.recovery, "flow control", "started without"]);
}

#[test]
fn flow_control_with_a_publisher_that_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut feed = Feed::on_loopback();
    feed.recovery = silent.local_addr().expect("its address").to_string();
    let ended = Program::start(feed.subscribe(&["--flow-control"])).finish();
    ended
        .expect(1)
        .explains(&[&feed.recovery, "timed out", "is the publisher running"]);
}

#[test]
fn flow_control_without_a_publisher() {
    let feed = Feed::on_loopback();
    let folder = folder();
    let recording = folder.path().join("recording.ticks");
    let recorded = ["--flow-control", "--record", text(&recording)];
    let ended = Program::start(feed.subscribe(&recorded)).finish().expect(1);
    ended.explains(&[&feed.recovery, "is the publisher running"]);
    assert!(!recording.exists());
    let mut feed = feed;
    feed.recovery = "none".into();
    let ended = Program::start(feed.subscribe(&["--flow-control"]))
        .finish()
        .expect(1);
    ended.explains(&["flow control needs"]);
}
