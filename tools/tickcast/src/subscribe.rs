//! `tickcast subscribe`: a feed to a strategy, a file, or the screen.

mod overflow;
mod report;
mod way;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use tickcast_net::thread::available_cores;
use tickcast_net::{Idle, ReceiveConfig};
use tickcast_subscriber::{
    Attached, OverflowPolicy, ReaderConfig, Start, Subscriber, SubscriberBuilder, SubscriberConfig,
    ThreadConfig,
};
use tickcast_tickfile::TickWriter;
use tickcast_wire::Symbol;
use tracing::info;

use self::overflow::Overflow;
use self::way::WayArgs;
use crate::Outcome;
use crate::deployment::{self, Deployment, Thread};
use crate::faults::FaultArgs;
use crate::feed::{
    LineArgs, OverflowArgs, RECOVERY_ADDRESS, ReceiveThreadArgs, ThreadArgs, bytes, conflict,
    number, priority,
};
use crate::interrupt::Interrupt;
use crate::live::{Activity, Live, LiveArgs, Seen, Watched};
use crate::measure::Measure;
use crate::proof::Alert;
use crate::security::ClientArgs;
use crate::show::{self, BOLD};
use crate::strategies::{Choice, Follow, Record};

const HELP: &str = "\
Examples:
  tickcast subscribe
  tickcast subscribe --from start --record today.ticks
  tickcast subscribe --strategy print --symbols AAPL,MSFT
  tickcast subscribe --strategy board --stay
  tickcast subscribe --interface eth1 --interface-b eth2 --recovery 10.0.3.1:14000
  tickcast subscribe --strategy print --overflow latest=1000
  tickcast subscribe --stay --tui
  tickcast subscribe --stay --web 127.0.0.1:9500 --prometheus 127.0.0.1:9501

A subscriber that starts late gets a snapshot of the state before, then live ticks, without a hole.
It ends with the session, or with --stay at Ctrl-C; then it prints what it was given. Exit code 3
says that ticks were lost; they are named. What was delivered is held against the digests that the
publisher sends; exit code 1 says that it differs.";

/// How often the subscriber is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Time without a packet after which it is said that there was none.
const QUIET: Duration = Duration::from_secs(3);

/// Lines that the queue may have: enough for a lapped reader to find its place, at most 4 GiB.
const QUEUE_LINES: RangeInclusive<u64> = 1_024..=67_108_864;

/// Ticks that may wait for the recorder before some are lost to it: 32 MiB of queue.
const RECORDER_TICKS: u64 = 262_144;

/// Where to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct From(Start);

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<From, String> {
        match (text, text.parse()) {
            ("live", _) => Ok(From(Start::Live)),
            ("start", _) => Ok(From(Start::Seq(1))),
            (_, Ok(seq)) if seq > 0 => Ok(From(Start::Seq(seq))),
            _ => Err("expected live, start, or a seq from 1 on".into()),
        }
    }
}

/// A symbol as it stands in definitions.
fn symbol(text: &str) -> Result<Symbol, String> {
    let symbol = Symbol::new(text.as_bytes());
    if text.is_empty() || symbol.as_bytes() != text.as_bytes() {
        return Err("expected symbols of 1 to 16 bytes, with commas between them".into());
    }
    Ok(symbol)
}

/// The recovery server's address, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Recovery(Option<SocketAddr>);

impl FromStr for Recovery {
    type Err = String;

    fn from_str(text: &str) -> Result<Recovery, String> {
        if text == "none" {
            return Ok(Recovery(None));
        }
        let address = text.parse().map(|address| Recovery(Some(address)));
        address.map_err(|_| "expected an address and port as in 127.0.0.1:14000, or none".into())
    }
}

