//! What a subscription ends with.

use std::io::{self, Write};

use serde::Serialize;
use tickcast_latency::{Clocks, Report as Latency};
use tickcast_subscriber::{Account, ReceivedByLine, Stopped};

use super::way;
use crate::causes::Causes;
use crate::deployment::Deployment;
use crate::discipline::with_discipline;
use crate::faults::{Made, write_made};
use crate::instruments::{BoardRow, VwapRow};
use crate::losses::Losses;
use crate::proof::Shown;
use crate::show::{self, BOLD};
use crate::strategies::Follow;

/// What was received.
#[derive(Serialize)]
pub(super) struct Report {
    sessions: u64,
    session: u64,
    next_seq: u64,
    delivered: u64,
    conflated: u64,
    pub(super) lost: u64,
    losses: Losses,
    causes: Causes,
    lapped: u64,
    refills: u64,
    snapshot_as_of: Option<u64>,
    snapshot_ticks: u64,
    duplicates: u64,
    retransmitted: u64,
    snapshots: u64,
    gaps: u64,
    receive: [Option<way::Shown>; 2],
    refused: [u64; 2],
    faults: [Made; 2],
    dropped_by_kernel: [u64; 2],
    recovery_refusals: u64,
    recovery_failures: u64,
    digest: String,
    pub(super) proof: Shown,
    recorded: Option<u64>,
    unknown_symbols: Vec<String>,
    latency_ns: Latency,
    clocks: Option<Clocks>,
    #[serde(flatten)]
    deployment: Deployment,
    #[serde(skip_serializing_if = "Option::is_none")]
    board: Option<Vec<BoardRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vwap: Option<Vec<VwapRow>>,
}

/// What a subscriber and its strategy were given.
pub(super) fn report(
    stopped: &Stopped,
    received_by: &ReceivedByLine,
    account: Account,
    strategy: &Follow,
    recorded: Option<(u64, u64)>,
    latency_ns: Latency,
    deployment: Deployment,
) -> Report {
    let stats = &stopped.stats;
    let counters = &stats.counters;
    Report {
        sessions: counters.sessions,
        session: stats.session,
        next_seq: stats.next_seq,
        delivered: account.delivered,
        conflated: account.conflated,
        lost: account.lost,
        losses: strategy.losses().clone(),
        causes: Causes::new(counters, std::iter::once(strategy.losses())),
        lapped: account.lapped,
        refills: account.refills,
        snapshot_as_of: strategy.snapshot_as_of(),
        snapshot_ticks: account.snapshot_ticks,
        duplicates: counters.lines.iter().map(|line| line.duplicates).sum(),
        retransmitted: counters.retransmitted,
        snapshots: counters.snapshots,
        gaps: counters.gaps,
        receive: [0, 1].map(|line: usize| received_by[line].as_ref().map(way::Shown::from)),
        refused: counters.lines.map(|line| line.refused()),
        faults: stats.faults.map(Made::from),
        dropped_by_kernel: stats.kernel_dropped,
        recovery_refusals: counters.recovery_refusals,
        recovery_failures: counters.recovery_failures,
        digest: strategy.digest().to_string(),
        proof: strategy.proof().into(),
        recorded: recorded.map(|(ticks, _)| ticks),
        unknown_symbols: strategy.unknown_symbols(),
        latency_ns,
        clocks: stopped.clocks.clone().map(with_discipline),
        deployment,
        board: strategy.board(),
        vwap: strategy.vwap(),
    }
}

/// Prints it for people.
pub(super) fn print(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let count = show::count;
    for row in report.board.iter().flatten() {
        writeln!(out, "{row}")?;
    }
    for row in report.vwap.iter().flatten() {
        writeln!(out, "{row}")?;
    }
    writeln!(
        out,
        "{BOLD}delivered{BOLD:#} {} ticks{}, lost {}, sessions {}, digest {}",
        count(report.delivered),
        show::conflated(report.conflated),
        count(report.lost),
        report.sessions,
        report.digest
    )?;
    writeln!(out, "  {}", report.proof)?;
    report.losses.write(out)?;
    writeln!(
        out,
        "  duplicates {}, gaps {}, retransmitted {}, snapshots {} ({} ticks of state)",
        count(report.duplicates),
        count(report.gaps),
        count(report.retransmitted),
        count(report.snapshots),
        count(report.snapshot_ticks),
    )?;
    report.causes.write(out)?;
    if report.lapped > 0 {
        let (lapped, refills) = (count(report.lapped), count(report.refills));
        writeln!(out, "  lapped {lapped} times, refilled {refills} times")?;
    }
    for (line, at) in [("A", 0), ("B", 1)] {
        writeln!(
            out,
            "  line {line}: {} refused, {} dropped by the kernel",
            count(report.refused[at]),
            count(report.dropped_by_kernel[at]),
        )?;
    }
    write_made(out, report.faults)?;
    if let Some(recorded) = report.recorded {
        writeln!(out, "  recorded {} ticks", count(recorded))?;
    }
    for symbol in &report.unknown_symbols {
        writeln!(out, "  notice: no instrument {symbol} was defined")?;
    }
    writeln!(
        out,
        "{BOLD}latency{BOLD:#} by stage, counted from the schedule"
    )?;
    writeln!(out, "{}", report.latency_ns)?;
    let Some(clocks) = &report.clocks else {
        return Ok(());
    };
    writeln!(out, "{BOLD}clocks{BOLD:#} of the two hosts")?;
    let discipline = clocks.discipline.iter().cloned();
    for statement in clocks.statements().into_iter().chain(discipline) {
        writeln!(out, "  {statement}")?;
    }
    Ok(())
}
