//! How fast tick files are replayed and converted, in turns, from the page cache.
//!
//! `cargo bench --bench convert`: a `.ticks` file as a publisher takes it; then the program itself,
//! `tickcast convert`, on all cores beside on one of them. The program is that of
//! `cargo build --release -p tickcast`; without it the last part is left out, and said so.

use std::env;
use std::fs::File;
use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use tickcast_benches::{Bound, Figure, in_turns, is_instant, write_itch};
use tickcast_publisher::{Prefetched, Source, Supply};
use tickcast_tickfile::{Synthetic, SyntheticConfig, TickWriter, open};

/// The files of a run, and how often each way has its turn.
struct Scale {
    messages: u64,
    ticks: u64,
    turns: usize,
}

fn main() {
    let scale = if is_instant() {
        Scale {
            messages: 1_000,
            ticks: 2_000,
            turns: 1,
        }
    } else {
        Scale {
            messages: 2_000_000,
            ticks: 4_000_000,
            turns: 9,
        }
    };
    let folder = tempfile::tempdir().expect("a folder for the files");
    let itch = folder.path().join("messages.itch");
    write_itch(&itch, scale.messages);
    let native = folder.path().join("market.ticks");
    write_market(&native, scale.ticks);
    replay(&native, &scale);
    match program() {
        Some(program) => conversions(&program, &itch, &native, &scale),
        None => println!("`tickcast convert` is left out: run `cargo build --release -p tickcast`"),
    }
}

fn write_market(path: &Path, ticks: u64) {
    let mut writer = TickWriter::create(path).expect("a file in a folder of our own");
    for (tick, seq) in Synthetic::new(SyntheticConfig::default()).zip(1..=ticks) {
        writer.write(&tick.with_seq(seq)).expect("room on the disk");
    }
    writer.finish().expect("room on the disk");
}

/// Seconds that it takes.
fn seconds<T>(what: impl FnOnce() -> T) -> f64 {
    let started = Instant::now();
    black_box(what());
    started.elapsed().as_secs_f64()
}

/// As the send loop takes them, a batch at a time; checked in the reading thread.
fn as_published(path: &Path) -> u64 {
    const BATCH: usize = 966;
    let chunks = open(path).expect("a readable file").into_chunks();
    let mut source = Prefetched::start(chunks).expect("a thread");
    let mut sum = 0;
    loop {
        let count = match source.peek().expect("an undamaged file") {
            Supply::Ticks(ticks) => {
                let batch = &ticks[..ticks.len().min(BATCH)];
                sum ^= batch.iter().fold(0, |sum, tick| sum ^ tick.ts_event());
                batch.len()
            }
            Supply::NotYet => {
                std::hint::spin_loop();
                0
            }
            Supply::End => return sum,
        };
        source.take(count);
    }
}

fn replay(native: &Path, scale: &Scale) {
    let runs = in_turns(scale.turns, 1, |_| seconds(|| as_published(native)));
    Figure {
        what: "`.ticks` as a publisher takes it",
        ours: &rates(scale.ticks, &runs[0]),
        unit: "M ticks/s",
        against: None,
        bound: Some(Bound::AtLeast(80.0)),
    }
    .print();
}

fn rates(count: u64, seconds: &[f64]) -> Vec<f64> {
    let millions = count as f64 / 1e6;
    seconds.iter().map(|seconds| millions / seconds).collect()
}

/// The program beside this one, if it was built: a bench is in `target/release/deps`.
fn program() -> Option<PathBuf> {
    let bench = env::current_exe().ok()?;
    let program = bench.parent()?.parent()?.join("tickcast");
    program.is_file().then_some(program)
}

fn conversions(program: &Path, itch: &Path, native: &Path, scale: &Scale) {
    let folder = itch.parent().expect("the folder of the files");
    let gzipped = folder.join("messages.itch.gz");
    gzip(itch, &gzipped);
    let csv = folder.join("market.csv");
    convert(program, false, native, &csv);
    for (what, input, output, count) in [
        ("convert ITCH to .ticks", itch, "out.ticks", scale.messages),
        (
            "convert gzipped ITCH to .ticks",
            &gzipped,
            "out.ticks",
            scale.messages,
        ),
        ("convert ITCH to CSV", itch, "out.csv", scale.messages),
        ("convert CSV to .ticks", &csv, "out.ticks", scale.ticks),
    ] {
        let output = folder.join(output);
        let runs = in_turns(scale.turns, 2, |way| {
            seconds(|| convert(program, way == 1, input, &output))
        });
        let is_itch = count == scale.messages;
        Figure {
            what,
            ours: &rates(count, &runs[0]),
            unit: if is_itch { "M messages/s" } else { "M ticks/s" },
            against: Some(("on one core", &rates(count, &runs[1]))),
            bound: None,
        }
        .print();
    }
}

fn gzip(from: &Path, to: &Path) {
    let mut source = File::open(from).expect("the file");
    let target = File::create(to).expect("a file in a folder of our own");
    let mut encoder = GzEncoder::new(target, Compression::default());
    io::copy(&mut source, &mut encoder).expect("room on the disk");
    encoder.finish().expect("room on the disk");
}

fn convert(program: &Path, on_one_core: bool, input: &Path, output: &Path) {
    let mut command = if on_one_core {
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.arg("convert").args([input, output]).arg("--force");
    let status = command.stdout(Stdio::null()).status().expect("it runs");
    assert!(status.success(), "{status}");
}
