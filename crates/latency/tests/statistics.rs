//! Figures by windows: percentiles, their standard errors, curves, timelines, and what is said.

mod support;

use hdrhistogram::Histogram;
use proptest::{collection, prelude::ProptestConfig, prop_assert, prop_assert_eq, proptest};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use support::{Feeder, SECOND};
use tickcast_latency::{
    CURVE_POINTS, Histograms, MIN_WINDOWS, PERCENTILES, Provenance, STALL_NS, Stage, StallBoard,
    StallLog, Steady, WINDOWS_KEPT, Windows, stages,
};

const STAGES: [Stage; 3] = [Stage::Network, Stage::Total, Stage::Stalled];

/// A set with these samples of `total`, of line A.
fn set(samples: impl IntoIterator<Item = u64>) -> Histograms {
    let mut feeder = Feeder::new(&STAGES);
    feed(&mut feeder, samples).clone()
}

fn feed(feeder: &mut Feeder, samples: impl IntoIterator<Item = u64>) -> &Histograms {
    feeder.set(|recorder| {
        for ns in samples {
            recorder.record((Stage::Total, Provenance::A), 0, ns, 1);
        }
    })
}

fn run(windows: impl IntoIterator<Item = Vec<u64>>) -> Windows {
    let (mut run, mut feeder) = (Windows::new(&STAGES), Feeder::new(&STAGES));
    for (nth, samples) in windows.into_iter().enumerate() {
        let from = (1_000 + nth as u64) * SECOND;
        let set = feed(&mut feeder, samples);
        run.add(from, from + SECOND, set, &StallLog::default());
    }
    run
}

/// Latencies as of a queue: exponential, with this mean, on 1 µs.
fn exponential(random: &mut Xoshiro256PlusPlus, mean_ns: f64, count: usize) -> Vec<u64> {
    let draw = |_| 1_000 + (-(1.0 - random.random::<f64>()).ln() * mean_ns) as u64;
    (0..count).map(draw).collect()
}

/// The standard error of a percentile of independent samples is known: sqrt(p (1 - p) / n) over the
/// density there.
#[test]
fn standard_errors_are_those_that_theory_gives() {
    let mean_ns = 50_000.0;
    let (windows, each) = (200, 2_000);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let run = run((0..windows).map(|_| exponential(&mut random, mean_ns, each)));
    let stages = run.stages();
    let figures = &stages[0].parts[0];
    let n = (windows * each) as f64;
    for percentile in &figures.percentiles[..4] {
        let p = percentile.percent / 100.0;
        let density = (1.0 - p) / mean_ns;
        let expected = (p * (1.0 - p) / n).sqrt() / density;
        let error = percentile.error_ns.unwrap();
        let ratio = error / expected;
        assert!((0.75..1.35).contains(&ratio), "{p}: {error} / {expected}");
        let value = 1_000.0 - (1.0 - p).ln() * mean_ns;
        let off = (percentile.ns.unwrap() as f64 - value).abs();
        assert!(off < 5.0 * expected + 0.001 * value, "{p}: {off}");
    }
}

/// Windows that differ as a whole make a larger error than their samples would alone.
#[test]
fn windows_that_differ_are_seen_in_the_error() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
    let alike = run((0..60).map(|_| exponential(&mut random, 50_000.0, 1_000)));
    let unlike = run((0..60).map(|nth| {
        let mean_ns = if nth % 2 == 0 { 40_000.0 } else { 60_000.0 };
        exponential(&mut random, mean_ns, 1_000)
    }));
    let [small, large] = [alike, unlike].map(|run| run.stages()[0].parts[0].percentiles[0]);
    assert!(large.error_ns.unwrap() > 2.0 * small.error_ns.unwrap());
}

/// All beyond a percentile came in one burst: in how many draws the window with it is missing is
/// known, and then the percentile is another.
#[test]
fn a_burst_of_one_window_is_as_uncertain_as_whether_it_comes() {
    let windows = 50;
    let run = run((0..windows).map(|nth| {
        let slow = if nth == 17 { 100 } else { 0 };
        [vec![1_000; 1_000 - slow], vec![1_000_000; slow]].concat()
    }));
    let figures = &run.stages()[0].parts[0];
    let missing = (1.0 - 1.0 / f64::from(windows)).powi(windows);
    let expected = 999_000.0 * (missing * (1.0 - missing)).sqrt();
    for (percent, expected) in [(99.0, 0.0), (99.9, expected), (99.99, expected)] {
        let found = figures.percentiles.iter().find(|it| it.percent == percent);
        let error = found.and_then(|it| it.error_ns).unwrap();
        assert!(
            (error - expected).abs() <= 0.1 * expected,
            "{percent}: {error} / {expected}"
        );
    }
}

