//! Aeron multicast beside ours and beside bare sockets, on loopback, in turns.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench aeron`, with `latency` or
//! `throughput` for one half; with `--test` an instant.

mod node;
mod ways;

use std::fs;

use tickcast_benches::{Bound, Figure, is_instant, run_parts, try_in_turns};
use tickcast_peers::{
    Failure, Latency, OURS_FLAT_OUT, OURS_ONE_WAY, RATE_PER_SECOND, bare_latency, introduce,
    market, our_latency, our_throughput, print_flows, print_latencies, quantiles, rates,
};

use node::PACKETS_PER_CALL;
use ways::{Setup, aeron_latency, aeron_throughput};

/// How much is measured.
struct Effort {
    turns: usize,
    latency_messages: u64,
    /// At the smallest MTU; of ours ten times as many.
    throughput_messages: u64,
}

const FULL: Effort = Effort {
    turns: 20,
    latency_messages: 20_000,
    throughput_messages: 2_000_000,
};
const INSTANT: Effort = Effort {
    turns: 1,
    latency_messages: 1_000,
    throughput_messages: 10_000,
};

/// The MTUs at which Aeron is to carry what it can, how many times as many messages it is given there,
/// so that no run is over at once, and how many times as many ours is to carry. The largest MTU that
/// Aeron takes is the last.
const MTUS: [(usize, u64, f64); 3] = [(1_408, 1, 10.0), (8_192, 4, 1.0), (65_504, 10, 1.0)];

fn main() -> Result<(), Failure> {
    let effort = if is_instant() { &INSTANT } else { &FULL };
    introduce("aeron");
    run_parts(effort, &[("latency", latency), ("throughput", throughput)])
}

fn latency(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\none way from the intended send, 64-byte messages, one a packet, {RATE_PER_SECOND}/s, {} \
         turns of {}\n{OURS_ONE_WAY};\nAeron: one line, frames of 96 bytes. All spin, sender and \
         receiver on a core each; but with the shared driver, whose\nthread is the third on two \
         cores, everybody yields",
        effort.turns, effort.latency_messages
    );
    let ways = [
        "bare socket",
        "ours",
        "Aeron, invoker, a driver in each thread",
        "Aeron, shared driver, yielding",
    ];
    let messages = effort.latency_messages;
    let market = market();
    let runs = try_in_turns(effort.turns, ways.len(), |way| match way {
        0 => bare_latency(messages),
        1 => our_latency(&market, messages),
        2 => aeron_latency(messages, false),
        _ => aeron_latency(messages, true),
    })?;
    print_latencies(&ways, &runs);
    if is_instant() {
        return Ok(());
    }
    let [bare, ours, invoker, shared] = &runs[..] else {
        unreachable!("four ways were run")
    };
    let p50 = |runs: &[Latency]| quantiles(runs, 0.5);
    let rows = [
        (ways[0], bare, None),
        (ways[2], invoker, Some(Bound::RatioAtMost(0.85))),
        (ways[3], shared, Some(Bound::RatioAtMost(0.4))),
    ];
    for (name, theirs, bound) in rows {
        Figure {
            what: "publish to strategy, one way, p50",
            ours: &p50(ours),
            unit: "µs",
            against: Some((name, &p50(theirs))),
            bound,
        }
        .print();
    }
    Ok(())
}

fn throughput(effort: &Effort) -> Result<(), Failure> {
    let Setup { window, socket, .. } = Setup::throughput(0);
    println!(
        "\nas many 64-byte messages as go through, none lost, the number of each looked at, {} \
         turns of ours with {}, Aeron\nwith {} at MTU 1,408, 4 times as many at 8,192, 10 times at \
         65,504\n{OURS_FLAT_OUT}\nAeron: one line, invoker, a driver in each thread, which \
         sends at most {PACKETS_PER_CALL} packets a system call and is given 4 at once,\nat 65,504 \
         one, as is fastest; window {} kB, socket buffers {} kB (rmem_max {} kB, wmem_max {} kB). \
         Sent again:\nof ours ticks, of Aeron requests for what was lost",
        effort.turns,
        10 * effort.throughput_messages,
        effort.throughput_messages,
        window >> 10,
        socket >> 10,
        most("rmem_max")? >> 10,
        most("wmem_max")? >> 10,
    );
    let ways = [
        "ours",
        "Aeron, MTU 1,408",
        "Aeron, MTU 8,192",
        "Aeron, MTU 65,504",
    ];
    let messages = effort.throughput_messages;
    let market = market();
    let runs = try_in_turns(effort.turns, ways.len(), |way| match way {
        0 => our_throughput(&market, 10 * messages),
        way => {
            let (mtu, times, _) = MTUS[way - 1];
            aeron_throughput(times * messages, Setup::throughput(mtu))
        }
    })?;
    print_flows(&ways, &runs);
    if is_instant() {
        return Ok(());
    }
    let ours = rates(&runs[0]);
    for ((name, theirs), (_, _, least)) in ways.iter().zip(&runs).skip(1).zip(MTUS) {
        Figure {
            what: "64-byte messages, none lost",
            ours: &ours,
            unit: "M/s",
            against: Some((name, &rates(theirs))),
            bound: Some(Bound::RatioAtLeast(least)),
        }
        .print();
    }
    Ok(())
}

/// The largest socket buffer that Aeron can get, bytes.
fn most(name: &str) -> Result<usize, Failure> {
    let text = fs::read_to_string(format!("/proc/sys/net/core/{name}"))?;
    Ok(text.trim().parse()?)
}
