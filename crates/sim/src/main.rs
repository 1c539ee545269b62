//! Runs seeds and says whether the promise held.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use tickcast_sim::{Coverage, Happening, Report, run, run_printed};

/// In so many runs everything is to be expected once.
const MANY: u64 = 1_000;

/// Violations that are shown; more are counted.
const SHOWN: usize = 20;

/// Tries the promise on a simulated network: every tick in order, exactly once, byte for byte, or
/// an explicit notice of exactly what is lost.
///
/// Exit code: 0 without violation, 1 with one, 2 for a wrong command line.
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
}

/// What came of all runs.
#[derive(Default)]
struct Totals {
    runs: u64,
    violations: u64,
    first: Vec<(u64, String)>,
    simulated_ns: u128,
    published: u64,
    requests: u64,
    coverage: Coverage,
}

impl Totals {
    fn add(&mut self, report: Report) {
        self.runs += 1;
        self.simulated_ns += u128::from(report.simulated_ns);
        self.published += report.published;
        self.requests += report.requests;
        self.coverage.merge(&report.coverage);
        if let Some(what) = report.violation {
            self.violations += 1;
            self.first.push((report.seed, what));
            self.first.sort();
            self.first.truncate(SHOWN);
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed.filter(|_| arguments.trace) {
        let report = run_printed(seed);
        if let Some(what) = &report.violation {
            println!("VIOLATION of seed {seed}: {what}");
        }
        println!("hash {:016x}", report.hash);
        return code(report.violation.is_some());
    }
    let (from, count) = match arguments.seed {
        Some(seed) => (seed, 1),
        None => (arguments.from, arguments.seeds),
    };
    let threads = arguments.threads.unwrap_or_else(cores);
    let began = Instant::now();
    let totals = run_all(from, count, threads);
    let elapsed = began.elapsed();
    if arguments.json {
        print_json(from, &totals, elapsed);
    } else {
        print_text(from, &totals, elapsed);
    }
    code(totals.violations > 0)
}

fn code(is_violated: bool) -> ExitCode {
    ExitCode::from(u8::from(is_violated))
}

fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

fn run_all(from: u64, count: u64, threads: u64) -> Totals {
    let (next, totals) = (AtomicU64::new(0), Mutex::new(Totals::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    let report = run(from.wrapping_add(at));
                    totals.lock().expect("no thread panics").add(report);
                }
            });
        }
    });
    totals.into_inner().expect("no thread panics")
}

fn replay(seed: u64) -> String {
    format!("cargo run --release -p tickcast-sim -- --seed {seed} --trace")
}

fn ratio(totals: &Totals, elapsed: Duration) -> f64 {
    totals.simulated_ns as f64 / elapsed.as_nanos().max(1) as f64
}

fn print_text(from: u64, totals: &Totals, elapsed: Duration) {
    println!(
        "{} runs from seed {from}: {} ticks published, {} requests",
        totals.runs, totals.published, totals.requests
    );
    println!(
        "{:.1} s simulated in {:.1} s: {:.0} times real time",
        totals.simulated_ns as f64 / 1e9,
        elapsed.as_secs_f64(),
        ratio(totals, elapsed)
    );
    let missing: Vec<Happening> = totals.coverage.missing().collect();
    let (all, happened) = (Happening::ALL.len(), Happening::ALL.len() - missing.len());
    println!("{happened} of {all} kinds of events happened");
    if !missing.is_empty() && totals.runs >= MANY {
        println!("never happened: {missing:?}");
    }
    println!("violations: {}", totals.violations);
    for (seed, what) in &totals.first {
        println!("seed {seed}: {what}\n  {}", replay(*seed));
    }
}

fn print_json(from: u64, totals: &Totals, elapsed: Duration) {
    let shown = totals.first.iter().map(
        |(seed, what)| serde_json::json!({"seed": seed, "what": what, "replay": replay(*seed)}),
    );
    let happened = Happening::ALL
        .iter()
        .map(|&what| (format!("{what:?}"), totals.coverage.count(what).into()));
    let result = serde_json::json!({
        "from": from,
        "runs": totals.runs,
        "violations": totals.violations,
        "violated": shown.collect::<Vec<_>>(),
        "published": totals.published,
        "requests": totals.requests,
        "simulated_seconds": totals.simulated_ns as f64 / 1e9,
        "real_seconds": elapsed.as_secs_f64(),
        "ratio": ratio(totals, elapsed),
        "happened": happened.collect::<serde_json::Map<_, _>>(),
    });
    println!("{result}");
}
