//! Network namespaces, which only root can make.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::program::PATIENCE;

/// Namespaces made by this process.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A network namespace, which is deleted when it is dropped.
pub struct Namespace(String);

impl Namespace {
    /// A new one with its loopback interface up; `None`, and a line that says why, when there can
    /// be none.
    pub fn new() -> Option<Namespace> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("tickcast-{}-{number}", std::process::id());
        if let Err(why) = ip(&["netns", "add", &name]) {
            println!("skipped: no network namespaces, which only root can make: {why}");
            return None;
        }
        let namespace = Namespace(name);
        namespace.ip(&["link", "set", "lo", "up"]);
        Some(namespace)
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    /// `ip` in this namespace, and what it says.
    pub fn ip(&self, arguments: &[&str]) -> String {
        let arguments = [&["-n", &self.0], arguments].concat();
        ip(&arguments).unwrap_or_else(|why| panic!("ip {}: {why}", arguments.join(" ")))
    }

    /// Waits until the interface carries IPv6 multicast. The kernel adds the route that this takes
    /// only when it has noticed that the link is up, which may take seconds; what arrives before is
    /// dropped and counted as `Ip6InNoRoutes`.
    pub fn wait_for_ipv6_multicast(&self, interface: &str) {
        let route = format!("ff00::/8 dev {interface} ");
        let deadline = Instant::now() + PATIENCE;
        let local = ["-6", "route", "show", "table", "local"];
        while !self.ip(&local).contains(&route) {
            assert!(Instant::now() < deadline, "no route {route}in {}", self.0);
            std::thread::sleep(Duration::from_millis(20));
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

fn ip(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// Two namespaces, joined by two pairs of interfaces, called `veth0` and `veth1` in both.
pub struct Pair {
    pub left: Namespace,
    pub right: Namespace,
}

impl Pair {
    /// `10.77.0.1` and `fd77:0::1` on `veth0` on the left, `10.77.1.1` and `fd77:1::1` on `veth1`;
    /// on the right the same with `.2` and `::2`.
    pub fn new() -> Option<Pair> {
        let (left, right) = (Namespace::new()?, Namespace::new()?);
        for net in [0, 1] {
            let name = &format!("veth{net}");
            let peer = ["peer", "name", name, "netns", right.name()];
            left.ip(&[&["link", "add", name, "type", "veth"], &peer[..]].concat());
            for (side, host) in [(&left, 1), (&right, 2)] {
                let v4 = format!("10.77.{net}.{host}/24");
                side.ip(&["address", "add", &v4, "dev", name]);
                let v6 = format!("fd77:{net}::{host}/64");
                side.ip(&["address", "add", &v6, "dev", name, "nodad"]);
                side.ip(&["link", "set", name, "up"]);
            }
        }
        Some(Pair { left, right })
    }
}
