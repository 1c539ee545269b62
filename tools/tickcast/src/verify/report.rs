//! What `verify` found, for people and as JSON.

use std::io::{self, Write};
use std::path::Path;

use anyhow::bail;
use serde::Serialize;

use super::comparison::{Difference, Findings};
use super::ranges::Ranges;
use super::recorded::{Recorded, Session};
use crate::show::{BOLD, RED, count};

/// Everything, as `--json` prints it.
#[derive(Serialize)]
pub struct Report {
    recording: String,
    session: u64,
    first_seq: u64,
    last_seq: u64,
    equal: u64,
    equal_ranges: Ranges,
    missing: u64,
    missing_ranges: Ranges,
    not_kept: u64,
    not_kept_ranges: Ranges,
    differing: u64,
    differences: Vec<Difference>,
    not_published: u64,
    not_published_ranges: Ranges,
    out_of_order: u64,
    published_after: u64,
    snapshot_rows: u64,
    other_sessions: Vec<Other>,
    notices: Vec<String>,
}

/// A session that the publisher does not run.
#[derive(Serialize)]
struct Other {
    session: u64,
    ticks: u64,
}

impl Report {
    /// What was found of this session.
    pub fn new(recording: &Path, recorded: &Recorded, of: &Session, findings: Findings) -> Report {
        let others = recorded.sessions.iter();
        let others = others.filter(|other| other.session != of.session);
        Report {
            recording: recording.display().to_string(),
            session: of.session,
            first_seq: of.first_seq,
            last_seq: of.last_seq,
            equal: findings.equal.count(),
            equal_ranges: findings.equal,
            missing: findings.missing.count(),
            missing_ranges: findings.missing,
            not_kept: findings.not_kept.count(),
            not_kept_ranges: findings.not_kept,
            differing: findings.differing,
            differences: findings.differences,
            not_published: findings.not_published.count(),
            not_published_ranges: findings.not_published,
            out_of_order: findings.out_of_order,
            published_after: findings.published_after,
            snapshot_rows: of.snapshot_rows,
            other_sessions: others
                .map(|other| Other {
                    session: other.session,
                    ticks: other.ticks,
                })
                .collect(),
            notices: recorded.notices.clone(),
        }
    }

    /// What else is to be said, a sentence each.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Whether nothing is missing.
    pub const fn is_whole(&self) -> bool {
        self.missing == 0
    }

    /// Fails if the recording is not what was published, or nothing says whether it is.
    ///
    /// # Errors
    /// When a tick differs, was never published or is out of order, and when the publisher keeps
    /// none of them.
    pub fn check(&self) -> anyhow::Result<()> {
        let name = &self.recording;
        let wrong = [
            ("of other bytes", self.differing),
            ("never published", self.not_published),
            ("out of order", self.out_of_order),
        ];
        let wrong: Vec<_> = wrong
            .iter()
            .filter(|(_, ticks)| *ticks > 0)
            .map(|(how, ticks)| format!("{} {how}", count(*ticks)))
            .collect();
        if !wrong.is_empty() {
            bail!("{name} is not what was published: {}", wrong.join(", "));
        }
        if self.equal == 0 {
            bail!(
                "the publisher keeps none of the ticks of {name}: nothing to compare; let it keep \
                 more, see --store"
            );
        }
        Ok(())
    }
}

/// Prints it for people.
///
/// # Errors
/// When it cannot be written.
pub fn print(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    writeln!(out, "{BOLD}{}{BOLD:#}", report.recording)?;
    let mut row = |name: &str, value: &str| writeln!(out, "  {name:<15} {value}");
    row("session", &report.session.to_string())?;
    row(
        "recorded",
        &format!("seq {} to seq {}", report.first_seq, report.last_seq),
    )?;
    report.equal_ranges.write(out, "as published")?;
    report.missing_ranges.write(out, "missing")?;
    report.not_kept_ranges.write(out, "no longer kept")?;
    report.not_published_ranges.write(out, "never published")?;
    print_differences(out, report)?;
    let mut row = |name: &str, ticks: u64, why: &str| match ticks {
        0 => Ok(()),
        ticks => writeln!(out, "  {name:<15} {}{why}", count(ticks)),
    };
    row("out of order", report.out_of_order, "")?;
    row("published after", report.published_after, "")?;
    row(
        "snapshot rows",
        report.snapshot_rows,
        ", state, not compared",
    )?;
    for other in &report.other_sessions {
        let (session, ticks) = (other.session, count(other.ticks));
        writeln!(
            out,
            "  not compared    session {session}, {ticks} ticks: the publisher does not run it"
        )?;
    }
    Ok(())
}

fn print_differences(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    if report.differing == 0 {
        return Ok(());
    }
    let differing = count(report.differing);
    writeln!(out, "  {RED}{:<15}{RED:#} {differing}", "differing")?;
    for difference in &report.differences {
        let (first, last) = difference.bytes();
        let of = |side: &str| {
            side.get(first * 2..=last * 2 + 1)
                .unwrap_or(side)
                .to_owned()
        };
        let (recorded, published) = (of(&difference.recorded), of(&difference.published));
        writeln!(
            out,
            "    seq {}, bytes {first}..={last}: recorded {recorded}, published {published}",
            difference.seq
        )?;
    }
    let more = report.differing - report.differences.len() as u64;
    if more > 0 {
        writeln!(out, "    and {} more", count(more))?;
    }
    Ok(())
}
