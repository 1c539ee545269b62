//! Made-up runs for tests: ticks on a machine that stalls, from a seed.

use hdrhistogram::Histogram;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tickcast_latency::{
    Clocks, Exemplar, Figures, Hiccup, Leg, Percentile, Platform, Point, RUN_VERSION, Ratio, Run,
    Setting, StageFigures, Ticks, View, Window,
};

const WINDOW_NS: u64 = 100_000_000;
const BEGAN_NS: u64 = 1_795_708_800_000_000_000;
const PERCENTS: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 99.999];
/// The stages of one tick in order, each with its median in ns and its spread.
const WAY: [(&str, f64, f64); 6] = [
    ("publish", 460.0, 0.25),
    ("network", 1_600.0, 0.06),
    ("kernel", 1_900.0, 0.35),
    ("handle", 85.0, 0.2),
    ("queue", 2_300.0, 0.3),
    ("strategy", 30.0, 0.3),
];

/// A run of `windows` windows of 100 ms with `per_window` ticks each. `slower` stretches every stage.
pub fn run(name: &str, seed: u64, windows: u64, per_window: u64, slower: f64) -> Run {
    Market::new(seed, slower).run(name, windows, per_window)
}

/// A run with all there can be: two hosts, retransmits, statements.
pub fn full() -> Run {
    let mut run = run("20,000 ticks/s, inline", 7, 100, 2_000, 1.0);
    let clocks = Clocks {
        offset_ns: 18_240,
        uncertainty_ns: 7_900,
        exchanges: 412,
        drift_ppb: Some(-31.5),
        steps: 0,
        discipline: Some("chrony: synchronised, system time 4.1 µs slow".into()),
    };
    clocks.bound(&mut run);
    run.statements = vec![
        "The clock of the subscriber's host stepped once, by 1.2 ms: the 20 windows around it are left out.".into(),
        "cpu MHz cannot be read on this machine: changes of the frequency would not be seen.".into(),
    ];
    run
}

struct Market {
    chance: Xoshiro256PlusPlus,
    slower: f64,
}

/// What is kept of all ticks.
struct Kept {
    way: Vec<Histogram<u64>>,
    total: Histogram<u64>,
    unstalled: Histogram<u64>,
    of_a: Histogram<u64>,
    of_b: Histogram<u64>,
    healed: Histogram<u64>,
    stalls: Histogram<u64>,
    timeline: Vec<Window>,
    worst: Vec<Exemplar>,
}

impl Market {
    fn new(seed: u64, slower: f64) -> Self {
        Market {
            chance: Xoshiro256PlusPlus::seed_from_u64(seed),
            slower,
        }
    }

