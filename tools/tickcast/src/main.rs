//! The program `tickcast`: market data from files to strategies, and everything about tick files.

mod causes;
mod cli;
mod compare;
mod convert;
mod demo;
mod deployment;
mod discipline;
mod faults;
mod feed;
mod files;
mod foreign;
mod generate;
mod in_order;
mod inspect;
mod instruments;
mod interrupt;
mod latency;
mod lines;
mod live;
mod losses;
mod machine;
mod measure;
mod output;
mod progress;
mod proof;
mod publish;
mod report;
mod security;
mod show;
mod strategies;
mod subscribe;
mod system;
mod together;
mod verify;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{Cli, Command};

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, nothing lost.
    Done,
    /// Ticks were lost or are missing, and named.
    Lost,
    /// Stopped by Ctrl-C or SIGTERM.
    Interrupted,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let checked = match &cli.command {
        Command::Demo(args) => args.check(),
        Command::Publish(args) => args.check(),
        Command::Subscribe(args) => args.check(),
        Command::Latency(args) => args.check(),
        Command::Compare(args) => args.check(),
        _ => Ok(()),
    };
    checked.unwrap_or_else(|error| error.exit());
    let to_stderr = tracing_subscriber::fmt::layer()
        .with_writer(live::LogWriter::default)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(to_stderr)
        .with(cli.log.clone())
        .init();

    match run(cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Lost) => ExitCode::from(3),
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        Err(error) => {
            anstream::eprintln!("{}error:{:#} {}", show::RED, show::RED, causes(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Outcome> {
    match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Subscribe(args) => subscribe::run(&args),
        Command::Latency(args) => latency::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Lines(args) => lines::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Machine(args) => machine::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Completions(args) => {
            let mut command = Cli::command();
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut command, "tickcast", &mut script);
            show::to_stdout(|out| out.write_all(&script))?;
            Ok(Outcome::Done)
        }
    }
}

/// The error and what led to it, on one line; causes that a message already repeats are left out.
fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let error = anyhow::anyhow!("no such file");
        let error = error
            .context("cannot open a: no such file")
            .context("cannot inspect");
        assert_eq!(
            causes(&error),
            "cannot inspect: cannot open a: no such file"
        );
    }
}
