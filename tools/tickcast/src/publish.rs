//! `tickcast publish`: a tick file as if live.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, value_parser};
use serde::{Deserialize, Serialize};
use tickcast_net::clock::realtime_ns;
use tickcast_net::thread::available_cores;
use tickcast_net::{Idle, SendConfig};
use tickcast_publisher::{
    ClientLimits, FlowControl, Prefetched, Publisher, PublisherConfig, RecoveryConfig, Speed,
};
use tickcast_wire::{Digest, PreviousSession};
use tracing::info;

use crate::deployment::{self, Deployment, Thread};
use crate::feed::{
    LineArgs, RECOVERY_ADDRESS, SendThreadArgs, ThreadArgs, bytes, conflict, number,
};
use crate::interrupt::Interrupt;
use crate::security::ServerArgs;
use crate::show::{self, BOLD};
use crate::{Outcome, files, progress};

const HELP: &str = "\
Examples:
  tickcast publish market.ticks
  tickcast publish session.itch --speed 10x
  tickcast publish market.ticks --speed max --flow-control 1
  tickcast publish market.ticks --linger 1h
  tickcast publish market.ticks --interface eth0 --recovery 192.168.1.5:14000 --ttl 4
  tickcast publish market.ticks --interface eth1 --interface-b eth2 --recovery 10.0.3.1:14000
  tickcast publish market.ticks --recovery 0.0.0.0:14000 --recovery-allow 192.168.1.0/24
  tickcast publish market.ticks --recovery 0.0.0.0:14000 --recovery-cert cert.pem \
    --recovery-key key.pem --recovery-token token

Ctrl-C ends the session cleanly: the end is announced on both lines, and what subscribers missed
can still be asked for during --linger, and recordings can be compared by `tickcast verify`.";

/// How often the publisher is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The most ticks that can be kept for retransmission: 72 GB of them.
const MOST_STORED: u64 = 1_000_000_000;

/// Arguments of `publish`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct PublishArgs {
    /// The tick file, of any readable format.
    file: PathBuf,

    /// How fast: 1x or 10x the original pace, 250000/s, or max.
    #[arg(
        long,
        value_name = "SPEED",
        allow_hyphen_values = true,
        default_value = "1x"
    )]
    speed: Speed,

    #[command(flatten)]
    lines: LineArgs,

    /// How many routers may pass the packets on, plus one; 1 stays on the local network.
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        default_value_t = 1,
        help_heading = "Lines"
    )]
    ttl: u8,

    /// Send buffer to ask the kernel for.
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, default_value = "4MiB", value_parser = bytes, help_heading = "Lines")]
    send_buffer: usize,

    /// Where to serve retransmits and snapshots; port 0 lets the system choose.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = RECOVERY_ADDRESS, help_heading = "Recovery")]
    recovery: SocketAddr,

    /// Ticks kept for retransmission, 72 bytes each.
    #[arg(long, value_name = "TICKS", allow_hyphen_values = true, default_value_t = RecoveryConfig::default().limits.store_ticks, value_parser = number(1..=MOST_STORED), help_heading = "Recovery")]
    store: usize,

    /// Instruments kept for snapshots.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = RecoveryConfig::default().limits.max_instruments, value_parser = number(1..), help_heading = "Recovery")]
    max_instruments: usize,

    /// Clients at once; one more is told to come again.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = ClientLimits::default().max_clients, value_parser = number(1..), help_heading = "Recovery")]
    max_clients: usize,

    /// Ticks that one request may ask for.
    #[arg(long, value_name = "TICKS", allow_hyphen_values = true, default_value_t = RecoveryConfig::default().limits.ticks_per_request, value_parser = value_parser!(u64).range(1..), help_heading = "Recovery")]
    max_request: u64,

    /// Clients at once from one address, or one IPv6 network of 64 bits.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = ClientLimits::default().clients_per_address, value_parser = number(1..), help_heading = "Recovery")]
    clients_per_address: usize,

    /// Bytes a second that all clients together are served on average.
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, default_value = "512MiB", value_parser = bytes, help_heading = "Recovery")]
    recovery_rate: usize,

    /// Bytes a second that one client is served on average.
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, default_value = "256MiB", value_parser = bytes, help_heading = "Recovery")]
    client_rate: usize,

    /// Time for a connection's first request and for a started one to arrive, and for a client to take some of its answer.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "5s", value_parser = humantime::parse_duration, help_heading = "Recovery")]
    client_patience: Duration,

    /// Time without a request after which a client is disconnected.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "60s", value_parser = humantime::parse_duration, help_heading = "Recovery")]
    client_idle: Duration,

    #[command(flatten)]
    security: ServerArgs,

    /// Wait for so many subscribers under flow control, and stay within the window of the slowest:
    /// for replays, never for live data.
    #[arg(long, value_name = "SUBSCRIBERS", allow_hyphen_values = true, value_parser = number(1..), help_heading = "Replay")]
    flow_control: Option<usize>,

    /// How far to be ahead of the slowest subscriber under flow control.
    #[arg(long, value_name = "TICKS", allow_hyphen_values = true, default_value_t = FlowControl::default().window, value_parser = value_parser!(u64).range(1..), requires = "flow_control", help_heading = "Replay")]
    window: u64,

    /// How long the end of the session is repeated and recovery stays possible; under flow control
    /// no longer than until all subscribers have everything.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "2s", value_parser = humantime::parse_duration)]
    linger: Duration,

    /// Remember the session in this file, so that the next start is a later session and names this
    /// one and its last seq.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    #[command(flatten)]
    send: SendThreadArgs,

    /// Core of the recovery server.
    #[arg(
        long,
        value_name = "CORE",
        allow_hyphen_values = true,
        help_heading = "Threads"
    )]
    serve_core: Option<usize>,

    #[command(flatten)]
    threads: ThreadArgs,

    /// Print one line, a JSON object.
    #[arg(long)]
    json: bool,
}

