//! The floor: what multicast on loopback costs with bare system calls, and what `tickcast-net`
//! adds to it; what a cache line takes from core to core, and a packet from one place in memory to
//! another.
//!
//! `cargo bench --bench floor` takes a minute; with `--quick` or `--test` an instant.
//!
//! Two threads spin, on a core each where there are two. Loopback runs the kernel's receive path
//! inside the sender's system call, so these figures have no wire in them. The bare way is one
//! `send` and one `recv`, without control messages and stamps. The ways take turns (A B B A), so
//! that a noisy machine disturbs both alike.

use std::error::Error;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tickcast_benches::bare::{
    BUFFER_BYTES, BareReceiver, BareSender, ONE_TICK, Receiving, Sending, first_word,
    receive_paced, receive_until_quiet, send_flat_out, send_paced,
};
use tickcast_benches::{
    Figure, cache_line_hops, hiccups, in_turns, is_instant, last_cores, machine, median, ns_each,
    on_two_cores, packets,
};
use tickcast_net::thread::available_cores;
use tickcast_net::{
    Group, Interface, MulticastReceiver, MulticastSender, ReceiveConfig, SendConfig,
};
use tickcast_protocol::{PACKET_BYTES, PACKETS_PER_BATCH};
use tickcast_wire::TICKS_PER_PACKET;

type Failure = Box<dyn Error + Send + Sync>;

/// What the ways need.
const OPEN: &str = "multicast sockets on loopback";
const RATE_PER_SECOND: u64 = 20_000;
/// A bare median above this is no socket's doing: one of the threads did not have its core.
const BUSY_MEDIAN_US: f64 = 50.0;
/// Hops, and packets copied, of a turn.
const HOPS: u64 = 100_000;
const COPIES: usize = 4_096;

/// How much is measured.
struct Effort {
    turns: usize,
    samples_per_turn: u64,
    flat_out_turns: usize,
    flat_out: Duration,
}

const FULL: Effort = Effort {
    turns: 24,
    samples_per_turn: 8_000,
    flat_out_turns: 12,
    flat_out: Duration::from_millis(250),
};
const INSTANT: Effort = Effort {
    turns: 1,
    samples_per_turn: 500,
    flat_out_turns: 1,
    flat_out: Duration::from_millis(10),
};

fn main() {
    let effort = if is_instant() { &INSTANT } else { &FULL };
    println!("floor: loopback, {}", machine());
    if available_cores().len() < 2 {
        println!("one core only: the two threads take turns, the figures say little");
    }
    if is_instant() {
        println!("an instant: shows that it runs, the figures say nothing");
    }
    latency(effort);
    flat_out(effort);
    in_memory(effort);
}

// ---- one datagram at a time ----------------------------------------------------------------

fn latency(effort: &Effort) {
    println!(
        "\none way, from the instant a datagram is due to after its receive, {ONE_TICK}-byte \
         datagrams, {RATE_PER_SECOND}/s, both threads spin"
    );
    let samples = effort.samples_per_turn;
    let mut port = 30_000;
    let runs = in_turns(effort.turns, 2, |way| {
        port += 1;
        if way == 0 {
            let (sender, receiver) = open_bare(port, None).expect(OPEN);
            latency_turn(&sender, receiver, samples)
        } else {
            let (sender, receiver) = open_net(port).expect(OPEN);
            latency_turn(&sender, receiver, samples)
        }
    });
    println!("                samples     p50     p90     p99   p99.9       max  lost  (in µs)");
    let sent = samples * effort.turns as u64;
    print_latency("bare socket", &runs[0], sent);
    print_latency("tickcast-net", &runs[1], sent);
    println!("this thread's core meanwhile: {}", hiccups(effort.flat_out));
    let [bare, net] = [&runs[0], &runs[1]].map(|runs| quantiles(runs, 0.5));
    if median(&bare) > BUSY_MEDIAN_US {
        println!("other programs had the cores: these figures say nothing about the floor");
    }
    let [bare_p90, net_p90] = [&runs[0], &runs[1]].map(|runs| quantiles(runs, 0.9));
    for (what, net, bare) in [
        (
            "sockets of tickcast-net with stamps, one way, p50",
            &net,
            &bare,
        ),
        (
            "sockets of tickcast-net with stamps, one way, p90",
            &net_p90,
            &bare_p90,
        ),
    ] {
        Figure {
            what,
            ours: net,
            unit: "µs",
            against: Some(("bare socket", bare)),
            bound: None,
        }
        .print();
    }
}

