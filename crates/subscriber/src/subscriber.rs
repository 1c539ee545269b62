//! Setting up a subscriber, and the handle to a running one.

use std::any::Any;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tickcast_latency::{Histograms, Reporter, stages};
use tickcast_net::thread::{available_cores, spawn_named};
use tickcast_net::{Idle, Idler, MulticastReceiver, ReceiveConfig};
use tickcast_protocol::{Alarm, Arbiter, ArbiterConfig, Line};
use tickcast_queue::{Producer, Ring, ring};

use crate::error::StartError;
use crate::event::Stamps;
use crate::faults::{FaultInjector, LineFaults};
use crate::flow::FlowClient;
use crate::mark::Seal;
use crate::reader::{Progress, TickReader};
use crate::receive::{LineInput, Output, RECEIVE_STAGES, RUNNING, ReceiveLoop, Shared};
use crate::recovery::start_recovery;
use crate::sessions::Sessions;
use crate::stats::{ReceiveBuffers, Stats};
use crate::strategy::{Outcome, Run, Runner, STRATEGY_STAGES, Strategy};
use crate::tls::ClientTls;

/// The shortest queue: many batches of 63 ticks and a mark, so that a lapped reader finds one.
const LEAST_QUEUE_LINES: usize = 1_024;
/// Alarms that wait to be read; more push the oldest out.
const ALARMS: usize = 64;
/// Longest sleep of a parked strategy thread.
const STRATEGY_PARK: Duration = Duration::from_micros(200);

/// How to set up a subscriber.
#[derive(Debug, Clone)]
pub struct SubscriberConfig {
    /// Line A.
    pub line_a: ReceiveConfig,
    /// Line B.
    pub line_b: Option<ReceiveConfig>,
    /// The publisher's recovery server; without one, what both lines lose is lost by notice.
    pub recovery: Option<SocketAddr>,
    /// TLS to the recovery server; default none: plain text.
    pub recovery_tls: Option<ClientTls>,
    /// Where to start, and how long to wait for what. `line_b` and `recovery` are set from above.
    pub arbiter: ArbiterConfig,
    /// Whether the publisher is held back to the pace of the slowest strategy; replays only.
    pub flow_control: bool,
    /// Lines of 64 bytes in the queue to the strategies: 65,536 (4 MiB). At least 1,024; rounded
    /// up to a power of two.
    pub queue_lines: usize,
    /// How the receive thread waits.
    pub idle: Idle,
    /// The core of the receive thread.
    pub core: Option<usize>,
    /// What goes wrong on lines A and B on purpose.
    pub faults: [LineFaults; 2],
    /// What makes those faults, and the jitter of requests, repeatable.
    pub seed: u64,
}

impl SubscriberConfig {
    /// One line, no recovery, from live on.
    #[must_use]
    pub fn new(line_a: ReceiveConfig) -> SubscriberConfig {
        SubscriberConfig {
            line_a,
            line_b: None,
            recovery: None,
            recovery_tls: None,
            arbiter: ArbiterConfig::default(),
            flow_control: false,
            queue_lines: 65_536,
            // A publisher on the same machine spins too.
            idle: Idle::default_for(available_cores().len(), 2),
            core: None,
            faults: [LineFaults::default(); 2],
            seed: 0,
        }
    }
}

/// How the thread of a strategy runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadConfig {
    /// Its name; the kernel shows the first 15 bytes.
    pub name: String,
    /// Its core.
    pub core: Option<usize>,
    /// How it waits.
    pub idle: Idle,
    /// Whether its latency counts: that of a strategy that may be late, such as a recorder, would
    /// only blur the figures of the others.
    pub measured: bool,
}

/// A strategy that was attached: the key to what became of it.
#[derive(Debug)]
pub struct Attached<S> {
    place: Place,
    strategy: PhantomData<fn() -> S>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Inline(usize),
    Thread(usize),
}

/// A subscriber that is being set up.
pub struct SubscriberBuilder {
    config: SubscriberConfig,
    producer: Producer,
    ring: Ring,
    seal: Seal,
    sessions: Arc<Sessions>,
    progress: Vec<Arc<Progress>>,
    inline: Vec<Box<dyn Run>>,
    threads: Vec<JoinHandle<Box<dyn Run>>>,
    reporters: Vec<Reporter>,
}

impl SubscriberBuilder {
    /// Starts setting up; nothing is opened yet.
    #[must_use]
    pub fn new(config: SubscriberConfig) -> SubscriberBuilder {
        let (producer, ring) = ring(config.queue_lines.max(LEAST_QUEUE_LINES));
        SubscriberBuilder {
            config,
            producer,
            ring,
            seal: Seal::new(),
            sessions: Arc::new(Sessions::new()),
            progress: Vec::new(),
            inline: Vec::new(),
            threads: Vec::new(),
            reporters: Vec::new(),
        }
    }