impl PublishArgs {
    /// Checks what the parser of one argument cannot.
    ///
    /// # Errors
    /// When a thread would never run.
    pub fn check(&self) -> Result<(), clap::Error> {
        deployment::check(&self.plan(), available_cores().len())
            .map_err(|why| conflict::<PublishArgs>("tickcast publish", why))
    }

    /// The threads that have flags of their own.
    fn plan(&self) -> Vec<Thread> {
        vec![
            Thread {
                name: "tc-send".into(),
                core: self.send.send_core,
                priority: self.send.send_priority,
                idle: self.threads.idle(2),
            },
            Thread {
                name: "tc-serve".into(),
                core: self.serve_core,
                priority: None,
                idle: Idle::Park,
            },
        ]
    }
}

/// The session before this one, as the state file keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    session: u64,
    /// The last seq; missing if the publisher did not come to its end.
    last_seq: Option<u64>,
    /// The digest of all ticks; missing likewise.
    #[serde(default, with = "hex")]
    digest: Option<Digest>,
}

/// A digest in a state file, as it stands in reports.
mod hex {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
    use tickcast_wire::Digest;

    pub(super) fn serialize<S: Serializer>(
        digest: &Option<Digest>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        digest
            .map(|digest| digest.to_string())
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Digest>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let value = text.map(|text| u64::from_str_radix(&text, 16)).transpose();
        let value = value.map_err(|_| de::Error::custom("the digest is no hexadecimal number"))?;
        Ok(value.map(Digest::from_value))
    }
}

/// What was published.
#[derive(Serialize)]
struct Report {
    source: String,
    session: u64,
    published: u64,
    digest: String,
    elapsed_s: f64,
    counters: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    deployment: Deployment,
}

/// Runs the command.
pub fn run(args: &PublishArgs) -> anyhow::Result<Outcome> {
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    let reader = files::open(&args.file)?;
    let source = format!("{} ({})", args.file.display(), reader.format().name());
    let before = args.state.as_deref().map(read_state).transpose()?.flatten();
    let config = config(args, before)?;
    let mut deployment = Deployment::plan(args.plan(), &interfaces(&config));
    if args.threads.lock_memory {
        deployment.lock_memory(Some(&args.file))?;
    }
    if let (Some(path), Some(session)) = (&args.state, config.session) {
        write_state(
            path,
            State {
                session,
                last_seq: None,
                digest: None,
            },
        )?;
    }
    let publisher = Publisher::start(config, Prefetched::start(reader.into_chunks())?)?;
    deployment.started(&[("send", publisher.send_buffers())])?;
    let session = publisher.session();
    let recovery = publisher.recovery_addr().unwrap_or(args.recovery);
    info!(session, %recovery, "publishing");
    if !args.json {
        let (a, b) = (args.lines.line_a, args.lines.line_b.group());
        let b = b.map_or_else(|| "none".into(), |group| group.to_string());
        show::to_stdout(|out| {
            writeln!(out, "{BOLD}publishing{BOLD:#} {source} at {}", args.speed)?;
            writeln!(
                out,
                "  session {session}, line A {a}, line B {b}, recovery on tcp {recovery}"
            )?;
            show::buffers(out, "send", publisher.send_buffers())
        })?;
    }
    let bar = progress::counting_ticks("publishing");
    while !publisher.is_finished() {
        std::thread::sleep(LOOK_EVERY);
        bar.set_position(publisher.published());
        if interrupt.is_set() {
            publisher.stop();
        }
    }
    bar.finish_and_clear();
    let counters = publisher
        .counters()
        .iter()
        .map(|(c, value)| (c.name(), value))
        .collect();
    let summary = publisher.join()?;
    if let Some(path) = &args.state {
        write_state(
            path,
            State {
                session: summary.session,
                last_seq: Some(summary.published),
                digest: Some(summary.digest),
            },
        )?;
    }
    let report = Report {
        source,
        session: summary.session,
        published: summary.published,
        digest: summary.digest.to_string(),
        elapsed_s: summary.elapsed_ns() as f64 / 1e9,
        counters,
        deployment,
    };
    show::result(&report, args.json, print)?;
    Ok(if interrupt.is_set() {
        Outcome::Interrupted
    } else {
        Outcome::Done
    })
}

