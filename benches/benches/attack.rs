//! What the live path's latency is while the recovery server is under attack.
//!
//! `cargo bench --bench attack`: a publisher and a subscriber in this process, lines over loopback,
//! and 10,000 hostile connections from another process in every second round. Latency is from
//! `ts_due` to the strategy, which the receive thread calls. On a machine without cores to spare the
//! attackers' own work is part of the figures.

use std::env;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use hdrhistogram::Histogram;
use socket2::{Domain, Socket, Type};
use tickcast_net::clock::realtime_ns;
use tickcast_net::{Interface, ReceiveConfig, SendConfig, raise_open_files};
use tickcast_publisher::{
    Counter, Publisher, PublisherConfig, RecoveryConfig, Source, SourceError, Speed, Supply,
};
use tickcast_subscriber::{Origin, Strategy, SubscriberBuilder, SubscriberConfig};
use tickcast_wire::{Quote, Request, RequestKind, Tick};
use zerocopy::IntoBytes;

const GROUP: &str = "239.192.94.1:40994";
const SESSION: u64 = 1_000;
const TICKS_PER_SECOND: u64 = 100_000;
const CONNECTIONS: usize = 10_000;
/// Connections from one address of this host.
const PER_ADDRESS: usize = 40;

/// What a tick counts for: nothing, the quiet, or the attack.
const IGNORED: usize = 0;
const QUIET: usize = 1;
const ATTACK: usize = 2;

/// The same ticks again and again.
struct Endless {
    ticks: Vec<Tick>,
    at: usize,
}

impl Source for Endless {
    fn peek(&mut self) -> Result<Supply<'_>, SourceError> {
        Ok(Supply::Ticks(&self.ticks[self.at..]))
    }

    fn take(&mut self, count: usize) {
        self.at = (self.at + count) % self.ticks.len();
    }
}

struct Measure {
    phase: Arc<AtomicUsize>,
    latencies: [Histogram<u64>; 3],
}

impl Strategy for Measure {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        let latency = realtime_ns().saturating_sub(tick.ts_due());
        self.latencies[self.phase.load(Ordering::Relaxed)].saturating_record(latency);
    }
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, role, server, most] = &arguments[..]
        && role == "attackers"
    {
        let most = most.parse().expect("a number");
        return attack(server.parse().expect("an address"), most);
    }
    let short = arguments.iter().any(|argument| argument == "--test");
    let (rounds, each, connections) = if short {
        (1, Duration::from_millis(300), 100)
    } else {
        (5, Duration::from_secs(5), CONNECTIONS)
    };

    let interface = Interface::loopback().expect("loopback");
    let group = GROUP.parse().expect("a group");
    let mut config = PublisherConfig::new(SendConfig::new(group, interface.clone()));
    config.speed = format!("{TICKS_PER_SECOND}/s")
        .parse::<Speed>()
        .expect("a speed");
    config.session = Some(SESSION);
    config.linger = Duration::ZERO;
    config.recovery = Some(RecoveryConfig::default());
    let ticks = (0..1_000).map(|at| Tick::new(Quote::new(1, 2, 3, 4), 1u16, at % 50, 0));
    let source = Endless {
        ticks: ticks.collect(),
        at: 0,
    };
    let phase = Arc::new(AtomicUsize::new(IGNORED));
    let config_in = SubscriberConfig::new(ReceiveConfig::new(group, interface));
    let mut builder = SubscriberBuilder::new(config_in);
    let histogram = || Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds");
    let measure = builder.attach_inline(Measure {
        phase: Arc::clone(&phase),
        latencies: [histogram(), histogram(), histogram()],
    });
    let subscriber = builder.start().expect("a subscriber");
    let publisher = Publisher::start(config, source).expect("a publisher");
    let server = publisher.recovery_addr().expect("a recovery server");

    let measured = |what| {
        phase.store(what, Ordering::Relaxed);
        sleep(each);
        phase.store(IGNORED, Ordering::Relaxed);
    };
    sleep(each);
    for _ in 0..rounds {
        measured(QUIET);
        let mut attackers = attackers(server, connections);
        measured(ATTACK);
        attackers.kill().expect("SIGKILL");
        attackers.wait().expect("its end");
        sleep(each);
    }
    publisher.stop();
    let counters = Arc::clone(publisher.counters());
    publisher.join().expect("a summary");
    let outcome = subscriber.stop().take(&measure).expect("the strategy");

    let [_, quiet, attack] = &outcome.strategy.latencies;
    println!("live path, {TICKS_PER_SECOND} ticks/s, from ts_due to the strategy, ns");
    println!("{:>10} {:>12} {:>12} {:>8}", "", "quiet", "attack", "ratio");
    for (name, quantile) in [
        ("median", 0.5),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("max", 1.0),
    ] {
        let (quiet, attack) = (
            quiet.value_at_quantile(quantile),
            attack.value_at_quantile(quantile),
        );
        let ratio = attack as f64 / quiet.max(1) as f64;
        println!("{name:>10} {quiet:>12} {attack:>12} {ratio:>8.3}");
    }
    println!("{:>10} {:>12} {:>12}", "ticks", quiet.len(), attack.len());
    for counter in [
        Counter::Accepted,
        Counter::RefusedClients,
        Counter::MadeRoom,
        Counter::HeaderTimeouts,
        Counter::WriteStalls,
        Counter::Malformed,
        Counter::Retransmits,
    ] {
        println!("{:>16} {}", counter.name(), counters.get(counter));
    }
}

