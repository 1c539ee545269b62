//! The broadcast ring beside the hop of a cache line, on which every queue between two cores stands,
//! and beside crossbeam's ArrayQueue.
//!
//! `cargo bench --bench queue`. Producer and reader have a core each. Every case is lossless, so
//! the ring's producer waits for its reader here, which it never does in a feed; only the case of
//! many readers runs as a feed does.

#[path = "queue/cases.rs"]
mod cases;

use tickcast_benches::{Bound, Figure, control, in_turns, is_instant};
use tickcast_net::thread::available_cores;

use cases::{
    TICKS_PER_PACKET, array_queue_hop, array_queue_stream, cache_line_hop, many_readers, ring_hop,
    ring_stream,
};

/// Hops of a turn, and lines.
const HOPS: u64 = 20_000;
const LINES: u64 = 500_000;
/// Turns of each case.
const TURNS: usize = 21;

/// A case, and by what its time is divided.
type Case = (fn(&[usize]) -> f64, u64);

/// The cases, in the order in which they take turns; names for their places in it.
const CASES: [Case; 12] = [
    (cache_line, HOPS),
    (cache_line, HOPS),
    (|cores| ring_hop(cores, HOPS, 0), HOPS),
    (|cores| ring_hop(cores, HOPS, 1), HOPS),
    (|cores| array_queue_hop(cores, HOPS), HOPS),
    (
        |cores| ring_stream(cores, LINES / 21 * 22, 22),
        LINES / 21 * TICKS_PER_PACKET,
    ),
    (|cores| ring_stream(cores, 2 * LINES, 2), LINES),
    (|cores| ring_stream(cores, LINES, 1), LINES),
    (|cores| array_queue_stream(cores, LINES), LINES),
    (|cores| many_readers(cores, LINES, 0), LINES),
    (|cores| many_readers(cores, LINES, 1), LINES),
    (|cores| many_readers(cores, LINES, 8), LINES),
];
const CACHE_LINE: usize = 0;
const CACHE_LINE_AGAIN: usize = 1;
const HOP: usize = 2;
const HOP_TICK: usize = 3;
const HOP_ARRAY: usize = 4;
const PACKETS: usize = 5;
const TICKS: usize = 6;
const ONE_LINE: usize = 7;
const ARRAY: usize = 8;
const ALONE: usize = 9;
const ONE_READER: usize = 10;
const EIGHT_READERS: usize = 11;

fn cache_line(cores: &[usize]) -> f64 {
    cache_line_hop(cores, HOPS)
}

fn main() {
    let cores = available_cores();
    let turns = if is_instant() { 1 } else { TURNS };
    let times = in_turns(turns, CASES.len(), |case| {
        let (run, units) = CASES[case];
        run(&cores) / units as f64
    });
    let figure = |what, ours: usize, unit, name, other: usize, bound| {
        let against = Some((name, &times[other][..]));
        Figure {
            what,
            ours: &times[ours],
            unit,
            against,
            bound,
        }
        .print();
    };
    let (hop, tick, line) = ("ns a hop", "ns a tick", "ns a line");
    let most = |ratio| Some(Bound::RatioAtMost(ratio));
    let (floor, array) = ("cache line", "ArrayQueue");
    let publish = "queue, what the producer pays with 8 readers";
    figure("queue, hop", HOP, hop, floor, CACHE_LINE, most(1.1));
    figure(
        "queue, hop of a mark and a tick",
        HOP_TICK,
        hop,
        floor,
        CACHE_LINE,
        None,
    );
    figure("ArrayQueue, hop", HOP_ARRAY, hop, floor, CACHE_LINE, None);
    figure(
        "queue, packets of 21 ticks",
        PACKETS,
        tick,
        array,
        ARRAY,
        most(0.5),
    );
    figure(
        "queue, packets of one tick",
        TICKS,
        tick,
        array,
        ARRAY,
        most(1.0),
    );
    figure(
        "queue, line by line",
        ONE_LINE,
        line,
        array,
        ARRAY,
        most(1.0),
    );
    figure(
        publish,
        EIGHT_READERS,
        line,
        "with 1",
        ONE_READER,
        most(1.1),
    );
    figure(
        "queue, with 1 reader",
        ONE_READER,
        line,
        "with none",
        ALONE,
        None,
    );
    println!(
        "A/A control, a cache line against itself: {}; from one turn to the next: {}",
        tickcast_benches::ratio(&times[CACHE_LINE], &times[CACHE_LINE_AGAIN]),
        control(&times[CACHE_LINE]),
    );
}
