//! ZeroMQ PUB/SUB over TCP beside ours and beside bare sockets, on loopback, in turns.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench zmq`, with `latency` or
//! `throughput` for one half; with `--test` an instant.

use tickcast_benches::{Figure, is_instant, run_parts, try_in_turns};
use tickcast_net::clock;
use tickcast_peers::{
    Counted, Failure, Flow, Latency, OURS_FLAT_OUT, OURS_ONE_WAY, Progress, RATE_PER_SECOND,
    Received, bare_latency, encode, introduce, market, on_two_cores, our_latency, our_throughput,
    paced, print_flows, print_latencies, quantiles, rates, spin,
};

/// How much is measured.
struct Effort {
    turns: usize,
    latency_messages: u64,
    /// Of ZeroMQ; of ours ten times as many.
    throughput_messages: u64,
}

const FULL: Effort = Effort {
    turns: 20,
    latency_messages: 20_000,
    throughput_messages: 1_000_000,
};
const INSTANT: Effort = Effort {
    turns: 1,
    latency_messages: 1_000,
    throughput_messages: 10_000,
};

/// How long a receiver that blocks waits before it looks whether all has come, ms.
const BLOCK_MS: i32 = 20;

fn main() -> Result<(), Failure> {
    let effort = if is_instant() { &INSTANT } else { &FULL };
    introduce("zmq");
    let (major, minor, patch) = zmq::version();
    println!("libzmq {major}.{minor}.{patch}, one input-output thread");
    run_parts(effort, &[("latency", latency), ("throughput", throughput)])
}

fn latency(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\none way from the intended send, 64-byte messages, one a packet, {RATE_PER_SECOND}/s, {} \
         turns of {}\n{OURS_ONE_WAY};\nZeroMQ: PUB/SUB over TCP. Senders spin; receivers too, but \
         where they are said to block",
        effort.turns, effort.latency_messages
    );
    let ways = [
        "bare socket",
        "ours",
        "ZeroMQ, receiver spinning",
        "ZeroMQ, receiver blocking",
    ];
    let messages = effort.latency_messages;
    let market = market();
    let runs = try_in_turns(effort.turns, ways.len(), |way| match way {
        0 => bare_latency(messages),
        1 => our_latency(&market, messages),
        2 => zmq_latency(messages, zmq::DONTWAIT),
        _ => zmq_latency(messages, 0),
    })?;
    print_latencies(&ways, &runs);
    if is_instant() {
        return Ok(());
    }
    for peer in [2, 3] {
        Figure {
            what: "publish to strategy, one way, p50",
            ours: &quantiles(&runs[1], 0.5),
            unit: "µs",
            against: Some((ways[peer], &quantiles(&runs[peer], 0.5))),
            bound: None,
        }
        .print();
    }
    Ok(())
}

fn throughput(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\nas many 64-byte messages as go through, none lost, the number of each looked at, {} \
         turns of ours with {}, ZeroMQ\nwith {}\n{OURS_FLAT_OUT}\nZeroMQ: PUB/SUB over TCP, batches as \
         it makes them, no limit on what waits in its queues, the subscriber spins. Sent\nagain: \
         ticks",
        effort.turns,
        10 * effort.throughput_messages,
        effort.throughput_messages
    );
    let ways = ["ours", "ZeroMQ"];
    let messages = effort.throughput_messages;
    let market = market();
    let runs = try_in_turns(effort.turns, ways.len(), |way| match way {
        0 => our_throughput(&market, 10 * messages),
        _ => zmq_throughput(messages),
    })?;
    print_flows(&ways, &runs);
    if !is_instant() {
        Figure {
            what: "64-byte messages, none lost",
            ours: &rates(&runs[0]),
            unit: "M/s",
            against: Some((ways[1], &rates(&runs[1]))),
            bound: None,
        }
        .print();
    }
    Ok(())
}

/// One way; `flags` say whether the receiver spins or blocks.
fn zmq_latency(messages: u64, flags: i32) -> Result<Latency, Failure> {
    let (publisher, subscriber) = connected()?;
    let send = move |progress: &Progress| {
        let sent = paced(messages, spin, |number, due| {
            Ok(publisher.send(&encode(number, due)[..], 0)?)
        })?;
        until_received(progress, sent)
    };
    let (sent, received) = on_two_cores(send, move |progress| {
        let mut received = Received::new()?;
        let mut message = zmq::Message::new();
        progress.poll_until_done(|| {
            if came(subscriber.recv(&mut message, flags))? {
                received.take(&message);
            }
            Ok(received.count())
        })?;
        Ok(received)
    })?;
    received.finish(sent)
}

fn zmq_throughput(messages: u64) -> Result<Flow, Failure> {
    let (publisher, subscriber) = connected()?;
    let send = move |progress: &Progress| {
        for number in 0..messages {
            publisher.send(&encode(number, clock::realtime_ns())[..], 0)?;
        }
        until_received(progress, messages)
    };
    let (sent, counted) = on_two_cores(send, move |progress| {
        let mut counted = Counted::default();
        let mut message = zmq::Message::new();
        progress.poll_until_done(|| {
            let before = counted.count();
            while came(subscriber.recv(&mut message, zmq::DONTWAIT))? {
                counted.take(&message);
            }
            if counted.count() > before {
                counted.end_of_poll();
            }
            Ok(counted.count())
        })?;
        Ok(counted)
    })?;
    counted.finish(sent, 0)
}

/// A publisher, and a subscriber of everything that it knows of: what is sent before that is lost.
/// XPUB is PUB that shows its subscriptions.
fn connected() -> Result<(zmq::Socket, zmq::Socket), Failure> {
    let context = zmq::Context::new();
    let publisher = context.socket(zmq::XPUB)?;
    publisher.set_sndhwm(0)?;
    publisher.bind("tcp://127.0.0.1:*")?;
    let address = publisher.get_last_endpoint()?;
    let address = address.map_err(|_| "an address that is no text")?;
    let subscriber = context.socket(zmq::SUB)?;
    subscriber.set_rcvhwm(0)?;
    subscriber.set_rcvtimeo(BLOCK_MS)?;
    subscriber.connect(&address)?;
    subscriber.set_subscribe(b"")?;
    publisher.recv_bytes(0)?;
    Ok((publisher, subscriber))
}

/// A publisher that is closed drops what it has not sent.
fn until_received(progress: &Progress, sent: u64) -> Result<u64, Failure> {
    progress.sent_all(sent);
    while !progress.is_received() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(sent)
}

/// Whether a message came.
fn came(outcome: zmq::Result<()>) -> Result<bool, Failure> {
    match outcome {
        Ok(()) => Ok(true),
        Err(zmq::Error::EAGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
