//! What each knob of a deployment does: on against off, in turns, one at a time, over real sockets
//! on loopback.
//!
//! `cargo bench --bench tuning` takes about eight minutes and prints the rows of `docs/tuning.md`;
//! with `--quick` or `--test` a few seconds, and then the figures say nothing. Each run is a process
//! of its own, as memory and priorities belong to one. What this user may not do is left out, and
//! said.

use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tickcast_benches::feed::{self, Checksum};
use tickcast_benches::{Figure, hiccups, is_instant, market, median, try_in_turns};
use tickcast_latency::{Histograms, Report, Stage};
use tickcast_net::thread::available_cores;
use tickcast_net::{Idle, lock_memory};
use tickcast_publisher::{FlowControl, InMemory, Publisher, Speed};
use tickcast_subscriber::SubscriberBuilder;

type Failure = Box<dyn Error>;

/// The pace at which latency is measured, as in `docs/measuring.md`.
const PACE: u64 = 20_000;
/// The pace at which a receive buffer has something to do.
const FULL_PACE: u64 = 1_000_000;
/// What Linux gives a socket that asks for nothing, and what an ordinary user gets at most where
/// nobody raised it: `net.core.rmem_default` and `net.core.rmem_max` as they are built in.
const SMALL_BUFFER_BYTES: usize = 212_992;
/// Has the C library ask for huge pages for what it hands out.
const ASK_HUGE_PAGES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
/// How often the subscriber is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How a run is set up.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    pinned: bool,
    idle: Idle,
    priority: Option<u8>,
    locked: bool,
    huge_pages: bool,
    receive_buffer: Option<usize>,
    /// Whether other work wants every core.
    beside_others: bool,
}

/// What the others differ from, each in one thing.
const PLAIN: Way = Way {
    name: "pinned, spin",
    pinned: true,
    idle: Idle::Spin,
    priority: None,
    locked: false,
    huge_pages: false,
    receive_buffer: None,
    beside_others: false,
};

const NOT_PINNED: Way = Way {
    name: "not pinned",
    pinned: false,
    ..PLAIN
};
const YIELD: Way = Way {
    name: "idle yield",
    idle: Idle::Yield,
    ..PLAIN
};
const PARK: Way = Way {
    name: "idle park",
    idle: Idle::Park,
    ..PLAIN
};
const PRIORITY: Way = Way {
    name: "real-time priority",
    priority: Some(50),
    ..PLAIN
};
const LOCKED: Way = Way {
    name: "locked memory",
    locked: true,
    ..PLAIN
};
const HUGE_PAGES: Way = Way {
    name: "huge pages",
    huge_pages: true,
    ..PLAIN
};
const SMALL_BUFFER: Way = Way {
    name: "small receive buffer",
    receive_buffer: Some(SMALL_BUFFER_BYTES),
    ..PLAIN
};
const BESIDE: Way = Way {
    name: "beside other work",
    beside_others: true,
    ..PLAIN
};
const PRIORITY_BESIDE: Way = Way {
    name: "beside other work, real-time priority",
    priority: Some(50),
    ..BESIDE
};

const ALL: [Way; 10] = [
    PLAIN,
    NOT_PINNED,
    YIELD,
    PARK,
    PRIORITY,
    LOCKED,
    HUGE_PAGES,
    SMALL_BUFFER,
    BESIDE,
    PRIORITY_BESIDE,
];

/// How much is measured.
struct Effort {
    turns: usize,
    /// Ticks of a run at each of the three paces.
    paced: usize,
    full_pace: usize,
    flat_out: usize,
}