    /// A reader of the stream from its start, for code that would rather ask than be called.
    pub fn reader(&mut self) -> TickReader {
        let progress = Arc::new(Progress::default());
        self.progress.push(Arc::clone(&progress));
        let sessions = Arc::clone(&self.sessions);
        TickReader::new(self.ring.reader(), self.seal, sessions, progress)
    }

    /// Attaches a strategy through the queue: it has its own thread and its own pace, and disturbs
    /// nobody, however slow it is and even if it panics.
    ///
    /// # Errors
    /// [`StartError::Thread`].
    pub fn attach<S: Strategy + 'static>(
        &mut self,
        strategy: S,
        thread: &ThreadConfig,
    ) -> Result<Attached<S>, StartError> {
        let (recorder, reporter) = stages(&STRATEGY_STAGES);
        if thread.measured {
            self.reporters.push(reporter);
        }
        let mut reader = self.reader();
        let mut runner: Box<dyn Run> = Box::new(Runner::new(strategy, recorder, false));
        let mut idler = Idler::new(thread.idle);
        let handle = spawn_named(&thread.name, thread.core, move || {
            loop {
                let event = reader.read();
                let did_work = event.is_some();
                if event.is_some_and(|event| !runner.handle(event)) {
                    return runner;
                }
                runner.poll_report();
                if !did_work && reader.is_closed() {
                    return runner;
                }
                idler.wait(did_work, || std::thread::sleep(STRATEGY_PARK));
            }
        })?;
        self.threads.push(handle);
        Ok(Attached {
            place: Place::Thread(self.threads.len() - 1),
            strategy: PhantomData,
        })
    }

    /// Attaches a strategy to the receive thread, which calls it directly: the shortest way, but
    /// its time is taken from receiving. If it panics, it is not called again.
    pub fn attach_inline<S: Strategy + 'static>(&mut self, strategy: S) -> Attached<S> {
        let (recorder, reporter) = stages(&STRATEGY_STAGES);
        self.reporters.push(reporter);
        self.inline
            .push(Box::new(Runner::new(strategy, recorder, true)));
        Attached {
            place: Place::Inline(self.inline.len() - 1),
            strategy: PhantomData,
        }
    }

    /// Opens the lines and starts the threads.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then, strategies' threads end.
    pub fn start(mut self) -> Result<Subscriber, StartError> {
        let config = self.config.clone();
        let lines = open_lines(&config)?;
        let mut buffers = ReceiveBuffers::default();
        for input in &lines {
            buffers[input.line as usize] = Some(input.receiver.receive_buffer());
        }
        let shared = Arc::new(Shared::new(ALARMS));
        // If anything below fails, the threads that were started end.
        let stop_on_drop = StopOnDrop(Arc::clone(&shared));
        let (recorder, reporter) = stages(&RECEIVE_STAGES);
        self.reporters.push(reporter);
        let mut helpers = Vec::new();
        let mut recovery = None;
        if let Some(server) = config.recovery {
            let tls = config.recovery_tls.clone();
            let (link, thread) = start_recovery(server, tls, config.arbiter.channel)?;
            recovery = Some(link);
            helpers.push(thread);
        }
        if config.flow_control {
            let server = config
                .recovery
                .ok_or(StartError::FlowControlWithoutRecovery)?;
            let (shared, progress) = (Arc::clone(&shared), self.progress.clone());
            let (tls, channel) = (config.recovery_tls.as_ref(), config.arbiter.channel);
            let client = FlowClient::join(server, tls, channel, shared, progress)?;
            helpers.push(spawn_named("tc-flow", None, move || client.run())?);
        }
        let arbiter = ArbiterConfig {
            line_b: config.line_b.is_some(),
            recovery: config.recovery.is_some(),
            jitter_seed: config.seed,
            ..config.arbiter
        };
        let receive_loop = ReceiveLoop {
            lines,
            arbiter: Arbiter::new(arbiter),
            output: Output {
                producer: (!self.progress.is_empty()).then_some(self.producer),
                seal: self.seal,
                inline: self.inline,
                sessions: self.sessions,
                shared,
                recorder,
                stamps: Stamps::default(),
                session: 0,
                session_number: 0,
                next: 0,
            },
            recovery,
            idler: Idler::new(config.idle),
            stats: Stats::default(),
            stats_at: 0,
        };
        let receive = spawn_named("tc-receive", config.core, move || receive_loop.run())?;
        Ok(Subscriber {
            shared: stop_on_drop,
            receive,
            helpers,
            threads: self.threads,
            progress: self.progress,
            reporters: self.reporters,
            buffers,
            latest: Stats::default(),
        })
    }
}

