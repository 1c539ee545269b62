//! Receiving by AF_XDP beside receiving by UDP, over one pair of virtual interfaces between two
//! network namespaces.
//!
//! `cargo bench -p tickcast-benches --features xdp --bench xdp`, as root, takes half a minute; with
//! `-- --test` an instant.
//!
//! The kernel runs the receiving side of such a pair inside the sender's system call, so these
//! figures have no wire in them. With an XDP program on one end the other sends no segments that
//! are cut later: a flow of full packets shows what that costs there, where a device has its own
//! segmentation it costs nothing.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tickcast_benches::{Bound, Figure, Hiccups, hiccups, is_instant, try_in_turns};
use tickcast_net::thread::{available_cores, pin_current};
use tickcast_net::{
    Group, Interface, MulticastReceiver, MulticastSender, ReceiveConfig, SendConfig, XdpReceiver,
    clock,
};

type Failure = Box<dyn Error + Send + Sync>;

/// A header and one tick, with its checksum; and a full packet of 21.
const ONE_TICK: usize = 136;
const FULL_PACKET: usize = 1_416;
/// As many full packets as one segmented send takes.
const PACKETS_PER_SEND: usize = 46;
const RATE_PER_SECOND: u64 = 20_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Datagrams that wait before they are taken in one after the other; all fit.
const WAITING: usize = 1_000;
const BUFFER_BYTES: usize = 8 << 20;
/// How long a receiver waits for stragglers.
const STRAGGLER_NS: u64 = 20_000_000;
const GROUP: &str = "239.192.7.1:14001";
/// What AF_XDP is to stay below, times UDP.
const BOUND: Option<Bound> = Some(Bound::RatioAtMost(0.85));

/// How much is measured.
struct Effort {
    turns: usize,
    samples: u64,
    rounds: usize,
    flow_ns: u64,
}

const FULL: Effort = Effort {
    turns: 20,
    samples: 8_000,
    rounds: 50,
    flow_ns: NANOS_PER_SECOND / 4,
};
const INSTANT: Effort = Effort {
    turns: 1,
    samples: 200,
    rounds: 1,
    flow_ns: NANOS_PER_SECOND / 100,
};

fn main() -> Result<(), Failure> {
    let effort = if is_instant() { &INSTANT } else { &FULL };
    if !cfg!(feature = "xdp") {
        println!("xdp: skipped: built without the feature xdp");
        return Ok(());
    }
    let net = match Net::new() {
        Ok(net) => net,
        Err(why) => {
            println!("xdp: skipped: no network namespaces, which only root can make: {why}");
            return Ok(());
        }
    };
    let cores = available_cores();
    let mode = net.right(|| Ok(open_xdp()?.mode()))?;
    println!(
        "AF_XDP on veth in {mode}, beside UDP; {} cores",
        cores.len()
    );
    if is_instant() {
        println!("an instant: shows that it runs, the figures say nothing");
    }
    let meter = hiccups(Duration::from_millis(if is_instant() { 10 } else { 1_000 }));
    println!(
        "the machine meanwhile: {meter} (above {} ns)",
        Hiccups::THRESHOLD_NS
    );

    let ways = [Way::Udp, Way::Xdp];
    let run = |measure: fn(&Net, Way, &Effort) -> Result<f64, Failure>| {
        try_in_turns(effort.turns, 2, |way| measure(&net, ways[way], effort))
    };
    for (what, unit, bound, measure) in [
        (
            "AF_XDP: one way over veth, p50",
            "µs",
            BOUND,
            one_way as fn(&Net, Way, &Effort) -> Result<f64, Failure>,
        ),
        (
            "AF_XDP: sent and taken in over veth by one thread, p50",
            "µs",
            None,
            one_thread,
        ),
        (
            "AF_XDP: to take in a datagram that waits",
            "ns",
            BOUND,
            taking_in,
        ),
        (
            "AF_XDP: flat out over veth, one datagram a send",
            "ns a datagram",
            None,
            singles,
        ),
        (
            "AF_XDP: flat out over veth, segmented sends",
            "ns a datagram",
            None,
            segmented,
        ),
    ] {
        let runs = run(measure)?;
        Figure {
            what,
            ours: &runs[1],
            unit,
            against: Some(("UDP", &runs[0])),
            bound,
        }
        .print();
    }
    Ok(())
}

// ---- what is measured ------------------------------------------------------------------------

