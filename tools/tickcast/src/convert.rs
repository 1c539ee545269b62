//! `tickcast convert`: any readable tick file to `.ticks` or CSV.
//!
//! The input is decoded in one thread (lines of a CSV file in as many as there are cores), gzip
//! unpacked in another, the output's checks and text are made in as many as there are cores, and
//! this one writes: what each has in hand is bounded, so that files may be larger than memory.

mod pieces;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::thread::scope;
use std::time::Instant;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use serde::Serialize;
use tickcast_net::thread::available_cores;
use tickcast_tickfile::{Format, Part, Reader};
use tracing::info;

use self::pieces::{Batch, Damaged, Decoded, Piece, Pieces};
use crate::cli::ConvertArgs;
use crate::in_order::in_order;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::{Outcome, files, progress, show};

/// What was done.
#[derive(Serialize)]
struct Report {
    input: String,
    output: String,
    from: &'static str,
    to: &'static str,
    ticks: u64,
    input_bytes: u64,
    output_bytes: u64,
    elapsed_s: f64,
    ticks_per_s: f64,
    skipped: BTreeMap<&'static str, u64>,
    digest: String,
    notices: Vec<String>,
}

/// Runs the command.
pub fn run(args: &ConvertArgs) -> anyhow::Result<Outcome> {
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    let started = Instant::now();
    let mut reader = files::open(&args.input)?;
    info!(
        format = reader.format().name(),
        bytes = reader.size(),
        "opened"
    );
    if is_same_file(&args.input, args.output.path()) {
        bail!(
            "{} is the input itself; name another OUT",
            args.output.path().display()
        );
    }
    let mut output = args.output.create(args.force)?;
    if !copy(&mut reader, &mut output, &interrupt)? {
        let (ticks, path) = (show::count(output.ticks()), args.output.path().display());
        anstream::eprintln!("stopped after {ticks} ticks: {path} was not written");
        return Ok(Outcome::Interrupted);
    }
    let finished = output.finish()?;
    let elapsed_s = started.elapsed().as_secs_f64();
    let report = Report {
        input: args.input.display().to_string(),
        output: args.output.path().display().to_string(),
        from: reader.format().name(),
        to: args.output.format().name(),
        ticks: finished.ticks,
        input_bytes: reader.size(),
        output_bytes: args.output.path().metadata()?.len(),
        elapsed_s,
        ticks_per_s: finished.ticks as f64 / elapsed_s,
        skipped: reader.tally().skipped,
        digest: finished.digest.to_string(),
        notices: reader.notice().iter().map(ToString::to_string).collect(),
    };
    show::result(&report, args.json, print)?;
    Ok(Outcome::Done)
}

/// Copies all ticks; `false` when somebody asked to stop before.
fn copy(reader: &mut Reader, output: &mut Output, interrupt: &Interrupt) -> anyhow::Result<bool> {
    let bar = progress::over_bytes("converting", reader.size());
    let preparer = output.preparer();
    let workers = available_cores().len();
    let outcome = scope(|scope| {
        let prepare = move |piece: Result<Piece, Damaged>| {
            piece.map(|piece| (preparer.part(piece.ticks, piece.before), piece.position))
        };
        let parts = match reader.format() {
            Format::Csv => {
                let lines = reader.split().into_iter().flatten();
                let batches = in_order(scope, workers, lines, Batch::of_lines)?;
                in_order(scope, workers, Pieces::of(batches), prepare)?
            }
            _ => in_order(scope, workers, Pieces::of(Decoded(reader)), prepare)?,
        };
        write(parts, output, &bar, interrupt)
    });
    bar.finish_and_clear();
    outcome
}

/// Writes parts, each with the position in the input that it comes from; `false` when somebody
/// asked to stop before the end.
fn write(
    parts: impl Iterator<Item = Result<(Part, u64), Damaged>>,
    output: &mut Output,
    bar: &ProgressBar,
    interrupt: &Interrupt,
) -> anyhow::Result<bool> {
    for part in parts {
        let (part, position) = part.map_err(|Damaged { error, ticks }| {
            let ticks = show::count(ticks);
            anyhow::Error::from(error).context(format!(
                "the input is damaged after {ticks} ticks, nothing was written"
            ))
        })?;
        output.append(&part)?;
        bar.set_position(position);
        if interrupt.is_set() {
            return Ok(false);
        }
    }
    Ok(!interrupt.is_set())
}

/// Whether both names lead to one file.
fn is_same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

fn print(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let Report {
        input,
        output,
        from,
        to,
        ticks,
        input_bytes,
        output_bytes,
        elapsed_s,
        ticks_per_s,
        skipped,
        digest,
        notices,
    } = report;
    writeln!(out, "{input} ({from}) -> {output} ({to})")?;
    writeln!(out, "  ticks   {}", show::count(*ticks))?;
    let (read, written) = (show::count(*input_bytes), show::count(*output_bytes));
    writeln!(out, "  bytes   {read} read, {written} written")?;
    let rate = show::count(*ticks_per_s as u64);
    writeln!(out, "  time    {elapsed_s:.3} s, {rate} ticks/s")?;
    writeln!(out, "  digest  {digest}")?;
    for (reason, count) in skipped {
        writeln!(out, "  skipped {} messages: {reason}", show::count(*count))?;
    }
    show::notices(notices);
    Ok(())
}
