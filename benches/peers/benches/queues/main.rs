//! Other queues beside ours, in turns: a hop, a stream, what the producer pays for readers.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench queues`; with `--test` an instant.

mod kinds;
mod runs;

use tickcast_benches::{Bound, Figure, cache_line_hops, is_instant, ratio, try_in_turns};
use tickcast_peers::{Failure, introduce, print_times};

use kinds::{CAPACITY, LINES_PER_PACKET, READ_LINES};
use runs::{Way, disruptor_producer, hop, our_producer, stream};

/// How much is measured.
struct Effort {
    turns: usize,
    hops: u64,
    lines: u64,
}

const FULL: Effort = Effort {
    turns: 20,
    hops: 100_000,
    lines: 1_000_000,
};
const INSTANT: Effort = Effort {
    turns: 1,
    hops: 1_000,
    lines: 10_000,
};

/// What a run gives for an effort, ns.
type Run = fn(&Effort) -> Result<f64, Failure>;

fn main() -> Result<(), Failure> {
    let effort = if is_instant() { &INSTANT } else { &FULL };
    introduce("queues");
    println!(
        "64-byte lines, room for {CAPACITY}, two threads on a core each, both spin; packets of \
         {LINES_PER_PACKET} lines; at most {READ_LINES}\nread at once where a queue can; {} turns",
        effort.turns
    );
    hops(effort)?;
    streams(effort)?;
    producers(effort)
}

fn hops(effort: &Effort) -> Result<(), Failure> {
    let ways: [(&str, Run); 5] = [
        ("ours", |effort| hop(kinds::tickcast, effort.hops)),
        ("cache line", |effort| {
            Ok(cache_line_hops(effort.hops).as_nanos() as f64 / effort.hops as f64)
        }),
        ("rtrb", |effort| hop(kinds::rtrb, effort.hops)),
        ("disruptor", |effort| hop(kinds::disruptor, effort.hops)),
        ("ArrayQueue", |effort| hop(kinds::array_queue, effort.hops)),
    ];
    let runs = measure("one hop of a ping-pong, ns", effort, &ways)?;
    let bounds = [
        (1, Some(Bound::RatioAtMost(1.1))),
        (2, None),
        (3, None),
        (4, None),
    ];
    figures("one hop", "ns", &ways, &runs, 0, &bounds);
    Ok(())
}

fn streams(effort: &Effort) -> Result<(), Failure> {
    use Way::{LineByLine, Packets};
    let ways: [(&str, Run); 9] = [
        ("ours by packets", |it| {
            stream(kinds::tickcast, it.lines, Packets)
        }),
        ("ours tick by tick", |it| {
            stream(kinds::tickcast, it.lines, LineByLine)
        }),
        ("rtrb", |it| stream(kinds::rtrb, it.lines, LineByLine)),
        ("rtrb by slices of 21, read by chunks", |it| {
            stream(kinds::rtrb_chunks, it.lines, Packets)
        }),
        ("disruptor by packets", |it| {
            stream(kinds::disruptor, it.lines, Packets)
        }),
        ("disruptor tick by tick", |it| {
            stream(kinds::disruptor, it.lines, LineByLine)
        }),
        ("ArrayQueue", |it| {
            stream(kinds::array_queue, it.lines, LineByLine)
        }),
        ("ours by packets, once more", |it| {
            stream(kinds::tickcast, it.lines, Packets)
        }),
        ("whole packets lent, looked at in place", |it| {
            stream(kinds::lent, it.lines, Packets)
        }),
    ];
    let runs = measure("a stream from core to core, ns a tick", effort, &ways)?;
    let by_packets = [
        (2, Some(Bound::RatioAtMost(0.5))),
        (3, None),
        (4, None),
        (6, None),
        (7, None),
        (8, None),
    ];
    figures(
        "stream by packets of 21",
        "ns a tick",
        &ways,
        &runs,
        0,
        &by_packets,
    );
    let tick_by_tick = [(2, Some(Bound::RatioAtMost(1.0))), (5, None), (6, None)];
    figures(
        "stream tick by tick",
        "ns a tick",
        &ways,
        &runs,
        1,
        &tick_by_tick,
    );
    Ok(())
}

fn producers(effort: &Effort) -> Result<(), Failure> {
    let ways: [(&str, Run); 4] = [
        ("ours with 8 readers", |it| our_producer(8, it.lines)),
        ("ours with 1 reader", |it| our_producer(1, it.lines)),
        ("disruptor with 8 readers", |it| {
            disruptor_producer(8, it.lines)
        }),
        ("disruptor with 1 reader", |it| {
            disruptor_producer(1, it.lines)
        }),
    ];
    println!(
        "\nOf our readers one reads, on the second core, and seven are there and do not: two cores \
         have no more. disruptor's\nproducer waits for the slowest reader, so its times are of a \
         ring's worth, which all readers read on the same core\nbefore the next: its two figures \
         compare with each other, not with ours."
    );
    let runs = measure(
        "what the producer pays, by packets, ns a tick",
        effort,
        &ways,
    )?;
    let bounds = [(1, Some(Bound::RatioAtMost(1.1)))];
    figures("producer, 8 readers", "ns a tick", &ways, &runs, 0, &bounds);
    if !is_instant() {
        let times = ratio(&runs[2], &runs[3]);
        println!("disruptor with 8 readers : with 1 reader  {times}");
    }
    Ok(())
}

/// Runs the ways in turns and prints what each took.
fn measure(what: &str, effort: &Effort, ways: &[(&str, Run)]) -> Result<Vec<Vec<f64>>, Failure> {
    let runs = try_in_turns(effort.turns, ways.len(), |way| (ways[way].1)(effort))?;
    print_times(
        what,
        &ways.iter().map(|way| way.0).collect::<Vec<_>>(),
        &runs,
    );
    Ok(runs)
}

/// Prints one way beside others.
fn figures(
    what: &str,
    unit: &str,
    ways: &[(&str, Run)],
    runs: &[Vec<f64>],
    ours: usize,
    others: &[(usize, Option<Bound>)],
) {
    if is_instant() {
        return;
    }
    for &(other, bound) in others {
        Figure {
            what,
            ours: &runs[ours],
            unit,
            against: Some((ways[other].0, &runs[other])),
            bound,
        }
        .print();
    }
}