/// Arguments of `subscribe`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct SubscribeArgs {
    /// Where to start: live (with a snapshot of the state before), start, or a seq.
    #[arg(
        long,
        value_name = "live|start|SEQ",
        allow_hyphen_values = true,
        default_value = "live"
    )]
    from: From,

    /// Only these symbols for the strategy; a recording has all.
    #[arg(long, value_name = "SYMBOL,…", value_delimiter = ',', value_parser = symbol)]
    symbols: Vec<Symbol>,

    /// What to do with the ticks.
    #[arg(long, value_name = "STRATEGY", default_value = "count")]
    strategy: Choice,

    /// Record every tick to this .ticks file.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Replace the recording if it exists.
    #[arg(long, requires = "record")]
    force: bool,

    /// Stay when a session ends, and wait for the next one.
    #[arg(long)]
    stay: bool,

    #[command(flatten)]
    lines: LineArgs,

    #[command(flatten)]
    way: WayArgs,

    /// Receive buffer to ask the kernel for, on each line.
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, default_value = "8MiB", value_parser = bytes, help_heading = "Lines")]
    receive_buffer: usize,

    /// The publisher's recovery server; or none: what both lines lose is lost then.
    #[arg(long, value_name = "ADDRESS:PORT|none", default_value = RECOVERY_ADDRESS, help_heading = "Recovery")]
    recovery: Recovery,

    #[command(flatten)]
    security: ClientArgs,

    /// Give a gap up, with a notice, after so long.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "2s", value_parser = humantime::parse_duration, help_heading = "Recovery")]
    recovery_deadline: Duration,

    /// Hold the publisher back to the pace of the slowest strategy; the publisher must allow it.
    #[arg(long, help_heading = "Recovery")]
    flow_control: bool,

    /// Measure by how much the publisher's clock differs from this host's; done without asking when
    /// the recovery server is on another host.
    #[arg(long, help_heading = "Recovery")]
    clocks: bool,

    #[command(flatten)]
    faults: FaultArgs,

    /// The seed of the faults.
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        default_value_t = 1,
        help_heading = "Faults"
    )]
    seed: u64,

    /// Let the receive thread call the strategy itself, instead of a thread behind the queue.
    #[arg(long, help_heading = "Threads")]
    inline: bool,

    #[command(flatten)]
    receive: ReceiveThreadArgs,

    /// Core of the strategy's thread.
    #[arg(
        long,
        value_name = "CORE",
        allow_hyphen_values = true,
        help_heading = "Threads",
        conflicts_with = "inline"
    )]
    strategy_core: Option<usize>,

    /// Real-time priority of the strategy's thread, from 1 to 99: nothing else runs on its core while
    /// it wants to. Needs CAP_SYS_NICE or a limit that permits it.
    #[arg(
        long,
        value_name = "PRIORITY",
        allow_hyphen_values = true,
        value_parser = priority(),
        help_heading = "Threads",
        conflicts_with = "inline"
    )]
    strategy_priority: Option<u8>,

    #[command(flatten)]
    threads: ThreadArgs,

    /// Lines of 64 bytes in the queue to the strategies.
    #[arg(
        long,
        value_name = "LINES",
        allow_hyphen_values = true,
        default_value_t = 65_536,
        value_parser = number(QUEUE_LINES),
        help_heading = "Threads"
    )]
    queue: usize,

    #[command(flatten)]
    overflow: OverflowArgs,

    #[command(flatten)]
    live: LiveArgs,

    /// Write the latency histograms, second by second, for HdrHistogram's tools.
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,

    /// Print one line, a JSON object, at the end.
    #[arg(long)]
    json: bool,
}

impl SubscribeArgs {
    /// Checks what the parser of one argument cannot.
    ///
    /// # Errors
    /// When the strategy needs every trade and is not to be given every one, or a thread would
    /// never run.
    pub fn check(&self) -> Result<(), clap::Error> {
        let conflict = |why: &str| conflict::<SubscribeArgs>("tickcast subscribe", why);
        if self.clocks && self.recovery.0.is_none() {
            return Err(conflict(
                "--clocks asks the publisher's recovery server, and --recovery none names none",
            ));
        }
        let leaves_out = matches!(
            self.overflow.reader().overflow,
            OverflowPolicy::Latest { .. }
        );
        if leaves_out && self.strategy == Choice::Vwap {
            return Err(conflict(
                "--strategy vwap needs every trade, and --overflow latest leaves trades out; \
                 choose another policy, such as lossless=1000000",
            ));
        }
        if self.live.tui && self.strategy == Choice::Print {
            return Err(conflict(
                "--tui and --strategy print both want the terminal; --web shows the same in a browser",
            ));
        }
        deployment::check(&self.plan(), available_cores().len()).map_err(|why| conflict(&why))
    }

    /// The threads that have flags of their own.
    fn plan(&self) -> Vec<Thread> {
        let idle = self.threads.idle(2);
        let mut threads = vec![Thread {
            name: "tc-receive".into(),
            core: self.receive.receive_core,
            priority: self.receive.receive_priority,
            idle,
        }];
        if !self.inline {
            threads.push(Thread {
                name: "tc-strategy".into(),
                core: self.strategy_core,
                priority: self.strategy_priority,
                idle,
            });
        }
        threads
    }
}