/// Sends on one core at the rate, receives on another.
fn latency_turn(
    sender: &impl Sending,
    mut receiver: impl Receiving,
    samples: u64,
) -> Histogram<u64> {
    let is_all_sent = AtomicBool::new(false);
    let mut latencies = None;
    on_two_cores(
        || {
            send_paced(sender, RATE_PER_SECOND, samples);
            is_all_sent.store(true, Ordering::Release);
        },
        || {
            let is_all_sent = || is_all_sent.load(Ordering::Acquire);
            latencies = Some(receive_paced(&mut receiver, is_all_sent));
        },
    );
    latencies.expect("what the other thread recorded")
}

/// A quantile of each run, in microseconds.
fn quantiles(runs: &[Histogram<u64>], quantile: f64) -> Vec<f64> {
    let micros = |run: &Histogram<u64>| run.value_at_quantile(quantile) as f64 / 1e3;
    runs.iter().map(micros).collect()
}

fn print_latency(way: &str, runs: &[Histogram<u64>], sent: u64) {
    let mut all = runs[0].clone();
    runs[1..].iter().for_each(|run| all += run);
    let [p50, p90, p99, p99_9] =
        [0.5, 0.9, 0.99, 0.999].map(|q| all.value_at_quantile(q) as f64 / 1e3);
    let (samples, max, lost) = (all.len(), all.max() as f64 / 1e3, sent - all.len());
    println!(
        "{way:<13}{samples:>10}{p50:>8.2}{p90:>8.2}{p99:>8.2}{p99_9:>8.1}{max:>10.1}{lost:>6}"
    );
}

// ---- flat out ------------------------------------------------------------------------------

fn flat_out(effort: &Effort) {
    println!(
        "\nflat out, {PACKET_BYTES}-byte packets, {PACKETS_PER_BATCH} a segmented send, each to \
         lines A and B, one receiving thread"
    );
    let mut port = 32_000;
    let runs = in_turns(effort.flat_out_turns, 2, |way| {
        port += 2;
        let ports = [port, port + 1];
        if way == 0 {
            let lines = ports.map(|port| open_bare(port, Some(PACKET_BYTES)).expect(OPEN));
            let (senders, receivers): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
            flat_out_turn(&senders, receivers, effort.flat_out)
        } else {
            let lines = ports.map(|port| open_net(port).expect(OPEN));
            let (senders, receivers): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
            flat_out_turn(&senders, receivers, effort.flat_out)
        }
    });
    let rates = |way: usize| -> Vec<f64> { runs[way].iter().map(Flow::rate).collect() };
    for (name, way) in [("bare socket", 0), ("tickcast-net", 1)] {
        let sent: u64 = runs[way].iter().map(|run| run.sent).sum();
        let received: u64 = runs[way].iter().map(|run| run.received).sum();
        println!(
            "{name:<14}{:>6.2} GB/s, lost {:.3} %",
            median(&rates(way)) * PACKET_BYTES as f64 / 1e3,
            100.0 * (sent - received) as f64 / sent as f64,
        );
    }
    Figure {
        what: "sockets of tickcast-net, flat out, both lines",
        ours: &rates(1),
        unit: "M packets/s",
        against: Some(("bare socket", &rates(0))),
        bound: None,
    }
    .print();
}

/// What one turn sent and received, both lines together.
struct Flow {
    sent: u64,
    received: u64,
    seconds: f64,
}

