//! Setting up a subscriber, and the handle to a running one.

use std::any::Any;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tickcast_latency::{Clocks, Histograms, Reporter, StallBoard};
use tickcast_net::thread::{Placement, available_cores, spawn_named};
use tickcast_net::{DropMeter, Idle, Idler, ReceiveConfig};
use tickcast_protocol::{Alarm, Arbiter, ArbiterConfig, DEFAULT_MAX_INSTRUMENTS, Line, Provenance};
use tickcast_queue::{Producer, Ring, ring};

use crate::clock_exchange::{ClockClient, ClockMeter};
use crate::error::StartError;
use crate::event::Stamps;
use crate::faults::{FaultInjector, LineFaults};
use crate::flow::FlowClient;
use crate::groups::InstrumentGroups;
use crate::image::{ImageKeeper, ImageStats, LocalImage};
use crate::inlet::{ReceiveBy, open_inlets};
use crate::mark::Seal;
use crate::measuring::{Looks, Measuring, Receiving, Wanted};
use crate::overflow::{MAX_QUEUE_LINES, ReaderConfig, queue_lines};
use crate::reader::{Common, Progress, Seat, Source, TickReader};
use crate::receive::{LineInput, Output, RUNNING, ReceiveLoop, Shared};
use crate::recovery::start_recovery;
use crate::sessions::Sessions;
use crate::stats::{QueueFill, ReceiveBuffers, ReceivedByLine, Stats};
use crate::strategy::{Outcome, Run, Runner, Strategy};
use crate::tls::ClientTls;

/// Alarms that wait to be read; more push the oldest out.
const ALARMS: usize = 64;
/// Longest sleep of the parked thread of a strategy or of the local image.
const STRATEGY_PARK: Duration = Duration::from_micros(200);

/// How to set up a subscriber.
#[derive(Debug, Clone)]
pub struct SubscriberConfig {
    /// Line A.
    pub line_a: ReceiveConfig,
    /// Line B.
    pub line_b: Option<ReceiveConfig>,
    /// By which way datagrams are to come in; default UDP sockets.
    pub receive_by: ReceiveBy,
    /// The publisher's recovery server; without one, what both lines lose is lost by notice.
    pub recovery: Option<SocketAddr>,
    /// TLS to the recovery server; default none: plain text.
    pub recovery_tls: Option<ClientTls>,
    /// Where to start, and how long to wait for what. `line_b` and `recovery` are set from above.
    pub arbiter: ArbiterConfig,
    /// Whether the publisher is held back to the pace of the slowest strategy; replays only.
    pub flow_control: bool,
    /// Whether it is measured, over the recovery channel and all the time, by how much the
    /// publisher's clock differs from this host's; default not. It takes a connection of its own.
    pub clocks: bool,
    /// Lines of 64 bytes in the queue to the strategies: 65,536 (4 MiB). At least 1,024, and as
    /// many as overflow policies ask for; rounded up to a power of two; at most
    /// [`MAX_QUEUE_LINES`].
    pub queue_lines: usize,
    /// The most instruments in the local image, if there is one: 65,536. With more, lapped readers
    /// are not refilled.
    pub image_instruments: usize,
    /// How the receive thread waits.
    pub idle: Idle,
    /// The core of the receive thread.
    pub core: Option<usize>,
    /// The real-time priority of the receive thread, from 1 to 99; an ordinary thread without.
    pub priority: Option<u8>,
    /// Whether the time that strategies take is measured, as the stage `strategy`: a look at the
    /// clock for each batch of ticks. Default no.
    pub time_strategies: bool,
    /// Where stalls of this process's threads are seen: those of the receive thread and of the
    /// strategies' threads are added, as far as they spin, and ticks that met one are measured
    /// apart, as the stage `stalled`. A publisher in this process is given the same. Default none.
    pub stalls: Option<StallBoard>,
    /// Groups of instruments of which every strategy's latency is measured apart, too: up to eight
    /// more records for each tick. Default none.
    pub groups: InstrumentGroups,
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
            receive_by: ReceiveBy::Udp,
            recovery: None,
            recovery_tls: None,
            arbiter: ArbiterConfig::default(),
            flow_control: false,
            clocks: false,
            queue_lines: 65_536,
            image_instruments: DEFAULT_MAX_INSTRUMENTS,
            // A publisher on the same machine spins too.
            idle: Idle::default_for(available_cores().len(), 2),
            core: None,
            priority: None,
            time_strategies: false,
            stalls: None,
            groups: InstrumentGroups::default(),
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
    /// Its real-time priority, from 1 to 99; an ordinary thread without.
    pub priority: Option<u8>,
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
    common: Common,
    /// Where the readers wait for their places in the queue, which is made at the start.
    seats: Vec<Seat>,
    readers: Vec<ReaderConfig>,
    progress: Vec<Arc<Progress>>,
    /// The names of those readers.
    names: Vec<String>,
    inline: Vec<Box<dyn Run>>,
    threads: Vec<JoinHandle<Box<dyn Run>>>,
    reporters: Vec<Reporter>,
}