/// Runs the command.
pub fn run(args: &SubscribeArgs) -> anyhow::Result<Outcome> {
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    let config = config(args)?;
    let mut deployment = Deployment::plan(args.plan(), &interfaces(&config));
    if args.threads.lock_memory {
        deployment.lock_memory(None)?;
    }
    let watched = Watched {
        line_b: config.line_b.is_some(),
        recovery: config.recovery.is_some(),
        proof: true,
    };
    let mut live = Live::start(&args.live, watched, &interrupt)?;
    let asks_for_clock = config.clocks;
    let mut builder = SubscriberBuilder::new(config);
    let alert = Alert::default();
    let activity = live.as_ref().map(Live::activity);
    let strategy = attach(args, &alert, activity, &mut builder)?;
    let recorder = args
        .record
        .as_ref()
        .map(|_| attach_recorder(args, &mut builder))
        .transpose()?;
    let mut measure = Measure::start(args.hlog.as_deref())?;
    let started = builder.start().map_err(anyhow::Error::from);
    let started = started.and_then(|subscriber| {
        deployment.started(&[("receive", subscriber.receive_buffers())])?;
        Ok(subscriber)
    });
    let mut subscriber = started.inspect_err(|_| {
        // An empty recording would only be in the way of the next attempt.
        args.record.as_ref().map(std::fs::remove_file);
    })?;
    info!("subscribed");
    way::warn(subscriber.received_by());
    if !args.json && !args.live.tui {
        show::to_stdout(|out| introduce(out, args, &subscriber, live.as_ref()))?;
    }
    let received_by = subscriber.received_by().clone();
    let mut overflow = Overflow::new(subscriber.receive_buffers(), &received_by);
    watch(
        args,
        &mut subscriber,
        &mut measure,
        &mut overflow,
        &alert,
        live.as_mut(),
        &interrupt,
    )?;
    // The terminal is as before when the totals are printed.
    drop(live);
    let mut stopped = subscriber.stop();
    overflow.look(&stopped.stats);
    alert.report();
    if asks_for_clock && stopped.clocks.is_none() {
        tracing::warn!("the publisher's recovery server never told what its clock shows");
    }
    let latency = measure.finish(&mut stopped)?;
    let outcome = stopped
        .take(&strategy)
        .context("the strategy's thread is gone")?;
    let recorded = match recorder {
        Some(recorder) => {
            let recorder = stopped
                .take(&recorder)
                .context("the recorder's thread is gone")?;
            let name = args
                .record
                .as_deref()
                .unwrap_or_else(|| "".as_ref())
                .display();
            let finished = recorder.strategy.finish();
            Some(finished.with_context(|| format!("the recording {name} is not whole"))?)
        }
        None => None,
    };
    let report = report::report(
        &stopped,
        &received_by,
        outcome.account,
        &outcome.strategy,
        recorded,
        latency,
        deployment,
    );
    show::result(&report, args.json, report::print)?;
    if let Some(panic) = outcome.panic {
        bail!("the strategy panicked: {panic}");
    }
    report.proof.check()?;
    Ok(
        if report.lost > 0 || recorded.is_some_and(|(_, lost)| lost > 0) {
            Outcome::Lost
        } else if interrupt.is_set() {
            Outcome::Interrupted
        } else {
            Outcome::Done
        },
    )
}

fn config(args: &SubscribeArgs) -> anyhow::Result<SubscriberConfig> {
    let (interface_a, interface_b) = args.lines.interfaces()?;
    let line = |group, interface| {
        let mut line = ReceiveConfig::new(group, interface);
        line.receive_buffer = args.receive_buffer;
        line
    };
    let mut config = SubscriberConfig::new(line(args.lines.line_a, interface_a));
    config.line_b = args
        .lines
        .line_b
        .group()
        .map(|group| line(group, interface_b));
    config.receive_by = args.way.receive_by();
    config.recovery = args.recovery.0;
    config.recovery_tls = args.security.tls()?;
    config.arbiter.start = args.from.0;
    config.arbiter.channel = args.lines.channel;
    config.arbiter.recovery_deadline = u64::try_from(args.recovery_deadline.as_nanos())?;
    config.flow_control = args.flow_control;
    let is_far = |server: SocketAddr| !server.ip().to_canonical().is_loopback();
    config.clocks = args.clocks || args.recovery.0.is_some_and(is_far);
    config.queue_lines = args.queue;
    config.core = args.receive.receive_core;
    config.priority = args.receive.receive_priority;
    config.idle = args.threads.idle(2);
    config.faults = args.faults.lines();
    config.seed = args.seed;
    Ok(config)
}