/// From before the send to after the receive, one datagram at a time at the rate; the median in µs.
fn one_way(net: &Net, way: Way, effort: &Effort) -> Result<f64, Failure> {
    let sent_all = AtomicBool::new(false);
    let samples = effort.samples;
    let send = |sender: &MulticastSender| {
        let mut datagram = [0_u8; ONE_TICK];
        let start = clock::monotonic_ns();
        for sample in 0..samples {
            let due = start + sample * (NANOS_PER_SECOND / RATE_PER_SECOND);
            while clock::monotonic_ns() < due {
                std::hint::spin_loop();
            }
            datagram[..8].copy_from_slice(&clock::realtime_ns().to_le_bytes());
            // A refusal is a loss, which the count of samples shows.
            let _ = sender.send(&datagram, ONE_TICK);
        }
    };
    let receive = |receiver: &mut Receiver| {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 10 * NANOS_PER_SECOND, 3)?;
        receive_until_quiet(receiver, &sent_all, |bytes| {
            let way = clock::realtime_ns().saturating_sub(first_word(bytes));
            histogram.saturating_record(way);
        });
        Ok(histogram)
    };
    let histogram = net.both(way, &sent_all, send, receive)?;
    if histogram.len() * 100 < samples * 99 {
        return Err(format!("{} of {samples} datagrams came", histogram.len()).into());
    }
    Ok(histogram.value_at_quantile(0.5) as f64 / 1e3)
}

/// From before the send to after the receive, both in one thread; the median in µs. Nobody wakes or
/// waits for anybody, so it stands on a machine with other things to do, too.
fn one_thread(net: &Net, way: Way, effort: &Effort) -> Result<f64, Failure> {
    let datagram = [1_u8; ONE_TICK];
    let sender = net.left(open_sender)?;
    let mut receiver = net.right(|| way.open())?;
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 10 * NANOS_PER_SECOND, 3)?;
    for _ in 0..effort.samples {
        let start = clock::monotonic_ns();
        sender.send(&datagram, ONE_TICK)?;
        while !receiver.receive(|bytes| {
            black_box(bytes);
        }) {}
        histogram.saturating_record(clock::monotonic_ns() - start);
    }
    Ok(histogram.value_at_quantile(0.5) as f64 / 1e3)
}

/// Datagrams that wait in the socket, taken in one after the other; ns for one.
fn taking_in(net: &Net, way: Way, effort: &Effort) -> Result<f64, Failure> {
    let datagram = [1_u8; FULL_PACKET];
    let sender = net.left(open_sender)?;
    let mut receiver = net.right(|| way.open())?;
    let (mut taken, mut ns, mut sum) = (0, 0, 0_u64);
    for _ in 0..effort.rounds {
        for _ in 0..WAITING {
            sender.send(&datagram, FULL_PACKET)?;
        }
        let start = clock::monotonic_ns();
        while receiver.receive(|bytes| {
            sum = sum.wrapping_add(first_word(bytes));
            taken += 1;
        }) {}
        ns += clock::monotonic_ns() - start;
    }
    black_box(sum);
    if taken != effort.rounds * WAITING {
        return Err(format!("{taken} datagrams of {} came", effort.rounds * WAITING).into());
    }
    Ok(ns as f64 / taken as f64)
}

fn singles(net: &Net, way: Way, effort: &Effort) -> Result<f64, Failure> {
    flat_out(net, way, effort, 1)
}

fn segmented(net: &Net, way: Way, effort: &Effort) -> Result<f64, Failure> {
    flat_out(net, way, effort, PACKETS_PER_SEND)
}

/// Full packets as fast as they can be sent; ns for each that is received.
fn flat_out(net: &Net, way: Way, effort: &Effort, a_send: usize) -> Result<f64, Failure> {
    let (sent_all, send_ns) = (AtomicBool::new(false), AtomicU64::new(0));
    let send = |sender: &MulticastSender| {
        let packets = vec![1_u8; FULL_PACKET * a_send];
        let start = clock::monotonic_ns();
        while clock::monotonic_ns() < start + effort.flow_ns {
            // A refusal is a loss: what is counted is what arrives.
            let _ = sender.send(&packets, FULL_PACKET);
        }
        send_ns.store(clock::monotonic_ns() - start, Ordering::Relaxed);
    };
    let receive = |receiver: &mut Receiver| {
        let (mut received, mut sum) = (0_u64, 0_u64);
        receive_until_quiet(receiver, &sent_all, |bytes| {
            sum = sum.wrapping_add(first_word(bytes));
            received += 1;
        });
        black_box(sum);
        Ok(received)
    };
    let received = net.both(way, &sent_all, send, receive)?;
    Ok(send_ns.load(Ordering::Relaxed) as f64 / received as f64)
}

fn receive_until_quiet(
    receiver: &mut Receiver,
    sent_all: &AtomicBool,
    mut each: impl FnMut(&[u8]),
) {
    let mut quiet_since = 0;
    loop {
        if receiver.receive(&mut each) {
            quiet_since = 0;
        } else if sent_all.load(Ordering::Relaxed) {
            let now = clock::monotonic_ns();
            if quiet_since == 0 {
                quiet_since = now;
            } else if now > quiet_since + STRAGGLER_NS {
                return;
            }
        }
    }
}