const FULL: Effort = Effort {
    turns: 21,
    paced: 40_000,
    full_pace: 1_000_000,
    flat_out: 4_000_000,
};
const INSTANT: Effort = Effort {
    turns: 1,
    paced: 1_000,
    full_pace: 10_000,
    flat_out: 50_000,
};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, way, ticks, pace] = &arguments[..]
        && flag == "--way"
    {
        return in_this_process(way, ticks.parse()?, pace.parse()?);
    }
    let effort = if is_instant() { &INSTANT } else { &FULL };
    println!(
        "tuning: loopback, both lines, an inline strategy, {} cores; the machine: {}",
        available_cores().len(),
        hiccups(Duration::from_millis(effort.turns as u64 * 40))
    );
    println!("\nfrom the schedule to the strategy, {PACE} ticks/s");
    let alone = [PLAIN, NOT_PINNED, YIELD, PARK, PRIORITY, LOCKED, HUGE_PAGES];
    latency(effort, &alone)?;
    println!("\nthe same while a thread of other work wants every core");
    latency(effort, &[BESIDE, PRIORITY_BESIDE])?;
    buffers(effort)?;
    flat_out(effort)
}

// ---- the tables ------------------------------------------------------------------------------

/// Latency of these ways, all against the first.
fn latency(effort: &Effort, ways: &[Way]) -> Result<(), Failure> {
    let chosen = possible(ways, effort);
    let runs = turns(effort, &chosen, effort.paced, PACE)?;
    for (way, seen) in chosen.iter().zip(&runs).skip(1) {
        for (quantile, name) in ["p50", "p99", "p99.9"].into_iter().enumerate() {
            let micros = |seen: &[Seen]| -> Vec<f64> {
                seen.iter()
                    .map(|seen| seen.quantiles_us[quantile])
                    .collect()
            };
            Figure {
                what: &format!("{}, {name}", way.name),
                ours: &micros(seen),
                unit: "µs",
                against: Some((ways[0].name, &micros(&runs[0]))),
                bound: None,
            }
            .print();
        }
    }
    Ok(())
}

fn buffers(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\nreceive buffers, {FULL_PACE} ticks/s: what the kernel dropped on both lines, pieces of up \
         to 64 packets, a million ticks"
    );
    let chosen = possible(&[PLAIN, SMALL_BUFFER], effort);
    let runs = turns(effort, &chosen, effort.full_pace, FULL_PACE)?;
    for (way, seen) in chosen.iter().zip(&runs) {
        let dropped: Vec<f64> = seen.iter().map(|seen| seen.dropped).collect();
        let most = dropped.iter().copied().fold(0.0, f64::max);
        println!(
            "  {:<22} median {}, most {most}, of {} runs",
            way.name,
            median(&dropped),
            dropped.len()
        );
    }
    Ok(())
}

fn flat_out(effort: &Effort) -> Result<(), Failure> {
    println!("\nflat out, against {}", PLAIN.name);
    let chosen = possible(&[PLAIN, PRIORITY, LOCKED, HUGE_PAGES], effort);
    let runs = turns(effort, &chosen, effort.flat_out, 0)?;
    let speeds = |seen: &[Seen]| -> Vec<f64> { seen.iter().map(|it| it.speed_m).collect() };
    for (way, seen) in chosen.iter().zip(&runs).skip(1) {
        Figure {
            what: &format!("{}, flat out", way.name),
            ours: &speeds(seen),
            unit: "M ticks/s",
            against: Some((PLAIN.name, &speeds(&runs[0]))),
            bound: None,
        }
        .print();
    }
    Ok(())
}

/// The first of the ways, and those of the others that this user may go; it is said why not the
/// rest.
fn possible(ways: &[Way], effort: &Effort) -> Vec<Way> {
    let mut possible = ways.to_vec();
    let first = possible.remove(0);
    possible.retain(|way| {
        let tried = in_a_process(way, effort.paced.min(1_000), PACE);
        if let Err(why) = &tried {
            println!("  left out: {}: {why}", way.name);
        }
        tried.is_ok()
    });
    possible.insert(0, first);
    possible
}

/// What the ways gave, each once a turn.
fn turns(
    effort: &Effort,
    ways: &[Way],
    ticks: usize,
    pace: u64,
) -> Result<Vec<Vec<Seen>>, Failure> {
    let run = |at: usize| in_a_process(&ways[at], ticks, pace);
    try_in_turns(effort.turns, ways.len(), run)
}

// ---- one run ---------------------------------------------------------------------------------

/// What one run showed.
struct Seen {
    /// p50, p99 and p99.9 of the whole way.
    quantiles_us: [f64; 3],
    /// By the kernel, on both lines.
    dropped: f64,
    /// Million ticks a second.
    speed_m: f64,
}

