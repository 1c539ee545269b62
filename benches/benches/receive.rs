//! The receive step in memory: from a packet in user space to the strategy's call, stamps, checks,
//! arbitration and recording included, and nothing of the kernel.
//!
//! `cargo bench --bench receive` takes some seconds; with `--test` an instant.
//!
//! Packets are made and stamped in small groups just before they are taken in, each different, so
//! that what is recorded lies as close together as in a feed and nothing is learnt by heart. The
//! processor's counter is read before each packet and at the strategy's call. What is taken off is
//! said beside the figures: two looks at that counter one after the other, and the three looks at the
//! clock that the way itself takes for its stamps, both measured in the same turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;
use quanta::Clock;
use tickcast_benches::{Bound, Figure, hiccups, in_turns, is_instant, last_cores, market, median};
use tickcast_net::Datagrams;
use tickcast_net::clock::{monotonic_ns, realtime_ns};
use tickcast_net::thread::pin_current;
use tickcast_protocol::{Batch, Sequencer};
use tickcast_subscriber::{ArbiterConfig, HandFed, Line, Origin, Start, Strategy};
use tickcast_wire::{TICKS_PER_PACKET, Tick};

/// Packets made at a time, and groups of a turn.
const GROUP: usize = 64;
const GROUPS: usize = 1_000;
const INSTANT_GROUPS: usize = 2;
/// The groups that only warm up.
const WARM: usize = 50;
/// From the sender to the kernel, and from there to user space, as it often is, ns.
const ON_THE_WAY_NS: u64 = 3_000;
const IN_THE_KERNEL_NS: u64 = 1_500;

fn main() {
    let (turns, groups) = if is_instant() {
        (1, INSTANT_GROUPS)
    } else {
        (20, GROUPS)
    };
    if let Some([core]) = last_cores::<1>() {
        pin_current(core).expect("a core of this process");
    }
    let runs = in_turns(turns, 4, |way| match way {
        0 => take_in(1, groups),
        1 => take_in(TICKS_PER_PACKET, groups),
        2 => looks(|| ()),
        _ => looks(|| {
            std::hint::black_box([realtime_ns(), monotonic_ns(), realtime_ns()]);
        }),
    });
    println!(
        "hiccups of this core: {}",
        hiccups(std::time::Duration::from_millis(100))
    );
    let quantile = |way: usize, q: f64| -> Vec<f64> {
        runs[way]
            .iter()
            .map(|run: &Run| run.to_strategy.value_at_quantile(q) as f64)
            .collect()
    };
    let (counter, stamps) = (quantile(2, 0.5), quantile(3, 0.5));
    println!(
        "taken off: two looks at the counter {:.0} ns; with the three stamps between them {:.0} ns",
        median(&counter),
        median(&stamps)
    );
    for (name, q, bound) in [("median", 0.5, 45.0), ("p99", 0.99, 90.0)] {
        let whole = quantile(0, q);
        let less = |cost: &[f64]| -> Vec<f64> {
            whole
                .iter()
                .zip(cost)
                .map(|(whole, cost)| whole - cost)
                .collect()
        };
        print(
            &format!("a packet of one tick to the strategy, stamps included, {name}"),
            &less(&counter),
            "ns",
            None,
        );
        print(
            &format!("a packet of one tick to the strategy, without the clock's own cost, {name}"),
            &less(&stamps),
            "ns",
            Some(Bound::AtMost(bound)),
        );
    }
    for (way, name, ticks) in [
        (0, "packets of one tick", 1),
        (1, "full packets", TICKS_PER_PACKET),
    ] {
        let each: Vec<f64> = runs[way]
            .iter()
            .map(|run| run.whole_ns / ticks as f64)
            .collect();
        print(
            &format!("the whole receive step of both lines, {name}"),
            &each,
            "ns a tick delivered",
            None,
        );
    }
}

fn print(what: &str, ours: &[f64], unit: &str, bound: Option<Bound>) {
    Figure {
        what,
        ours,
        unit,
        against: None,
        bound,
    }
    .print();
}

