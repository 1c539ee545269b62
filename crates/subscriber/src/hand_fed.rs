//! A subscriber without sockets and threads: datagrams are handed to it.

use std::marker::PhantomData;
use std::sync::Arc;

use tickcast_latency::{Histograms, Reporter};

use tickcast_net::{Datagrams, Idle, Idler};
use tickcast_protocol::{Arbiter, ArbiterConfig, Line, Provenance};

use crate::clock::monotonic_ns;
use crate::event::Stamps;
use crate::faults::{FaultInjector, LineFaults};
use crate::mark::Seal;
use crate::measuring::{Measuring, Receiving, Wanted};
use crate::receive::{Output, ReceiveLoop, Shared, take_in};
use crate::sessions::Sessions;
use crate::stats::Stats;
use crate::strategy::{Outcome, Runner, Strategy};

/// A subscriber that is handed what others receive: from a capture, another kind of socket, memory.
/// It takes the way of the receive thread, in the thread of whoever calls, to one inline strategy.
/// There is no recovery: what both lines lack is lost by notice.
///
/// ```
/// use tickcast_subscriber::{ArbiterConfig, HandFed, Line, Origin, Start, Strategy};
/// # use tickcast_net::Datagrams;
/// # use tickcast_wire::{TickSum, PacketHeader, Quote, Tick, Venue};
/// # use zerocopy::IntoBytes;
///
/// struct Count(u64);
///
/// impl Strategy for Count {
///     fn on_tick(&mut self, _tick: &Tick, _origin: &Origin) {
///         self.0 += 1;
///     }
/// }
///
/// # let ticks = [Tick::new(Quote::new(1, 2, 3, 4), Venue::SYNTHETIC, 1, 0).with_seq(1)];
/// # let header = PacketHeader::data(1, 0, 1, 1).with_ts_sent(1);
/// # let checksum = header.checksum(TickSum::of(&ticks));
/// # let packet = [header.as_bytes(), ticks.as_bytes(), &checksum].concat();
/// # let datagrams = Datagrams {
/// #     bytes: &packet,
/// #     segment: packet.len(),
/// #     source: ([127, 0, 0, 1], 1).into(),
/// #     ts_kernel: None,
/// #     dropped: 0,
/// #     truncated: false,
/// # };
/// let config = ArbiterConfig {
///     start: Start::Seq(1),
///     ..ArbiterConfig::default()
/// };
/// let mut subscriber = HandFed::new(config, Count(0));
/// subscriber.take(Line::A, &datagrams);
/// subscriber.take(Line::B, &datagrams);
/// let (stats, outcome) = subscriber.finish();
/// assert_eq!((stats.counters.delivered, outcome.strategy.0), (1, 1));
/// ```
pub struct HandFed<S> {
    receive: ReceiveLoop,
    no_faults: FaultInjector,
    reporters: [Reporter; 2],
    strategy: PhantomData<fn() -> S>,
}

impl<S: Strategy + 'static> HandFed<S> {
    /// A subscriber of lines A and B; `config.recovery` is set to false.
    pub fn new(config: ArbiterConfig, strategy: S) -> HandFed<S> {
        HandFed::measured(config, strategy, &Wanted::default())
    }

    pub(crate) fn measured(config: ArbiterConfig, strategy: S, wanted: &Wanted) -> HandFed<S> {
        let (receiving, arriving) = Receiving::new();
        let (measuring, taking) = Measuring::new(wanted, true);
        let arbiter = ArbiterConfig {
            recovery: false,
            ..config
        };
        let receive = ReceiveLoop {
            inlets: Vec::new(),
            lines: Vec::new(),
            arbiter: Arbiter::new(arbiter),
            output: Output {
                producer: None,
                seal: Seal::new(),
                inline: vec![Box::new(Runner::new(strategy, measuring))],
                sessions: Arc::new(Sessions::new()),
                shared: Arc::new(Shared::new(1)),
                measuring: receiving,
                stamps: Stamps::default(),
                taking: Provenance::A,
                session: 0,
                session_number: 0,
                next: 0,
            },
            recovery: None,
            idler: Idler::new(Idle::Spin),
            meter: wanted.meter("hand-fed", None, Idle::Spin),
            stats: Stats::default(),
            stats_at: 0,
        };
        HandFed {
            receive,
            no_faults: FaultInjector::new(LineFaults::default(), 0, Line::A),
            reporters: [arriving, taking],
            strategy: PhantomData,
        }
    }

    /// Takes in what one receive gave, and does whatever is due. Allocates nothing.
    /// `datagrams.dropped` is not looked at.
    #[inline]
    pub fn take(&mut self, line: Line, datagrams: &Datagrams<'_>) {
        let ReceiveLoop {
            arbiter,
            output,
            meter,
            stats,
            ..
        } = &mut self.receive;
        let faults = &mut self.no_faults;
        take_in(line, faults, datagrams, arbiter, output, meter, stats);
        self.receive.step();
    }

    /// A round in which nothing came.
    #[cfg(test)]
    pub(crate) fn idle(&mut self) {
        self.receive.step();
    }

    /// Adds the latencies recorded since the last call.
    pub fn collect_latency(&mut self, into: &mut Histograms) {
        self.reporters.iter().for_each(Reporter::request);
        self.receive.output.poll_reports();
        for reporter in &mut self.reporters {
            reporter.collect(into);
        }
    }

    /// What was counted, and what became of the strategy.
    ///
    /// # Panics
    /// Never: it has the strategy that it was made with.
    #[must_use]
    pub fn finish(mut self) -> (Stats, Outcome<S>) {
        self.receive.publish_stats(monotonic_ns());
        let runner = self.receive.output.inline.pop();
        let outcome = runner.and_then(|runner| runner.finish().downcast().ok());
        (self.receive.stats, *outcome.expect("its strategy"))
    }
}