/// The interfaces that lines come in on.
fn interfaces(config: &SubscriberConfig) -> Vec<&str> {
    let lines = std::iter::once(&config.line_a).chain(&config.line_b);
    lines.map(|line| line.interface.name()).collect()
}

fn attach(
    args: &SubscribeArgs,
    alert: &Alert,
    activity: Option<Arc<Activity>>,
    builder: &mut SubscriberBuilder,
) -> anyhow::Result<Attached<Follow>> {
    let follow = Follow::new(args.strategy, &args.symbols, alert.clone(), activity);
    if args.inline {
        return Ok(builder.attach_inline(follow));
    }
    let thread = ThreadConfig {
        name: "tc-strategy".into(),
        core: args.strategy_core,
        priority: args.strategy_priority,
        idle: args.threads.idle(2),
        measured: true,
    };
    Ok(builder.attach_with(follow, &thread, args.overflow.reader())?)
}

fn attach_recorder(
    args: &SubscribeArgs,
    builder: &mut SubscriberBuilder,
) -> anyhow::Result<Attached<Record>> {
    let path = args.record.as_deref().context("a recording needs a file")?;
    if let Ok(there) = path.symlink_metadata() {
        if !there.is_file() {
            bail!("{} is no regular file; name another one", path.display());
        }
        if !args.force {
            bail!(
                "{} exists; name another file, or replace it with --force",
                path.display()
            );
        }
        std::fs::remove_file(path).with_context(|| format!("cannot replace {}", path.display()))?;
    }
    let writer = TickWriter::create(path).context("cannot record")?;
    let thread = ThreadConfig {
        name: "tc-record".into(),
        core: None,
        priority: None,
        idle: Idle::Park,
        measured: false,
    };
    let config = ReaderConfig {
        overflow: OverflowPolicy::Lossless {
            ticks: RECORDER_TICKS,
        },
        ..ReaderConfig::default()
    };
    Ok(builder.attach_with(Record::new(writer), &thread, config)?)
}

fn introduce(
    out: &mut dyn Write,
    args: &SubscribeArgs,
    subscriber: &Subscriber,
    live: Option<&Live>,
) -> io::Result<()> {
    let (a, b) = (args.lines.line_a, args.lines.line_b.group());
    let b = b.map_or_else(|| "none".into(), |group| group.to_string());
    let recovery = args
        .recovery
        .0
        .map_or_else(|| "none".into(), |address| address.to_string());
    writeln!(
        out,
        "{BOLD}subscribing{BOLD:#} to line A {a}, line B {b}, recovery from tcp {recovery}"
    )?;
    for (line, by) in ["A", "B"].into_iter().zip(subscriber.received_by()) {
        if let Some(by) = by {
            writeln!(out, "  line {line}: received by {by}")?;
        }
    }
    show::buffers(out, "receive", subscriber.receive_buffers())?;
    live.map_or(Ok(()), |live| live.introduce(out))
}

/// Waits for the end of the session or for Ctrl-C.
fn watch(
    args: &SubscribeArgs,
    subscriber: &mut Subscriber,
    measure: &mut Measure,
    overflow: &mut Overflow,
    alert: &Alert,
    mut live: Option<&mut Live>,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let mut quiet_since = Some(Instant::now());
    while !interrupt.is_set() && (args.stay || !subscriber.has_ended()) {
        std::thread::sleep(LOOK_EVERY);
        if quiet_since.is_some_and(|since| since.elapsed() > QUIET) {
            quiet_since = None;
            if subscriber.stats().session == 0 {
                let a = args.lines.line_a;
                tracing::warn!(
                    "nothing heard so far, line A is {a}: still waiting; does the publisher run, with these lines and on a network that --interface reaches?"
                );
            }
        }
        if measure.poll(subscriber)?
            && let Some(live) = &mut live
        {
            live.show(Seen {
                stats: subscriber.stats(),
                queues: subscriber.queues(),
                now: measure.last(),
                since: measure.totals(),
            });
        }
        overflow.look(&subscriber.stats());
        alert.report();
        while let Some(alarm) = subscriber.next_alarm() {
            tracing::warn!("{}", show::alarm(alarm));
        }
    }
    Ok(())
}
