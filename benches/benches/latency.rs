//! What one sample costs the thread that records it.
//!
//! `cargo bench --bench latency`

use std::hint::black_box;

use criterion::{Criterion, criterion_group};
use tickcast_benches::{Figure, in_turns, is_instant, ns_each};
use tickcast_latency::{Provenance, Stage, stages};

const TOTAL: (Stage, Provenance) = (Stage::Total, Provenance::A);

/// Differences of 1 to 65,536 ns in an order that no branch predictor learns.
fn scattered(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(0x5851_f42d_4c95_7f2d)
        .wrapping_add(0x1405_7b7e_f767_814f);
    *state >> 48
}

fn record(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("latency");
    group.bench_function("harness", |b| {
        let mut state = 1;
        b.iter(|| black_box(scattered(&mut state)));
    });
    group.bench_function("record", |b| {
        let (mut recorder, _reporter) = stages(&[Stage::Total]);
        let mut state = 1;
        b.iter(|| recorder.record(TOTAL, 1_000, 1_000 + scattered(&mut state), 21));
    });
    group.bench_function("poll_swap", |b| {
        let (mut recorder, _reporter) = stages(&[Stage::Total]);
        b.iter(|| black_box(&mut recorder).poll_swap());
    });
    group.finish();
}

criterion_group!(benches, record);

/// Samples of a turn.
const SAMPLES: u64 = 1_000_000;

/// What a sample takes, less what making its number takes. The share of the whole is a figure of
/// `--bench loopback`.
fn figure(turns: usize) {
    let (mut recorder, _reporter) = stages(&[Stage::Total]);
    let mut state = 1;
    let runs = in_turns(turns, 2, |way| {
        ns_each(SAMPLES, || {
            for _ in 0..SAMPLES {
                let ns = black_box(scattered(&mut state));
                if way == 1 {
                    recorder.record(TOTAL, 1_000, 1_000 + ns, 21);
                }
            }
        })
    });
    let record: Vec<f64> = runs[1]
        .iter()
        .zip(&runs[0])
        .map(|(all, number)| all - number)
        .collect();
    Figure {
        what: "record a latency",
        ours: &record,
        unit: "ns",
        against: None,
        bound: None,
    }
    .print();
}

fn main() {
    benches();
    figure(if is_instant() { 1 } else { 40 });
}
