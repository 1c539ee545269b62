//! What a demo ends with.

use std::io::{self, Write};

use anyhow::Context;
use serde::Serialize;
use tickcast_latency::Report as Latency;
use tickcast_publisher::Summary;
use tickcast_subscriber::{Account, Attached, Stats, Stopped};

use crate::causes::Causes;
use crate::deployment::Deployment;
use crate::faults::{Made, write_made};
use crate::losses::Losses;
use crate::proof::Shown;
use crate::show::{self, BOLD, RED};
use crate::strategies::Checksum;

use super::relay::RelayCounters;

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Report {
    source: String,
    published: u64,
    delivered: Vec<u64>,
    conflated: Vec<u64>,
    pub(super) lost: Vec<u64>,
    losses: Vec<Losses>,
    lapped: Vec<u64>,
    refills: Vec<u64>,
    duplicates: u64,
    retransmitted: u64,
    snapshots: u64,
    gaps: u64,
    causes: Causes,
    digest_published: String,
    digest_delivered: Vec<String>,
    proof: Vec<Shown>,
    elapsed_s: f64,
    ticks_per_s: f64,
    faults: [Made; 2],
    /// What became of requests, with `--fault-recovery` only.
    pub(super) recovery_faults: Option<RelayCounters>,
    dropped_by_kernel: [u64; 2],
    latency_ns: Latency,
    /// How it ran.
    #[serde(flatten)]
    pub(super) deployment: Option<Deployment>,
    /// Whether the promise held.
    pub(super) kept: bool,
}

/// What became of everything, and whether the promise held.
pub(super) fn report(
    source: String,
    summary: &Summary,
    stopped: &mut Stopped,
    strategies: &[Attached<Checksum>],
    latency: Latency,
) -> anyhow::Result<Report> {
    let mut outcomes: Vec<(Account, Checksum)> = Vec::new();
    for strategy in strategies {
        let outcome = stopped
            .take(strategy)
            .context("a strategy's thread is gone")?;
        outcomes.push((outcome.account, outcome.strategy));
    }
    let counters = stopped.stats.counters;
    let causes = Causes::new(&counters, outcomes.iter().map(|(_, it)| it.losses()));
    let every_strategy = outcomes.iter().all(|(account, strategy)| {
        account.delivered + account.conflated + account.lost == summary.published
            && (account.conflated + account.lost > 0 || strategy.digest() == summary.digest)
            && strategy.proof().differs.is_none()
    });
    let each = |figure: fn(&Account) -> u64| -> Vec<u64> {
        outcomes
            .iter()
            .map(|(account, _)| figure(account))
            .collect()
    };
    let last_delivered = outcomes
        .iter()
        .map(|(account, _)| account.last_delivered)
        .max();
    let elapsed_ns = last_delivered
        .unwrap_or(0)
        .saturating_sub(summary.first_sent_ns);
    let elapsed_s = elapsed_ns as f64 / 1e9;
    Ok(Report {
        source,
        published: summary.published,
        delivered: each(|account| account.delivered),
        conflated: each(|account| account.conflated),
        lost: each(|account| account.lost),
        lapped: each(|account| account.lapped),
        refills: each(|account| account.refills),
        losses: outcomes
            .iter()
            .map(|(_, strategy)| strategy.losses().clone())
            .collect(),
        duplicates: counters.lines.iter().map(|line| line.duplicates).sum(),
        retransmitted: counters.retransmitted,
        snapshots: counters.snapshots,
        gaps: counters.gaps,
        kept: every_strategy && causes.add_up(&counters),
        causes,
        digest_published: summary.digest.to_string(),
        proof: outcomes
            .iter()
            .map(|(_, strategy)| strategy.proof().into())
            .collect(),
        digest_delivered: outcomes
            .iter()
            .map(|(_, strategy)| strategy.digest().to_string())
            .collect(),
        elapsed_s,
        ticks_per_s: if elapsed_ns == 0 {
            0.0
        } else {
            summary.published as f64 / elapsed_s
        },
        faults: stopped.stats.faults.map(Made::from),
        recovery_faults: None,
        dropped_by_kernel: stopped.stats.kernel_dropped,
        latency_ns: latency,
        deployment: None,
    })
}

/// Prints it for people.
pub(super) fn print(out: &mut dyn Write, report: &Report, stats: &Stats) -> io::Result<()> {
    let Report {
        published,
        elapsed_s,
        ticks_per_s,
        ..
    } = report;
    let counters = &stats.counters;
    writeln!(
        out,
        "{BOLD}published{BOLD:#}   {} ticks in {elapsed_s:.3} s, {} ticks/s, digest {}",
        show::count(*published),
        show::count(*ticks_per_s as u64),
        report.digest_published,
    )?;
    for (name, at) in [("line A", 0), ("line B", 1)] {
        let line = &counters.lines[at];
        writeln!(
            out,
            "  {name}    {} datagrams in, {} ticks first, {} duplicates; {} dropped by the kernel",
            show::count(line.datagrams),
            show::count(line.won),
            show::count(line.duplicates),
            show::count(stats.kernel_dropped[at]),
        )?;
    }
    write_made(out, report.faults)?;
    if let Some(faults) = &report.recovery_faults {
        writeln!(out, "  faults    recovery server, {faults}")?;
    }
    writeln!(
        out,
        "  recovery  {} gaps on both lines, {} ticks retransmitted, {} snapshots",
        show::count(report.gaps),
        show::count(report.retransmitted),
        show::count(report.snapshots),
    )?;
    report.causes.write(out)?;
    writeln!(out, "{BOLD}delivered{BOLD:#}")?;
    for (at, digest) in report.digest_delivered.iter().enumerate() {
        let (delivered, lost) = (report.delivered[at], report.lost[at]);
        let conflated = report.conflated[at];
        let verdict = if delivered + conflated + lost != *published {
            format!("{RED}does not add up to {}{RED:#}", show::count(*published))
        } else if lost > 0 {
            "every loss named".into()
        } else if conflated > 0 {
            "the rest replaced by later ticks".into()
        } else if *digest == report.digest_published {
            "digests equal".into()
        } else {
            format!("{RED}digest {digest} differs{RED:#}")
        };
        writeln!(
            out,
            "  strategy {:<2} {} delivered{} + {} lost = {} published, {verdict}",
            at + 1,
            show::count(delivered),
            show::conflated(conflated),
            show::count(lost),
            show::count(*published),
        )?;
        writeln!(out, "              {}", report.proof[at])?;
        if report.lapped[at] > 0 {
            let (lapped, refills) = (report.lapped[at], report.refills[at]);
            writeln!(
                out,
                "              lapped {} times, refilled {} times",
                show::count(lapped),
                show::count(refills)
            )?;
        }
        report.losses[at].write(out)?;
    }
    writeln!(
        out,
        "{BOLD}latency{BOLD:#} by stage, counted from the schedule"
    )?;
    writeln!(out, "{}", report.latency_ns)
}
