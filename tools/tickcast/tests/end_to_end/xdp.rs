//! Receiving by AF_XDP, which only a build with the feature `xdp` can and only root may.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::account::{seq, sessions};
use crate::feed::{Feed, Host, PRINT_ALL, folder, market, text};
use crate::namespaces::Pair;
use crate::program::{Ended, PATIENCE, Program, count, json};
use crate::stories::wait_for_seq;

/// Two namespaces, if this build can do something with them.
fn pair() -> Option<Pair> {
    if !cfg!(feature = "xdp") {
        // Not by a macro: what those print is shown for failed tests only.
        let _ = writeln!(io::stderr(), "skipped: built without the feature xdp");
        return None;
    }
    Pair::new()
}

/// A feed with both lines on one network.
fn on_one_network(pair: &Pair) -> Feed {
    let feed = pair.feed();
    let host = |host: Host| Host {
        interface_b: None,
        ..host
    };
    Feed {
        publisher: host(feed.publisher.clone()),
        subscriber: host(feed.subscriber.clone()),
        ..feed
    }
}

/// What a subscriber to a whole market says that takes datagrams in this way.
fn subscribed(feed: &Feed, way: &str) -> Ended {
    let folder = folder();
    let file = market(folder.path(), 20_000);
    let publisher = feed.publisher(&file, &["--speed", "50000/s", "--flow-control", "1"]);
    let more = ["--flow-control", "--receive", way];
    let ended = feed
        .subscriber(&[PRINT_ALL, &more].concat())
        .finish()
        .expect(0);
    publisher.finish().expect(0);

    let result = ended.json();
    assert_eq!(result["digest"], json(&["inspect", text(&file)])["digest"]);
    assert_eq!(
        (count(&result, "delivered"), count(&result, "lost")),
        (20_000, 0)
    );
    assert_eq!(sessions(&ended.out).len(), 1);
    ended
}

fn ticks(ended: &Ended) -> Vec<&String> {
    ended
        .out
        .iter()
        .filter(|line| seq(line).is_some())
        .collect()
}

fn samples(result: &Value, stage: &str) -> u64 {
    count(&result["latency_ns"][stage], "samples")
}

fn has_program(pair: &Pair, interface: &str) -> bool {
    pair.right
        .ip(&["link", "show", interface])
        .contains("prog/xdp")
}

#[test]
fn the_stream_is_the_same_by_udp_and_by_xdp() {
    let Some(pair) = pair() else { return };
    for feed in [on_one_network(&pair), pair.feed()] {
        let (udp, xdp) = (subscribed(&feed, "udp"), subscribed(&feed, "xdp-only"));
        assert_eq!(ticks(&udp), ticks(&xdp));
        let (udp, xdp) = (udp.json(), xdp.json());
        assert_eq!(udp["digest"], xdp["digest"]);
        assert_eq!(udp["receive"], json!([{ "by": "udp" }, { "by": "udp" }]));
        let mode = json!({ "mode": "native", "zero_copy": false, "queue": 0 });
        let by = json!({ "by": "xdp", "xdp": mode });
        assert_eq!(xdp["receive"], json!([by, by]));
        // Both lines were heard, and nothing but them.
        assert!(count(&xdp, "duplicates") > 0, "{xdp}");
        assert_eq!(xdp["dropped_by_kernel"], json!([0, 0]));
        assert_eq!(xdp["refused"], json!([0, 0]));
        // There is no kernel stamp; the stages around it have nothing to say, the others have.
        assert!(samples(&udp, "network") > 0 && samples(&udp, "kernel") > 0);
        assert_eq!((samples(&xdp, "network"), samples(&xdp, "kernel")), (0, 0));
        assert_eq!(samples(&xdp, "handle"), samples(&xdp, "total"));
        assert!(samples(&xdp, "total") > 0);
        assert!(xdp["latency_ns"]["kernel"]["p50"].is_null());
    }
}

