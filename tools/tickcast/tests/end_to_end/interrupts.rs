//! Ctrl-C and SIGTERM at any time: a clean end with totals, and exit code 130.

use std::time::Duration;

use rustix::process::Signal;

use crate::account::{seq, sessions};
use crate::feed::{Feed, PRINT_ALL, folder, market};
use crate::program::{Program, count, tickcast};

const SIGNALS: [Signal; 2] = [Signal::INT, Signal::TERM];
fn wait_for_ticks(subscriber: &mut Program) {
    subscriber.wait_for("tick", |line| seq(line).is_some_and(|seq| seq > 100));
}

#[test]
fn the_publisher_ends_the_session() {
    let folder = folder();
    let file = market(folder.path(), 200_000);
    for signal in SIGNALS {
        let feed = Feed::on_loopback();
        let publisher = feed.publisher(&file, &["--speed", "5000/s", "--flow-control", "1"]);
        let mut subscriber = feed.subscriber(&[PRINT_ALL, &["--flow-control"]].concat());
        wait_for_ticks(&mut subscriber);
        publisher.signal(signal);
        let published = publisher.finish().expect(130).json();
        // It does not stay, so the end of the session is its end.
        let delivered = subscriber.finish().expect(0).json();
        assert!(count(&published, "published") < 200_000);
        assert_eq!(delivered["delivered"], published["published"]);
        assert_eq!(delivered["digest"], published["digest"]);
    }
}

#[test]
fn a_publisher_that_waits_for_subscribers() {
    let folder = folder();
    let file = market(folder.path(), 1_000);
    let publisher = Feed::on_loopback().publisher(&file, &["--flow-control", "1"]);
    publisher.signal(Signal::INT);
    let published = publisher.finish().expect(130).json();
    assert_eq!(count(&published, "published"), 0);
}

#[test]
fn the_subscriber_gives_what_it_has() {
    let folder = folder();
    let file = market(folder.path(), 200_000);
    for signal in SIGNALS {
        let feed = Feed::on_loopback();
        let publisher = feed.publisher(&file, &["--speed", "5000/s", "--flow-control", "1"]);
        let mut subscriber = feed.subscriber(&[PRINT_ALL, &["--flow-control"]].concat());
        wait_for_ticks(&mut subscriber);
        subscriber.signal(signal);
        let ended = subscriber.finish().expect(130);
        let result = ended.json();
        assert_eq!(count(&result, "lost"), 0);
        let sessions = sessions(&ended.out);
        assert_eq!(sessions[0].delivered, count(&result, "delivered"));
        assert_eq!(sessions[0].next_seq(), count(&result, "next_seq"));
        drop(publisher);
    }
}

#[test]
fn a_subscriber_that_hears_nothing() {
    let mut subscriber = Feed::on_loopback().subscriber(&[]);
    subscriber.wait_until_it_says("nothing heard so far");
    subscriber.signal(Signal::TERM);
    let result = subscriber.finish().expect(130).json();
    assert_eq!(count(&result, "sessions"), 0);
    assert_eq!(count(&result, "delivered"), 0);
}

#[test]
fn the_demo_keeps_its_promise() {
    for signal in SIGNALS {
        let mut demo = Program::start(tickcast(&["demo", "--speed", "5000/s"]));
        demo.wait_until_it_says("subscriber");
        demo.signal(signal);
        let said = demo.finish().expect(130).out.join("\n");
        assert!(said.contains("digests equal"), "{said}");
        assert!(!said.contains("1,000,000 published"), "{said}");
    }
}

#[test]
fn a_second_one_ends_it_at_once() {
    let folder = folder();
    let file = market(folder.path(), 1_000);
    let slow = ["--speed", "10/s", "--linger", "1h"];
    let mut publisher = Feed::on_loopback().publisher(&file, &slow);
    // Signals close together are one request.
    while !publisher.has_ended_after(Duration::from_millis(100)) {
        publisher.signal(Signal::INT);
    }
    let ended = publisher.finish().expect(130);
    assert!(ended.out.is_empty(), "{:?}", ended.out);
}
