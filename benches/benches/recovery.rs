//! What recovery costs and how fast it is, over real sockets on loopback: publisher, network and
//! subscriber in one process, as in `tickcast demo`.
//!
//! `cargo bench --bench recovery` takes about three minutes; with `--quick` or `--test` a few
//! seconds, and then the figures say nothing. Give one of `one-line`, `both-lines`, `heal`, `live`,
//! `join` to run only that.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tickcast_benches::feed::{self, Checksum, Repeated};
use tickcast_benches::{Bound, Figure, is_instant, machine, run_parts, try_in_turns};
use tickcast_latency::{Histograms, Report, Stage};
use tickcast_net::clock::realtime_ns;
use tickcast_publisher::{FlowControl, Publisher, PublisherHandle, Speed};
use tickcast_subscriber::{
    LineFaults, Origin, Provenance, Start, Stats, Strategy, SubscriberBuilder, SubscriberConfig,
};
use tickcast_tickfile::{Synthetic, SyntheticConfig};
use tickcast_wire::{Digest, Tick};

type Failure = Box<dyn Error>;

/// The pace of the runs that measure time.
const PACE: Speed = Speed::PerSecond(20_000);
/// The pace of the feed that is joined late.
const FULL_RATE: Speed = Speed::PerSecond(1_000_000);
const INSTRUMENTS: u32 = 10_000;
/// How long the subscriber has for the rest once the publisher has sent everything.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How much is measured.
struct Effort {
    one_line_ticks: u64,
    both_lines_ticks: u64,
    heal_runs: u64,
    heal_ticks: u64,
    live_pairs: usize,
    live_ticks: u64,
    joins: u64,
}

const FULL: Effort = Effort {
    one_line_ticks: 100_000_000,
    both_lines_ticks: 20_000_000,
    heal_runs: 5,
    heal_ticks: 200_000,
    live_pairs: 8,
    live_ticks: 60_000,
    joins: 20,
};
const QUICK: Effort = Effort {
    one_line_ticks: 1_000_000,
    both_lines_ticks: 200_000,
    heal_runs: 1,
    heal_ticks: 10_000,
    live_pairs: 1,
    live_ticks: 2_000,
    joins: 1,
};

fn main() -> Result<(), Failure> {
    let effort = if is_instant() { &QUICK } else { &FULL };
    println!("recovery: loopback, {}", machine());
    if is_instant() {
        println!("quick: shows that it runs, the figures say nothing");
    }
    run_parts(
        effort,
        &[
            ("one-line", one_line),
            ("both-lines", both_lines),
            ("heal", heal),
            ("live", live),
            ("join", join),
        ],
    )
}

// ---- the figures -----------------------------------------------------------------------------

fn one_line(effort: &Effort) -> Result<(), Failure> {
    let run = lossy(effort.one_line_ticks, [0.3, 0.0])?;
    let requests = run.stats.counters.retransmit_requests as f64;
    let bound = Some(Bound::AtMost(0.0));
    print(
        "30 % lost on line A: requests",
        &[requests],
        "",
        None,
        bound,
    );
    print(
        "30 % lost on line A",
        &[run.rate() / 1e6],
        "M ticks/s",
        None,
        None,
    );
    Ok(())
}

fn both_lines(effort: &Effort) -> Result<(), Failure> {
    let run = lossy(effort.both_lines_ticks, [0.3, 0.3])?;
    print(
        "30 % lost on each line",
        &[run.rate() / 1e6],
        "M ticks/s",
        None,
        None,
    );
    Ok(())
}

/// At full speed with these shares of the packets lost; an error when that shows in the stream.
fn lossy(ticks: u64, drop: [f64; 2]) -> Result<Run, Failure> {
    let run = run(ticks, Speed::Max, drop)?;
    let counters = &run.stats.counters;
    println!(
        "\n{ticks} ticks at full speed, {:.0} % of the packets lost on line A, {:.0} % on line B\n  {} \
         retransmitted in {} requests, lost {}, digests {}",
        100.0 * drop[0],
        100.0 * drop[1],
        counters.retransmitted,
        counters.retransmit_requests,
        counters.lost,
        run.digests(),
    );
    if counters.lost > 0 || run.digest_delivered != run.digest_published {
        return Err("what was delivered is not what was published".into());
    }
    Ok(run)
}

