//! `tickcast demo`: publisher, network, subscriber and strategies in one process.

mod relay;
mod report;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, value_parser};
use tickcast_net::thread::available_cores;
use tickcast_net::{BufferSize, Group, Idle, Interface};
use tickcast_publisher::{InMemory, Prefetched, Publisher, PublisherHandle, Speed};
use tickcast_subscriber::{Attached, Subscriber, SubscriberBuilder};
use tickcast_tickfile::{Chunk, SyntheticConfig};
use tickcast_wire::Tick;

use crate::deployment::{self, Deployment, Thread};
use crate::faults::{self, FaultArgs};
use crate::feed::{OverflowArgs, ThreadArgs, conflict, interface};
use crate::interrupt::Interrupt;
use crate::measure::Measure;
use crate::proof::Alert;
use crate::show::{self, BOLD};
use crate::strategies::Checksum;
use crate::together::{self, PlacementArgs, Setup};
use crate::{Outcome, files, progress};

use self::relay::{RecoveryFaults, Relay};

const HELP: &str = "\
Examples:
  tickcast demo
  tickcast demo --input capture.pcapng.gz --speed max
  tickcast demo --drop-a 5% --drop-b 5% --strategies 3
  tickcast demo --fault-a drop=10%,burst=44,dup=2% --fault-b reorder=5%,delay=1ms,corrupt=0.1%
  tickcast demo --drop-a 5% --drop-b 5% --fault-recovery refuse=20%,die=10%,garbage=5% --seed 7
  tickcast demo --speed max --ticks 20000000
  tickcast demo --speed max --overflow latest=1000

Real sockets on the loopback interface: each packet leaves by multicast on lines A and B, comes
back through the network stack, and what both lines lose is asked for again over TCP. The
subscriber's promise is checked at the end: delivered + conflated + lost = published for every
strategy, and the digests of what was published and delivered agree where every tick was delivered.

The latency stages: publish = from the instant at which the schedule said a tick leaves to its
packet being sent; network = to the kernel's receive stamp; kernel = to the receive thread having
read it; handle = to the queue; queue = to the strategy; total = the whole way from the schedule;
service = from being sent to the strategy, which says nothing of a publisher that was late.";

/// Ticks of the synthetic market by default: ten seconds at the default speed, and enough samples
/// for p99.99.
const DEFAULT_TICKS: u64 = 1_000_000;
/// How often the demo looks after what it started.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Time for the subscriber to finish once the publisher has.
const FINISH_TIME: Duration = Duration::from_secs(10);

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct DemoArgs {
    /// Replay this tick file, of any readable format, instead of the synthetic market.
    #[arg(long, value_name = "FILE", conflicts_with = "ticks")]
    input: Option<PathBuf>,

    /// How many ticks of the synthetic market, made before the clock starts.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = DEFAULT_TICKS, value_parser = value_parser!(u64).range(1..=200_000_000))]
    ticks: u64,

    /// How fast: 1x or 10x the original pace, 250000/s, or max: as fast as the strategies take it.
    #[arg(
        long,
        value_name = "SPEED",
        allow_hyphen_values = true,
        default_value = "100000/s"
    )]
    speed: Speed,

    /// How many strategies; each checks every tick on its own.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = 1, value_parser = value_parser!(u16).range(1..=64))]
    strategies: u16,

    /// Let the receive thread call the strategies itself, instead of a thread each.
    #[arg(long)]
    inline: bool,

    #[command(flatten)]
    faults: FaultArgs,

    /// What the recovery server does to requests on purpose, as in
    /// refuse=20%,stall=1%,die=10%,garbage=5%
    #[arg(long, value_name = "FAULTS", help_heading = "Faults")]
    fault_recovery: Option<RecoveryFaults>,

    /// The seed of the synthetic market and of all faults.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = SyntheticConfig::default().seed)]
    seed: u64,

    /// Write the latency histograms, second by second, for HdrHistogram's tools.
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,

    /// Interface by name or address; the loopback interface by default.
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,

    #[command(flatten)]
    placement: PlacementArgs,

    #[command(flatten)]
    overflow: OverflowArgs,

    #[command(flatten)]
    threads: ThreadArgs,

    /// Print one line, a JSON object.
    #[arg(long)]
    json: bool,
}