impl SubscriberBuilder {
    /// Starts setting up; nothing is opened yet.
    #[must_use]
    pub fn new(config: SubscriberConfig) -> SubscriberBuilder {
        SubscriberBuilder {
            config,
            common: Common {
                seal: Seal::new(),
                sessions: Arc::new(Sessions::new()),
                shared: Arc::new(Shared::new(ALARMS)),
                image: None,
            },
            seats: Vec::new(),
            readers: Vec::new(),
            progress: Vec::new(),
            names: Vec::new(),
            inline: Vec::new(),
            threads: Vec::new(),
            reporters: Vec::new(),
        }
    }

    /// A reader of the stream from its start, for code that would rather ask than be called. If it
    /// does not keep up, the oldest is lost by notice.
    pub fn reader(&mut self) -> TickReader {
        self.reader_with(ReaderConfig::default())
    }

    /// A reader of the stream from its start, with what becomes of it when it does not keep up.
    pub fn reader_with(&mut self, config: impl Into<ReaderConfig>) -> TickReader {
        self.named_reader("reader", config.into())
    }

    fn named_reader(&mut self, name: &str, config: ReaderConfig) -> TickReader {
        if config.wants_image() {
            let most = self.config.image_instruments;
            let image = &mut self.common.image;
            image.get_or_insert_with(|| Arc::new(LocalImage::new(most)));
        }
        self.readers.push(config);
        let progress = Arc::new(Progress::default());
        self.progress.push(Arc::clone(&progress));
        self.names.push(name.to_owned());
        TickReader::new(self.seat(), config, self.common.clone(), progress)
    }

    fn seat(&mut self) -> Source {
        let (seat, source) = Source::waiting();
        self.seats.push(seat);
        source
    }

