//! Two interfaces in a network namespace of their own, which only root can make.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Namespaces made by this process.
static MADE: AtomicU32 = AtomicU32::new(0);

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A namespace with the interfaces `left` and `right`, joined; deleted when it is dropped.
pub struct Namespace(pub String);

impl Namespace {
    /// `None`, and a line that says why, when there can be none.
    pub fn new(queues: u32) -> Option<Namespace> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("tickcast-net-{}-{number}", std::process::id());
        if let Err(why) = ip(&["netns", "add", &name]) {
            skipped(&format!(
                "no network namespace, which only root can make: {why}"
            ));
            return None;
        }
        let namespace = Namespace(name);
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
        wait_until_up(&namespace.0);
        Some(namespace)
    }

    pub fn ip(&self, arguments: &[&str]) -> String {
        let arguments = [&["-n", &self.0], arguments].concat();
        ip(&arguments).unwrap_or_else(|why| panic!("ip {}: {why}", arguments.join(" ")))
    }

    /// Runs `body` in a thread that is in the namespace, as the sockets it opens are.
    pub fn run(&self, body: impl FnOnce() + Send + 'static) {
        let path = format!("/run/netns/{}", self.0);
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

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(why) = ip(&["netns", "delete", &self.0]) {
            println!("{} is left over: {why}", self.0);
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

pub fn ip(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// Says that a test is skipped; a failure for root with CI=true, where everything must be there.
pub fn skipped(why: &str) {
    let must_be_there = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(
        !(must_be_there && geteuid().is_root()),
        "with CI=true and as root nothing is skipped: {why}"
    );
    // Not by a macro: what those print is shown for failed tests only.
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// Tries until it is so. What a receiver that was dropped had open may live on for a moment, in a
/// child that another test has forked and that has not yet become another program.
pub fn until(wanted: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "no {wanted}");
    }
}
