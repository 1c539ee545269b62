//! Many seeds: all of them are run, and what came of them is printed.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tickcast_sim::{Coverage, Happening, Report, run};

use super::watchdog::{self, UnderWay};

/// In so many runs everything is to be expected once.
const MANY: u64 = 1_000;

/// Violations that are shown; more are counted.
const SHOWN: usize = 20;

/// Seeds that a thread takes at a time.
const PORTION: u64 = 64;

/// What came of all runs.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) runs: u64,
    pub(crate) violations: u64,
    pub(crate) first: Vec<(u64, String)>,
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
            self.violate(report.seed, what);
        }
    }

    fn violate(&mut self, seed: u64, what: String) {
        self.violations += 1;
        self.first.push((seed, what));
        self.first.sort();
        self.first.truncate(SHOWN);
    }

    fn merge(&mut self, other: Totals) {
        self.runs += other.runs;
        self.violations += other.violations;
        self.first.extend(other.first);
        self.first.sort();
        self.first.truncate(SHOWN);
        self.simulated_ns += other.simulated_ns;
        self.published += other.published;
        self.requests += other.requests;
        self.coverage.merge(&other.coverage);
    }
}

/// Runs `count` seeds from `from` on and prints what came of them.
pub(crate) fn run_and_print(from: u64, count: u64, threads: u64, as_json: bool) -> ExitCode {
    let began = Instant::now();
    let print = |totals: &Totals| {
        if as_json {
            print_json(from, totals, began.elapsed());
        } else {
            print_text(from, totals, began.elapsed());
        }
    };
    let totals = run_all(from, count, threads, &print);
    print(&totals);
    ExitCode::from(u8::from(totals.violations > 0))
}

fn run_all(from: u64, count: u64, threads: u64, print: &(impl Fn(&Totals) + Sync)) -> Totals {
    let (next, totals) = (AtomicU64::new(0), Mutex::new(Totals::default()));
    let under_way: Vec<UnderWay> = (0..threads).map(|_| UnderWay::default()).collect();
    let bar = ProgressBar::new(count).with_style(style());
    let totals_so_far = || std::mem::take(&mut *totals.lock().expect("no thread panics"));
    std::thread::scope(|scope| {
        let workers: Vec<_> = under_way
            .iter()
            .map(|slot| {
                let (next, totals, bar) = (&next, &totals, &bar);
                scope.spawn(move || {
                    loop {
                        let first = next.fetch_add(PORTION, Ordering::Relaxed);
                        if first >= count {
                            return;
                        }
                        let mut own = Totals::default();
                        let end = count.min(first + PORTION);
                        for at in first..end {
                            let seed = from.wrapping_add(at);
                            slot.begin(seed);
                            own.add(run(seed));
                            slot.end();
                        }
                        totals.lock().expect("no thread panics").merge(own);
                        bar.inc(end - first);
                    }
                })
            })
            .collect();
        let is_over = || {
            workers
                .iter()
                .all(std::thread::ScopedJoinHandle::is_finished)
        };
        watchdog::watch(&under_way, is_over, |seed| {
            // The thread that is caught in the run cannot be ended: the process is.
            let mut totals = totals_so_far();
            totals.violate(seed, watchdog::violation());
            bar.finish_and_clear();
            print(&totals);
            std::process::exit(1);
        });
    });
    bar.finish_and_clear();
    totals_so_far()
}

fn style() -> ProgressStyle {
    let template = "{wide_bar} {human_pos}/{human_len} seeds, {per_sec}, {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The command that shows what happens in a seed.
pub(crate) fn replay(seed: u64) -> String {
    format!("cargo run --release -p tickcast-sim -- --seed {seed} --trace")
}

fn ratio(totals: &Totals, elapsed: Duration) -> f64 {
    totals.simulated_ns as f64 / elapsed.as_nanos().max(1) as f64
}

fn print_text(from: u64, totals: &Totals, elapsed: Duration) {
    println!(
        "{} runs from seed {from}: {} ticks published, {} requests: one for {:.0} ticks",
        totals.runs,
        totals.published,
        totals.requests,
        totals.published as f64 / totals.requests.max(1) as f64
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
