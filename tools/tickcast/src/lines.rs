//! `tickcast lines`: the two lines of a feed in a capture, one against the other.

mod report;
mod scoreboard;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use tickcast_tickfile::Datagrams;

use self::report::{Report, print};
use self::scoreboard::Scoreboard;
use crate::foreign::{Flows, scan};
use crate::interrupt::Interrupt;
use crate::{Outcome, show};

const HELP: &str = "\
Examples:
  tickcast lines capture.pcap
  tickcast lines capture.pcapng.gz --line-a 224.0.31.11:14320 --line-b 224.0.32.11:15320 --json

Both lines must be in one capture, taken at one place: their stamps are then of one clock. pcap and
pcapng are read, gzipped or not. Packets of tickcast, MoldUDP64, IEX-TP and CME MDP 3.0 are told
apart by their numbers, and lost ones are counted by them; of any other feed, packets with the same
bytes are taken for the same, and what both lines lost cannot be known.";

/// Arguments of `lines`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct LinesArgs {
    /// The capture.
    file: PathBuf,

    /// Line A; by default the two groups with the same content are found.
    #[arg(long, value_name = "GROUP:PORT", requires = "line_b")]
    line_a: Option<SocketAddr>,

    /// Line B.
    #[arg(long, value_name = "GROUP:PORT", requires = "line_a")]
    line_b: Option<SocketAddr>,

    /// Print one line, a JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &LinesArgs) -> anyhow::Result<Outcome> {
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    let name = args.file.display();
    let flows = scan(&args.file)?;
    let groups = groups(args, &flows)?;
    let feed = flows.feed(groups[0]).filter(|_| {
        // Two feeds have no packet in common: then it is their bytes that are compared.
        flows.feed(groups[0]) == flows.feed(groups[1])
    });
    let mut board = Scoreboard::new(feed);
    let mut datagrams = Datagrams::open(&args.file)?;
    let mut others = 0;
    loop {
        let next = datagrams.next();
        let Some(datagram) = next.with_context(|| format!("cannot read {name} to its end"))? else {
            break;
        };
        match groups
            .iter()
            .position(|group| *group == datagram.destination)
        {
            Some(line) => board.take(line, datagram.time_ns, datagram.payload),
            None => others += 1,
        }
        if interrupt.is_set() {
            anstream::eprintln!("stopped before the end of {name}");
            return Ok(Outcome::Interrupted);
        }
    }
    let leads = board.end();
    if board.lines.iter().all(|line| line.first == 0) && board.ties == 0 {
        bail!(
            "{name}: {} and {} have no packet in common; it holds {flows}",
            groups[0],
            groups[1]
        );
    }
    let report = Report::new(&args.file, feed, groups, &board, leads, others, &datagrams);
    show::result(&report, args.json, print)?;
    if !args.json {
        show::notices(report.notices());
    }
    Ok(Outcome::Done)
}

/// The two lines: those that were named, or the two with the same content.
fn groups(args: &LinesArgs, flows: &Flows) -> anyhow::Result<[SocketAddr; 2]> {
    let name = args.file.display();
    if let (Some(a), Some(b)) = (args.line_a, args.line_b) {
        if a == b {
            bail!("--line-a and --line-b are both {a}: name two lines");
        }
        if let Some(absent) = [a, b].into_iter().find(|group| !flows.has(*group)) {
            bail!("{name} begins with nothing for {absent}; it holds {flows}");
        }
        return Ok([a, b]);
    }
    flows.pair().with_context(|| {
        format!(
            "{name} does not hold exactly two groups with the same content; name the lines with \
             --line-a and --line-b. It holds {flows}"
        )
    })
}
