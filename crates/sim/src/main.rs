//! Runs seeds and says whether the promise held.

mod program;

use std::process::ExitCode;

use clap::Parser;
use tickcast_sim::run_printed;

use program::watchdog::{self, UnderWay};
use program::{planted, seeds};

/// Tries the promise on a simulated network: every tick in order, exactly once, byte for byte, or
/// an explicit notice of exactly what is lost.
///
/// Exit code: 0 without violation (with --planted: when every fault was found), 1 otherwise, 2 for
/// a wrong command line.
#[derive(Parser)]
#[command(name = "tickcast-sim", version)]
struct Arguments {
    /// How many seeds to run
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run just this seed
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Print everything that happens and, last, the hash of it
    #[arg(long, requires = "seed", conflicts_with = "json")]
    trace: bool,
    /// Threads that run seeds beside each other; default: one a core
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_024))]
    threads: Option<u64>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Plant faults in the protocol, one at a time, and print which are found: builds this program
    /// once more with cargo, with the feature `planted`, in the folder `planted` of its target
    /// folder, and runs that
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed", "trace"])]
    planted: bool,
    /// Plant just this fault: and hunt it, or run --seed with it
    #[cfg(feature = "planted")]
    #[arg(long, value_name = "FAULT", conflicts_with_all = ["seeds", "from", "planted"])]
    plant: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let threads = arguments.threads.unwrap_or_else(cores);
    if arguments.planted {
        return planted::run_all(threads, arguments.json);
    }
    #[cfg(feature = "planted")]
    if let Some(name) = &arguments.plant {
        match program::fault::named(name) {
            Ok(fault) if arguments.seed.is_none() => return program::fault::hunt_here(fault),
            Ok(fault) => tickcast_protocol::plant(fault),
            Err(what) => {
                eprintln!("tickcast-sim: {what}");
                return ExitCode::from(2);
            }
        }
    }
    match arguments.seed {
        Some(seed) if arguments.trace => trace(seed),
        Some(seed) => seeds::run_and_print(seed, 1, 1, arguments.json),
        None => seeds::run_and_print(arguments.from, arguments.seeds, threads, arguments.json),
    }
}

fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

/// Prints what happens in a seed.
fn trace(seed: u64) -> ExitCode {
    let slots = [UnderWay::default()];
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| {
            slots[0].begin(seed);
            let report = run_printed(seed);
            slots[0].end();
            if let Some(what) = &report.violation {
                println!("VIOLATION of seed {seed}: {what}");
            }
            println!("hash {:016x}", report.hash);
            ExitCode::from(u8::from(report.violation.is_some()))
        });
        watchdog::watch(
            &slots,
            || runner.is_finished(),
            |seed| {
                println!("VIOLATION of seed {seed}: {}", watchdog::violation());
                std::process::exit(1);
            },
        );
        runner.join().unwrap_or(ExitCode::FAILURE)
    })
}