impl DemoArgs {
    /// Checks what the parser of one argument cannot.
    ///
    /// # Errors
    /// When both lines drop everything, or a thread would never run.
    pub fn check(&self) -> Result<(), clap::Error> {
        self.faults.check::<DemoArgs>("tickcast demo")?;
        deployment::check(&self.plan(), available_cores().len())
            .map_err(|why| conflict::<DemoArgs>("tickcast demo", why))
    }

    /// How the send loop, the receive thread and the strategies wait.
    fn idle(&self) -> Idle {
        self.threads.idle(2 + usize::from(self.strategy_threads()))
    }

    fn strategy_threads(&self) -> u16 {
        if self.inline { 0 } else { self.strategies }
    }

    /// The threads that have flags of their own.
    fn plan(&self) -> Vec<Thread> {
        self.placement.plan(self.strategy_threads(), self.idle())
    }
}

/// Everything that runs.
struct Running {
    publisher: PublisherHandle,
    subscriber: Subscriber,
    strategies: Vec<Attached<Checksum>>,
    alert: Alert,
    lines: [Group; 2],
    /// Before the recovery server, if that is to misbehave.
    relay: Option<Relay>,
}

/// Runs the command.
pub fn run(args: &DemoArgs) -> anyhow::Result<Outcome> {
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    let Some((source, ticks)) = source(args, &interrupt)? else {
        return Ok(Outcome::Interrupted);
    };
    let interface = interface(args.interface.as_deref())?;
    let mut deployment = Deployment::plan(args.plan(), &[interface.name()]);
    if args.threads.lock_memory {
        deployment.lock_memory(args.input.as_deref())?;
    }
    let mut measure = Measure::start(args.hlog.as_deref())?;
    let mut running = start(args, &interface, source.ticks)?;
    deployment.started(&[
        ("send", running.publisher.send_buffers()),
        ("receive", running.subscriber.receive_buffers()),
    ])?;
    if !args.json {
        show::to_stdout(|out| introduce(out, args, &source.name, &mut running))?;
    }
    watch(&mut running, &mut measure, ticks, &interrupt)?;
    let Running {
        publisher,
        subscriber,
        strategies,
        relay,
        ..
    } = running;
    publisher.stop();
    let summary = publisher.join()?;
    let mut stopped = subscriber.stop();
    let latency = measure.finish(&mut stopped)?;
    let mut report = report::report(source.name, &summary, &mut stopped, &strategies, latency)?;
    report.recovery_faults = relay.map(|relay| relay.counters());
    report.deployment = Some(deployment);
    let stats = stopped.stats;
    show::result(&report, args.json, |out, report| {
        report::print(out, report, &stats)
    })?;
    if !report.kept {
        bail!(
            "the promise is broken: delivered + conflated + lost is not published, the causes do \
             not add up, or the digests differ; to see it again: {}",
            repeat(args)
        );
    }
    Ok(if interrupt.is_set() {
        Outcome::Interrupted
    } else if report.lost.iter().any(|&lost| lost > 0) {
        Outcome::Lost
    } else {
        Outcome::Done
    })
}

/// The command that does the same once more.
fn repeat(args: &DemoArgs) -> String {
    let mut words: Vec<String> = std::env::args().collect();
    if !words.iter().any(|word| word.starts_with("--seed")) {
        words.push(format!("--seed={}", args.seed));
    }
    words.join(" ")
}

/// Where the ticks come from.
enum Ticks {
    Made(Vec<Tick>),
    Read(Prefetched<Chunk>),
}

struct Source {
    name: String,
    ticks: Ticks,
}

/// The source, and how many ticks it has if that is known; `None` when somebody asked to stop.
fn source(args: &DemoArgs, interrupt: &Interrupt) -> anyhow::Result<Option<(Source, Option<u64>)>> {
    if let Some(path) = &args.input {
        let reader = files::open(path)?;
        let name = format!("{} ({})", path.display(), reader.format().name());
        let ticks = Ticks::Read(Prefetched::start(reader.into_chunks())?);
        return Ok(Some((Source { name, ticks }, None)));
    }
    let (name, market) = together::synthetic(args.seed);
    let ticks = together::make_ticks(market, usize::try_from(args.ticks)?, interrupt);
    Ok(ticks.map(|ticks| {
        let ticks = Ticks::Made(ticks);
        (Source { name, ticks }, Some(args.ticks))
    }))
}

