//! The floor: what multicast on loopback costs with bare system calls, and what `tickcast-net`
//! adds to it.
//!
//! `cargo bench --bench floor` takes half a minute; with `--quick` or `--test` an instant.
//!
//! Two threads spin, on a core each where there are two. Loopback runs the kernel's receive path
//! inside the sender's system call, so these figures have no wire in them. The bare way is one
//! `send` and one `recv`, without control messages and stamps. The two ways take turns (A B B A),
//! so that a noisy machine disturbs both alike.

// Segmentation and joining are socket options that no safe crate offers.
#![allow(unsafe_code)]

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use hdrhistogram::Histogram;
use socket2::{Domain, Protocol, Socket, Type};
use tickcast_net::thread::{available_cores, pin_current};
use tickcast_net::{
    Group, Interface, MulticastReceiver, MulticastSender, RECEIVE_BYTES, ReceiveConfig, SendConfig,
    clock,
};

type Failure = Box<dyn Error + Send + Sync>;

/// A header of 64 bytes and one tick of 64 bytes.
const ONE_TICK: usize = 128;
/// A header and 21 ticks: a full packet.
const FULL_PACKET: usize = 1_408;
/// As many full packets as one segmented send takes.
const PACKETS_PER_SEND: usize = 46;
const RATE_PER_SECOND: u64 = 20_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// How long a receiver waits for stragglers after the last send.
const STRAGGLER_NS: u64 = 20_000_000;
const BUFFER_BYTES: usize = 8 << 20;
/// A bare median above this is no socket's doing: one of the threads did not have its core.
const BUSY_MEDIAN_NS: u64 = 50_000;

/// How much is measured.
struct Effort {
    rounds: u64,
    samples_per_block: u64,
    throughput_rounds: u64,
    throughput_ns: u64,
}

const FULL: Effort = Effort {
    rounds: 12,
    samples_per_block: 8_000,
    throughput_rounds: 6,
    throughput_ns: NANOS_PER_SECOND / 4,
};
const QUICK: Effort = Effort {
    rounds: 1,
    samples_per_block: 500,
    throughput_rounds: 1,
    throughput_ns: NANOS_PER_SECOND / 100,
};

fn main() -> Result<(), Failure> {
    let quick = std::env::args().any(|argument| argument == "--quick" || argument == "--test");
    let effort = if quick { &QUICK } else { &FULL };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = available_cores().len();
    println!(
        "floor: multicast on loopback, {cores} cores, Linux {}",
        kernel.trim()
    );
    if cores < 2 {
        println!("one core only: the two threads take turns, the figures say little");
    }
    if quick {
        println!("quick: shows that it runs, the figures say nothing");
    }
    latency(effort)?;
    throughput(effort)
}

// ---- one datagram at a time ----------------------------------------------------------------

fn latency(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\none way, from before send to after receive, {ONE_TICK}-byte datagrams, \
         {RATE_PER_SECOND}/s, both threads spin"
    );
    let (mut bare, mut net) = (Blocks::new()?, Blocks::new()?);
    for round in 0..effort.rounds {
        let port = 30_000 + (round % 500) as u16 * 4;
        let samples = effort.samples_per_block;
        bare.add(latency_block(
            &BareSender::open(port, None)?,
            BareReceiver::open(port)?,
            samples,
        )?);
        let (sender, receiver) = open_net(port + 1)?;
        net.add(latency_block(&sender, receiver, samples)?);
        let (sender, receiver) = open_net(port + 2)?;
        net.add(latency_block(&sender, receiver, samples)?);
        let port = port + 3;
        bare.add(latency_block(
            &BareSender::open(port, None)?,
            BareReceiver::open(port)?,
            samples,
        )?);
    }
    println!(
        "                samples     p50     p90     p99   p99.9       max  lost  (times in µs)"
    );
    bare.print("bare socket");
    net.print("tickcast-net");
    println!(
        "p50 of tickcast-net : bare, median of {} pairs: {:.3}   (bare : bare {:.3})",
        bare.medians.len(),
        median(
            net.medians
                .iter()
                .zip(&bare.medians)
                .map(|(net, bare)| net / bare)
                .collect()
        ),
        median(
            bare.medians
                .chunks_exact(2)
                .map(|pair| pair[1] / pair[0])
                .collect()
        ),
    );
    if bare.all.value_at_quantile(0.5) > BUSY_MEDIAN_NS {
        println!("other programs had the cores: these figures say nothing about the floor");
    }
    Ok(())
}