impl Seen {
    fn to_line(&self) -> String {
        let [p50, p99, p99_9] = self.quantiles_us;
        format!("{p50} {p99} {p99_9} {} {}", self.dropped, self.speed_m)
    }

    fn from_line(line: &str) -> Option<Seen> {
        let numbers: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        let [p50, p99, p99_9, dropped, speed_m] = numbers.ok()?.try_into().ok()?;
        Some(Seen {
            quantiles_us: [p50, p99, p99_9],
            dropped,
            speed_m,
        })
    }
}

/// Has this program run one way in a process of its own, at a pace or, if that is 0, flat out.
fn in_a_process(way: &Way, ticks: usize, pace: u64) -> Result<Seen, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--way", way.name, &ticks.to_string(), &pace.to_string()]);
    if way.huge_pages {
        command.env(ASK_HUGE_PAGES.0, ASK_HUGE_PAGES.1);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().into());
    }
    let line = String::from_utf8(output.stdout)?;
    Seen::from_line(&line).ok_or_else(|| format!("not understood: {line}").into())
}

/// In that process: says what was seen, or ends with why nothing was.
fn in_this_process(name: &str, ticks: usize, pace: u64) -> Result<(), Failure> {
    let way = ALL.iter().find(|way| way.name == name);
    match run(way.ok_or("no such way")?, ticks, pace) {
        Ok(seen) => println!("{}", seen.to_line()),
        Err(why) => {
            eprintln!("{why}");
            std::process::exit(1);
        }
    }
    Ok(())
}

fn run(way: &Way, ticks: usize, pace: u64) -> Result<Seen, Failure> {
    let cores = available_cores();
    let pinned = cores.last_chunk::<2>().filter(|_| way.pinned);
    let groups = feed::own_groups();
    let (window, speed) = match pace {
        0 => (FlowControl::default().window, Speed::Max),
        pace => (u64::MAX, Speed::PerSecond(pace)),
    };

    let mut config = feed::publish(&groups, speed)?;
    config.idle = way.idle;
    config.send_core = pinned.map(|[send, _]| *send);
    // One core has to be left to the threads that have no priority.
    config.send_priority = way.priority.filter(|_| cores.len() > 2);
    let wait_for = 1;
    config.flow_control = Some(FlowControl { window, wait_for });
    let publisher = Publisher::start(config, InMemory::new(market(ticks)))?;

    let mut config = feed::subscribe(&groups, publisher.recovery_addr())?;
    if let Some(bytes) = way.receive_buffer {
        feed::set_receive_buffers(&mut config, bytes);
    }
    config.idle = way.idle;
    config.core = pinned.map(|[_, receive]| *receive);
    config.priority = way.priority;
    let mut builder = SubscriberBuilder::new(config);
    builder.attach_inline(Checksum::default());
    let subscriber = builder.start()?;
    if way.locked {
        lock_memory()?;
    }
    let over = Arc::new(AtomicBool::new(false));
    for _ in cores.iter().filter(|_| way.beside_others) {
        let over = Arc::clone(&over);
        std::thread::spawn(move || while !over.load(Ordering::Relaxed) {});
    }
    while !subscriber.has_ended() {
        std::thread::sleep(LOOK_EVERY);
    }
    over.store(true, Ordering::Relaxed);
    publisher.stop();
    let summary = publisher.join()?;
    let mut stopped = subscriber.stop();
    let mut histograms = Histograms::new(&Stage::ALL);
    stopped.collect_latency(&mut histograms);
    let report = Report::new(&histograms);
    let row = report.row(Stage::Total).ok_or("no stage total")?;
    // Too few samples have no p99.9.
    let micros = |ns: Option<u64>| ns.unwrap_or(row.max.unwrap_or(0)) as f64 / 1e3;
    Ok(Seen {
        quantiles_us: [row.p50, row.p99, row.p99_9].map(micros),
        dropped: stopped.stats.kernel_dropped.iter().sum::<u64>() as f64,
        speed_m: summary.published as f64 * 1e3 / summary.elapsed_ns() as f64,
    })
}