fn heal(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\n5 % lost on each line at 20,000/s: from a gap being seen to its last tick being there; \
         beside it, in turns, a bare\nexchange over TCP of as many bytes between two threads that \
         block, while the same feed runs without loss"
    );
    println!("                gaps       p50       p90       p99       max  (times in µs)");
    let (mut healed, mut exchanged) = ([vec![], vec![]], [vec![], vec![]]);
    for _ in 0..effort.heal_runs {
        let bare = Exchange::start()?;
        run(effort.heal_ticks, PACE, [0.0, 0.0])?;
        let mut bare = bare.stop()?;
        bare.sort_unstable();
        let at = |quantile: f64| bare.get((bare.len() as f64 * quantile) as usize).copied();
        let quantiles = [at(0.5), at(0.9), at(0.99), bare.last().copied()];
        exchanged[0].push(to_micros(at(0.5)));
        exchanged[1].push(to_micros(at(0.99)));
        println!("  bare {:>15}{}", bare.len(), micros(quantiles));

        let run = run(effort.heal_ticks, PACE, [0.05, 0.05])?;
        let row = run.latency.row(Stage::Heal).ok_or("no stage heal")?;
        println!(
            "  healed {:>13}{}  lost {}, digests {}",
            row.samples,
            micros([row.p50, row.p90, row.p99, row.max]),
            run.stats.counters.lost,
            run.digests(),
        );
        healed[0].push(to_micros(row.p50));
        healed[1].push(to_micros(row.p99));
    }
    for (at, name, most) in [(0, "p50", 100.0), (1, "p99", 1_000.0)] {
        let what = format!("a gap on both lines, seen to healed, {name}");
        let bare = Some(("a bare exchange over TCP", &exchanged[at][..]));
        print(&what, &healed[at], "µs", bare, Some(Bound::AtMost(most)));
    }
    Ok(())
}

/// Not a number where there were too few samples.
fn to_micros(ns: Option<u64>) -> f64 {
    ns.map_or(f64::NAN, |ns| ns as f64 / 1e3)
}

fn micros(quantiles: [Option<u64>; 4]) -> String {
    let us = |ns: Option<u64>| ns.map_or("-".into(), |ns| format!("{:.1}", ns as f64 / 1e3));
    quantiles.map(|ns| format!(" {:>9}", us(ns))).concat()
}

/// The bytes of a reply with one packet's ticks, and how often they are asked for.
const EXCHANGE_BYTES: usize = 1_536;
const EXCHANGE_EVERY: Duration = Duration::from_millis(10);

/// A client and a server, a thread each, that do nothing but ask and answer over TCP.
struct Exchange {
    stop: Arc<AtomicBool>,
    client: JoinHandle<std::io::Result<Vec<u64>>>,
}

impl Exchange {
    fn start() -> std::io::Result<Exchange> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        let mut server = listener.accept()?.0;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        std::thread::spawn(move || {
            let mut asked = [0; size_of::<Tick>()];
            while server.read_exact(&mut asked).is_ok() {
                if server.write_all(&[0; EXCHANGE_BYTES]).is_err() {
                    return;
                }
            }
        });
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let client = std::thread::spawn(move || {
            let (mut times, mut answer) = (Vec::new(), [0; EXCHANGE_BYTES]);
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(EXCHANGE_EVERY);
                let began = realtime_ns();
                client.write_all(&[0; size_of::<Tick>()])?;
                client.read_exact(&mut answer)?;
                times.push(realtime_ns() - began);
            }
            Ok(times)
        });
        Ok(Exchange { stop, client })
    }

    /// The time that each exchange took, ns.
    fn stop(self) -> Result<Vec<u64>, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        let times = self.client.join().map_err(|_| "the client panicked")?;
        Ok(times?)
    }
}

fn live(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\nthe live path while healing: median of stage total with 5 % lost on each line, over that \
         without, in turns (A B B A)"
    );
    let median = |drop: f64| -> Result<f64, Failure> {
        let run = run(effort.live_ticks, PACE, [drop, drop])?;
        let row = run.latency.row(Stage::Total).ok_or("no stage total")?;
        Ok(to_micros(row.p50))
    };
    let runs = try_in_turns(2 * effort.live_pairs, 2, |way| median([0.0, 0.05][way]))?;
    let quiet = Some(("not healing", &runs[0][..]));
    let bound = Some(Bound::RatioAtMost(1.05));
    print(
        "the live path while healing, total, p50",
        &runs[1],
        "µs",
        quiet,
        bound,
    );
    Ok(())
}

fn join(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\nlate join: {INSTRUMENTS} instruments at 1,000,000 ticks/s, from the call that starts the \
         subscriber to the first tick that did not wait"
    );
    let ticks = effort.joins * 300_000 + 2_000_000;
    let publisher = publish(ticks, FULL_RATE, None)?;
    // Every instrument is defined and quoted by then.
    while publisher.published() < 1_000_000 {
        std::thread::sleep(LOOK_EVERY);
    }
    let (mut times, mut rows) = (Vec::new(), 0);
    for _ in 0..effort.joins {
        let (ns, seen) = join_once(&publisher)?;
        times.push(ns as f64 / 1e6);
        rows = seen;
    }
    publisher.stop();
    publisher.join()?;
    println!("  rows of the snapshot {rows}");
    let bound = Some(Bound::AtMost(20.0));
    print(
        "late join: call to the first tick that did not wait",
        &times,
        "ms",
        None,
        bound,
    );
    Ok(())
}

