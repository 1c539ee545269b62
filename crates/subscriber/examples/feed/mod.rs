//! What the examples subscribe to: a publisher of a synthetic market in the same process, on
//! loopback, on a group of its own.

use std::error::Error;

use tickcast_net::{Group, Idle, Interface, ReceiveConfig, SendConfig};
use tickcast_publisher::{
    FlowControl, InMemory, Publisher, PublisherConfig, PublisherHandle, Speed,
};
use tickcast_subscriber::{Start, SubscriberConfig, ThreadConfig};
use tickcast_tickfile::{Synthetic, SyntheticConfig};

/// Starts to publish `count` ticks of `instruments` instruments as fast as `speed` says, as soon
/// as a subscriber has joined. Gives the publisher, and how to subscribe to all of it.
pub fn publish(
    instruments: u32,
    count: usize,
    speed: Speed,
) -> Result<(PublisherHandle, SubscriberConfig), Box<dyn Error>> {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    let group: Group = format!("239.{}.{c}.{d}:14001", 64 + b % 64).parse()?;
    let interface = Interface::loopback()?;

    let market = Synthetic::new(SyntheticConfig {
        seed: 7,
        instruments,
    });
    let ticks: Vec<_> = market.take(count).collect();
    let mut config = PublisherConfig::new(SendConfig::new(group, interface.clone()));
    config.speed = speed;
    config.idle = Idle::Park;
    // The first tick waits for the subscriber; after that nothing waits.
    config.flow_control = Some(FlowControl {
        window: u64::MAX,
        wait_for: 1,
    });
    let publisher = Publisher::start(config, InMemory::new(ticks))?;

    let mut config = SubscriberConfig::new(ReceiveConfig::new(group, interface));
    config.recovery = publisher.recovery_addr();
    config.arbiter.start = Start::Seq(1);
    config.flow_control = true;
    config.idle = Idle::Park;
    Ok((publisher, config))
}

/// A thread for a strategy.
#[allow(dead_code, reason = "not every example needs one")]
pub fn thread(name: &str) -> ThreadConfig {
    ThreadConfig {
        name: name.into(),
        core: None,
        priority: None,
        idle: Idle::Park,
        measured: true,
    }
}

/// A price as people write it.
#[allow(dead_code, reason = "not every example needs one")]
pub fn price(nanos: i64) -> f64 {
    nanos as f64 / tickcast_wire::NANOS_PER_UNIT as f64
}
