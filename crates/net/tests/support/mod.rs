//! Two interfaces in a network namespace of their own, which only root can make.

mod namespace;

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

pub use namespace::{Namespace, ip};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

impl Namespace {
    /// One with the interfaces `left` and `right`, joined, of so many queues each.
    pub fn with_ends(queues: u32) -> Option<Namespace> {
        let namespace = Namespace::new()?;
        let queues = queues.to_string();
        let number = ["numrxqueues", &queues, "numtxqueues", &queues];
        let ends = [
            &["link", "add", "left"],
            &number[..],
            &["type", "veth", "peer", "name", "right"],
            &number[..],
        ];
        namespace.ip(&ends.concat());
        for (end, address) in [("left", "10.77.0.1/24"), ("right", "10.77.0.2/24")] {
            namespace.ip(&["address", "add", address, "dev", end]);
            namespace.ip(&["link", "set", end, "up"]);
        }
        wait_until_up(namespace.name());
        Some(namespace)
    }

    /// Runs `body` in a thread that is in the namespace, as the sockets it opens are.
    pub fn run(&self, body: impl FnOnce() + Send + 'static) {
        let path = format!("/run/netns/{}", self.name());
        let run = move || {
            let namespace = File::open(path).expect("the namespace");
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).expect("to enter it");
            // Both ends are of this host, which takes nothing from itself otherwise.
            for (setting, value) in [("accept_local", "1"), ("rp_filter", "0")] {
                for interface in ["all", "right"] {
                    let path = format!("/proc/sys/net/ipv4/conf/{interface}/{setting}");
                    fs::write(path, value).expect("a setting");
                }
            }
            body();
        };
        if let Err(panic) = std::thread::spawn(run).join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Waits until both ends send: the kernel notices that a link is up a moment later, and drops
/// without a word what is sent before.
pub fn wait_until_up(namespace: &str) {
    for end in ["left", "right"] {
        until("link that is up", || {
            let said = ip(&["-n", namespace, "link", "show", end]).expect("ip");
            said.contains("qdisc noqueue") && said.contains("state UP")
        });
    }
}

/// Tries until it is so. What a receiver that was dropped had open may live on for a moment, in a
/// child that another test has forked and that has not yet become another program.
pub fn until(wanted: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "no {wanted}");
    }
}
