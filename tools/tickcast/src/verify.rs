//! `tickcast verify`: a recorded stream, held against the publisher's store.

mod comparison;
mod published;
mod ranges;
mod recorded;
mod report;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use tickcast_subscriber::StoreReader;
use tickcast_tickfile::TicksFile;
use tracing::info;

use self::comparison::{Comparison, Findings};
use self::published::Published;
use self::recorded::{Recorded, Session};
use self::report::{Report, print};
use crate::feed::RECOVERY_ADDRESS;
use crate::interrupt::Interrupt;
use crate::security::ClientArgs;
use crate::{Outcome, progress, show};

const HELP: &str = "\
Examples:
  tickcast verify today.ticks
  tickcast verify today.ticks --recovery 10.0.3.1:14000 --json

A recording is held against what the publisher keeps for retransmission, so it must still run:
  tickcast publish market.ticks --linger 1h
  tickcast subscribe --from start --record today.ticks
  tickcast verify today.ticks

Every tick is compared, all 64 bytes of it. Exit code 3 says that ticks are missing in the
recording; exit code 1, that a tick is another than was published, or that nothing could be
compared: no publisher, or one that runs another session. Ticks that the publisher keeps no longer
(--store) are named; the recording is not at fault. Rows of a snapshot are state, no part of the
stream, and only counted.";

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct VerifyArgs {
    /// The recording: a .ticks file that `subscribe --record` wrote.
    recording: PathBuf,

    /// The publisher's recovery server.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = RECOVERY_ADDRESS, help_heading = "Recovery")]
    recovery: SocketAddr,

    #[command(flatten)]
    security: ClientArgs,

    /// The publisher's channel.
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        default_value_t = 0,
        help_heading = "Recovery"
    )]
    channel: u16,

    /// Print one line, a JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    let compared = verify(args, &interrupt);
    if interrupt.is_set() {
        let name = args.recording.display();
        anstream::eprintln!("stopped before the end of {name}");
        return Ok(Outcome::Interrupted);
    }
    let report = compared?;
    show::result(&report, args.json, print)?;
    if !args.json {
        show::notices(report.notices());
    }
    report.check()?;
    Ok(if report.is_whole() {
        Outcome::Done
    } else {
        Outcome::Lost
    })
}

fn verify(args: &VerifyArgs, interrupt: &Interrupt) -> anyhow::Result<Report> {
    let name = args.recording.display();
    let file = TicksFile::open(&args.recording)?;
    let recorded = Recorded::read(&file, interrupt)
        .with_context(|| format!("cannot read {name} to its end"))?;
    let Some(last) = recorded.sessions.last() else {
        bail!(
            "{name} holds no recorded stream: expected a file that `tickcast subscribe --record` \
             wrote, with at least one tick"
        );
    };
    let store = StoreReader::new(args.recovery, args.security.tls()?, args.channel);
    info!(server = %args.recovery, "asking the publisher");
    let published = Published::new(store, last.session, interrupt).with_context(|| {
        let address = args.recovery;
        format!("cannot ask the publisher at {address}; does it still run, with this --recovery and --channel?")
    })?;
    let current = published.session();
    let Some(session) = recorded.sessions.iter().find(|of| of.session == current) else {
        bail!(
            "the publisher runs session {current}, {name} holds {}: nothing to compare; verify while \
             the publisher of the recording runs, see --linger",
            recorded.names()
        );
    };
    let findings = compare(&file, session, published)?;
    Ok(Report::new(&args.recording, &recorded, session, findings))
}

/// Holds the ticks of a session against what was published.
fn compare(file: &TicksFile, of: &Session, published: Published<'_>) -> anyhow::Result<Findings> {
    let bar = progress::over_ticks("comparing", of.ticks);
    let mut comparison = Comparison::new(published, *of);
    let mut blocks = file.blocks();
    while let Some(rows) = blocks.next() {
        let rows = rows?;
        if blocks.said().session == of.session {
            comparison.take(rows)?;
            bar.set_position(comparison.taken());
        }
    }
    let findings = comparison.end()?;
    bar.finish_and_clear();
    Ok(findings)
}
