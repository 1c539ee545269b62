//! Networks that go down and come back, at either end.

use std::time::Duration;

use rustix::process::Signal;

use super::has_all_or_knows;
use crate::account::sessions;
use crate::feed::{PRINT_ALL, folder, market};
use crate::namespaces::{LINE_A, LINE_B, Namespace, Pair, RECOVERY};
use crate::program::{Program, count};
use crate::stories::{network_cut, wait_for_seq};

fn down(host: &Namespace, network: &str) {
    host.ip(&["link", "set", network, "down"]);
}

fn up(host: &Namespace, network: &str) {
    host.ip(&["link", "set", network, "up"]);
}

/// These networks go down at `host` until the subscriber notices that these lines are silent.
fn cut_for_a_while(host: &Namespace, networks: &[&str], lines: &[&str], subscriber: &mut Program) {
    networks.iter().for_each(|network| down(host, network));
    let all = |is: &str| {
        lines
            .iter()
            .map(|line| format!("line {line} is {is}"))
            .collect::<Vec<_>>()
    };
    subscriber.wait_until_it_says_all(&all("silent"));
    networks.iter().for_each(|network| up(host, network));
    subscriber.wait_until_it_says_all(&all("back"));
}

/// Nobody notices but the operator.
#[test]
fn one_line_after_the_other_at_the_subscriber() {
    let Some(pair) = Pair::new() else {
        return;
    };
    network_cut(&pair.feed(), &mut |subscriber| {
        cut_for_a_while(&pair.right, &[LINE_A], &["A"], subscriber);
        cut_for_a_while(&pair.right, &[LINE_B], &["B"], subscriber);
        // For good.
        down(&pair.right, LINE_A);
        subscriber.wait_until_it_says("line A is silent");
    });
}

/// The publisher cannot send on the line, and goes on with the other.
#[test]
fn one_line_after_the_other_at_the_publisher() {
    let Some(pair) = Pair::new() else {
        return;
    };
    network_cut(&pair.feed(), &mut |subscriber| {
        cut_for_a_while(&pair.left, &[LINE_B], &["B"], subscriber);
        cut_for_a_while(&pair.left, &[LINE_A], &["A"], subscriber);
    });
}

/// An interface that is removed is gone for the line, whatever is made anew under its name.
#[test]
fn an_interface_that_is_removed() {
    let Some(pair) = Pair::new() else {
        return;
    };
    network_cut(&pair.feed(), &mut |subscriber| {
        pair.right.ip(&["link", "delete", LINE_A]);
        subscriber.wait_until_it_says("line A is silent");
    });
}

/// What was missed is asked for again.
#[test]
fn both_lines() {
    let Some(pair) = Pair::new() else {
        return;
    };
    for host in [&pair.right, &pair.left] {
        network_cut(&pair.feed(), &mut |subscriber| {
            cut_for_a_while(host, &[LINE_A, LINE_B], &["A", "B"], subscriber);
        });
    }
}

/// Nothing is reached at all, the recovery server neither.
#[test]
fn every_network() {
    let Some(pair) = Pair::new() else {
        return;
    };
    let all = [LINE_A, LINE_B, RECOVERY];
    network_cut(&pair.feed(), &mut |subscriber| {
        cut_for_a_while(&pair.right, &all, &["A", "B"], subscriber);
    });
}

/// Longer than the publisher keeps ticks: what is gone is named.
#[test]
fn longer_than_the_publisher_remembers() {
    let Some(pair) = Pair::new() else {
        return;
    };
    let folder = folder();
    let market = market(folder.path(), 500_000);
    let feed = pair.feed();
    let mut subscriber = feed.subscriber(PRINT_ALL);
    let publisher = feed.publisher(&market, &["--speed", "10000/s", "--store", "2000"]);
    wait_for_seq(&mut subscriber, 1_000);
    cut_for_a_while(&pair.right, &[LINE_A, LINE_B], &["A", "B"], &mut subscriber);
    subscriber.wait_until_it_says("lost ");
    publisher.signal(Signal::INT);

    let published = count(&publisher.finish().expect(130).json(), "published");
    let ended = subscriber.finish().expect(3);
    let result = ended.json();
    assert_eq!(result["losses"][0]["reason"], "snapshot");
    let sessions = sessions(&ended.out);
    assert_eq!(sessions.len(), 1);
    assert_eq!(
        (sessions[0].first_seq, sessions[0].next_seq()),
        (1, published + 1)
    );
    assert_eq!(sessions[0].lost, count(&result, "lost"));
}

/// The recovery server cannot be reached while both lines lose, and then it can.
#[test]
fn the_network_of_recovery() {
    let Some(pair) = Pair::new() else {
        return;
    };
    if pair.lose([20, 20]).is_none() {
        return;
    }
    down(&pair.right, RECOVERY);
    let folder = folder();
    let market = market(folder.path(), 10_000);
    let feed = pair.feed();
    let mut subscriber = feed.subscriber(PRINT_ALL);
    let _publisher = feed.publisher(&market, &["--speed", "20000/s", "--linger", "1h"]);
    // Not for a tick: the first packet may be lost on both lines, and what follows waits for it.
    subscriber.wait_until_it_says("session ");
    // Time to ask in vain.
    std::thread::sleep(Duration::from_millis(300));
    up(&pair.right, RECOVERY);
    has_all_or_knows(subscriber.finish(), &market);
}