/// Bursts of all lengths, as of a machine that stands still now and then: drawn here once more, with
/// nothing left out.
#[test]
fn standard_errors_of_bursts_are_those_of_all_samples_drawn_anew() {
    const DRAWS: usize = 1_000;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    let windows: Vec<Vec<u64>> = (0..60)
        .map(|nth| {
            let mut window = exponential(&mut random, 2_000.0, 1_000);
            let burst = if nth % 7 == 3 {
                random.random_range(1..400)
            } else {
                0
            };
            let from = random.random_range(100_000..50_000_000);
            for (left, slow) in window.iter_mut().take(burst).enumerate() {
                *slow = from * (burst - left) as u64 / burst as u64;
            }
            window.sort_unstable();
            window
        })
        .collect();
    let percentiles = run(windows.iter().cloned()).stages()[0].parts[0]
        .percentiles
        .clone();
    let shown: Vec<_> = percentiles.iter().filter(|it| it.ns.is_some()).collect();
    let mut drawn = vec![Vec::with_capacity(DRAWS); shown.len()];
    for _ in 0..DRAWS {
        let draw = |_| &windows[random.random_range(0..windows.len())];
        let mut all: Vec<u64> = (0..windows.len()).flat_map(draw).copied().collect();
        all.sort_unstable();
        for (values, it) in drawn.iter_mut().zip(&shown) {
            let beyond = (all.len() as f64 * (1.0 - it.percent / 100.0)).round() as usize;
            values.push(all[all.len() - beyond - 1] as f64);
        }
    }
    for (values, it) in drawn.iter().zip(&shown) {
        let mean = values.iter().sum::<f64>() / DRAWS as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2));
        let expected = (squares.sum::<f64>() / DRAWS as f64).sqrt();
        let error = it.error_ns.unwrap();
        assert!(
            (0.8..1.25).contains(&(error / expected)),
            "{}: {error} / {expected}",
            it.percent
        );
    }
}

#[test]
fn the_same_run_has_the_same_errors_and_few_windows_have_none() {
    let windows = |count: usize| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        run((0..count).map(|_| exponential(&mut random, 50_000.0, 500)))
    };
    assert_eq!(windows(MIN_WINDOWS).stages(), windows(MIN_WINDOWS).stages());
    let few = &windows(MIN_WINDOWS - 1).stages()[0].parts[0].percentiles[0];
    assert!(few.ns.is_some() && few.error_ns.is_none());
    assert!(
        windows(MIN_WINDOWS).stages()[0].parts[0].percentiles[0]
            .error_ns
            .is_some()
    );
}

#[test]
fn many_windows_are_folded_and_nothing_is_lost() {
    let count = 2 * WINDOWS_KEPT as u64 + 77;
    let run = run((0..count).map(|nth| vec![1_000 + nth, 2_000_000]));
    let timeline = run.timeline();
    assert!((WINDOWS_KEPT / 2..=WINDOWS_KEPT).contains(&timeline.len()));
    let samples: u64 = timeline.iter().map(|window| window.samples).sum();
    assert_eq!(samples, 2 * count);
    assert_eq!(run.stages()[0].parts[0].samples, 2 * count);
    let length = timeline[1].at_ns - timeline[0].at_ns;
    assert!(
        timeline
            .windows(2)
            .all(|two| two[1].at_ns - two[0].at_ns == length)
    );
    assert_eq!(timeline[0].at_ns, 0);
}

#[test]
fn ticks_that_met_a_stall_are_left_out_of_one_view() {
    let (mut recorder, mut reporter) = stages(&STAGES);
    recorder.record((Stage::Total, Provenance::A), 0, 5_000, 990);
    recorder.record((Stage::Total, Provenance::B), 0, 2_000_000, 10);
    recorder.record((Stage::Stalled, Provenance::B), 0, 2_000_000, 10);
    drop(recorder);
    let mut set = Histograms::new(&STAGES);
    reporter.collect(&mut set);
    let mut run = Windows::new(&STAGES);
    run.add(0, SECOND, &set, &StallLog::default());
    let views = run.views();
    let names: Vec<_> = views.iter().map(|view| &*view.name).collect();
    assert_eq!(names, ["raw", "without stalls"]);
    assert_eq!(views[0].figures.samples, 1_000);
    assert!(views[0].figures.max_ns >= Some(2_000_000));
    assert_eq!((views[1].left_out, views[1].figures.samples), (0.01, 990));
    assert!(views[1].figures.max_ns < Some(5_010));
    let mean = views[1].figures.mean_ns.unwrap();
    assert!((4_990.0..5_010.0).contains(&mean), "{mean}");
    let stages = run.stages();
    let of: Vec<_> = stages[0].parts.iter().map(|part| &*part.of).collect();
    assert_eq!((stages.len(), of), (1, vec!["all", "A", "B"]));
}

