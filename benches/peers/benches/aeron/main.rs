//! Aeron multicast beside ours and beside bare sockets, on loopback, in turns.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench aeron`, with `latency` or
//! `throughput` for one half; with `--test` an instant.

mod node;
mod ways;

use tickcast_benches::{Bound, Figure, is_instant};
use tickcast_peers::{
    Failure, Latency, Market, RATE_PER_SECOND, bare_latency, in_turns, introduce, our_latency,
    our_throughput, print_flows, print_latencies, quantiles, rates,
};

use node::PACKETS_PER_CALL;
use ways::{Setup, aeron_latency, aeron_throughput};

/// How much is measured.
struct Effort {
    turns: usize,
    latency_messages: u64,
    /// Of Aeron; of ours ten times as many.
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

/// The MTUs at which Aeron is to carry what it can. The largest that it takes is the last.
const MTUS: [usize; 3] = [1_408, 8_192, 65_504];

fn main() -> Result<(), Failure> {
    let effort = if is_instant() { &INSTANT } else { &FULL };
    introduce("aeron");
    let is_asked_for = |name: &str| std::env::args().any(|argument| argument == name);
    let [latency_only, throughput_only] = ["latency", "throughput"].map(is_asked_for);
    let market = Market::new();
    if !throughput_only {
        latency(effort, &market)?;
    }
    if !latency_only {
        throughput(effort, &market)?;
    }
    Ok(())
}

fn latency(effort: &Effort, market: &Market) -> Result<(), Failure> {
    println!(
        "\none way from the intended send, 64-byte messages, one a packet, {RATE_PER_SECOND}/s, {} \
         turns of {}\nours: lines A and B, kernel stamps and checksums on, 136-byte packets; bare: \
         one line, 64-byte datagrams; Aeron: one\nline, 96-byte frames. All spin, sender and \
         receiver on a core each; but with the shared driver, whose thread is the\nthird on two \
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
    let runs = in_turns(effort.turns, ways.len(), |way| match way {
        0 => bare_latency(messages),
        1 => our_latency(market, messages),
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

fn throughput(effort: &Effort, market: &Market) -> Result<(), Failure> {
    let Setup { window, socket, .. } = Setup::throughput(0);
    println!(
        "\nas many 64-byte messages as go through, none lost, the number of each looked at, {} \
         turns of {} (ours {})\nours: lines A and B, packets of 21 ticks, 1,416 bytes, segmented \
         sends of at most 64 kB; one strategy, called by the\nreceive thread. Aeron: one line, \
         invoker, a driver in each thread, at most {PACKETS_PER_CALL} packets a system call, \
         window {} kB,\nsocket buffers {} kB. Sent again: of ours ticks, of Aeron requests for \
         what was lost",
        effort.turns,
        effort.throughput_messages,
        10 * effort.throughput_messages,
        window >> 10,
        socket >> 10,
    );
    let ways = [
        "ours",
        "Aeron, MTU 1,408",
        "Aeron, MTU 8,192",
        "Aeron, MTU 65,504",
    ];
    let messages = effort.throughput_messages;
    let runs = in_turns(effort.turns, ways.len(), |way| match way {
        0 => our_throughput(market, 10 * messages),
        way => aeron_throughput(messages, Setup::throughput(MTUS[way - 1])),
    })?;
    print_flows(&ways, &runs);
    if is_instant() {
        return Ok(());
    }
    let ours = rates(&runs[0]);
    for (way, least) in [(1, 10.0), (2, 1.0), (3, 1.0)] {
        Figure {
            what: "64-byte messages, none lost",
            ours: &ours,
            unit: "M/s",
            against: Some((ways[way], &rates(&runs[way]))),
            bound: Some(Bound::RatioAtLeast(least)),
        }
        .print();
    }
    Ok(())
}
