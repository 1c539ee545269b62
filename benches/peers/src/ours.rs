//! Our own way: publisher, multicast on loopback, subscriber, and a strategy that the receive
//! thread calls; as in `tickcast demo --inline --send-core 0 --receive-core 1`, with `--idle spin`
//! where latency is measured.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tickcast_net::thread::available_cores;
use tickcast_net::{Group, Idle, Interface, ReceiveConfig, SendConfig};
use tickcast_publisher::{
    FlowControl, Publisher, PublisherConfig, PublisherHandle, Source, SourceError, Speed, Summary,
    Supply,
};
use tickcast_subscriber::{Account, Origin, Start, Strategy, SubscriberBuilder, SubscriberConfig};
use tickcast_tickfile::{Synthetic, SyntheticConfig};
use tickcast_wire::Tick;

use crate::{Failure, Flow, Latency, RATE_PER_SECOND, Received};

/// How often it is looked whether a run is over.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Ticks of the market that is repeated.
const MARKET_TICKS: usize = 1_000_000;

/// One way on lines A and B, kernel stamps on, from a tick's due time to the strategy's call.
///
/// # Errors
/// When a socket or thread fails, or a tick is lost.
pub fn our_latency(market: &Market, ticks: u64) -> Result<Latency, Failure> {
    let speed = Speed::PerSecond(RATE_PER_SECOND);
    let run = run(market, ticks, speed, Timing(Received::new()?))?;
    run.strategy.0.finish(run.summary.published)
}

/// As many ticks as go through on lines A and B, from memory to one strategy, in packets of 21.
///
/// # Errors
/// When a socket or thread fails, or a tick is lost or out of order.
pub fn our_throughput(market: &Market, ticks: u64) -> Result<Flow, Failure> {
    let run = run(market, ticks, Speed::Max, Counting::default())?;
    if run.strategy.out_of_order > 0 || run.account.lost > 0 {
        let (lost, wrong) = (run.account.lost, run.strategy.out_of_order);
        return Err(format!("ours: {lost} ticks lost, {wrong} out of order").into());
    }
    let ns = run.account.last_delivered - run.summary.first_sent_ns;
    Ok(Flow {
        messages: run.account.delivered,
        sent_again: run.retransmitted,
        seconds: ns as f64 / 1e9,
    })
}

struct Run<S> {
    strategy: S,
    account: Account,
    summary: Summary,
    /// Ticks that both lines lost and that came by TCP.
    retransmitted: u64,
}

fn run<S: Strategy + 'static>(
    market: &Market,
    ticks: u64,
    speed: Speed,
    strategy: S,
) -> Result<Run<S>, Failure> {
    let cores = available_cores();
    let core = |index: usize| cores.get(index).copied().filter(|_| cores.len() > 1);
    let publisher = publish(market.repeated(ticks), speed, core(0))?;
    let mut builder = SubscriberBuilder::new(subscribe(&publisher, speed, core(1))?);
    let attached = builder.attach_inline(strategy);
    let mut subscriber = builder.start()?;
    while !subscriber.has_ended() {
        std::thread::sleep(LOOK_EVERY);
        if subscriber.stats().counters.lost > 0 && publisher.is_finished() {
            break;
        }
    }
    publisher.stop();
    let summary = publisher.join()?;
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&attached).ok_or("the strategy is gone")?;
    Ok(Run {
        strategy: outcome.strategy,
        account: outcome.account,
        summary,
        retransmitted: stopped.stats.counters.retransmitted,
    })
}

fn publish(
    source: Repeated,
    speed: Speed,
    core: Option<usize>,
) -> Result<PublisherHandle, Failure> {
    let interface = Interface::loopback()?;
    let [line_a, line_b] = groups()?.map(|group| SendConfig::new(group, interface.clone()));
    let mut config = PublisherConfig::new(line_a);
    config.line_b = Some(line_b);
    config.speed = speed;
    config.idle = idle(speed);
    config.send_core = core;
    // The first tick waits for the subscriber; only at full speed do the others.
    let window = match speed {
        Speed::Max => FlowControl::default().window,
        _ => u64::MAX,
    };
    config.flow_control = Some(FlowControl {
        window,
        wait_for: 1,
    });
    Ok(Publisher::start(config, source)?)
}

fn subscribe(
    publisher: &PublisherHandle,
    speed: Speed,
    core: Option<usize>,
) -> Result<SubscriberConfig, Failure> {
    let interface = Interface::loopback()?;
    let [line_a, line_b] = groups()?.map(|group| ReceiveConfig::new(group, interface.clone()));
    let mut config = SubscriberConfig::new(line_a);
    config.line_b = Some(line_b);
    config.recovery = publisher.recovery_addr();
    config.arbiter.start = Start::Seq(1);
    config.flow_control = true;
    config.idle = idle(speed);
    config.core = core;
    Ok(config)
}

/// Both ends spin where latency counts. At full speed they yield where there are two cores only, as
/// they do by default: the server, which takes every tick for the store, needs a core too.
fn idle(speed: Speed) -> Idle {
    match speed {
        Speed::Max => Idle::default_for(available_cores().len(), 2),
        _ => Idle::Spin,
    }
}

/// Groups of this process's own, so that two runs at once do not meet.
fn groups() -> Result<[Group; 2], Failure> {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    let addr = |line: u8| IpAddr::V4(Ipv4Addr::new(239, 192 + (b & 0x1f) + line * 32, c, d));
    Ok([Group::new(addr(0), 14_001)?, Group::new(addr(1), 14_002)?])
}

/// Notes when each tick is there.
struct Timing(Received);

impl Strategy for Timing {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        self.0.take_parts(tick.seq(), tick.ts_due());
    }
}

/// Looks at the number of each tick.
#[derive(Default)]
struct Counting {
    last: u64,
    out_of_order: u64,
}

impl Strategy for Counting {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        self.out_of_order += u64::from(tick.seq() != self.last + 1);
        self.last = tick.seq();
    }
}

/// Ticks in memory.
#[derive(Clone, Debug)]
pub struct Market(Arc<[Tick]>);

impl Market {
    /// A synthetic market.
    #[must_use]
    pub fn new() -> Market {
        let market = Synthetic::new(SyntheticConfig::default());
        Market(market.take(MARKET_TICKS).collect())
    }

    /// So many ticks: the market again and again.
    fn repeated(&self, ticks: u64) -> Repeated {
        Repeated {
            market: Arc::clone(&self.0),
            at: 0,
            left: ticks,
        }
    }
}

impl Default for Market {
    fn default() -> Market {
        Market::new()
    }
}

struct Repeated {
    market: Arc<[Tick]>,
    at: usize,
    left: u64,
}

impl Source for Repeated {
    fn peek(&mut self) -> Result<Supply<'_>, SourceError> {
        let rest = &self.market[self.at..];
        let most = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
        Ok(match &rest[..most] {
            [] => Supply::End,
            ticks => Supply::Ticks(ticks),
        })
    }

    fn take(&mut self, count: usize) {
        self.left -= count as u64;
        self.at = (self.at + count) % self.market.len();
    }
}