    fn bell(&mut self) -> f64 {
        let (radius, angle): (f64, f64) = (self.chance.random(), self.chance.random());
        (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// A time around `median`, with a tail that seldom gets long.
    fn time(&mut self, median: f64, spread: f64) -> u64 {
        let tail = if self.chance.random_bool(0.004) {
            1.1
        } else {
            0.0
        };
        let stretch = (spread * self.bell() + tail * self.bell().abs()).exp();
        (median * self.slower * stretch) as u64 + 1
    }

    /// The stalls of a window: from and to, in ns from its start.
    fn stalls(&mut self) -> Vec<(u64, u64)> {
        let mut stalls = Vec::new();
        for (chance, mean_ns) in [(0.9, 25_000.0), (0.5, 90_000.0), (0.12, 1_400_000.0)] {
            if self.chance.random_bool(chance) {
                let from = self.chance.random_range(0..WINDOW_NS * 9 / 10);
                let length = -mean_ns * (1.0 - self.chance.random::<f64>()).ln();
                stalls.push((from, from + length as u64 + 600));
            }
        }
        stalls
    }

    fn run(mut self, name: &str, windows: u64, per_window: u64) -> Run {
        let empty = || Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds");
        let mut kept = Kept {
            way: WAY.iter().map(|_| empty()).collect(),
            total: empty(),
            unstalled: empty(),
            of_a: empty(),
            of_b: empty(),
            healed: empty(),
            stalls: empty(),
            timeline: Vec::new(),
            worst: Vec::new(),
        };
        for window in 0..windows {
            self.window(&mut kept, window, per_window);
        }
        self.finish(name, kept, windows, per_window)
    }

    fn window(&mut self, kept: &mut Kept, window: u64, per_window: u64) {
        let stalls = self.stalls();
        let mut total = Histogram::<u64>::new(3).expect("digits");
        for &(from, to) in &stalls {
            kept.stalls.record(to - from).expect("in bounds");
        }
        for tick in 0..per_window {
            let due = tick * WINDOW_NS / per_window;
            let mut legs: Vec<u64> = WAY
                .iter()
                .map(|&(_, at, spread)| self.time(at, spread))
                .collect();
            let met = stalls.iter().find(|(from, to)| (*from..*to).contains(&due));
            if let Some((from, to)) = met {
                legs[[0, 2, 4][(from % 3) as usize]] += to - due;
            }
            let whole: u64 = legs[..5].iter().sum();
            for (leg, histogram) in legs.iter().zip(&mut kept.way) {
                histogram.record(*leg).expect("in bounds");
            }
            kept.total.record(whole).expect("in bounds");
            total.record(whole).expect("it grows");
            let by_a = self.chance.random_bool(0.93);
            let line = if by_a { &mut kept.of_a } else { &mut kept.of_b };
            line.record(whole).expect("in bounds");
            match met {
                Some(stall) => {
                    kept.meet(window, tick + window * per_window, due, &legs, *stall, by_a);
                }
                None => kept.unstalled.record(whole).expect("in bounds"),
            }
        }
        if window % 30 == 7 {
            kept.healed
                .record_n(76_000 + self.time(4_000.0, 0.5), 2)
                .expect("in bounds");
        }
        let shown = |quantile: f64| (per_window > 100).then(|| total.value_at_quantile(quantile));
        kept.timeline.push(Window {
            at_ns: window * WINDOW_NS,
            samples: per_window,
            p50_ns: shown(0.5),
            p99_ns: shown(0.99),
            max_ns: (per_window > 0).then(|| total.max()),
            stall_max_ns: stalls.iter().map(|(from, to)| to - from).max(),
        });
    }

    fn finish(mut self, name: &str, mut kept: Kept, windows: u64, per_window: u64) -> Run {
        kept.worst
            .sort_by_key(|tick| std::cmp::Reverse(tick.total_ns));
        kept.worst.truncate(8);
        let alone = |of: &Histogram<u64>| vec![figures("all", of)];
        let mut stages: Vec<StageFigures> = WAY
            .iter()
            .zip(&kept.way)
            .map(|((stage, ..), of)| StageFigures {
                stage: (*stage).into(),
                parts: alone(of),
                groups: Vec::new(),
            })
            .collect();
        let parts = [
            ("all", &kept.total),
            ("A", &kept.of_a),
            ("B", &kept.of_b),
            ("retransmit", &kept.healed),
        ];
        stages.push(StageFigures {
            stage: "total".into(),
            parts: parts
                .iter()
                .filter(|(_, of)| !of.is_empty())
                .map(|(name, of)| figures(name, of))
                .collect(),
            groups: vec![figures("index", &kept.of_b), figures("others", &kept.of_a)],
        });
        stages.push(StageFigures {
            stage: "heal".into(),
            parts: alone(&kept.healed),
            groups: Vec::new(),
        });
        let mut floor = Histogram::<u64>::new(3).expect("digits");
        for _ in 0..kept.total.len() / 2 {
            let stall = if self.chance.random_bool(0.0008) {
                300_000.0
            } else {
                0.0
            };
            floor
                .record(self.time(2_900.0, 0.12) + (stall * self.chance.random::<f64>()) as u64)
                .expect("it grows");
        }
        let ratios = [(50.0, 1.35), (90.0, 1.4), (99.0, 1.8), (99.9, 2.6)];
        let published = windows * per_window;
        Run {
            version: RUN_VERSION,
            name: name.into(),
            command: "tickcast latency --rate 20000/s --duration 10s --inline --report report.html"
                .into(),
            began_ns: BEGAN_NS,
            duration_ns: windows * WINDOW_NS,
            warm_up_ns: 1_500_000_000,
            settings: settings(&[
                ("source", "synthetic market, 4,000 instruments, seed 1"),
                ("rate", "20,000 ticks/s, open loop"),
                ("lines", "A 239.192.12.46:14001, B 239.224.12.46:14002"),
                ("packets", "up to 21 ticks, 1,408 bytes"),
                ("strategy", "inline, on the receive thread"),
                ("threads", "tc-send core 0, tc-receive core 1, spinning"),
            ]),
            machine: settings(&[
                ("processor", "Intel Xeon, 2 virtual cores, 2.6 GHz"),
                ("kernel", "Linux 6.18.0"),
                ("clock source", "tsc"),
                ("memory locked", "yes"),
            ]),
            ticks: Ticks {
                published,
                delivered: published.saturating_sub(8),
                lost: published.min(8),
            },
            stages,
            views: vec![
                View {
                    name: "raw".into(),
                    figures: figures("all", &kept.total),
                    ..View::default()
                },
                View {
                    name: "without stalls".into(),
                    left_out: 1.0 - kept.unstalled.len() as f64 / kept.total.len().max(1) as f64,
                    figures: figures("all", &kept.unstalled),
                    ..View::default()
                },
                View {
                    name: "floor".into(),
                    figures: figures("all", &floor),
                    ratios: ratios
                        .map(|(percent, median)| Ratio {
                            percent,
                            median,
                            quartiles: [median * 0.96, median * 1.07],
                        })
                        .into(),
                    ..View::default()
                },
            ],
            timeline: kept.timeline,
            platform: platform(&kept.stalls),
            exemplars: kept.worst,
            clocks: None,
            statements: Vec::new(),
        }
    }
}

impl Kept {
    fn meet(
        &mut self,
        window: u64,
        seq: u64,
        due: u64,
        legs: &[u64],
        stall: (u64, u64),
        by_a: bool,
    ) {
        // One of each stall, so that they differ.
        let began_ns = BEGAN_NS + window * WINDOW_NS;
        if self
            .worst
            .last()
            .is_some_and(|last| last.due_ns >= began_ns + stall.0)
        {
            return;
        }
        self.worst.push(Exemplar {
            seq,
            instrument: (seq * 7_919 % 4_000) as u32,
            provenance: if by_a { "A" } else { "B" }.into(),
            due_ns: began_ns + due,
            total_ns: legs[..5].iter().sum(),
            waterfall: WAY
                .iter()
                .zip(legs)
                .map(|((stage, ..), ns)| Leg {
                    stage: (*stage).into(),
                    ns: *ns as i64,
                })
                .collect(),
            meanwhile: vec![format!(
                "core 1 stood still for {} µs, from {} µs before the tick was due.",
                (stall.1 - stall.0) / 1_000,
                (due - stall.0) / 1_000
            )],
        });
    }
}

/// The figures of a histogram; errors grow with the percentile, as they do.
pub fn figures(of: &str, histogram: &Histogram<u64>) -> Figures {
    let samples = histogram.len();
    let percentile = |percent: f64| {
        let beyond = samples as f64 * (1.0 - percent / 100.0);
        let ns = (beyond >= 1.0).then(|| histogram.value_at_percentile(percent));
        let error_ns = ns
            .filter(|_| beyond >= 5.0)
            .map(|ns| ns as f64 * 0.4 / beyond.sqrt());
        Percentile {
            percent,
            ns,
            error_ns,
            ..Percentile::default()
        }
    };
    let curve = histogram.iter_quantiles(10).scan(0, |count, step| {
        *count += step.count_since_last_iteration();
        Some(Point {
            quantile: step.quantile(),
            ns: step.value_iterated_to(),
            count: *count,
        })
    });
    Figures {
        of: of.into(),
        samples,
        mean_ns: (samples > 0).then(|| histogram.mean()),
        percentiles: PERCENTS.map(percentile).into(),
        max_ns: (samples > 0).then(|| histogram.max()),
        curve: curve.collect(),
        ..Figures::default()
    }
}

fn platform(stalls: &Histogram<u64>) -> Platform {
    let meter = |thread: &str, core| Hiccup {
        thread: thread.into(),
        core: Some(core),
        stalls: figures("all", stalls),
        share: 0.0031,
    };
    Platform {
        hiccups: vec![meter("tc-send", 0), meter("tc-receive", 1)],
        counters: settings(&[
            ("context switches, involuntary", "214"),
            ("page faults, major", "0"),
            ("steal time", "120 ms of 20 s"),
            ("frequency", "-"),
            ("datagrams dropped by the kernel", "0"),
            ("receive buffer, high-water", "53,248 of 8,388,608 bytes"),
        ]),
    }
}

fn settings(pairs: &[(&str, &str)]) -> Vec<Setting> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| Setting {
            name: (*name).into(),
            value: (*value).into(),
        })
        .collect()
}