/// Sends on one thread at the rate, receives on another, and returns the histogram in nanoseconds
/// and how many datagrams were lost.
fn latency_block(
    sender: &impl Sending,
    mut receiver: impl Receiving,
    samples: u64,
) -> Result<(Histogram<u64>, u64), Failure> {
    let mut histogram = new_histogram()?;
    let sent_all = AtomicBool::new(false);
    let send = || {
        let mut datagram = [0_u8; ONE_TICK];
        let start = clock::monotonic_ns();
        for sample in 0..samples {
            let due = start + sample * (NANOS_PER_SECOND / RATE_PER_SECOND);
            while clock::monotonic_ns() < due {
                std::hint::spin_loop();
            }
            datagram[..8].copy_from_slice(&clock::realtime_ns().to_le_bytes());
            sender.send(&datagram);
        }
    };
    let receive = || {
        receive_until_quiet(&mut receiver, &sent_all, |bytes| {
            let received_at = clock::realtime_ns();
            let sent_at = first_word(bytes);
            histogram.saturating_record(received_at.saturating_sub(sent_at));
        });
    };
    on_two_threads(send, receive, &sent_all)?;
    let lost = samples - histogram.len();
    Ok((histogram, lost))
}

/// The blocks of one way: all samples together, and the median of each block in microseconds.
struct Blocks {
    all: Histogram<u64>,
    medians: Vec<f64>,
    lost: u64,
}

impl Blocks {
    fn new() -> Result<Blocks, Failure> {
        Ok(Blocks {
            all: new_histogram()?,
            medians: Vec::new(),
            lost: 0,
        })
    }

    fn add(&mut self, (histogram, lost): (Histogram<u64>, u64)) {
        self.medians
            .push(histogram.value_at_quantile(0.5) as f64 / 1e3);
        self.all += histogram;
        self.lost += lost;
    }

    fn print(&self, way: &str) {
        let [p50, p90, p99, p99_9] =
            [0.5, 0.9, 0.99, 0.999].map(|q| self.all.value_at_quantile(q) as f64 / 1e3);
        let (samples, max, lost) = (self.all.len(), self.all.max() as f64 / 1e3, self.lost);
        println!(
            "{way:<13}{samples:>10}{p50:>8.2}{p90:>8.2}{p99:>8.2}{p99_9:>8.1}{max:>10.1}{lost:>6}"
        );
    }
}

/// Up to ten seconds in nanoseconds, three digits.
fn new_histogram() -> Result<Histogram<u64>, Failure> {
    Ok(Histogram::new_with_bounds(1, 10 * NANOS_PER_SECOND, 3)?)
}

// ---- flat out ------------------------------------------------------------------------------

fn throughput(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\nflat out, {FULL_PACKET}-byte packets, {PACKETS_PER_SEND} a segmented send, each to \
         lines A and B, one receiving thread"
    );
    let (mut bare, mut net) = (Vec::new(), Vec::new());
    for round in 0..effort.throughput_rounds {
        let port = 32_000 + (round % 50) as u16 * 8;
        bare.push(bare_block(port, effort)?);
        net.push(net_block(port + 2, effort)?);
        net.push(net_block(port + 4, effort)?);
        bare.push(bare_block(port + 6, effort)?);
    }
    println!("              blocks   M packets/s received      GB/s   lost of sent");
    print_flow("bare socket", &bare);
    print_flow("tickcast-net", &net);
    println!(
        "packets/s of tickcast-net : bare, median of {} pairs: {:.3}   (bare : bare {:.3})",
        bare.len(),
        median(
            net.iter()
                .zip(&bare)
                .map(|(net, bare)| net.rate() / bare.rate())
                .collect()
        ),
        median(
            bare.chunks_exact(2)
                .map(|pair| pair[1].rate() / pair[0].rate())
                .collect()
        ),
    );
    Ok(())
}