impl Flow {
    /// Million packets received a second.
    fn rate(&self) -> f64 {
        self.received as f64 / self.seconds / 1e6
    }
}

fn flat_out_turn(lines: &impl Sending, mut receivers: impl Receiving, duration: Duration) -> Flow {
    let (is_all_sent, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut received, mut sum) = (0, 0_u64);
    let took = on_two_cores(
        || {
            let packets = send_flat_out(lines, duration.as_nanos() as u64);
            sent.store(2 * packets, Ordering::Relaxed);
            is_all_sent.store(true, Ordering::Release);
        },
        || {
            let is_all_sent = || is_all_sent.load(Ordering::Acquire);
            receive_until_quiet(&mut receivers, is_all_sent, |packet| {
                sum = sum.wrapping_add(first_word(packet));
                received += 1;
            });
        },
    );
    black_box(sum);
    Flow {
        sent: sent.load(Ordering::Relaxed),
        received,
        seconds: took.as_secs_f64(),
    }
}

// ---- in memory -----------------------------------------------------------------------------

/// What no queue and no receive path can be faster than.
fn in_memory(effort: &Effort) {
    println!("\nin memory: a cache line from core to core and back, and packets copied");
    if last_cores::<2>().is_none() {
        println!("one core only: a cache line goes nowhere");
    }
    let packets = packets(COPIES, TICKS_PER_PACKET);
    let mut room = vec![0_u8; COPIES * PACKET_BYTES];
    let ticks = (COPIES * TICKS_PER_PACKET) as u64;
    let runs = in_turns(effort.turns, 2, |way| match way {
        0 => cache_line_hops(HOPS).as_nanos() as f64 / HOPS as f64,
        _ => ns_each(ticks, || {
            for (packet, place) in packets.iter().zip(room.chunks_mut(PACKET_BYTES)) {
                place.copy_from_slice(packet);
            }
            black_box(&mut room);
        }),
    });
    for (what, unit, ours) in [
        ("a cache line from core to core", "ns", &runs[0]),
        ("ticks copied, a packet at a time", "ns a tick", &runs[1]),
    ] {
        Figure {
            what,
            ours,
            unit,
            against: None,
            bound: None,
        }
        .print();
    }
}

// ---- the two ways --------------------------------------------------------------------------

/// The sockets of `tickcast-net`, as the feed has them: with stamps and counts of drops.
struct NetSender(MulticastSender);
struct NetReceiver(MulticastReceiver);

impl Sending for NetSender {
    fn send(&self, bytes: &[u8]) {
        // A refusal is a loss, which the receiver counts.
        let _ = self.0.send(bytes, PACKET_BYTES);
    }
}

impl Receiving for NetReceiver {
    fn receive(&mut self, each: impl FnMut(&[u8])) -> bool {
        match self.0.receive() {
            Ok(Some(datagrams)) => {
                datagrams.iter().for_each(each);
                true
            }
            _ => false,
        }
    }
}

fn open_net(port: u16) -> Result<(NetSender, NetReceiver), Failure> {
    let group = Group::new(group_address().into(), port)?;
    let interface = Interface::loopback()?;
    let config = ReceiveConfig {
        receive_buffer: BUFFER_BYTES,
        ..ReceiveConfig::new(group, interface.clone())
    };
    let receiver = MulticastReceiver::open(&config)?;
    let sender = MulticastSender::open(&SendConfig::new(group, interface))?;
    Ok((NetSender(sender), NetReceiver(receiver)))
}

fn open_bare(port: u16, segment: Option<usize>) -> Result<(BareSender, BareReceiver), Failure> {
    let group = SocketAddrV4::new(group_address(), port);
    let receiver = BareReceiver::open(group)?;
    Ok((BareSender::open(group, segment)?, receiver))
}

/// A group of this process's own, so that two runs at once do not meet.
fn group_address() -> Ipv4Addr {
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    Ipv4Addr::new(239, high, low, 253)
}
