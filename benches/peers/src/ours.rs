//! The floor and our own way, as the bench `loopback` has them: publisher, multicast on loopback,
//! subscriber, and a strategy that the receive thread calls; both ends spin, on a core each.

use std::net::SocketAddr;
use std::sync::Arc;

use tickcast_benches::bare::{BareReceiver, BareSender, receive_paced, send_paced};
use tickcast_benches::feed::{self, Repeated, WINDOW, await_end};
use tickcast_publisher::{FlowControl, Publisher, Speed, Summary};
use tickcast_subscriber::{Account, Origin, Strategy, SubscriberBuilder};
use tickcast_wire::Tick;

use crate::{Failure, Flow, Latency, RATE_PER_SECOND, Received, on_two_cores};

/// What the figures of [`bare_latency`] and [`our_latency`] are of.
pub const OURS_ONE_WAY: &str = "bare: one line, datagrams of 136 bytes; ours: lines A and B both received, packets of one \
     tick, 136 bytes, kernel\nstamps, checksums and sequence numbers of both checked, recovery server running";
/// What the figures of [`our_throughput`] are of.
pub const OURS_FLAT_OUT: &str = "ours: lines A and B both received, checksums and sequence numbers of both checked, latency \
     recorded, recovery server\nrunning; packets of 21 ticks, 1,416 bytes, segmented sends of at most 64 kB, the publisher at most 262,144 ticks\n\
     ahead, receive buffers 64 MB; one strategy, called by the receive thread, looks at the number of each tick";

/// Ticks of the market that is repeated: 64 MB, more than caches hold.
const MARKET_TICKS: usize = 1_000_000;

/// One way over bare sockets, one line, datagrams as long as our packets with one tick.
///
/// # Errors
/// When a socket cannot be opened.
pub fn bare_latency(messages: u64) -> Result<Latency, Failure> {
    let SocketAddr::V4(group) = feed::own_groups()[0] else {
        return Err("a group of IPv4".into());
    };
    let mut receiver = BareReceiver::open(group)?;
    let sender = BareSender::open(group, None)?;
    let send = |_: &_| {
        send_paced(&sender, RATE_PER_SECOND, messages);
        Ok(messages)
    };
    let (sent, times) = on_two_cores(send, |progress| {
        Ok(receive_paced(&mut receiver, || progress.is_all_sent()))
    })?;
    let lost = sent.saturating_sub(times.len());
    Ok(Latency { times, lost })
}

/// Ticks in memory.
#[must_use]
pub fn market() -> Arc<[Tick]> {
    tickcast_benches::market(MARKET_TICKS).into()
}

/// One way on lines A and B, kernel stamps on, from a tick's due time to the strategy's call.
///
/// # Errors
/// When a socket or thread fails, or a tick is lost or out of order.
pub fn our_latency(market: &Arc<[Tick]>, ticks: u64) -> Result<Latency, Failure> {
    let speed = Speed::PerSecond(RATE_PER_SECOND);
    let run = run(market, ticks, speed, Timing(Received::new()?))?;
    run.strategy.0.finish(ticks)
}

/// As many ticks as go through on lines A and B, from memory to one strategy, in full packets.
///
/// # Errors
/// When a socket or thread fails, or a tick is lost or out of order.
pub fn our_throughput(market: &Arc<[Tick]>, ticks: u64) -> Result<Flow, Failure> {
    let run = run(market, ticks, Speed::Max, Counting::default())?;
    if run.strategy.out_of_order > 0 {
        return Err(format!("ours: {} ticks out of order", run.strategy.out_of_order).into());
    }
    let ns = run.account.last_delivered - run.summary.first_sent_ns;
    Ok(Flow {
        messages: ticks,
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

/// A run in which every tick is delivered.
fn run<S: Strategy + 'static>(
    market: &Arc<[Tick]>,
    ticks: u64,
    speed: Speed,
    strategy: S,
) -> Result<Run<S>, Failure> {
    let (groups, [send_core, receive_core]) = (feed::own_groups(), feed::cores());
    let (window, subscribe): (_, fn(&_, _) -> _) = match speed {
        Speed::Max => (WINDOW, feed::subscribe_flat_out),
        // The first tick waits for the subscriber, the others wait for nothing.
        _ => (u64::MAX, feed::subscribe),
    };
    let mut config = feed::publish(&groups, speed)?;
    config.idle = feed::idle(2);
    config.send_core = send_core;
    config.flow_control = Some(FlowControl {
        window,
        wait_for: 1,
    });
    let publisher = Publisher::start(config, Repeated::new(Arc::clone(market), ticks))?;
    let mut config = subscribe(&groups, publisher.recovery_addr())?;
    config.idle = feed::idle(2);
    config.core = receive_core;
    let mut builder = SubscriberBuilder::new(config);
    let attached = builder.attach_inline(strategy);
    let subscriber = builder.start()?;
    await_end(&subscriber)?;
    publisher.stop();
    let summary = publisher.join()?;
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&attached).ok_or("the strategy is gone")?;
    if outcome.account.lost > 0 || outcome.account.delivered != ticks {
        return Err(format!("ours: not all of {ticks} delivered: {:?}", outcome.account).into());
    }
    Ok(Run {
        strategy: outcome.strategy,
        account: outcome.account,
        summary,
        retransmitted: stopped.stats.counters.retransmitted,
    })
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
