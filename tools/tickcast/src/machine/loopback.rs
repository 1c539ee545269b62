//! What the kernel does for a feed, tried on the loopback interface.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde::Serialize;
use tickcast_net::{
    Group, Interface, MulticastReceiver, MulticastSender, ReceiveConfig, SendConfig, wait,
};

/// Time for datagrams on loopback to arrive, which they do within the call that sends them.
const PATIENCE: Duration = Duration::from_millis(500);
/// Datagrams that are sent in one call, and the bytes of each.
const DATAGRAMS: usize = 4;
const BYTES: usize = 128;

/// What was seen; all false when it failed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Loopback {
    /// Many datagrams went to the kernel in one piece (UDP_SEGMENT).
    pub(super) segmented: bool,
    /// They came back in one piece (UDP_GRO).
    pub(super) joined: bool,
    /// With the kernel's stamp.
    pub(super) stamped: bool,
    /// Why nothing was seen.
    pub(super) failure: Option<String>,
}

impl fmt::Display for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(failure) = &self.failure {
            return write!(f, "- ({failure})");
        }
        let has = |has: bool| if has { "yes" } else { "no" };
        write!(
            f,
            "UDP_SEGMENT {}, UDP_GRO {}, kernel stamps {}",
            has(self.segmented),
            has(self.joined),
            has(self.stamped)
        )
    }
}

/// Sends a few datagrams to itself.
pub(super) fn probe() -> Loopback {
    exchange().unwrap_or_else(|error| Loopback {
        failure: Some(error.to_string()),
        ..Loopback::default()
    })
}

fn exchange() -> Result<Loopback, Box<dyn Error>> {
    // A group of this process's own.
    let [_, b, c, d] = std::process::id().to_be_bytes();
    let group = Group::new(
        IpAddr::V4(Ipv4Addr::new(239, 128 + (b & 0x3f), c, d)),
        14_003,
    )?;
    let interface = Interface::loopback()?;
    let mut receiver = MulticastReceiver::open(&ReceiveConfig::new(group, interface.clone()))?;
    let sender = MulticastSender::open(&SendConfig::new(group, interface))?;
    let mut seen = Loopback::default();
    // The kernel may stamp late for the first moments after the first stamp was asked for.
    sender.send(&[0; DATAGRAMS * BYTES], BYTES)?;
    let mut left = DATAGRAMS;
    while left > 0 && wait(&[&receiver], Some(PATIENCE))? {
        while let Some(datagrams) = receiver.receive()? {
            let count = datagrams.iter().len();
            seen.joined |= count > 1;
            seen.stamped |= datagrams.ts_kernel.is_some();
            left = left.saturating_sub(count);
        }
    }
    if left > 0 {
        return Err(format!("{left} of {DATAGRAMS} datagrams did not arrive").into());
    }
    seen.segmented = sender.is_segmented();
    Ok(seen)
}
