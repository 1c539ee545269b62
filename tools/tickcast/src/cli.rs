//! The command line: what can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, value_parser};
use clap_complete::Shell;
use tickcast_tickfile::SyntheticConfig;
use tracing_subscriber::filter::Targets;

use crate::compare::CompareArgs;
use crate::demo::DemoArgs;
use crate::latency::LatencyArgs;
use crate::lines::LinesArgs;
use crate::machine::MachineArgs;
use crate::output::Target;
use crate::publish::PublishArgs;
use crate::report::ReportArgs;
use crate::subscribe::SubscribeArgs;
use crate::verify::VerifyArgs;

const EXAMPLES: &str = "\
Examples:
  tickcast demo
  tickcast publish market.ticks --speed 10x
  tickcast subscribe --strategy board
  tickcast latency --rate 20000/s --duration 10s
  tickcast compare -- --inline --
  tickcast inspect market.ticks
  tickcast verify recording.ticks
  tickcast lines capture.pcap
  tickcast convert capture.pcapng.gz capture.ticks
  tickcast generate market.ticks --ticks 1000000 --seed 7
  tickcast machine
  tickcast report before.hlog after.hlog --html report.html

Exit codes:
  0    done, nothing lost
  1    failed: the last line of stderr says why
  2    the command line is wrong: the message names the flag and what was expected
  3    ticks were lost or are missing, and the output names them
  130  stopped by Ctrl-C or SIGTERM

Results go to stdout, everything else to stderr. With --json every result is one line, an object.";

/// Market data from one publisher to many strategies: every tick in order, exactly once, byte for
/// byte, or an exact notice of what is lost.
#[derive(Debug, Parser)]
#[command(name = "tickcast", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What to log to stderr: a level, or levels by module as in `warn,tickcast_net=debug`.
    #[arg(long, global = true, value_name = "FILTER", default_value = "warn")]
    pub log: Targets,

    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything at once: publisher, network, subscriber and strategies, in one process.
    Demo(DemoArgs),
    /// Publish a tick file as if it were live.
    Publish(PublishArgs),
    /// Subscribe to a publisher.
    Subscribe(SubscribeArgs),
    /// Measure how long ticks take, stage by stage, under a load that waits for nobody.
    Latency(LatencyArgs),
    /// Say whether two settings differ in latency, from runs in turns.
    Compare(CompareArgs),
    /// Show what a tick file holds.
    Inspect(InspectArgs),
    /// Show which of a feed's two lines in a capture is first, and what each loses.
    Lines(LinesArgs),
    /// Hold a recording against what the publisher keeps, byte for byte.
    Verify(VerifyArgs),
    /// Turn a tick file of any readable format into a .ticks or .csv file.
    Convert(ConvertArgs),
    /// Make a tick file from a synthetic market.
    Generate(GenerateArgs),
    /// Show what this machine offers to a feed, and what could be better.
    Machine(MachineArgs),
    /// Draw measured runs over each other: as a page, as pictures, as a table.
    Report(ReportArgs),
    /// Print the completions of a shell.
    Completions(CompletionsArgs),
}

const INSPECT_HELP: &str = "\
Examples:
  tickcast inspect capture.pcapng.gz
  tickcast inspect market.ticks --json

The format is told from the content, never from the name: .ticks, CSV, Nasdaq ITCH 5.0 BinaryFILE
and IEX TOPS 1.6 in pcap or pcapng, all but .ticks also gzipped. The digest is that of the ticks
numbered from 1, as they would be published. A damaged file gives a message that says where, and
exit code 1.";

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = INSPECT_HELP)]
pub struct InspectArgs {
    /// The tick file.
    pub file: PathBuf,

    /// Print one line, a JSON object.
    #[arg(long)]
    pub json: bool,
}

const CONVERT_HELP: &str = "\
Examples:
  tickcast convert session.itch session.ticks
  tickcast convert session.ticks session.csv --force

The ticks are numbered from 1. OUT appears only when it is whole: after an error or Ctrl-C there is
none, and an older OUT is as it was.";

/// Arguments of `convert`.
#[derive(Debug, Args)]
#[command(after_help = CONVERT_HELP)]
pub struct ConvertArgs {
    /// The tick file to read; its content tells the format.
    #[arg(value_name = "IN")]
    pub input: PathBuf,

    /// The file to write; its name ends in .ticks or .csv.
    #[arg(value_name = "OUT", value_parser = Target::from_name)]
    pub output: Target,

    /// Replace OUT if it exists.
    #[arg(long)]
    pub force: bool,

    /// Print one line, a JSON object.
    #[arg(long)]
    pub json: bool,
}

const GENERATE_HELP: &str = "\
Examples:
  tickcast generate market.ticks
  tickcast generate small.csv --ticks 1000 --instruments 10 --seed 7

The same seed, instruments and number of ticks always give the same file.";

/// Arguments of `generate`.
#[derive(Debug, Args)]
#[command(after_help = GENERATE_HELP)]
pub struct GenerateArgs {
    /// The file to write; its name ends in .ticks or .csv.
    #[arg(value_name = "OUT", value_parser = Target::from_name)]
    pub output: Target,

    /// How many ticks to make, definitions included.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..))]
    pub ticks: u64,

    /// The seed of all chance.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = SyntheticConfig::default().seed)]
    pub seed: u64,

    /// How many instruments the market has.
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = SyntheticConfig::default().instruments, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub instruments: u32,

    /// Replace OUT if it exists.
    #[arg(long)]
    pub force: bool,

    /// Print one line, a JSON object.
    #[arg(long)]
    pub json: bool,
}

const COMPLETIONS_HELP: &str = "\
Examples:
  tickcast completions bash > ~/.local/share/bash-completion/completions/tickcast
  tickcast completions zsh > ~/.zfunc/_tickcast
  tickcast completions fish > ~/.config/fish/completions/tickcast.fish";

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