fn open_lines(config: &SubscriberConfig) -> Result<Vec<LineInput>, StartError> {
    let mut lines = Vec::with_capacity(2);
    let configured = [
        (Line::A, Some(&config.line_a)),
        (Line::B, config.line_b.as_ref()),
    ];
    for (line, receive) in configured {
        let Some(receive) = receive else { continue };
        let receiver = MulticastReceiver::open(receive)?;
        let faults = FaultInjector::new(config.faults[line as usize], config.seed, line);
        lines.push(LineInput {
            line,
            receiver,
            kernel_dropped: 0,
            faults,
        });
    }
    Ok(lines)
}

/// Tells the threads of a subscriber to stop when nobody holds it any more.
struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// A running subscriber. Dropping it tells its threads to stop; [`Subscriber::stop`] waits for
/// them.
pub struct Subscriber {
    shared: StopOnDrop,
    receive: JoinHandle<Vec<Box<dyn Run>>>,
    helpers: Vec<JoinHandle<()>>,
    threads: Vec<JoinHandle<Box<dyn Run>>>,
    progress: Vec<Arc<Progress>>,
    reporters: Vec<Reporter>,
    buffers: ReceiveBuffers,
    latest: Stats,
}

impl Subscriber {
    /// What was counted, as of at most 10 ms ago.
    pub fn stats(&mut self) -> Stats {
        if let Some(stats) = self.shared.0.stats.pop() {
            self.latest = stats;
        }
        self.latest
    }

    /// The next alarm that nobody has read yet.
    pub fn next_alarm(&mut self) -> Option<Alarm> {
        self.shared.0.alarms.pop()
    }

    /// The receive buffers of lines A and B: asked for and got.
    #[must_use]
    pub const fn receive_buffers(&self) -> ReceiveBuffers {
        self.buffers
    }

    /// Whether the session has ended, with everything of it put out and read by every strategy
    /// that still runs.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let end_line = self.shared.0.end_line.load(Ordering::Relaxed);
        end_line != RUNNING && self.progress.iter().all(|reader| reader.has_read(end_line))
    }

    /// Asks every thread that measures for what it has recorded; it arrives a little later.
    pub fn request_latency(&self) {
        for reporter in &self.reporters {
            reporter.request();
        }
    }

    /// Adds what has arrived since the last call.
    pub fn collect_latency(&mut self, into: &mut Histograms) {
        for reporter in &mut self.reporters {
            reporter.collect(into);
        }
    }

    /// Stops receiving, lets every strategy finish what is in the queue, and gives what became of
    /// them.
    #[must_use]
    pub fn stop(mut self) -> Stopped {
        self.shared.0.stop.store(true, Ordering::Relaxed);
        let mut stopped = Stopped {
            stats: Stats::default(),
            inline: Vec::new(),
            threads: Vec::new(),
            reporters: std::mem::take(&mut self.reporters),
            failed_threads: 0,
        };
        match self.receive.join() {
            Ok(inline) => stopped.inline = inline.into_iter().map(|r| Some(r.finish())).collect(),
            Err(_) => stopped.failed_threads += 1,
        }
        for thread in self.threads {
            let outcome = thread.join();
            stopped.failed_threads += usize::from(outcome.is_err());
            stopped.threads.push(outcome.ok().map(Run::finish));
        }
        for helper in self.helpers {
            stopped.failed_threads += usize::from(helper.join().is_err());
        }
        stopped.stats = self.shared.0.stats.pop().unwrap_or(self.latest);
        stopped
    }
}

/// A subscriber that was stopped.
pub struct Stopped {
    /// What was counted in all.
    pub stats: Stats,
    /// Threads of the subscriber itself that panicked: a fault of this crate.
    pub failed_threads: usize,
    inline: Vec<Option<Box<dyn Any + Send>>>,
    threads: Vec<Option<Box<dyn Any + Send>>>,
    reporters: Vec<Reporter>,
}

impl Stopped {
    /// What became of a strategy; `None` if it was taken before or its thread is gone.
    pub fn take<S: Strategy + 'static>(&mut self, attached: &Attached<S>) -> Option<Outcome<S>> {
        let slot = match attached.place {
            Place::Inline(at) => self.inline.get_mut(at)?,
            Place::Thread(at) => self.threads.get_mut(at)?,
        };
        let outcome = slot.take()?.downcast::<Outcome<S>>().ok()?;
        Some(*outcome)
    }

    /// Adds the rest of what was recorded.
    pub fn collect_latency(&mut self, into: &mut Histograms) {
        for reporter in &mut self.reporters {
            reporter.collect(into);
        }
    }
}
