//! Publisher and subscriber in one process, as `demo` and `latency` run them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use tickcast_net::{Group, Idle, Interface, ReceiveConfig, SendConfig};
use tickcast_publisher::{FlowControl, PublisherConfig, Speed};
use tickcast_subscriber::{LineFaults, Start, SubscriberConfig, ThreadConfig};
use tickcast_tickfile::{Synthetic, SyntheticConfig};
use tickcast_wire::Tick;

use crate::deployment::Thread;
use crate::feed::{ReceiveThreadArgs, SendThreadArgs, priority};
use crate::interrupt::Interrupt;
use crate::{progress, show};

/// Cores and priorities of the threads that a tick passes.
#[derive(Debug, Args)]
pub struct PlacementArgs {
    #[command(flatten)]
    pub send: SendThreadArgs,

    #[command(flatten)]
    pub receive: ReceiveThreadArgs,

    /// Core of the strategies' threads.
    #[arg(
        long,
        value_name = "CORE",
        allow_hyphen_values = true,
        help_heading = "Threads"
    )]
    pub strategy_core: Option<usize>,

    /// Real-time priority of the strategies' threads, from 1 to 99: nothing else runs on its core while
    /// it wants to. Needs CAP_SYS_NICE or a limit that permits it.
    #[arg(
        long,
        value_name = "PRIORITY",
        allow_hyphen_values = true,
        value_parser = priority(),
        help_heading = "Threads",
        conflicts_with = "inline"
    )]
    pub strategy_priority: Option<u8>,
}

impl PlacementArgs {
    /// The threads that have flags of their own: send loop, receive thread, and so many strategies
    /// with a thread each.
    pub fn plan(&self, strategies: u16, idle: Idle) -> Vec<Thread> {
        let thread = |name: String, core, priority| Thread {
            name,
            core,
            priority,
            idle,
        };
        let mut threads = vec![
            thread(
                "tc-send".into(),
                self.send.send_core,
                self.send.send_priority,
            ),
            thread(
                "tc-receive".into(),
                self.receive.receive_core,
                self.receive.receive_priority,
            ),
        ];
        for number in 1..=strategies {
            let name = strategy_name(number);
            threads.push(thread(name, self.strategy_core, self.strategy_priority));
        }
        threads
    }
}

/// The name of a strategy's thread.
fn strategy_name(number: u16) -> String {
    format!("tc-strategy-{number}")
}

/// How both ends are set up.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Lines A and B.
    pub lines: [Group; 2],
    /// Where they run.
    pub interface: &'a Interface,
    /// How fast ticks are published.
    pub speed: Speed,
    /// Cores and priorities.
    pub placement: &'a PlacementArgs,
    /// How the threads wait.
    pub idle: Idle,
    /// What goes wrong on the lines on purpose.
    pub faults: [LineFaults; 2],
    /// The seed of that.
    pub seed: u64,
}

impl Setup<'_> {
    /// The publisher's end: it waits for the subscriber to be there, and only at full speed does
    /// it go on waiting for it.
    pub fn publisher(&self) -> PublisherConfig {
        let line = |group| SendConfig::new(group, self.interface.clone());
        let [line_a, line_b] = self.lines.map(line);
        let mut config = PublisherConfig::new(line_a);
        config.line_b = Some(line_b);
        config.speed = self.speed;
        config.send_core = self.placement.send.send_core;
        config.send_priority = self.placement.send.send_priority;
        config.idle = self.idle;
        let window = if self.speed == Speed::Max {
            FlowControl::default().window
        } else {
            u64::MAX
        };
        config.flow_control = Some(FlowControl {
            window,
            wait_for: 1,
        });
        config
    }

    /// The subscriber's end, which asks this server for what both lines lose.
    pub fn subscriber(&self, recovery: Option<SocketAddr>) -> SubscriberConfig {
        let line = |group| ReceiveConfig::new(group, self.interface.clone());
        let [line_a, line_b] = self.lines.map(line);
        let mut config = SubscriberConfig::new(line_a);
        config.line_b = Some(line_b);
        config.recovery = recovery;
        config.arbiter.start = Start::Seq(1);
        config.flow_control = true;
        config.core = self.placement.receive.receive_core;
        config.priority = self.placement.receive.receive_priority;
        config.idle = self.idle;
        config.faults = self.faults;
        config.seed = self.seed;
        config
    }

    /// The thread of a strategy.
    pub fn strategy(&self, number: u16) -> ThreadConfig {
        ThreadConfig {
            name: strategy_name(number),
            core: self.placement.strategy_core,
            priority: self.placement.strategy_priority,
            idle: self.idle,
            measured: true,
        }
    }
}

/// Groups of this process's own, so that two runs on one host do not meet.
///
/// # Errors
/// Never: the addresses are multicast.
pub fn groups() -> anyhow::Result<[Group; 2]> {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    let addr = |line: u8| IpAddr::V4(Ipv4Addr::new(239, 192 + (b & 0x1f) + line * 32, c, d));
    Ok([Group::new(addr(0), 14_001)?, Group::new(addr(1), 14_002)?])
}

/// The synthetic market of this seed, and its name for people.
pub fn synthetic(seed: u64) -> (String, Synthetic) {
    let config = SyntheticConfig {
        seed,
        ..SyntheticConfig::default()
    };
    let name = format!(
        "synthetic market, {} instruments, seed {}",
        show::count(u64::from(config.instruments)),
        config.seed
    );
    (name, Synthetic::new(config))
}

/// The first ticks of a market, made before any clock starts; `None` when somebody asked to stop.
pub fn make_ticks(market: Synthetic, count: usize, interrupt: &Interrupt) -> Option<Vec<Tick>> {
    let bar = progress::over_ticks("making ticks", count as u64);
    let mut ticks = Vec::with_capacity(count);
    let mut market = market.take(count);
    while ticks.len() < count {
        if interrupt.is_set() {
            return None;
        }
        ticks.extend(market.by_ref().take(65_536));
        bar.set_position(ticks.len() as u64);
    }
    bar.finish_and_clear();
    Some(ticks)
}