fn config(args: &PublishArgs, before: Option<State>) -> anyhow::Result<PublisherConfig> {
    let (interface_a, interface_b) = args.lines.interfaces()?;
    let line = |group, interface| {
        let mut line = SendConfig::new(group, interface);
        line.ttl = args.ttl;
        line.send_buffer = args.send_buffer;
        line
    };
    let mut config = PublisherConfig::new(line(args.lines.line_a, interface_a));
    config.line_b = args
        .lines
        .line_b
        .group()
        .map(|group| line(group, interface_b));
    config.channel = args.lines.channel;
    config.speed = args.speed;
    config.linger = args.linger;
    config.idle = args.threads.idle(2);
    config.send_core = args.send.send_core;
    config.send_priority = args.send.send_priority;
    config.flow_control = args.flow_control.map(|wait_for| FlowControl {
        window: args.window,
        wait_for,
    });
    let mut recovery = RecoveryConfig {
        listen: args.recovery,
        ..RecoveryConfig::default()
    };
    recovery.core = args.serve_core;
    recovery.limits.store_ticks = args.store;
    recovery.limits.max_instruments = args.max_instruments;
    recovery.limits.ticks_per_request = args.max_request;
    recovery.clients.max_clients = args.max_clients;
    recovery.clients.clients_per_address = args.clients_per_address;
    recovery.clients.total_bytes_per_second = args.recovery_rate as u64;
    recovery.clients.bytes_per_second = args.client_rate as u64;
    recovery.clients.header_deadline = args.client_patience;
    recovery.clients.write_deadline = args.client_patience;
    recovery.clients.idle_deadline = args.client_idle;
    recovery.allow = args.security.allow();
    recovery.tls = args.security.tls()?;
    config.recovery = Some(recovery);
    // Rising even if the clock was set back meanwhile.
    let after = before.map_or(0, |state| state.session + 1);
    config.session = Some(realtime_ns().max(after));
    config.previous = before.and_then(|state| {
        Some(PreviousSession {
            session: state.session,
            last_seq: state.last_seq?,
            digest: state.digest.unwrap_or_default(),
        })
    });
    Ok(config)
}

/// The interfaces that lines go out on.
fn interfaces(config: &PublisherConfig) -> Vec<&str> {
    let lines = std::iter::once(&config.line_a).chain(&config.line_b);
    lines.map(|line| line.interface.name()).collect()
}

fn read_state(path: &Path) -> anyhow::Result<Option<State>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
    };
    match serde_json::from_slice(&text) {
        Ok(state) => Ok(Some(state)),
        Err(error) => bail!(
            "{} is not a state file ({error}): name another one with --state, or delete it",
            path.display()
        ),
    }
}

/// Replaces the file at once, so that it is whole whenever the machine stops.
fn write_state(path: &Path, state: State) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        serde_json::to_writer(&mut file, &state)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write the state file {}", path.display()))
}

fn print(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    writeln!(
        out,
        "{BOLD}published{BOLD:#} {} ticks in {:.3} s, session {}, digest {}",
        show::count(report.published),
        report.elapsed_s,
        report.session,
        report.digest
    )?;
    for (name, value) in report.counters.iter().filter(|(_, value)| **value > 0) {
        writeln!(out, "  {name:<26} {:>16}", show::count(*value))?;
    }
    Ok(())
}