fn bare_block(port: u16, effort: &Effort) -> Result<Flow, Failure> {
    let open = |port| BareSender::open(port, Some(FULL_PACKET));
    let receivers = [BareReceiver::open(port)?, BareReceiver::open(port + 1)?];
    throughput_block(
        &[open(port)?, open(port + 1)?],
        receivers,
        effort.throughput_ns,
    )
}

fn net_block(port: u16, effort: &Effort) -> Result<Flow, Failure> {
    let (sender_a, receiver_a) = open_net(port)?;
    let (sender_b, receiver_b) = open_net(port + 1)?;
    throughput_block(
        &[sender_a, sender_b],
        [receiver_a, receiver_b],
        effort.throughput_ns,
    )
}

/// What one block sent and received, both lines together.
struct Flow {
    sent: u64,
    received: u64,
    seconds: f64,
}

impl Flow {
    fn rate(&self) -> f64 {
        self.received as f64 / self.seconds
    }
}

fn throughput_block(
    senders: &[impl Sending; 2],
    receivers: [impl Receiving; 2],
    duration_ns: u64,
) -> Result<Flow, Failure> {
    let (sent_all, sent, send_ns) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let send = || {
        let packets = vec![1_u8; FULL_PACKET * PACKETS_PER_SEND];
        let start = clock::monotonic_ns();
        let mut count = 0;
        while clock::monotonic_ns() < start + duration_ns {
            for sender in senders {
                sender.send(&packets);
                count += PACKETS_PER_SEND as u64;
            }
        }
        sent.store(count, Ordering::Relaxed);
        send_ns.store(clock::monotonic_ns() - start, Ordering::Relaxed);
    };
    let (mut received, mut checksum) = (0, 0_u64);
    let mut both = Both(receivers);
    let receive = || {
        receive_until_quiet(&mut both, &sent_all, |packet| {
            checksum = checksum.wrapping_add(first_word(packet));
            received += 1;
        });
    };
    on_two_threads(send, receive, &sent_all)?;
    std::hint::black_box(checksum);
    Ok(Flow {
        sent: sent.load(Ordering::Relaxed),
        received,
        seconds: send_ns.load(Ordering::Relaxed) as f64 / 1e9,
    })
}

fn print_flow(way: &str, blocks: &[Flow]) {
    let rate = median(blocks.iter().map(Flow::rate).collect());
    let sent: u64 = blocks.iter().map(|block| block.sent).sum();
    let received: u64 = blocks.iter().map(|block| block.received).sum();
    println!(
        "{way:<14}{:>6}{:>24.2}{:>10.2}{:>13.3} %",
        blocks.len(),
        rate / 1e6,
        rate * FULL_PACKET as f64 / 1e9,
        100.0 * (sent - received) as f64 / sent as f64,
    );
}

// ---- the two ways --------------------------------------------------------------------------

trait Sending: Sync {
    /// Sends all of `bytes`; what the socket does not take now is lost, and counted as that.
    fn send(&self, bytes: &[u8]);
}

trait Receiving: Send {
    /// Shows each datagram of one receive to `each`. Returns whether there was one.
    fn receive(&mut self, each: impl FnMut(&[u8])) -> bool;
}

impl Sending for MulticastSender {
    fn send(&self, bytes: &[u8]) {
        // A refusal is a loss, which the receiver counts.
        let _ = MulticastSender::send(self, bytes, FULL_PACKET);
    }
}

impl Receiving for MulticastReceiver {
    fn receive(&mut self, each: impl FnMut(&[u8])) -> bool {
        match MulticastReceiver::receive(self) {
            Ok(Some(datagrams)) => {
                datagrams.iter().for_each(each);
                true
            }
            _ => false,
        }
    }
}

fn open_net(port: u16) -> Result<(MulticastSender, MulticastReceiver), Failure> {
    let group = Group::new(group_address().into(), port)?;
    let interface = Interface::loopback()?;
    let config = ReceiveConfig {
        receive_buffer: BUFFER_BYTES,
        ..ReceiveConfig::new(group, interface.clone())
    };
    let receiver = MulticastReceiver::open(&config)?;
    Ok((
        MulticastSender::open(&SendConfig::new(group, interface))?,
        receiver,
    ))
}

/// `send` on a connected socket, and nothing else.
struct BareSender(UdpSocket);

