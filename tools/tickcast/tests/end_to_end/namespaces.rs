//! Network namespaces, which only root can make, and what can be done to the networks between them.

#[path = "../../../../crates/net/tests/support/namespace.rs"]
mod namespace;

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

pub use namespace::{Namespace, skipped};
use serde_json::Value;

use crate::feed::{Feed, Host};
use crate::program::PATIENCE;

impl Namespace {
    /// Makes this the rules of `nft` in this namespace.
    fn nft(&self, rules: &str) -> io::Result<()> {
        let mut nft = Command::new("ip")
            .args(["netns", "exec", self.name(), "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = nft.stdin.take().expect("its stdin");
        stdin.write_all(format!("flush ruleset\n{rules}").as_bytes())?;
        drop(stdin);
        let output = nft.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }

    /// What the rules of `nft` have dropped on this interface.
    pub fn dropped(&self, interface: &str) -> u64 {
        let list = ["-j", "list", "counter", "inet", "faults", interface];
        let output = Command::new("ip")
            .args(["netns", "exec", self.name(), "nft"])
            .args(list)
            .output()
            .expect("nft");
        let said: Value = serde_json::from_slice(&output.stdout).expect("JSON of nft");
        let objects = said["nftables"].as_array().expect("objects").iter();
        let packets = objects.filter_map(|object| object["counter"]["packets"].as_u64());
        packets.sum()
    }

    /// Waits until the interface carries IPv6 multicast. The kernel adds the route that this takes
    /// only when it has noticed that the link is up, which may take seconds; what arrives before is
    /// dropped and counted as `Ip6InNoRoutes`.
    pub fn wait_for_ipv6_multicast(&self, interface: &str) {
        const PAUSE: Duration = Duration::from_millis(20);
        let route = format!("ff00::/8 dev {interface} ");
        let local = ["-6", "route", "show", "table", "local"];
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if self.ip(&local).contains(&route) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("no route {route}in {}", self.name());
    }
}

/// The networks between the two ends: one for line A, one for line B, one for recovery.
pub const LINE_A: &str = "veth0";
pub const LINE_B: &str = "veth1";
pub const RECOVERY: &str = "veth2";

/// Two namespaces, joined by three pairs of interfaces, which have the same names in both.
pub struct Pair {
    pub left: Namespace,
    pub right: Namespace,
}

impl Pair {
    /// `10.77.0.1` and `fd77:0::1` on `veth0` on the left, `10.77.1.1` and `fd77:1::1` on `veth1`
    /// and so on; on the right the same with `.2` and `::2`.
    pub fn new() -> Option<Pair> {
        let (left, right) = (Namespace::new()?, Namespace::new()?);
        for (net, name) in [LINE_A, LINE_B, RECOVERY].into_iter().enumerate() {
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

    /// A feed from left to right, with a network for each line and one for recovery.
    pub fn feed(&self) -> Feed {
        let host = |namespace: &Namespace| Host {
            namespace: Some(namespace.name().to_owned()),
            interface: Some(LINE_A),
            interface_b: Some(LINE_B),
        };
        Feed {
            line_a: "239.192.7.1:14001".into(),
            line_b: "239.192.7.2:14002".into(),
            recovery: "10.77.2.1:14000".into(),
            publisher: host(&self.left),
            subscriber: host(&self.right),
        }
    }

    /// Loses so many per cent of the datagrams that come to the right on lines A and B, at random.
    /// `None`, and a line that says why, when there is no `nft` for it.
    pub fn lose(&self, per_cent: [u32; 2]) -> Option<()> {
        let lines = || [LINE_A, LINE_B].into_iter().zip(per_cent);
        let counters: String = lines()
            .map(|(interface, _)| format!("counter {interface} {{}}\n"))
            .collect();
        let drops: String = lines()
            .filter(|(_, per_cent)| *per_cent > 0)
            .map(|(interface, per_cent)| {
                format!(
                    "iifname {interface} meta l4proto udp numgen random mod 100 < {per_cent} \
                     counter name {interface} drop\n"
                )
            })
            .collect();
        let rules = format!(
            "table inet faults {{\n{counters}chain arrive {{\n\
             type filter hook input priority 0\n{drops}}}\n}}\n"
        );
        match self.right.nft(&rules) {
            Ok(()) => Some(()),
            Err(why) => {
                skipped(&format!("no loss made by nft: {why}"));
                None
            }
        }
    }
}
