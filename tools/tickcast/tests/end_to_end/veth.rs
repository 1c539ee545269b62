//! Two processes in two network namespaces, with a network between them; IPv6.

use crate::feed::{Feed, Host};
use crate::namespaces::{Namespace, Pair};
use crate::stories;

fn host(namespace: &Namespace, interface: &'static str) -> Host {
    Host {
        namespace: Some(namespace.name().to_owned()),
        interface: Some(interface),
    }
}

/// Tells the story across a pair, with these groups and this address of the publisher.
fn across(lines: [&str; 2], recovery: &str, story: fn(&Feed)) {
    let Some(pair) = Pair::new() else {
        return;
    };
    story(&Feed {
        line_a: lines[0].into(),
        line_b: lines[1].into(),
        recovery: recovery.into(),
        publisher: host(&pair.left, "veth0"),
        subscriber: host(&pair.right, "veth0"),
    });
}

fn over_ipv4(story: fn(&Feed)) {
    let lines = ["239.192.7.1:14001", "239.192.7.2:14002"];
    across(lines, "10.77.0.1:14000", story);
}

/// A group of the link and one of the site.
fn over_ipv6(story: fn(&Feed)) {
    let lines = ["[ff12::7:1]:14001", "[ff15::7:2]:14002"];
    across(lines, "[fd77::1]:14000", story);
}

#[test]
fn live() {
    over_ipv4(stories::live);
}

#[test]
fn late_join() {
    over_ipv4(stories::late_join);
}

#[test]
fn publisher_killed() {
    over_ipv4(stories::publisher_killed);
}

#[test]
fn subscriber_killed() {
    over_ipv4(stories::subscriber_killed);
}

#[test]
fn receive_buffer_too_small() {
    over_ipv4(stories::receive_buffer_too_small);
}

#[test]
fn live_over_ipv6() {
    over_ipv6(stories::live);
}

#[test]
fn late_join_over_ipv6() {
    over_ipv6(stories::late_join);
}

/// The loopback interface carries IPv6 multicast with the route that docs/sockets.md names.
#[test]
fn ipv6_on_loopback() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let route = "-6 route add local ff00::/8 dev lo table local";
    namespace.ip(&route.split(' ').collect::<Vec<_>>());
    stories::live(&Feed {
        line_a: "[ff15::7:1]:14001".into(),
        line_b: "[ff05::7:2]:14002".into(),
        recovery: "[::1]:14000".into(),
        publisher: host(&namespace, "lo"),
        subscriber: host(&namespace, "lo"),
    });
}
