//! A feed over loopback, for the benches that publish and subscribe.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use tickcast_net::thread::available_cores;
use tickcast_net::{Group, Idle, Interface, InterfaceError, ReceiveConfig, SendConfig};
use tickcast_publisher::{PublisherConfig, Source, SourceError, Speed, Supply};
use tickcast_subscriber::{Origin, Start, Strategy, Subscriber, SubscriberConfig};
use tickcast_wire::{Digest, Tick};

use crate::last_cores;

/// How far a publisher that sends all it can may be ahead of the strategy, in ticks: on two cores the
/// threads that tell it how far that is wait for milliseconds for one of them.
pub const WINDOW: u64 = 262_144;
/// The receive buffer of a line of such a feed.
const RECEIVE_BUFFER: usize = 64 << 20;
/// How long the end of a session may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The cores of the sending and of the receiving thread; none when there are not two.
#[must_use]
pub fn cores() -> [Option<usize>; 2] {
    last_cores::<2>().map_or([None; 2], |cores| cores.map(Some))
}

/// How threads wait when so many of them have something to do all the time.
#[must_use]
pub fn idle(busy_threads: usize) -> Idle {
    Idle::default_for(available_cores().len() + 1, busy_threads)
}

/// Ticks in memory, again and again: a run of any length without the memory for it.
#[derive(Debug)]
pub struct Repeated {
    ticks: Arc<[Tick]>,
    at: usize,
    left: u64,
}

impl Repeated {
    /// `count` ticks in all; [`u64::MAX`] for a source that does not end.
    #[must_use]
    pub fn new(ticks: impl Into<Arc<[Tick]>>, count: u64) -> Repeated {
        Repeated {
            ticks: ticks.into(),
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

/// The same, with room in the receive buffers for all that a publisher is ahead.
///
/// # Errors
/// There is no loopback interface.
///
/// # Panics
/// When a group is no multicast group.
pub fn subscribe_flat_out(
    groups: &[SocketAddr],
    recovery: Option<SocketAddr>,
) -> Result<SubscriberConfig, InterfaceError> {
    let mut config = subscribe(groups, recovery)?;
    set_receive_buffers(&mut config, RECEIVE_BUFFER);
    Ok(config)
}

/// Gives each line a receive buffer of so many bytes.
pub fn set_receive_buffers(config: &mut SubscriberConfig, bytes: usize) {
    config.line_a.receive_buffer = bytes;
    if let Some(line_b) = &mut config.line_b {
        line_b.receive_buffer = bytes;
    }
}

/// A strategy that takes the digest of all ticks.
#[derive(Debug, Default)]
pub struct Checksum(pub Digest);

impl Strategy for Checksum {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        self.0.update(tick);
    }

    fn on_ticks(&mut self, ticks: &[Tick], _origin: &Origin) {
        self.0.update_all(ticks);
    }
}

/// Waits for the end of the session.
///
/// # Errors
/// It does not come.
pub fn await_end(subscriber: &Subscriber) -> Result<(), Box<dyn Error + Send + Sync>> {
    let looks = PATIENCE.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..looks {
        if subscriber.has_ended() {
            return Ok(());
        }
        sleep(LOOK_EVERY);
    }
    Err("the end of the session did not arrive".into())
}

fn group(address: SocketAddr) -> Group {
    Group::new(address.ip(), address.port()).expect("a multicast group")
}
