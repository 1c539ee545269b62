//! How fast tick files are read and converted, in turns, from the page cache.
//!
//! `cargo bench --bench convert`: ITCH messages decoded, and made into ticks with the full book;
//! `.ticks` files replayed by blocks, tick by tick, and as a publisher takes them; then the program
//! itself, `tickcast convert`, on all cores beside on one of them. The program is that of
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
use tickcast_tickfile::{ItchMessages, Synthetic, SyntheticConfig, TickWriter, TicksFile, open};

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
    decoding(&itch, &scale);
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

fn decoding(itch: &Path, scale: &Scale) {
    let bytes = std::fs::read(itch).expect("the file");
    let runs = in_turns(scale.turns, 2, |way| match way {
        0 => seconds(|| decode(&bytes)),
        _ => seconds(|| tick_by_tick(itch)),
    });
    let nanos = |way: usize| -> Vec<f64> {
        let each = 1e9 / scale.messages as f64;
        runs[way].iter().map(|seconds| seconds * each).collect()
    };
    for (way, what, bound) in [
        (0, "ITCH, a message decoded, types in no order", 3.0),
        (1, "ITCH, a message to ticks with the full book", 25.0),
    ] {
        Figure {
            what,
            ours: &nanos(way),
            unit: "ns a message",
            against: None,
            bound: Some(Bound::AtMost(bound)),
        }
        .print();
    }
}

/// Reads every field that a message of its type may have.
fn decode(file: &[u8]) -> u64 {
    ItchMessages::new(file).fold(0, |sum, message| {
        sum ^ u64::from(message.kind())
            ^ u64::from(message.locate())
            ^ message.nanos()
            ^ message.reference()
            ^ message.second()
            ^ u64::from(message.shares())
            ^ u64::from(message.price())
            ^ u64::from(message.code())
    })
}

fn tick_by_tick(path: &Path) -> u64 {
    let ticks = open(path).expect("a readable file");
    ticks.fold(0, |sum, tick| {
        sum ^ tick.expect("an undamaged file").ts_event()
    })
}

fn by_blocks(path: &Path) -> u64 {
    let file = TicksFile::open(path).expect("a readable file");
    let blocks = file.blocks().map(|block| block.expect("an undamaged file"));
    blocks.fold(0, |ticks, block| ticks + block.len() as u64)
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
    let ways: [fn(&Path) -> u64; 3] = [by_blocks, tick_by_tick, as_published];
    let runs = in_turns(scale.turns, ways.len(), |way| seconds(|| ways[way](native)));
    for (runs, what, bound) in [
        (&runs[0], "`.ticks` replay, checked blocks in place", 100.0),
        (&runs[1], "`.ticks` replay, checked, tick by tick", 100.0),
        (&runs[2], "`.ticks` as a publisher takes it", 80.0),
    ] {
        Figure {
            what,
            ours: &rates(scale.ticks, runs),
            unit: "M ticks/s",
            against: None,
            bound: Some(Bound::AtLeast(bound)),
        }
        .print();
    }
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