impl BareSender {
    fn open(port: u16, segment: Option<usize>) -> Result<BareSender, Failure> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket2::SockRef::from(&socket).set_multicast_if_v4(&Ipv4Addr::LOCALHOST)?;
        if let Some(segment) = segment {
            set_option(
                &socket,
                libc::SOL_UDP,
                libc::UDP_SEGMENT,
                i32::try_from(segment)?,
            )?;
        }
        socket.connect((group_address(), port))?;
        Ok(BareSender(socket))
    }
}

impl Sending for BareSender {
    fn send(&self, bytes: &[u8]) {
        // A refusal is a loss, which the receiver counts.
        let _ = self.0.send(bytes);
    }
}

/// `recv` on a socket that does not block, and nothing else.
struct BareReceiver {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl BareReceiver {
    fn open(port: u16) -> Result<BareReceiver, Failure> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(BUFFER_BYTES)?;
        socket.bind(&SocketAddr::from((group_address(), port)).into())?;
        socket.join_multicast_v4(&group_address(), &Ipv4Addr::LOCALHOST)?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from(socket);
        // Beyond the system's limit where that is permitted, as the other way does.
        let _ = set_option(
            &socket,
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            i32::try_from(BUFFER_BYTES)?,
        );
        set_option(&socket, libc::SOL_UDP, libc::UDP_GRO, 1)?;
        Ok(BareReceiver {
            socket,
            buffer: vec![0; RECEIVE_BYTES],
        })
    }
}

impl Receiving for BareReceiver {
    fn receive(&mut self, each: impl FnMut(&[u8])) -> bool {
        match self.socket.recv(&mut self.buffer) {
            Ok(length) => {
                self.buffer[..length].chunks(FULL_PACKET).for_each(each);
                true
            }
            Err(error) => {
                debug_assert!(error.kind() == ErrorKind::WouldBlock, "{error}");
                false
            }
        }
    }
}

fn set_option(socket: &UdpSocket, level: i32, option: i32, value: i32) -> Result<(), Failure> {
    // SAFETY: `value` is a live local of the length stated, which the kernel only reads, and the
    // socket is open.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(&value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error().into())
    }
}

/// Both lines, one after the other.
struct Both<R>([R; 2]);

impl<R: Receiving> Receiving for Both<R> {
    fn receive(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        let [a, b] = &mut self.0;
        let from_a = a.receive(&mut each);
        let from_b = b.receive(&mut each);
        from_a || from_b
    }
}

// ---- two threads ---------------------------------------------------------------------------

/// Runs `send` and `receive` on the last two cores, if there are two, and sets `sent_all` when
/// `send` is done.
fn on_two_threads(
    send: impl FnOnce() + Send,
    receive: impl FnOnce() + Send,
    sent_all: &AtomicBool,
) -> Result<(), Failure> {
    let cores = available_cores();
    let pin = |from_the_end: usize| -> Result<(), Failure> {
        match cores.len() {
            0 | 1 => Ok(()),
            count => Ok(pin_current(cores[count - from_the_end])?),
        }
    };
    thread::scope(|scope| {
        let receiving = scope.spawn(|| pin(1).map(|()| receive()));
        let sending = scope.spawn(|| {
            let pinned = pin(2);
            if pinned.is_ok() {
                send();
            }
            sent_all.store(true, Ordering::Release);
            pinned
        });
        sending
            .join()
            .map_err(|_| "the sending thread panicked")??;
        receiving
            .join()
            .map_err(|_| "the receiving thread panicked")?
    })
}

/// Spins on the receiver until all is sent and nothing has come for a while.
fn receive_until_quiet(
    receiver: &mut impl Receiving,
    sent_all: &AtomicBool,
    mut each: impl FnMut(&[u8]),
) {
    let mut quiet_since = None;
    loop {
        if receiver.receive(&mut each) {
            quiet_since = None;
        } else if sent_all.load(Ordering::Acquire) {
            let now = clock::monotonic_ns();
            if now - *quiet_since.get_or_insert(now) > STRAGGLER_NS {
                return;
            }
        }
    }
}

/// A group of this process's own, so that two runs at once do not meet.
fn group_address() -> Ipv4Addr {
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    Ipv4Addr::new(239, high, low, 253)
}

fn first_word(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk()
        .map_or(0, |word| u64::from_le_bytes(*word))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
