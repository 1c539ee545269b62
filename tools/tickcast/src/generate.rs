//! `tickcast generate`: a tick file from the synthetic market.

use std::io::{self, Write};

use anyhow::Context;
use serde::Serialize;
use tickcast_tickfile::{Synthetic, SyntheticConfig};

use crate::cli::GenerateArgs;
use crate::interrupt::Interrupt;
use crate::{Outcome, progress, show};

/// How many ticks lie between two looks at the progress and at Ctrl-C.
const TICKS_PER_LOOK: u64 = 16_384;

/// What was made.
#[derive(Serialize)]
struct Report {
    output: String,
    format: &'static str,
    ticks: u64,
    instruments: u32,
    seed: u64,
    digest: String,
}

/// Runs the command.
pub fn run(args: &GenerateArgs) -> anyhow::Result<Outcome> {
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    let config = SyntheticConfig {
        seed: args.seed,
        instruments: args.instruments,
    };
    let mut output = args.output.create(args.force)?;
    let bar = progress::over_ticks("generating", args.ticks);
    for tick in Synthetic::new(config).take(usize::try_from(args.ticks)?) {
        output.write(&tick)?;
        if output.ticks().is_multiple_of(TICKS_PER_LOOK) {
            bar.set_position(output.ticks());
            if interrupt.is_set() {
                let (ticks, path) = (show::count(output.ticks()), args.output.path().display());
                anstream::eprintln!("stopped after {ticks} ticks: {path} was not written");
                return Ok(Outcome::Interrupted);
            }
        }
    }
    bar.finish_and_clear();
    let finished = output.finish()?;
    let report = Report {
        output: args.output.path().display().to_string(),
        format: args.output.format().name(),
        ticks: finished.ticks,
        instruments: args.instruments,
        seed: args.seed,
        digest: finished.digest.to_string(),
    };
    show::result(&report, args.json, print)?;
    Ok(Outcome::Done)
}

fn print(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let Report {
        output,
        format,
        ticks,
        instruments,
        seed,
        digest,
    } = report;
    writeln!(out, "{output} ({format})")?;
    writeln!(out, "  ticks        {}", show::count(*ticks))?;
    writeln!(
        out,
        "  instruments  {}",
        show::count(u64::from(*instruments))
    )?;
    writeln!(out, "  seed         {seed}")?;
    writeln!(out, "  digest       {digest}")
}
