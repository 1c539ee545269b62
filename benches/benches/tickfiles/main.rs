//! Tick files read from memory or from the page cache, each format; order books; the synthetic
//! market.
//!
//! `cargo bench --bench tickfiles`. Every file has a million messages or ticks, in an order that no
//! branch predictor learns: a short file read again and again shows figures that no trading day
//! has. ITCH is decoded from 32,768 shuffled messages as well, which are too many to be learnt and
//! few enough for the second-level cache: what decoding takes, not what memory takes.

mod iex;

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group};
use tempfile::TempDir;
use tickcast_benches::orders::{Action, Step, steps};
use tickcast_benches::{Bound, Figure, Shuffled, in_turns, is_instant, write_itch};
use tickcast_book::{Books, Limits, Order, Side};
use tickcast_tickfile::{CsvWriter, Synthetic, SyntheticConfig, TickWriter, TicksFile, open};
use tickcast_wire::{Digest, Tick};

/// Messages or ticks of each file; of CSV a tenth.
const COUNT: u64 = 1_000_000;
const INSTANT_COUNT: u64 = 20_000;

/// How often the messages in the cache are decoded.
const PASSES: u64 = 100;

/// The files, which are removed when this is dropped.
struct Files {
    folder: TempDir,
    count: u64,
    steps: Vec<Step>,
    in_cache: Shuffled,
    in_memory: Shuffled,
}

impl Files {
    fn write() -> Files {
        let folder = tempfile::tempdir().expect("a folder for the files");
        let count = if is_instant() { INSTANT_COUNT } else { COUNT };
        let at = |name: &str| folder.path().join(name);
        write_itch(&at("bench.itch"), count);
        iex::write(&at("bench.pcap"), count).expect("room on the disk");
        let mut ticks = TickWriter::create(&at("bench.ticks")).expect("a file of our own");
        let mut csv = CsvWriter::create(&at("bench.csv")).expect("a file of our own");
        for (tick, seq) in Synthetic::new(SyntheticConfig::default()).zip(1..=count) {
            let tick = tick.with_seq(seq);
            ticks.write(&tick).expect("room on the disk");
            if seq <= count / 10 {
                csv.write(&tick).expect("room on the disk");
            }
        }
        ticks.finish().expect("room on the disk");
        csv.finish().expect("room on the disk");
        Files {
            folder,
            count,
            steps: steps(count),
            in_cache: Shuffled::in_cache(),
            in_memory: Shuffled::in_memory(),
        }
    }

    /// Reads a file tick by tick; how many ticks it gave.
    fn read(&self, name: &str) -> u64 {
        let reader = open(&self.folder.path().join(name)).expect("a readable file");
        let ticks = reader.map(|tick| tick.expect("an undamaged file"));
        let (sum, count) = ticks.fold((0, 0), |(sum, count), tick| {
            (sum ^ tick.ts_event(), count + 1)
        });
        black_box(sum);
        count
    }

    /// The rows of the native file in place, each block against its checksum.
    fn blocks(&self, mut each: impl FnMut(&[Tick])) {
        let file = TicksFile::open(&self.folder.path().join("bench.ticks"));
        for block in file.expect("a readable file").blocks() {
            each(block.expect("an undamaged file"));
        }
    }
}

/// What is measured; `run` gives how many of the unit it did.
struct Case {
    what: &'static str,
    /// `ns`, or millions a second of something.
    unit: &'static str,
    bound: Option<Bound>,
    run: fn(&Files) -> u64,
}

const CASES: [Case; 10] = [
    Case {
        what: "ITCH, a message decoded",
        unit: "ns",
        bound: Some(Bound::AtMost(3.0)),
        run: |files| (0..PASSES).map(|_| files.in_cache.decode()).sum(),
    },
    Case {
        what: "ITCH, a message decoded, streamed from memory",
        unit: "ns",
        bound: None,
        run: |files| files.in_memory.decode(),
    },
    Case {
        what: "ITCH, a message to ticks with the full book",
        unit: "ns",
        bound: Some(Bound::AtMost(25.0)),
        run: |files| {
            files.read("bench.itch");
            files.count
        },
    },
    Case {
        what: "order books, a message",
        unit: "ns",
        bound: None,
        run: |files| {
            black_box(into_books(black_box(&files.steps)));
            files.count
        },
    },
    Case {
        what: "IEX TOPS in pcap, a message to ticks",
        unit: "ns",
        bound: None,
        run: |files| {
            files.read("bench.pcap");
            files.count
        },
    },
    Case {
        what: "CSV, a line to a tick",
        unit: "ns",
        bound: None,
        run: |files| files.read("bench.csv"),
    },
    Case {
        what: ".ticks from the page cache, checksums checked, rows in place",
        unit: "M ticks/s",
        bound: Some(Bound::AtLeast(100.0)),
        run: |files| {
            files.blocks(|rows| {
                black_box(rows);
            });
            files.count
        },
    },
    Case {
        what: ".ticks, checked, and the digest of all",
        unit: "M ticks/s",
        bound: None,
        run: |files| {
            let mut digest = Digest::default();
            files.blocks(|rows| digest.update_all(rows));
            black_box(digest);
            files.count
        },
    },
    Case {
        what: ".ticks, tick by tick",
        unit: "M ticks/s",
        bound: None,
        run: |files| files.read("bench.ticks"),
    },
    Case {
        what: "the synthetic market",
        unit: "M ticks/s",
        bound: None,
        run: |files| {
            let market = Synthetic::new(SyntheticConfig::default());
            let market = market.take(files.count as usize);
            black_box(market.fold(0, |sum, tick| sum ^ tick.ts_event()));
            files.count
        },
    },
];

/// Takes the steps into order books; gives how many orders rest in the end.
fn into_books(steps: &[Step]) -> usize {
    let mut books = Books::new(Limits::default());
    for step in steps {
        let outcome = match step.action {
            Action::Add {
                is_bid,
                size,
                price,
            } => {
                let order = Order {
                    price: i64::from(price) * 100_000,
                    size,
                    instrument: step.instrument.into(),
                    side: if is_bid { Side::Bid } else { Side::Ask },
                };
                books.add(step.reference, order).map(|_| ())
            }
            Action::Delete => books.delete(step.reference).map(|_| ()),
            Action::Replace { by, size, price } => books
                .replace(step.reference, by, i64::from(price) * 100_000, size)
                .map(|_| ()),
            Action::Execute => books.reduce(step.reference, 1).map(|_| ()),
        };
        outcome.expect("an action for an order that rests");
    }
    books.resting_orders()
}

fn tickfiles(c: &mut Criterion) {
    let files = Files::write();
    let mut group = c.benchmark_group("tick files");
    group.sample_size(10);
    for case in &CASES {
        group.throughput(Throughput::Elements((case.run)(&files)));
        group.bench_function(case.what, |b| b.iter(|| (case.run)(&files)));
    }
    group.finish();
}

/// Each case in turns with the others.
fn figures(turns: usize) {
    let files = Files::write();
    let runs = in_turns(turns, CASES.len(), |way| {
        let start = Instant::now();
        let count = (CASES[way].run)(&files);
        let ns = start.elapsed().as_nanos() as f64 / count as f64;
        if CASES[way].unit == "ns" {
            ns
        } else {
            1e3 / ns
        }
    });
    for (case, runs) in CASES.iter().zip(&runs) {
        Figure {
            what: case.what,
            ours: runs,
            unit: case.unit,
            against: None,
            bound: case.bound,
        }
        .print();
    }
}

criterion_group!(benches, tickfiles);

fn main() {
    benches();
    figures(if is_instant() { 1 } else { 10 });
}
