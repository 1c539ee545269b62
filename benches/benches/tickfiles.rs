//! Tick files read in memory or from the page cache: ITCH with the full book, `.ticks`, and the
//! synthetic market.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tickcast_benches::write_itch;
use tickcast_tickfile::{Synthetic, SyntheticConfig, TickWriter, TicksFile, open};
use tickcast_wire::Digest;

/// Messages in the ITCH file and ticks in the others.
const COUNT: u64 = 1_000_000;
fn read_all(path: &Path) -> u64 {
    let reader = open(path).expect("a readable file");
    reader
        .map(|tick| tick.expect("an undamaged file"))
        .fold(0, |sum, tick| sum ^ tick.ts_event())
}

fn tickfiles(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the files");
    let itch = folder.path().join("bench.itch");
    write_itch(&itch, COUNT);
    let native = folder.path().join("bench.ticks");
    let mut writer = TickWriter::create(&native).expect("a file in a folder of our own");
    for (tick, seq) in Synthetic::new(SyntheticConfig::default()).zip(1..=COUNT) {
        writer.write(&tick.with_seq(seq)).expect("room on the disk");
    }
    writer.finish().expect("room on the disk");

    let mut group = c.benchmark_group("tick files");
    group.sample_size(10);
    group.throughput(Throughput::Elements(COUNT));
    group.bench_function("ITCH messages to ticks, full book", |b| {
        b.iter(|| read_all(black_box(&itch)));
    });
    group.bench_function(".ticks, tick by tick", |b| {
        b.iter(|| read_all(black_box(&native)));
    });
    group.bench_function(".ticks, checked blocks in place", |b| {
        b.iter(|| {
            let file = TicksFile::open(black_box(&native)).expect("a readable file");
            let blocks = file.blocks().map(|block| block.expect("an undamaged file"));
            blocks.fold(0, |ticks, block| ticks + block.len())
        });
    });
    group.bench_function(".ticks, checked blocks and digest", |b| {
        b.iter(|| {
            let file = TicksFile::open(black_box(&native)).expect("a readable file");
            let mut digest = Digest::default();
            for block in file.blocks() {
                digest.update_all(block.expect("an undamaged file"));
            }
            digest
        });
    });
    group.bench_function("synthetic market", |b| {
        b.iter(|| {
            let market = Synthetic::new(SyntheticConfig::default());
            market
                .take(COUNT as usize)
                .fold(0, |sum, tick| sum ^ tick.ts_event())
        });
    });
    group.finish();
}

criterion_group!(benches, tickfiles);
criterion_main!(benches);