#[test]
fn stalls_are_in_the_timeline_of_their_window() {
    let board = StallBoard::new();
    let mut meter = board.meter("tc-receive", Some(1));
    let mut log = StallLog::default();
    let mut run = Windows::new(&STAGES);
    meter.look(500_000_000, || 0);
    meter.look(500_000_000 + 3 * STALL_NS, || 1_500_000_000);
    board.collect(&mut log);
    for window in 0..3 {
        let from = window * SECOND;
        run.add(from, from + SECOND, &set([1_000]), &log);
    }
    let stalls: Vec<_> = run
        .timeline()
        .iter()
        .map(|window| window.stall_max_ns)
        .collect();
    assert_eq!(stalls, [Some(0), Some(3 * STALL_NS), Some(0)]);
    let hiccup = log.threads[0].hiccup(3 * SECOND);
    assert_eq!((&*hiccup.thread, hiccup.core), ("tc-receive", Some(1)));
    assert_eq!((hiccup.stalls.samples, hiccup.share), (1, 1e-5));
    // It began before a run as short as that.
    assert_eq!(log.threads[0].hiccup(STALL_NS).share, 1.0);
}

#[test]
fn three_windows_in_a_row_agree() {
    let calm = || set(vec![10_000; 200]);
    let mut steady = Steady::new();
    let told: Vec<bool> = [
        set(vec![90_000; 200]),
        calm(),
        calm(),
        calm(),
        set(vec![10_000; 99]),
        calm(),
        calm(),
        set(vec![10_900; 200]),
        set(vec![11_200; 200]),
        // Half of them alike, and a fifth slower than in the other windows.
        set([vec![11_000; 170], vec![20_000; 30]].concat()),
    ]
    .iter()
    .map(|window| steady.add(window))
    .collect();
    let expected = [
        false, false, false, true, false, false, false, true, false, false,
    ];
    assert_eq!(told, expected);
}

#[test]
fn too_few_samples_are_said_plainly() {
    assert_eq!(
        run([vec![]]).statements(&StallLog::default()),
        [
            "no tick was delivered: there is no figure",
            "standard errors need 10 windows: the run has 1"
        ]
    );
    assert_eq!(
        run([vec![5_000; 5_300]]).statements(&StallLog::default()),
        [
            "total: p99.99 and beyond are not given: 5,300 samples are too few, it needs 10,000",
            "total: p99.9 rests on 5 samples beyond it: any one of them moves it",
            "standard errors need 10 windows: the run has 1"
        ]
    );
    assert_eq!(
        run([vec![5_000; 1_300]]).statements(&StallLog::default())[1],
        "total: p99.9 rests on 1 sample beyond it: any one of them moves it"
    );
    let enough = run(vec![vec![5_000; 100_000]; MIN_WINDOWS]);
    assert_eq!(enough.statements(&StallLog::default()), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// What is given of windows is what one histogram of everything gives.
    #[test]
    fn figures_are_those_of_one_histogram(
        windows in collection::vec(collection::vec(1..10_000_000_000_u64, 0..300), 1..6)
    ) {
        let samples: Vec<u64> = windows.iter().flatten().copied().collect();
        let run = run(windows);
        let mut whole = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        samples.iter().for_each(|&ns| whole.record(ns).unwrap());
        let stages = run.stages();
        if samples.is_empty() {
            prop_assert!(stages.is_empty());
            return Ok(());
        }
        let figures = &stages[0].parts[0];
        prop_assert_eq!(figures.samples, whole.len());
        prop_assert_eq!(figures.max_ns, Some(whole.max()));
        let mean = figures.mean_ns.unwrap();
        prop_assert!((mean - whole.mean()).abs() <= 1e-9 * mean);
        let mut sorted = samples;
        sorted.sort_unstable();
        for (percentile, (_, one_in)) in figures.percentiles.iter().zip(PERCENTILES) {
            let beyond = sorted.len() / one_in as usize;
            let expected = (beyond > 0).then(|| sorted[sorted.len() - beyond - 1]);
            let expected = expected.map(|ns| whole.highest_equivalent(ns));
            prop_assert_eq!(percentile.ns, expected);
        }
        let curve = &figures.curve;
        prop_assert!(curve.len() <= CURVE_POINTS);
        prop_assert!(curve.is_sorted_by(|a, b| a.ns < b.ns && a.count < b.count));
        let last = curve.last().unwrap();
        prop_assert_eq!((last.quantile, last.count, last.ns), (1.0, whole.len(), whole.max()));
        for point in curve {
            prop_assert_eq!(whole.count_between(0, point.ns), point.count);
        }
    }
}