/// The socket's few frames run over while the subscriber stands still; what is lost is healed.
#[test]
fn frames_that_run_out_are_counted() {
    let Some(pair) = pair() else { return };
    let feed = on_one_network(&pair);
    let folder = folder();
    let file = market(folder.path(), 200_000);
    let publisher = feed.publisher(&file, &["--speed", "20000/s"]);
    let few = ["--receive", "xdp-only", "--receive-buffer", "64KiB"];
    let mut subscriber = feed.subscriber(&[PRINT_ALL, &few].concat());
    let seq = wait_for_seq(&mut subscriber, 1_500);
    subscriber.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(300));
    subscriber.signal(Signal::CONT);
    wait_for_seq(&mut subscriber, seq + 10_000);
    publisher.signal(Signal::INT);

    let published = publisher.finish().expect(130).json();
    let ended = subscriber
        .finish()
        .expect(0)
        .explains(&["line A", "ran over", "AF_XDP"]);
    let result = ended.json();
    assert_eq!(result["delivered"], published["published"]);
    assert_eq!(result["digest"], published["digest"]);
    // One socket for both lines: what it counts stands for line A.
    assert!(
        result["dropped_by_kernel"][0].as_u64() > Some(0),
        "{result}"
    );
    assert_eq!(result["dropped_by_kernel"][1], 0);
    assert!(count(&result, "retransmitted") > 0, "{result}");
}

/// The kernel takes the program off the interface of a subscriber that was killed, and the next
/// one gets the datagrams by UDP.
#[test]
fn a_killed_subscriber_leaves_nothing() {
    let Some(pair) = pair() else { return };
    let feed = pair.feed();
    for way in ["xdp-only", "xdp-only=0"] {
        let subscriber = feed.subscriber(&["--receive", way, "--stay"]);
        for interface in ["veth0", "veth1"] {
            assert!(has_program(&pair, interface), "{interface}");
        }
        assert!(!has_program(&pair, "veth2"));
        subscriber.kill();
        let deadline = Instant::now() + PATIENCE;
        while ["veth0", "veth1"]
            .iter()
            .any(|interface| has_program(&pair, interface))
        {
            assert!(Instant::now() < deadline, "the program is still attached");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    subscribed(&feed, "udp");
}

/// What is already there: the next subscriber says so, and goes on by UDP unless told not to.
#[test]
fn a_second_subscriber_is_told_what_is_in_its_way() {
    let Some(pair) = pair() else { return };
    let feed = on_one_network(&pair);
    let first = feed.subscriber(&["--receive", "xdp-only", "--stay"]);
    let taken = &["another AF_XDP socket has queue 0 of veth0"][..];
    let insisting = Program::start(feed.subscribe(&["--receive", "xdp-only"]));
    insisting.finish().expect(1).explains(taken);
    let second = feed.subscriber(&["--receive", "xdp", "--stay"]);
    second.signal(Signal::INT);
    let ended = second.finish().expect(130).explains(taken);
    let line = &ended.json()["receive"][0];
    assert_eq!(line["by"], "udp");
    assert!(
        line["instead_of_xdp"].as_str().unwrap().contains(taken[0]),
        "{line}"
    );
    first.signal(Signal::INT);
    first.finish().expect(130);
}

/// On the loopback interface, and in any build without the feature, UDP takes its place.
#[test]
fn where_it_cannot_be_had_udp_takes_its_place() {
    let feed = Feed::on_loopback();
    let why = if cfg!(feature = "xdp") {
        "lo is a loopback interface"
    } else {
        "built without it"
    };
    let ended = subscribed(&feed, "xdp").explains(&["no AF_XDP", why]);
    for line in [0, 1] {
        let line = &ended.json()["receive"][line];
        assert_eq!(line["by"], "udp");
        assert!(
            line["instead_of_xdp"].as_str().unwrap().contains(why),
            "{line}"
        );
    }
    let insisting = Program::start(feed.subscribe(&["--receive", "xdp-only"]));
    insisting.finish().expect(1).explains(&["no AF_XDP", why]);
    let wrong = Program::start(feed.subscribe(&["--receive", "xdp=first"]));
    wrong.finish().expect(2).explains(&["number of a queue"]);
}