    /// Attaches a strategy through the queue: it has its own thread and its own pace, and disturbs
    /// nobody, however slow it is and even if it panics. If it does not keep up, the oldest is lost
    /// by notice.
    ///
    /// # Errors
    /// [`StartError::Thread`].
    pub fn attach<S: Strategy + 'static>(
        &mut self,
        strategy: S,
        thread: &ThreadConfig,
    ) -> Result<Attached<S>, StartError> {
        self.attach_with(strategy, thread, ReaderConfig::default())
    }

    /// Attaches a strategy through the queue, with what becomes of it when it does not keep up.
    ///
    /// # Errors
    /// [`StartError::Thread`].
    pub fn attach_with<S: Strategy + 'static>(
        &mut self,
        strategy: S,
        thread: &ThreadConfig,
        config: impl Into<ReaderConfig>,
    ) -> Result<Attached<S>, StartError> {
        let wanted = self.wanted();
        let (measuring, reporter) = Measuring::new(&wanted, false);
        if thread.measured {
            self.reporters.push(reporter);
        }
        let mut reader = self.named_reader(&thread.name, config.into());
        let mut runner: Box<dyn Run> = Box::new(Runner::new(strategy, measuring));
        let mut looks = Looks::new(wanted.meter(&thread.name, thread.core, thread.idle));
        let mut idler = Idler::new(thread.idle);
        let placement = Placement {
            core: thread.core,
            priority: thread.priority,
        };
        let handle = spawn_named(&thread.name, placement, move || {
            loop {
                let event = reader.read();
                let did_work = event.is_some();
                looks.see(event.as_ref());
                let goes_on = event.is_none_or(|event| runner.handle(event));
                if !goes_on || !did_work && reader.is_closed() {
                    runner.account_for(&reader);
                    return runner;
                }
                runner.poll_report();
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
        let (measuring, reporter) = Measuring::new(&self.wanted(), true);
        self.reporters.push(reporter);
        self.inline.push(Box::new(Runner::new(strategy, measuring)));
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
        let image = self.image_keeper();
        let (producer, queue) = self.make_queue()?.unzip();
        let (configs, lines) = lines(&config);
        let inlets = open_inlets(&configs, config.receive_by)?;
        let mut buffers = ReceiveBuffers::default();
        let mut received_by = ReceivedByLine::default();
        let mut meters = [None, None];
        for inlet in &inlets {
            meters[lines[inlet.lines.start].line as usize] = inlet.drop_meter();
            for input in &lines[inlet.lines.clone()] {
                buffers[input.line as usize] = Some(inlet.receive_buffer());
                received_by[input.line as usize] = Some(inlet.received_by.clone());
            }
        }
        let shared = Arc::clone(&self.common.shared);
        // If anything below fails, the threads that were started end.
        let stop_on_drop = StopOnDrop(Arc::clone(&shared));
        let (measuring, reporter) = Receiving::new();
        self.reporters.push(reporter);
        let meter = self.wanted().meter("tc-receive", config.core, config.idle);
        let mut helpers = Vec::new();
        if let Some(keeper) = image {
            helpers.push(spawn_named("tc-image", None, move || keep(keeper))?);
        }
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
        let mut clocks = None;
        if config.clocks {
            let meter = clocks.insert(Arc::default());
            let client = ClockClient {
                server: config.recovery.ok_or(StartError::ClocksWithoutRecovery)?,
                tls: config.recovery_tls.clone(),
                channel: config.arbiter.channel,
                shared: Arc::clone(&shared),
                meter: Arc::clone(meter),
            };
            helpers.push(spawn_named("tc-clock", None, move || client.run())?);
        }
        let arbiter = ArbiterConfig {
            line_b: config.line_b.is_some(),
            recovery: config.recovery.is_some(),
            jitter_seed: config.seed,
            ..config.arbiter
        };
        let receive_loop = ReceiveLoop {
            inlets,
            lines,
            arbiter: Arbiter::new(arbiter),
            output: Output {
                producer,
                seal: self.common.seal,
                inline: self.inline,
                sessions: self.common.sessions,
                shared,
                measuring,
                stamps: Stamps::default(),
                taking: Provenance::A,
                session: 0,
                session_number: 0,
                next: 0,
            },
            recovery,
            idler: Idler::new(config.idle),
            meter,
            stats: Stats::default(),
            stats_at: 0,
        };
        let placement = Placement {
            core: config.core,
            priority: config.priority,
        };
        let receive = spawn_named("tc-receive", placement, move || receive_loop.run())?;
        Ok(Subscriber {
            shared: stop_on_drop,
            receive,
            helpers,
            threads: self.threads,
            progress: self.progress,
            names: self.names,
            queue,
            reporters: self.reporters,
            buffers,
            received_by,
            meters,
            image: self.common.image,
            clocks,
            latest: Stats::default(),
        })
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            stalls: self.config.stalls.clone(),
            strategies: self.config.time_strategies,
            groups: self.config.groups.clone(),
        }
    }

    /// What keeps the local image, if a reader wants one.
    fn image_keeper(&mut self) -> Option<ImageKeeper> {
        let image = self.common.image.clone()?;
        // Nobody waits for it: not the end of a session, nor a publisher under flow control.
        let progress = Arc::new(Progress::default());
        let common = self.common.clone();
        let reader = TickReader::new(self.seat(), ReaderConfig::default(), common, progress);
        Some(ImageKeeper::new(reader, image))
    }

    /// Makes the queue, as long as its readers need it, and gives them their places in it. There
    /// is none when every strategy is inline.
    fn make_queue(&mut self) -> Result<Option<(Producer, Ring)>, StartError> {
        let wanted = queue_lines(self.config.queue_lines, self.readers.iter().copied());
        let lines = wanted.map_err(|wanted| StartError::QueueTooLong {
            wanted,
            most: MAX_QUEUE_LINES,
        })?;
        if self.seats.is_empty() {
            return Ok(None);
        }
        let (producer, ring) = ring(lines);
        for seat in self.seats.drain(..) {
            // A reader that is gone wants no place.
            let _ = seat.send(ring.reader());
        }
        Ok(Some((producer, ring)))
    }
}

/// Keeps the local image until nothing will come any more.
fn keep(mut keeper: ImageKeeper) {
    let mut idler = Idler::new(Idle::Park);
    while !keeper.is_done() {
        let did_work = keeper.step();
        idler.wait(did_work, || std::thread::sleep(STRATEGY_PARK));
    }
}

/// The lines there are: how to open each, and what the receive thread keeps of it.
fn lines(config: &SubscriberConfig) -> (Vec<ReceiveConfig>, Vec<LineInput>) {
    let configured = [
        (Line::A, Some(&config.line_a)),
        (Line::B, config.line_b.as_ref()),
    ];
    let there = configured.into_iter().filter_map(|(line, receive)| {
        let faults = FaultInjector::new(config.faults[line as usize], config.seed, line);
        Some((receive?.clone(), LineInput { line, faults }))
    });
    there.unzip()
}

/// Tells the threads of a subscriber to stop when nobody holds it any more.
struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
        // Nobody waits for the strategies.
        self.0.at_rest.store(true, Ordering::Release);
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
    /// The names of those readers.
    names: Vec<String>,
    /// There is none when every strategy is inline.
    queue: Option<Ring>,
    reporters: Vec<Reporter>,
    buffers: ReceiveBuffers,
    received_by: ReceivedByLine,
    /// The receive thread knows of a drop only by the next datagram, and asks nobody.
    meters: [Option<DropMeter>; 2],
    image: Option<Arc<LocalImage>>,
    clocks: Option<Arc<ClockMeter>>,
    latest: Stats,
}

