//! `tickcast compare`: whether two settings differ.

mod report;
mod statistics;

use std::time::Duration;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{Args, Command, Error, FromArgMatches, value_parser};

use self::report::{PERCENTS, Report};
use self::statistics::{FEWEST_TURNS, MOST_TURNS};
use crate::interrupt::Interrupt;
use crate::latency::{LoadArgs, measured_time, short_run};
use crate::{Outcome, progress, show};

const HELP: &str = "\
Examples:
  tickcast compare -- --inline --
  tickcast compare --runs 20 -- --rate 20000/s -- --rate 50000/s
  tickcast compare --json -- -- --idle park

A and B take the options of `tickcast latency` for the load and its threads; either may be none. Runs
alternate (A B, B A, A B, …), each with a publisher and a subscriber of its own in this process, so
that what the machine does meanwhile meets both.

ratio = how many times as long B takes, the middle of the ratios within each turn (Hodges-Lehmann).
interval = where the true ratio lies, with 95 % for the three percentiles together (Wilcoxon's
signed-rank test, Bonferroni). control = how far the same figure strays when A is held against A.
They are said to differ only when the interval leaves 1 out and the difference is over three times
what the control strays; otherwise no difference was found, and it is said how large one would
have been.";

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = HELP, override_usage = "tickcast compare [OPTIONS] -- [A-OPTIONS] -- [B-OPTIONS]")]
pub struct CompareArgs {
    /// Runs of each setting.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = 50, value_parser = value_parser!(u16).range(FEWEST_TURNS as i64..=MOST_TURNS as i64))]
    runs: u16,

    /// How long each run is measured, after its warm-up.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "500ms", value_parser = measured_time)]
    duration: Duration,

    /// Print one line, a JSON object.
    #[arg(long)]
    json: bool,

    /// Options of setting A, two dashes, options of setting B.
    #[arg(last = true, value_name = "OPTIONS")]
    settings: Vec<String>,
}

/// A setting, as it was typed and as it is.
pub(crate) struct Setting {
    text: String,
    load: LoadArgs,
}

impl CompareArgs {
    /// Checks what the parser of one argument cannot.
    ///
    /// # Errors
    /// When there are not two settings, or one of them is wrong.
    pub fn check(&self) -> Result<(), Error> {
        self.settings().map(drop)
    }

    /// A and B.
    fn settings(&self) -> Result<[Setting; 2], Error> {
        let mut parts = self.settings.split(|word| word == "--");
        let (Some(a), Some(b), None) = (parts.next(), parts.next(), parts.next()) else {
            let mut command = CompareArgs::augment_args(Command::new("tickcast compare"));
            return Err(command.error(
                ErrorKind::MissingRequiredArgument,
                "expected two settings: -- A-OPTIONS -- B-OPTIONS, where either may be none",
            ));
        };
        Ok([setting(a)?, setting(b)?])
    }
}

fn setting(words: &[String]) -> Result<Setting, Error> {
    const NAME: &str = "tickcast compare";
    let command = LoadArgs::augment_args(Command::new(NAME))
        .no_binary_name(true)
        .override_usage("tickcast compare [OPTIONS] -- [A-OPTIONS] -- [B-OPTIONS]");
    let matches = command.try_get_matches_from(words)?;
    let load = LoadArgs::from_arg_matches(&matches)?;
    load.check::<CompareArgs>(NAME)?;
    let text = words.join(" ");
    Ok(Setting { text, load })
}

/// Runs the command.
pub fn run(args: &CompareArgs) -> anyhow::Result<Outcome> {
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    let settings = args.settings()?;
    let mut values: [Vec<[u64; PERCENTS.len()]>; 2] = [Vec::new(), Vec::new()];
    let bar = progress::over_steps("comparing", 2 * u64::from(args.runs));
    'turns: for turn in 0..args.runs {
        let order = if turn % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut pair = [[0; PERCENTS.len()]; 2];
        for which in order {
            let total = short_run(&settings[which].load, args.duration, &interrupt);
            let total = total.with_context(|| format!("setting {}", ["A", "B"][which]))?;
            let Some(total) = total else {
                break 'turns;
            };
            pair[which] =
                PERCENTS.map(|percent| total.histogram().value_at_quantile(percent / 100.0));
            bar.inc(1);
        }
        for (values, value) in values.iter_mut().zip(pair) {
            values.push(value);
        }
    }
    bar.finish_and_clear();
    let [a, b] = settings.map(|setting| setting.text);
    let report = Report::new([a, b], args.duration, &values);
    show::result(&report, args.json, report::print)?;
    Ok(if interrupt.is_set() {
        Outcome::Interrupted
    } else {
        Outcome::Done
    })
}
