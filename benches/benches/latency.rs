//! What one sample costs the thread that records it.
//!
//! `cargo bench --bench latency`

use std::hint::black_box;

use criterion::{Criterion, criterion_group};
use tickcast_benches::{Bound, Figure, in_turns, is_instant, ns_each};
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
const SAMPLES: usize = 1 << 16;

/// What a sample takes, one after the other, with the walk over their numbers. The share of the whole
/// is a figure of `--bench loopback`.
fn figure(turns: usize) {
    let (mut recorder, _reporter) = stages(&[Stage::Total]);
    let mut state = 1;
    let samples: Vec<u64> = (0..SAMPLES).map(|_| scattered(&mut state)).collect();
    let runs = in_turns(turns, 1, |_| {
        ns_each(SAMPLES as u64, || {
            for ns in black_box(&samples) {
                recorder.record(TOTAL, 1_000, 1_000 + ns, 21);
            }
            black_box(&mut recorder);
        })
    });
    Figure {
        what: "record a latency",
        ours: &runs[0],
        unit: "ns",
        against: None,
        bound: Some(Bound::AtMost(4.0)),
    }
    .print();
}

fn main() {
    benches();
    figure(if is_instant() { 1 } else { 200 });
}