fn start(args: &DemoArgs, interface: &Interface, ticks: Ticks) -> anyhow::Result<Running> {
    let setup = Setup {
        lines: together::groups()?,
        interface,
        speed: args.speed,
        placement: &args.placement,
        idle: args.idle(),
        faults: args.faults.lines(),
        seed: args.seed,
    };
    let mut config = setup.publisher();
    config.linger = FINISH_TIME;
    let publisher = match ticks {
        Ticks::Made(ticks) => Publisher::start(config, InMemory::new(ticks))?,
        Ticks::Read(ticks) => Publisher::start(config, ticks)?,
    };
    let relay = relay(args, publisher.recovery_addr())?;
    let relayed = relay.as_ref().map(Relay::address);
    let recovery = relayed.or(publisher.recovery_addr());

    let mut builder = SubscriberBuilder::new(setup.subscriber(recovery));
    let mut strategies = Vec::new();
    let alert = Alert::default();
    for number in 1..=args.strategies {
        let strategy = Checksum::new(alert.clone());
        strategies.push(if args.inline {
            builder.attach_inline(strategy)
        } else {
            let thread = setup.strategy(number);
            builder.attach_with(strategy, &thread, args.overflow.reader())?
        });
    }
    let subscriber = builder.start()?;
    Ok(Running {
        publisher,
        subscriber,
        strategies,
        alert,
        lines: setup.lines,
        relay,
    })
}

/// The relay before the recovery server, if that is to misbehave.
fn relay(args: &DemoArgs, server: Option<SocketAddr>) -> anyhow::Result<Option<Relay>> {
    let (Some(faults), Some(server)) = (args.fault_recovery, server) else {
        return Ok(None);
    };
    let relay = Relay::start(server, faults, args.seed);
    relay
        .map(Some)
        .context("the relay of --fault-recovery cannot listen")
}

/// Waits for the end, or for Ctrl-C, which ends the session early but cleanly.
fn watch(
    running: &mut Running,
    measure: &mut Measure,
    ticks: Option<u64>,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let bar = match ticks {
        Some(ticks) => progress::over_ticks("publishing", ticks),
        None => progress::counting_ticks("publishing"),
    };
    let mut finished: Option<Instant> = None;
    while !running.subscriber.has_ended() {
        std::thread::sleep(LOOK_EVERY);
        bar.set_position(running.publisher.published());
        measure.poll(&mut running.subscriber)?;
        running.alert.report();
        while let Some(alarm) = running.subscriber.next_alarm() {
            tracing::warn!("{}", show::alarm(alarm));
        }
        if interrupt.is_set() {
            running.publisher.stop();
        }
        if running.publisher.is_finished() {
            let since = *finished.get_or_insert_with(Instant::now);
            if since.elapsed() > FINISH_TIME {
                tracing::error!("the subscriber did not finish");
                break;
            }
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn introduce(
    out: &mut dyn Write,
    args: &DemoArgs,
    source: &str,
    running: &mut Running,
) -> io::Result<()> {
    let [a, b] = running.lines;
    writeln!(
        out,
        "{BOLD}demo{BOLD:#}: publisher, network and subscriber in one process"
    )?;
    writeln!(out, "  source      {source}")?;
    let recovery = running.publisher.recovery_addr();
    let recovery = recovery.map_or_else(|| "none".into(), |address| address.to_string());
    writeln!(
        out,
        "  publisher   {} on line A {a} and line B {b}, recovery on tcp {recovery}",
        args.speed
    )?;
    for (line, buffer) in ["A", "B"]
        .into_iter()
        .zip(running.subscriber.receive_buffers())
    {
        let Some(buffer) = buffer.filter(BufferSize::is_short) else {
            continue;
        };
        writeln!(
            out,
            "  notice      line {line}: receive buffer of {} bytes, {} asked for; raise net.core.rmem_max",
            buffer.got, buffer.asked
        )?;
    }
    let strategies = match (args.strategies, args.inline) {
        (1, true) => "1 strategy, called by the receive thread".into(),
        (1, false) => "1 strategy in its own thread, behind the queue".into(),
        (count, true) => format!("{count} strategies, called by the receive thread"),
        (count, false) => format!("{count} strategies, each in its own thread, behind the queue"),
    };
    writeln!(out, "  subscriber  {strategies}")?;
    for (line, faults) in ["A", "B"].into_iter().zip(args.faults.lines()) {
        if let Some(faults) = faults::describe(&faults) {
            writeln!(out, "  faults      line {line} {faults}")?;
        }
    }
    if let Some(faults) = &args.fault_recovery {
        writeln!(out, "  faults      the recovery server {faults}")?;
    }
    writeln!(out)
}
