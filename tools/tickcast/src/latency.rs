//! `tickcast latency`: how long ticks take, stage by stage, under a load that waits for nobody.

mod assemble;
mod clock;
mod floor;
mod groups;
mod load;
mod platform;
mod print;
mod recording;
mod remote;
mod settings;
mod shown;
mod turn;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Error};
use indicatif::ProgressBar;
use tickcast_latency::{Run, StageHistogram};
use tickcast_net::Group;
use tickcast_publisher::Speed;
use tickcast_subscriber::InstrumentGroups;

pub(crate) use self::load::LoadArgs;

use self::floor::Floor;
use self::groups::{Groups, NamedGroup};
use self::recording::Recording;
use self::remote::RemoteArgs;
use self::turn::Ends;
use crate::deployment::Deployment;
use crate::feed::{conflict, interface};
use crate::interrupt::Interrupt;
use crate::live::{Live, LiveArgs};
use crate::{Outcome, foreign, progress, report, show, together};

const HELP: &str = "\
Examples:
  tickcast latency --rate 20000/s --duration 10s
  tickcast latency --rate 100000/s --duration 30s --inline --idle spin
  tickcast latency capture.pcapng.gz --rate 1x --duration 1m
  tickcast latency --report run.html --svg charts
  tickcast latency --hlog run.hlog --json
  tickcast latency --pcap before.pcap after.pcap
  tickcast latency --group mine=SYN0001,SYN0002
  tickcast latency --tui
  tickcast latency --subscribe --interface eth1 --recovery 10.0.3.1:14000

Publisher and subscriber run in this process, over real sockets; with --subscribe the publisher is
`tickcast publish` on another host. The load is open loop: every tick has an instant at which it is
due, and what is late by then counts, whoever was late. First it runs until three windows agree,
uncounted. In between, in turns of about a second, bare sockets are measured the same way.

What the figures say:
  samples    ticks measured; those that ended before they began are counted apart, in no figure
  p50 … max  so many of a hundred ticks took at most so long; a dash when too few were measured
  ±          standard error of the figure above it, by bootstrap over windows
  publish    from when a tick was due to its packet being handed to the kernel
  network    from there to the receiving kernel's stamp: on loopback, the sender's system call
  kernel     from there to the receive thread having read it
  handle     from there to the tick being in the queue, or at the inline strategy
  queue      from there to the strategy's thread having it
  strategy   from there to the strategy having dealt with it
  service    from the send to the strategy: what the program takes once it is not late
  total      from when it was due to the strategy: what a user waits
  heal       how long gaps were open that both lines had lost; a sample is a gap
  @ NAME     total of the ticks of a group of instruments
  without stalls   total of those ticks during which the machine stopped none of the threads
  floor      bare sockets at the same rate; the ratio is the run over it, median of the turns
  stalls     times at which the machine had taken a spinning thread's core
Line, retransmit and snapshot say what brought a tick. docs/measuring.md has the rest.";

/// A turn of the load, and of the floor between two of them, takes about so long.
const TURN: Duration = Duration::from_secs(1);
/// When the first turn is not steady after so long, it is measured all the same, and it is said.
const LONGEST_WARM_UP: Duration = Duration::from_secs(5);
/// Every turn has at least so long to get steady; those after the first as long as they are measured.
const LEAST_WARM_UP: Duration = Duration::from_millis(400);

/// What only says something where a feed is measured while it runs.
const MEASURED: [&str; 32] = [
    "file",
    "rate",
    "inline",
    "seed",
    "interface",
    "duration",
    "groups",
    "hlog",
    "hgrm",
    "fault_a",
    "fault_b",
    "drop_a",
    "drop_b",
    "send_core",
    "send_priority",
    "receive_core",
    "receive_priority",
    "strategy_core",
    "strategy_priority",
    "idle",
    "lock_memory",
    "subscribe",
    "line_a",
    "line_b",
    "channel",
    "recovery",
    "recovery_ca",
    "recovery_name",
    "recovery_token",
    "tui",
    "web",
    "prometheus",
];