/// What a turn gave, in nanoseconds.
struct Run {
    /// From before a packet is handed over to the strategy's call.
    to_strategy: Histogram<u64>,
    /// For a packet on line A and its copy on line B, all that is done for them.
    whole_ns: f64,
}

/// Looks at the counter when it is called.
struct Arrival {
    clock: Clock,
    at: Arc<AtomicU64>,
    ticks: u64,
}

impl Strategy for Arrival {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        self.on_ticks(std::slice::from_ref(tick), origin);
    }

    fn on_ticks(&mut self, ticks: &[Tick], _origin: &Origin) {
        self.at.store(self.clock.raw(), Ordering::Relaxed);
        self.ticks += ticks.len() as u64;
    }
}

fn take_in(ticks_each: usize, groups: usize) -> Run {
    let clock = Clock::new();
    let at = Arc::new(AtomicU64::new(0));
    let arrival = Arrival {
        clock: clock.clone(),
        at: Arc::clone(&at),
        ticks: 0,
    };
    let config = ArbiterConfig {
        start: Start::Seq(1),
        ..ArbiterConfig::default()
    };
    let mut subscriber = HandFed::new(config, arrival);
    let mut feed = Feed::new(ticks_each);
    let (mut to_strategy, mut whole_ns) = (histogram(), 0);
    for group in 0..WARM + groups {
        feed.make();
        let kernel = realtime_ns() - IN_THE_KERNEL_NS;
        let begins = clock.raw();
        for packet in feed.packets() {
            let datagrams = Datagrams {
                bytes: packet,
                segment: packet.len(),
                source: ([127, 0, 0, 1], 1).into(),
                ts_kernel: Some(kernel),
                dropped: 0,
                truncated: false,
            };
            let begins = clock.raw();
            subscriber.take(Line::A, &datagrams);
            let ns = clock.delta_as_nanos(begins, at.load(Ordering::Relaxed));
            if group >= WARM {
                to_strategy.saturating_record(ns);
            }
            subscriber.take(Line::B, &datagrams);
        }
        if group >= WARM {
            whole_ns += clock.delta_as_nanos(begins, clock.raw());
        }
    }
    let (stats, outcome) = subscriber.finish();
    let made = ((WARM + groups) * GROUP * ticks_each) as u64;
    assert_eq!(
        (outcome.strategy.ticks, stats.counters.delivered),
        (made, made)
    );
    Run {
        to_strategy,
        whole_ns: whole_ns as f64 / (groups * GROUP) as f64,
    }
}

/// What it takes to look at the counter, do this, and look again.
fn looks(between: impl Fn()) -> Run {
    let clock = Clock::new();
    let mut to_strategy = histogram();
    for _ in 0..GROUP * GROUPS {
        let begins = clock.raw();
        between();
        to_strategy.saturating_record(clock.delta_as_nanos(begins, clock.raw()));
    }
    Run {
        to_strategy,
        whole_ns: f64::NAN,
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("sound bounds")
}

/// Packets of a market without an end, a group at a time.
struct Feed {
    ticks: Vec<Tick>,
    ticks_each: usize,
    next: usize,
    sequencer: Sequencer,
    batch: Batch,
    bytes: Vec<u8>,
    length: usize,
}

impl Feed {
    fn new(ticks_each: usize) -> Feed {
        Feed {
            ticks: market(100 * GROUP * ticks_each),
            ticks_each,
            next: 0,
            sequencer: Sequencer::new(1, 0, None),
            batch: Batch::new(),
            bytes: Vec::new(),
            length: 1,
        }
    }

    fn make(&mut self) {
        self.bytes.clear();
        let sent = realtime_ns() - ON_THE_WAY_NS;
        for _ in 0..GROUP {
            let ticks = &self.ticks[self.next..][..self.ticks_each];
            self.next = (self.next + self.ticks_each) % self.ticks.len();
            self.sequencer.fill(ticks, |_| Some(sent), &mut self.batch);
            self.batch.stamp(sent);
            self.length = self.batch.bytes().len();
            self.bytes.extend_from_slice(self.batch.bytes());
        }
    }

    fn packets(&self) -> std::slice::Chunks<'_, u8> {
        self.bytes.chunks(self.length)
    }
}