/// Starts this program as the attackers, and waits until all have connected.
fn attackers(server: SocketAddr, connections: usize) -> Child {
    let program = env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .args(["attackers", &server.to_string(), &connections.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut line = String::new();
    let said = child.stdout.as_mut().expect("stdout");
    BufReader::new(said).read_line(&mut line).expect("a line");
    print!("{line}");
    child
}

/// Attacks until it is killed.
fn attack(server: SocketAddr, most: usize) {
    let allowed = raise_open_files(most as u64 + 100);
    let most = most.min(allowed.saturating_sub(100) as usize);
    let mut clients: Vec<Option<TcpStream>> = (0..most).map(|_| None).collect();
    for round in 0.. {
        for (at, client) in clients.iter_mut().enumerate() {
            let goes_on = client.as_mut().is_some_and(|client| go_on(client, at));
            if !goes_on {
                *client = connect(server, at);
            }
        }
        if round == 0 {
            println!("{most} hostile connections");
            std::io::stdout().flush().expect("stdout");
        }
        sleep(Duration::from_millis(20));
    }
}

/// One step of what client `at` does; false when its connection has ended.
fn go_on(client: &mut TcpStream, at: usize) -> bool {
    let retransmit = |count| Request::new(RequestKind::Retransmit, SESSION, 0, 1, count, 0);
    let written = match at % 6 {
        // Nothing, but to notice the end.
        0 => match client.read(&mut [0; 64]) {
            Ok(0) => return false,
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        },
        1 => client.write_all(b"T"),
        2 => client.write_all(&[0xa5; 1000]),
        3 => client.write_all(retransmit(65_536).as_bytes()),
        4 => client.write_all([retransmit(1); 20].as_bytes()),
        _ => client.write_all(retransmit(u64::MAX - 1).as_bytes()),
    };
    let is_over = |kind| matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
    !written.is_err_and(|error| is_over(error.kind()))
}

fn connect(server: SocketAddr, at: usize) -> Option<TcpStream> {
    let [high, low] = ((at / PER_ADDRESS) as u16).to_be_bytes();
    let from = SocketAddr::from(([127, 67, high + 1, low], 0));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.bind(&from.into()).ok()?;
    socket.connect(&server.into()).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(TcpStream::from(socket))
}