/// Arguments of `latency`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct LatencyArgs {
    #[command(flatten)]
    load: LoadArgs,

    /// How long ticks are measured; the warm-up and the floor come on top.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "10s", value_parser = measured_time)]
    duration: Duration,

    /// Show the latency of the instruments with these symbols apart, too, under this name; all that
    /// are in no group are `others`. Up to 5 times.
    #[arg(long = "group", value_name = "NAME=SYMBOL,...", value_parser = NamedGroup::parse)]
    groups: Vec<NamedGroup>,

    #[command(flatten)]
    remote: RemoteArgs,

    /// Measure a feed between two captures of it instead: from A to B, packet by packet.
    #[arg(long, num_args = 2, value_names = ["A", "B"], help_heading = "Captures", conflicts_with_all = MEASURED)]
    pcap: Vec<PathBuf>,

    /// Write the latency histograms, window by window, for HdrHistogram's tools.
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,

    /// Write the distribution of `total` as HdrHistogram's own tools do, for its plotter.
    #[arg(long, value_name = "FILE")]
    hgrm: Option<PathBuf>,

    /// Write a page with all figures as charts and tables, which needs no network.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Write the charts of that page as SVG files to this folder.
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,

    /// Print one line, a JSON object.
    #[arg(long)]
    json: bool,

    // The last, or those after it would stand under its heading.
    #[command(flatten)]
    live: LiveArgs,
}

/// A time that is measured.
pub(crate) fn measured_time(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(100);
    match humantime::parse_duration(text) {
        Ok(time) if time >= least => Ok(time),
        Ok(_) => Err("expected at least 100ms".into()),
        Err(error) => Err(error.to_string()),
    }
}

impl LatencyArgs {
    /// Checks what the parser of one argument cannot.
    ///
    /// # Errors
    /// When both lines drop everything, or a thread would never run.
    pub fn check(&self) -> Result<(), Error> {
        self.load.check::<LatencyArgs>("tickcast latency")?;
        Groups::new(&self.groups)
            .map_err(|why| conflict::<LatencyArgs>("tickcast latency", why))?;
        if let Some(path) = self.named_twice() {
            let why = format!(
                "{} is named twice: one would overwrite the other",
                path.display()
            );
            return Err(conflict::<LatencyArgs>("tickcast latency", why));
        }
        self.remote.check()
    }

    /// What is to be written.
    fn outputs(&self) -> impl Iterator<Item = &Path> {
        let files = [&self.hlog, &self.hgrm, &self.report, &self.svg];
        files.into_iter().flatten().map(PathBuf::as_path)
    }

    /// A file that is to be written twice, or read and written.
    fn named_twice(&self) -> Option<&Path> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
        let read = self.load.file().into_iter();
        let read = read.chain(self.pcap.iter().map(PathBuf::as_path));
        let mut known: Vec<PathBuf> = read.map(absolute).collect();
        self.outputs().find(|path| {
            let path = absolute(path);
            let is_known = known.contains(&path);
            known.push(path);
            is_known
        })
    }

    /// Whether what was asked for can be written: better said before a long run than after it.
    fn try_outputs(&self) -> anyhow::Result<()> {
        for path in [&self.hgrm, &self.report].into_iter().flatten() {
            let mut open = File::options();
            let file = open.create(true).append(true).open(path);
            file.with_context(|| format!("cannot write {}", path.display()))?;
        }
        self.svg.iter().try_for_each(|folder| make_folder(folder))
    }

    /// Writes what was asked for as a page and as pictures.
    fn draw(&self, run: &Run) -> anyhow::Result<()> {
        let write = |path: &Path, text: String| {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        let runs = std::slice::from_ref(run);
        if let Some(path) = &self.report {
            write(path, report::html(runs))?;
        }
        if let Some(folder) = &self.svg {
            for (name, text) in report::svgs(runs) {
                write(&folder.join(name), text)?;
            }
        }
        Ok(())
    }
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let context = || format!("cannot make the folder {}", folder.display());
    std::fs::create_dir_all(folder).with_context(context)
}

/// Runs the command.
pub fn run(args: &LatencyArgs) -> anyhow::Result<Outcome> {
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    args.try_outputs()?;
    if let [a, b] = &args.pcap[..] {
        let run = foreign::pcap::pcap(a, b)?;
        show::result(&run, args.json, print::print)?;
        args.draw(&run)?;
        return Ok(Outcome::Done);
    }
    let interface = interface(args.load.interface.as_deref())?;
    let mut deployment = Deployment::plan(args.load.plan(), &[interface.name()]);
    if args.load.threads.lock_memory {
        deployment.lock_memory(args.load.file())?;
    }
    let Some(run) = measure(args, &interrupt)? else {
        return Ok(Outcome::Interrupted);
    };
    // First, so that a full disk does not take the figures with it.
    show::result(&run, args.json, print::print)?;
    args.draw(&run)?;
    Ok(if interrupt.is_set() {
        Outcome::Interrupted
    } else if run.ticks.lost > 0 {
        Outcome::Lost
    } else {
        Outcome::Done
    })
}