impl Subscriber {
    /// What was counted, as of at most 10 ms ago.
    pub fn stats(&mut self) -> Stats {
        if let Some(stats) = self.shared.0.stats.pop() {
            self.latest = stats;
        }
        count_drops(&mut self.meters, &mut self.latest);
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

    /// By which way lines A and B come in.
    #[must_use]
    pub const fn received_by(&self) -> &ReceivedByLine {
        &self.received_by
    }

    /// What is known of the local image, if a reader wants one.
    #[must_use]
    pub fn image_stats(&self) -> Option<ImageStats> {
        self.image.as_ref().map(|image| image.stats())
    }

    /// How much of the queue waits for each of its readers that is not gone, in the order in which
    /// they were attached.
    #[must_use]
    pub fn queues(&self) -> Vec<QueueFill> {
        let Some(queue) = &self.queue else {
            return Vec::new();
        };
        let fill = |(name, progress): (&String, &Arc<Progress>)| {
            let line = progress.next_line()?;
            Some(QueueFill {
                reader: name.clone(),
                // A reader may have read a batch that the head does not count yet.
                waiting: queue.head().saturating_sub(line),
                capacity: queue.capacity() as u64,
            })
        };
        let readers = self.names.iter().zip(&self.progress);
        readers.filter_map(fill).collect()
    }

    /// What is known of the publisher's clock since the start; none until it has answered, or when
    /// it is not asked.
    #[must_use]
    pub fn clocks(&self) -> Option<Clocks> {
        self.clocks.as_ref()?.clocks()
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

    /// Whether a thread that measures has still to hand over what it was asked for: one whose core
    /// somebody else has may take long.
    #[must_use]
    pub fn awaits_latency(&self) -> bool {
        self.reporters.iter().any(Reporter::is_waiting)
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
            clocks: None,
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
        self.shared.0.at_rest.store(true, Ordering::Release);
        stopped.clocks = self.clocks.as_ref().and_then(|clocks| clocks.clocks());
        for helper in self.helpers {
            helper.thread().unpark();
            stopped.failed_threads += usize::from(helper.join().is_err());
        }
        stopped.stats = self.shared.0.stats.pop().unwrap_or(self.latest);
        count_drops(&mut self.meters, &mut stopped.stats);
        stopped
    }
}

/// Also counts what was dropped without a datagram after it.
fn count_drops(meters: &mut [Option<DropMeter>; 2], stats: &mut Stats) {
    for (meter, counted) in meters.iter_mut().zip(&mut stats.kernel_dropped) {
        let asked = meter.as_mut().and_then(|meter| meter.dropped().ok());
        *counted = asked.map_or(*counted, |asked| asked.max(*counted));
    }
}

/// A subscriber that was stopped.
pub struct Stopped {
    /// What was counted in all.
    pub stats: Stats,
    /// What was known of the publisher's clock, see [`Subscriber::clocks`].
    pub clocks: Option<Clocks>,
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
