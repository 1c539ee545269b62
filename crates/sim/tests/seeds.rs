//! Many seeds without a violation, and nothing that a run can bring about left out.

use tickcast_sim::{Coverage, Happening, run};

const SEEDS: u64 = 2_000;

/// So many ticks are published for each request of all subscribers together, at least.
const TICKS_PER_REQUEST: u64 = 30;

#[test]
fn the_promise_holds_and_everything_happened() {
    let mut coverage = Coverage::new();
    let (mut violations, mut published, mut requests) = (Vec::new(), 0, 0);
    for seed in 0..SEEDS {
        let report = run(seed);
        coverage.merge(&report.coverage);
        published += report.published;
        requests += report.requests;
        if let Some(what) = report.violation {
            violations.push(format!("seed {seed}: {what}"));
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert!(
        requests * TICKS_PER_REQUEST < published,
        "{requests} requests for {published} ticks"
    );
    let missing: Vec<Happening> = coverage.missing().collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..40 {
        let (first, second) = (run(seed), run(seed));
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_eq!(first.coverage, second.coverage, "seed {seed}");
        assert_eq!(
            (first.simulated_ns, first.published, first.requests),
            (second.simulated_ns, second.published, second.requests)
        );
    }
}

#[test]
fn other_seeds_are_other_runs() {
    let mut hashes: Vec<u64> = (0..100).map(|seed| run(seed).hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 100);
}