/// Measures what was asked for; `None` when somebody asked to stop before there was anything.
fn measure(args: &LatencyArgs, interrupt: &Interrupt) -> anyhow::Result<Option<Run>> {
    let (load, remote) = (&args.load, &args.remote);
    let source = if remote.subscribe {
        None
    } else {
        match load.open(TURN + LONGEST_WARM_UP, interrupt)? {
            None => return Ok(None),
            source => source,
        }
    };
    let bar = progress::over_time("measuring", args.duration);
    let groups = Groups::new(&args.groups)?;
    let instruments = groups.instruments();
    let mut recording = Recording::start(groups, args.hlog.as_deref(), bar)?;
    let live = Live::start(&args.live, remote.watched(), interrupt)?;
    let activity = live.as_ref().map(Live::activity);
    if let Some(live) = live {
        recording.show_live(live, args.live.tui);
    }
    let (name, lines) = if let Some(source) = &source {
        let lines = together::groups()?;
        let notices = settings::notices(load).into_iter();
        notices.for_each(|notice| recording.state(notice));
        let start = || Ends::together(load, source, lines, instruments.clone(), activity.clone());
        take_turns(
            load,
            args.duration,
            &start,
            lines,
            &mut recording,
            interrupt,
        )?;
        (format!("{} at {}", source.name, load.rate), lines.map(Some))
    } else {
        let lines = remote.lines();
        let ends = remote.start(load, instruments, activity)?;
        recording.take_turn(ends, lines, LONGEST_WARM_UP, args.duration, interrupt)?;
        (format!("subscribed to {remote}"), lines)
    };
    if recording.is_empty() {
        tracing::warn!("stopped while it got warm: nothing was measured");
        return Ok(None);
    }
    if let Some(path) = &args.hgrm {
        recording.write_hgrm(path)?;
    }
    let source = source.as_ref().map(|source| source.name.as_str());
    let settings = settings::settings(load, source, lines);
    Ok(Some(recording.finish(name, settings, settings::machine())))
}

/// Run, floor, run, floor, …, for as long as the run is to be measured.
fn take_turns(
    load: &LoadArgs,
    duration: Duration,
    start: &dyn Fn() -> anyhow::Result<Ends>,
    lines: [Group; 2],
    recording: &mut Recording,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    let turns = duration.as_nanos().div_ceil(TURN.as_nanos());
    let turns = u32::try_from(turns).unwrap_or(u32::MAX);
    let length = duration / turns;
    for turn in 0..turns {
        let warm_up = if turn == 0 {
            LONGEST_WARM_UP
        } else {
            length.max(LEAST_WARM_UP)
        };
        let goes_on = recording.take_turn(start()?, lines.map(Some), warm_up, length, interrupt)?;
        let rate = match load.rate {
            Speed::PerSecond(rate) => rate,
            // As many as there were, evenly spaced.
            Speed::Original(_) | Speed::Max => recording.last_rate(),
        };
        let floor = Floor {
            lines,
            interface: interface(load.interface.as_deref())?,
            rate,
            send_core: load.placement.send.send_core,
            receive_core: load.placement.receive.receive_core,
        };
        if !interrupt.is_set() {
            recording.say("floor");
            recording.take_floor(&floor.take(length, interrupt)?);
        }
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// Measures a load for a while after its warm-up, and gives `total` of all ticks; `None` when
/// somebody asked to stop.
///
/// # Errors
/// When an end does not start or fails, or there were no ticks.
pub(crate) fn short_run(
    load: &LoadArgs,
    duration: Duration,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<StageHistogram>> {
    let mut recording = Recording::start(Groups::default(), None, ProgressBar::hidden())?;
    let warm_up = duration.max(LEAST_WARM_UP);
    let Some(source) = load.open(duration + warm_up, interrupt)? else {
        return Ok(None);
    };
    let lines = together::groups()?;
    let ends = Ends::together(load, &source, lines, InstrumentGroups::default(), None)?;
    let is_whole = recording.take_turn(ends, lines.map(Some), warm_up, duration, interrupt)?;
    if interrupt.is_set() {
        return Ok(None);
    }
    let total = recording.last_total().filter(|_| is_whole);
    let total = total.context("the ticks came to an end before the run: take a longer file")?;
    Ok(Some(total))
}
