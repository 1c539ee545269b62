//! `tickcast convert`: any readable tick file to `.ticks` or CSV.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, bail};
use serde::Serialize;
use tickcast_tickfile::Reader;
use tracing::info;

use crate::cli::ConvertArgs;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::{Outcome, progress, show};

/// How many ticks lie between two looks at the progress and at Ctrl-C.
const TICKS_PER_LOOK: u64 = 16_384;

/// What was done.
#[derive(Serialize)]
struct Report {
    input: String,
    output: String,
    from: &'static str,
    to: &'static str,
    ticks: u64,
    skipped: BTreeMap<&'static str, u64>,
    digest: String,
    notices: Vec<String>,
}

/// Runs the command.
pub fn run(args: &ConvertArgs) -> anyhow::Result<Outcome> {
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    let mut reader = tickcast_tickfile::open(&args.input)?;
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
    let report = Report {
        input: args.input.display().to_string(),
        output: args.output.path().display().to_string(),
        from: reader.format().name(),
        to: args.output.format().name(),
        ticks: finished.ticks,
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
    while let Some(tick) = reader.next() {
        let tick = tick.with_context(|| {
            let ticks = show::count(output.ticks());
            format!("the input is damaged after {ticks} ticks, nothing was written")
        })?;
        output.write(&tick)?;
        if output.ticks().is_multiple_of(TICKS_PER_LOOK) {
            bar.set_position(Reader::position(reader));
            if interrupt.is_set() {
                return Ok(false);
            }
        }
    }
    bar.finish_and_clear();
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
        skipped,
        digest,
        notices,
    } = report;
    writeln!(out, "{input} ({from}) -> {output} ({to})")?;
    writeln!(out, "  ticks   {}", show::count(*ticks))?;
    writeln!(out, "  digest  {digest}")?;
    for (reason, count) in skipped {
        writeln!(out, "  skipped {} messages: {reason}", show::count(*count))?;
    }
    show::notices(notices);
    Ok(())
}