fn first_word(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk()
        .map_or(0, |word| u64::from_le_bytes(*word))
}

// ---- the two ways ----------------------------------------------------------------------------

#[derive(Clone, Copy)]
enum Way {
    Udp,
    Xdp,
}

enum Receiver {
    Udp(Box<MulticastReceiver>),
    Xdp(Box<XdpReceiver>),
}

impl Way {
    fn open(self) -> Result<Receiver, Failure> {
        Ok(match self {
            Way::Udp => Receiver::Udp(Box::new(MulticastReceiver::open(&line()?)?)),
            Way::Xdp => Receiver::Xdp(Box::new(open_xdp()?)),
        })
    }
}

impl Receiver {
    /// Shows each datagram of one receive to `each`. Returns whether there was one.
    fn receive(&mut self, each: impl FnMut(&[u8])) -> bool {
        let received = match self {
            Receiver::Udp(socket) => socket.receive(),
            Receiver::Xdp(socket) => {
                let received = socket.receive();
                received.map(|received| received.map(|(_, datagrams)| datagrams))
            }
        };
        let Ok(Some(datagrams)) = received else {
            return false;
        };
        datagrams.iter().for_each(each);
        true
    }
}

fn line() -> Result<ReceiveConfig, Failure> {
    Ok(ReceiveConfig {
        receive_buffer: BUFFER_BYTES,
        ..ReceiveConfig::new(GROUP.parse()?, Interface::find("veth0")?)
    })
}

fn open_xdp() -> Result<XdpReceiver, Failure> {
    Ok(XdpReceiver::open(&[line()?], None)?)
}

fn open_sender() -> Result<MulticastSender, Failure> {
    let group: Group = GROUP.parse()?;
    let config = SendConfig::new(group, Interface::find("veth0")?);
    Ok(MulticastSender::open(&config)?)
}

// ---- the network -----------------------------------------------------------------------------

/// Two namespaces with an interface `veth0` each; deleted when it is dropped.
struct Net {
    names: [String; 2],
}

impl Net {
    fn new() -> Result<Net, Failure> {
        let name = |side| format!("tickcast-bench-{side}-{}", std::process::id());
        let net = Net {
            names: [name("left"), name("right")],
        };
        let [left, right] = &net.names;
        ip(&["netns", "add", left])?;
        ip(&["netns", "add", right])?;
        let peer = ["peer", "name", "veth0", "netns", right];
        ip(&[
            &["-n", left, "link", "add", "veth0", "type", "veth"],
            &peer[..],
        ]
        .concat())?;
        for (side, address) in [(left, "10.77.0.1/24"), (right, "10.77.0.2/24")] {
            ip(&["-n", side, "address", "add", address, "dev", "veth0"])?;
            ip(&["-n", side, "link", "set", "veth0", "up"])?;
        }
        Ok(net)
    }

    /// Runs `body` in a thread of a namespace, to which the sockets it opens belong.
    fn run<T: Send>(
        &self,
        side: usize,
        body: impl FnOnce() -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let path = format!("/run/netns/{}", self.names[side]);
        let enter_and_run = || {
            let namespace = File::open(path)?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            body()
        };
        let joined = thread::scope(|scope| scope.spawn(enter_and_run).join());
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn left<T: Send>(
        &self,
        body: impl FnOnce() -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        self.run(0, body)
    }

    fn right<T: Send>(
        &self,
        body: impl FnOnce() -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        self.run(1, body)
    }

    /// Sends from one thread on the left, receives in another on the right, on a core each where
    /// there are two.
    fn both<T: Send>(
        &self,
        way: Way,
        sent_all: &AtomicBool,
        send: impl Fn(&MulticastSender) + Sync,
        receive: impl Fn(&mut Receiver) -> Result<T, Failure> + Sync,
    ) -> Result<T, Failure> {
        let cores = available_cores();
        let (sender, mut receiver) = (self.left(open_sender)?, self.right(|| way.open())?);
        thread::scope(|scope| {
            let receiving = scope.spawn(|| {
                pin_current(*cores.last().ok_or("no core")?)?;
                receive(&mut receiver)
            });
            let sending = scope.spawn(|| {
                let pinned = pin_current(cores[0]);
                send(&sender);
                sent_all.store(true, Ordering::Relaxed);
                pinned
            });
            sending.join().expect("the sender")?;
            receiving.join().expect("the receiver")
        })
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.names {
            if let Err(why) = ip(&["netns", "delete", name]) {
                println!("{name} is left over: {why}");
            }
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), Failure> {
    let output = Command::new("ip").args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().into())
}
