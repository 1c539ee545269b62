//! Two processes in two network namespaces, with a network between them; IPv6.

use crate::feed::{Feed, Host, folder, market};
use crate::namespaces::{Namespace, Pair};
use crate::program::Program;
use crate::stories;

fn host(namespace: &Namespace, interface: &'static str) -> Host {
    Host {
        namespace: Some(namespace.name().to_owned()),
        interface: Some(interface),
        interface_b: None,
    }
}

/// A feed across `veth0`, with these groups and this address of the publisher.
fn across(pair: &Pair, lines: [&str; 2], recovery: &str) -> Feed {
    Feed {
        line_a: lines[0].into(),
        line_b: lines[1].into(),
        recovery: recovery.into(),
        publisher: host(&pair.left, "veth0"),
        subscriber: host(&pair.right, "veth0"),
    }
}

fn ipv4(pair: &Pair) -> Feed {
    let lines = ["239.192.7.1:14001", "239.192.7.2:14002"];
    across(pair, lines, "10.77.0.1:14000")
}

fn over_ipv4(story: fn(&Feed)) {
    if let Some(pair) = Pair::new() {
        story(&ipv4(&pair));
    }
}

/// A group of the link and one of the site.
fn over_ipv6(story: fn(&Feed)) {
    if let Some(pair) = Pair::new() {
        for side in [&pair.left, &pair.right] {
            side.wait_for_ipv6_multicast("veth0");
        }
        let lines = ["[ff12::7:1]:14001", "[ff15::7:2]:14002"];
        story(&across(&pair, lines, "[fd77:0::1]:14000"));
    }
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

/// As the namespace is made, its loopback interface is down.
#[test]
fn loopback_that_is_down() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    namespace.ip(&["link", "set", "lo", "down"]);
    let inside = Host {
        namespace: Some(namespace.name().to_owned()),
        ..Host::default()
    };
    let demo = Program::start(inside.tickcast(&["demo", "--ticks", "10"]));
    demo.finish().expect(1).explains(&["ip link set lo up"]);
}

/// The loopback interface carries IPv6 multicast with the route that docs/sockets.md names.
#[test]
fn ipv6_on_loopback() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let route = "-6 route add local ff00::/8 dev lo table local";
    let feed = Feed {
        line_a: "[ff15::7:1]:14001".into(),
        line_b: "[ff05::7:2]:14002".into(),
        recovery: "[::1]:14000".into(),
        publisher: host(&namespace, "lo"),
        subscriber: host(&namespace, "lo"),
    };
    let folder = folder();
    let publish = feed.publish(&market(folder.path(), 10), &[]);
    let ended = Program::start(publish).finish().expect(1);
    ended.explains(&[&format!("ip {route}")]);

    namespace.ip(&route.split(' ').collect::<Vec<_>>());
    stories::live(&feed);
}
