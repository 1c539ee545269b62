//! One turn: both ends started, warm, measured for a while, and stopped again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tickcast_latency::{Clocks, Histograms, StallBoard, StallLog};
use tickcast_net::Group;
use tickcast_net::clock::realtime_ns;
use tickcast_publisher::{Publisher, PublisherHandle};
use tickcast_subscriber::{
    Attached, InstrumentGroups, Loss, Origin, Stats, Strategy, Subscriber, SubscriberBuilder,
    SubscriberConfig, ThreadConfig,
};
use tickcast_wire::Tick;

use super::load::{Load, LoadArgs};
use crate::feed::interface;
use crate::interrupt::Interrupt;
use crate::live::Activity;
use crate::measure::take_latency;
use crate::show;
use crate::together::Setup;

/// How often the ends are looked after.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Time for the subscriber to finish once the publisher has.
const FINISH_TIME: Duration = Duration::from_secs(10);

/// The strategy: it takes ticks, and counts what it is told is lost.
#[derive(Debug, Default)]
struct Taker {
    lost: Arc<AtomicU64>,
    /// For the live views, when there are any.
    activity: Option<Arc<Activity>>,
}

impl Strategy for Taker {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        self.on_ticks(std::slice::from_ref(tick), origin);
    }

    fn on_ticks(&mut self, ticks: &[Tick], origin: &Origin) {
        if let Some(activity) = &self.activity {
            activity.take(ticks, origin.provenance);
        }
    }

    fn on_gap(&mut self, loss: &Loss) {
        self.lost.fetch_add(loss.count, Ordering::Relaxed);
    }
}

/// Both ends at work; or one, when the publisher is elsewhere.
pub(super) struct Ends {
    publisher: Option<PublisherHandle>,
    pub(super) subscriber: Subscriber,
    taker: Attached<Taker>,
    lost: Arc<AtomicU64>,
    stalls: StallBoard,
}

/// An instant, by the clock of the stamps and by the one that does not step.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// Ns since the Unix epoch.
    pub(super) ns: u64,
    pub(super) instant: Instant,
}

impl At {
    pub(super) fn now() -> At {
        At {
            instant: Instant::now(),
            ns: realtime_ns(),
        }
    }
}

/// What came in while it was looked at.
pub(super) struct Window {
    /// Ns since the Unix epoch.
    pub(super) from_ns: u64,
    pub(super) to: At,
    pub(super) histograms: Histograms,
}

/// What a turn ended with.
pub(super) struct Ended {
    pub(super) stats: Stats,
    /// What came in after the last window, until all that was sent had arrived.
    pub(super) rest: Window,
    pub(super) lost: u64,
    pub(super) clocks: Option<Clocks>,
}

impl Ends {
    /// Starts both ends in this process.
    ///
    /// # Errors
    /// When one of them does not start.
    pub(super) fn together(
        args: &LoadArgs,
        load: &Load,
        lines: [Group; 2],
        groups: InstrumentGroups,
        activity: Option<Arc<Activity>>,
    ) -> anyhow::Result<Ends> {
        let interface = interface(args.interface.as_deref())?;
        let setup = Setup {
            lines,
            interface: &interface,
            speed: args.rate,
            placement: &args.placement,
            idle: args.idle(),
            faults: args.faults.lines(),
            seed: args.seed,
        };
        let stalls = StallBoard::new();
        let mut config = setup.publisher();
        config.linger = FINISH_TIME;
        config.stalls = Some(stalls.clone());
        let publisher = Publisher::start(config, load.turn()?)?;
        let mut subscriber = setup.subscriber(publisher.recovery_addr());
        subscriber.groups = groups;
        let thread = (!args.inline).then(|| setup.strategy(1));
        let ends = Ends::start(subscriber, thread, activity, stalls, Some(publisher))?;
        args.lock_memory()?;
        Ok(ends)
    }

    /// Starts the subscribing end, with a thread for the strategy or inline.
    pub(super) fn start(
        mut config: SubscriberConfig,
        thread: Option<ThreadConfig>,
        activity: Option<Arc<Activity>>,
        stalls: StallBoard,
        publisher: Option<PublisherHandle>,
    ) -> anyhow::Result<Ends> {
        config.time_strategies = true;
        config.stalls = Some(stalls.clone());
        let mut builder = SubscriberBuilder::new(config);
        let lost = Arc::default();
        let taker = Taker {
            lost: Arc::clone(&lost),
            activity,
        };
        let taker = match thread {
            Some(thread) => builder.attach(taker, &thread)?,
            None => builder.attach_inline(taker),
        };
        Ok(Ends {
            publisher,
            subscriber: builder.start()?,
            taker,
            lost,
            stalls,
        })
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.publisher
            .as_ref()
            .is_some_and(PublisherHandle::is_finished)
            || self.subscriber.has_ended()
    }

    /// Ticks lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Lets so much time pass, or less when there is nothing more to come or somebody asked to
    /// stop, and takes what came in since the last window into `histograms`, which are empty.
    pub(super) fn window(
        &mut self,
        since_ns: u64,
        length: Duration,
        interrupt: &Interrupt,
        mut histograms: Histograms,
        stalls: &mut StallLog,
    ) -> Window {
        // By a clock that does not step, whatever the other one does.
        let began = Instant::now();
        loop {
            while let Some(alarm) = self.subscriber.next_alarm() {
                tracing::warn!("{}", show::alarm(alarm));
            }
            let left = length.saturating_sub(began.elapsed());
            if left.is_zero() || self.is_over() || interrupt.is_set() {
                break;
            }
            std::thread::sleep(LOOK_EVERY.min(left));
        }
        take_latency(&mut self.subscriber, &mut histograms);
        self.stalls.collect(stalls);
        Window {
            from_ns: since_ns,
            to: At::now(),
            histograms,
        }
    }

    /// Ends the session and waits until all that was sent has arrived or is lost by notice.
    ///
    /// # Errors
    /// When an end failed, or ticks are missing without notice.
    pub(super) fn finish(
        self,
        since_ns: u64,
        mut histograms: Histograms,
        stalls: &mut StallLog,
    ) -> anyhow::Result<Ended> {
        let asked = Instant::now();
        if let Some(publisher) = &self.publisher {
            publisher.stop();
            while !self.subscriber.has_ended() {
                if publisher.is_finished() && asked.elapsed() > FINISH_TIME {
                    tracing::error!("the subscriber did not finish");
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let to = At::now();
        let published = self.publisher.map(PublisherHandle::join).transpose()?;
        let mut stopped = self.subscriber.stop();
        stopped.collect_latency(&mut histograms);
        self.stalls.collect(stalls);
        let outcome = stopped.take(&self.taker);
        let account = outcome.context("the strategy's thread is gone")?.account;
        if let Some(published) = published.map(|it| it.published)
            && account.delivered + account.lost != published
        {
            bail!(
                "the promise is broken: {} delivered + {} lost is not {} published",
                show::count(account.delivered),
                show::count(account.lost),
                show::count(published)
            );
        }
        Ok(Ended {
            stats: stopped.stats,
            rest: Window {
                from_ns: since_ns,
                to,
                histograms,
            },
            lost: account.lost,
            clocks: stopped.clocks,
        })
    }
}