/// Joins and leaves again; gives the time to be live, ns, and the rows of the snapshot.
fn join_once(publisher: &PublisherHandle) -> Result<(u64, u64), Failure> {
    let mut config = subscribe(publisher)?;
    config.arbiter.start = Start::Live;
    config.flow_control = false;
    let mut builder = SubscriberBuilder::new(config);
    let live_at = Arc::new(AtomicU64::new(0));
    let joiner = Joiner {
        live_at: Arc::clone(&live_at),
    };
    let attached = builder.attach_inline(joiner);
    let began = realtime_ns();
    let subscriber = builder.start()?;
    while live_at.load(Ordering::Relaxed) == 0 {
        if publisher.is_finished() {
            return Err("the publisher ended before the subscriber was live".into());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&attached).ok_or("the strategy is gone")?;
    if stopped.stats.counters.snapshots != 1 || outcome.account.lost != 0 {
        return Err("it did not join by one snapshot without a loss".into());
    }
    let took = live_at.load(Ordering::Relaxed) - began;
    Ok((took, outcome.account.snapshot_ticks))
}

/// Notes when the first tick comes straight from a line.
struct Joiner {
    live_at: Arc<AtomicU64>,
}

impl Strategy for Joiner {
    fn on_tick(&mut self, _tick: &Tick, origin: &Origin) {
        let direct = matches!(origin.provenance, Provenance::A | Provenance::B) && !origin.held;
        if direct && self.live_at.load(Ordering::Relaxed) == 0 {
            self.live_at.store(realtime_ns(), Ordering::Relaxed);
        }
    }
}

// ---- one run ---------------------------------------------------------------------------------

/// What came of one run.
struct Run {
    published: u64,
    digest_published: Digest,
    digest_delivered: Digest,
    elapsed_ns: u64,
    stats: Stats,
    latency: Report,
}

impl Run {
    fn digests(&self) -> &'static str {
        if self.digest_delivered == self.digest_published {
            "equal"
        } else {
            "DIFFER"
        }
    }

    fn rate(&self) -> f64 {
        self.published as f64 / (self.elapsed_ns as f64 / 1e9)
    }
}

/// Publishes so many ticks to a subscriber that drops these shares of what arrives on each line.
fn run(ticks: u64, speed: Speed, drop: [f64; 2]) -> Result<Run, Failure> {
    let publisher = publish(ticks, speed, Some(flow_control(speed)))?;
    let mut config = subscribe(&publisher)?;
    config.faults = drop.map(LineFaults::drop);
    let mut builder = SubscriberBuilder::new(config);
    let attached = builder.attach_inline(Checksum::default());
    let mut subscriber = builder.start()?;
    while !subscriber.has_ended() {
        std::thread::sleep(LOOK_EVERY);
        if subscriber.stats().counters.lost > 0 && publisher.is_finished() {
            break;
        }
    }
    publisher.stop();
    let summary = publisher.join()?;
    let mut stopped = subscriber.stop();
    let mut histograms = Histograms::new(&Stage::ALL);
    stopped.collect_latency(&mut histograms);
    let outcome = stopped.take(&attached).ok_or("the strategy is gone")?;
    Ok(Run {
        published: summary.published,
        digest_published: summary.digest,
        digest_delivered: outcome.strategy.0,
        elapsed_ns: summary.elapsed_ns(),
        stats: stopped.stats,
        latency: Report::new(&histograms),
    })
}

/// The first tick waits for the subscriber; only at full speed do the others.
fn flow_control(speed: Speed) -> FlowControl {
    let window = match speed {
        Speed::Max => FlowControl::default().window,
        _ => u64::MAX,
    };
    FlowControl {
        window,
        wait_for: 1,
    }
}

fn publish(
    ticks: u64,
    speed: Speed,
    flow_control: Option<FlowControl>,
) -> Result<PublisherHandle, Failure> {
    let mut config = feed::publish(&feed::own_groups(), speed)?;
    config.flow_control = flow_control;
    let market = Synthetic::new(SyntheticConfig {
        instruments: INSTRUMENTS,
        ..SyntheticConfig::default()
    });
    let market: Vec<Tick> = market.take(1_000_000.min(ticks as usize)).collect();
    Ok(Publisher::start(config, Repeated::new(market, ticks))?)
}

fn subscribe(publisher: &PublisherHandle) -> Result<SubscriberConfig, Failure> {
    Ok(feed::subscribe(
        &feed::own_groups(),
        publisher.recovery_addr(),
    )?)
}

fn print(
    what: &str,
    ours: &[f64],
    unit: &str,
    against: Option<(&str, &[f64])>,
    bound: Option<Bound>,
) {
    Figure {
        what,
        ours,
        unit,
        against,
        bound,
    }
    .print();
}
