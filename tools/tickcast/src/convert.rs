//! `tickcast convert`: any readable tick file to `.ticks` or CSV.
//!
//! The input is decoded in one thread, gzip unpacked in another, the output's checks and text are
//! made in as many as there are cores, and this one writes: what each has in hand is bounded, so
//! that files may be larger than memory.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::thread::scope;
use std::time::Instant;

use anyhow::{Context, bail};
use serde::Serialize;
use tickcast_net::thread::available_cores;
use tickcast_tickfile::{FULL_BLOCK_ROWS, ReadError, Reader};
use tickcast_wire::Tick;
use tracing::info;

use crate::cli::ConvertArgs;
use crate::in_order::in_order;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::{Outcome, files, progress, show};

/// How many ticks are prepared and written at a time: 242 KiB of them, so that handing them from
/// thread to thread costs little.
const PART_TICKS: usize = 4 * FULL_BLOCK_ROWS;

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
    let outcome = scope(|scope| {
        let pieces = Pieces { reader, given: 0 };
        let prepare = move |piece: Result<Piece, ReadError>| {
            piece.map(|piece| (preparer.part(piece.ticks, piece.before), piece.position))
        };
        let parts = in_order(scope, available_cores().len(), pieces, prepare)
            .context("cannot start a thread")?;
        for part in parts {
            let (part, position) = part.with_context(|| {
                let ticks = show::count(output.ticks());
                format!("the input is damaged after {ticks} ticks, nothing was written")
            })?;
            output.append(&part)?;
            bar.set_position(position);
            if interrupt.is_set() {
                return Ok(false);
            }
        }
        Ok(!interrupt.is_set())
    });
    bar.finish_and_clear();
    outcome
}

/// The ticks of a file in pieces of [`PART_TICKS`], numbered from 1.
struct Pieces<'a> {
    reader: &'a mut Reader,
    given: u64,
}

struct Piece {
    ticks: Vec<Tick>,
    /// How many ticks come before it.
    before: u64,
    /// Bytes of the file that were read for it.
    position: u64,
}

impl Iterator for Pieces<'_> {
    type Item = Result<Piece, ReadError>;

    /// Ticks before an error are not given: nothing is written then.
    fn next(&mut self) -> Option<Result<Piece, ReadError>> {
        let before = self.given;
        let mut ticks = Vec::with_capacity(PART_TICKS);
        while ticks.len() < PART_TICKS {
            let next = match self.reader.peek() {
                Ok(next) => next,
                Err(error) => return Some(Err(error)),
            };
            let count = next.len().min(PART_TICKS - ticks.len());
            if count == 0 {
                break;
            }
            let numbers = self.given + 1..;
            ticks.extend(
                next[..count]
                    .iter()
                    .zip(numbers)
                    .map(|(t, seq)| t.with_seq(seq)),
            );
            self.given += count as u64;
            self.reader.consume(count);
        }
        let position = Reader::position(self.reader);
        (!ticks.is_empty()).then_some(Ok(Piece {
            ticks,
            before,
            position,
        }))
    }
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
