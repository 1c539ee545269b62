//! A feed over loopback, for the benches that publish and subscribe.

#![allow(dead_code, reason = "every bench uses its own part")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tickcast_net::{Group, Interface, InterfaceError, ReceiveConfig, SendConfig};
use tickcast_publisher::{PublisherConfig, Source, SourceError, Speed, Supply};
use tickcast_subscriber::{Start, SubscriberConfig};
use tickcast_wire::Tick;

/// Ticks in memory, again and again: a run of any length without the memory for it.
#[derive(Debug)]
pub struct Repeated {
    ticks: Vec<Tick>,
    at: usize,
    left: u64,
}

impl Repeated {
    /// `count` ticks in all; [`u64::MAX`] for a source that does not end.
    #[must_use]
    pub fn new(ticks: Vec<Tick>, count: u64) -> Repeated {
        Repeated {
            ticks,
            at: 0,
            left: count,
        }
    }
}

impl Source for Repeated {
    fn peek(&mut self) -> Result<Supply<'_>, SourceError> {
        let rest = &self.ticks[self.at..];
        let most = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
        Ok(match &rest[..most] {
            [] => Supply::End,
            ticks => Supply::Ticks(ticks),
        })
    }

    fn take(&mut self, count: usize) {
        self.left -= count as u64;
        self.at += count;
        if self.at == self.ticks.len() {
            self.at = 0;
        }
    }
}

/// Groups of this process's own for lines A and B, so that two runs at once do not meet.
#[must_use]
pub fn own_groups() -> [SocketAddr; 2] {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    let line = |line: u8| Ipv4Addr::new(239, 192 + (b & 0x1f) + line * 32, c, d);
    [
        (IpAddr::V4(line(0)), 14_001).into(),
        (IpAddr::V4(line(1)), 14_002).into(),
    ]
}

/// A publisher on loopback to line A, and to line B if it is given.
///
/// # Errors
/// There is no loopback interface.
///
/// # Panics
/// When a group is no multicast group.
pub fn publish(groups: &[SocketAddr], speed: Speed) -> Result<PublisherConfig, InterfaceError> {
    let interface = Interface::loopback()?;
    let mut lines = groups
        .iter()
        .map(|line| SendConfig::new(group(*line), interface.clone()));
    let mut config = PublisherConfig::new(lines.next().expect("line A"));
    config.line_b = lines.next();
    config.speed = speed;
    Ok(config)
}

/// A subscriber on loopback to line A, and to line B if it is given, from the start of the session
/// and joined under flow control.
///
/// # Errors
/// There is no loopback interface.
///
/// # Panics
/// When a group is no multicast group.
pub fn subscribe(
    groups: &[SocketAddr],
    recovery: Option<SocketAddr>,
) -> Result<SubscriberConfig, InterfaceError> {
    let interface = Interface::loopback()?;
    let mut lines = groups
        .iter()
        .map(|line| ReceiveConfig::new(group(*line), interface.clone()));
    let mut config = SubscriberConfig::new(lines.next().expect("line A"));
    config.line_b = lines.next();
    config.recovery = recovery;
    config.flow_control = recovery.is_some();
    config.arbiter.start = Start::Seq(1);
    Ok(config)
}

fn group(address: SocketAddr) -> Group {
    Group::new(address.ip(), address.port()).expect("a multicast group")
}
