//! What the live path's latency is while the recovery server is under attack.
//!
//! `cargo bench --bench attack`: a publisher and a subscriber in this process, lines over loopback,
//! and 10,000 hostile connections from another process, in turns with none. Latency is from `ts_due`
//! to the strategy, which the receive thread calls. On a machine without cores to spare the
//! attackers' and the kernel's own work is part of the figures: what of it is the server's shows
//! beside the same attack on a bystander, a server in another process that only accepts.

use std::collections::VecDeque;
use std::env;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use socket2::{Domain, Socket, Type};
use tickcast_benches::feed::Repeated;
use tickcast_benches::role::{Role, say};
use tickcast_benches::{Figure, is_instant};
use tickcast_net::clock::realtime_ns;
use tickcast_net::{Interface, ReceiveConfig, SendConfig, raise_open_files};
use tickcast_publisher::{Counter, Publisher, PublisherConfig, RecoveryConfig, Speed};
use tickcast_subscriber::{Origin, Strategy, SubscriberBuilder, SubscriberConfig};
use tickcast_wire::{Quote, Request, RequestKind, Tick};
use zerocopy::IntoBytes;

const GROUP: &str = "239.192.94.1:40994";
const SESSION: u64 = 1_000;
const TICKS_PER_SECOND: u64 = 100_000;
const CONNECTIONS: usize = 10_000;
/// Connections from one address of this host.
const PER_ADDRESS: usize = 40;

/// What the connections do in a second, all together, when they are paced: connecting anew counts.
const ACTIONS_PER_SECOND: u32 = 2_000;

/// What a tick counts for: nothing, or one of [`PHASES`].
const IGNORED: usize = 0;
const QUIET: usize = 1;
const BYSTANDER: usize = 2;
const PACED: usize = 3;
const FLAT_OUT: usize = 4;
const PHASES: [&str; 4] = ["quiet", "bystander", "paced", "flat out"];

struct Measure {
    phase: Arc<AtomicUsize>,
    latencies: [Histogram<u64>; 1 + PHASES.len()],
}

impl Strategy for Measure {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        let latency = realtime_ns().saturating_sub(tick.ts_due());
        self.latencies[self.phase.load(Ordering::Relaxed)].saturating_record(latency);
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["attackers", server, most, pace] => {
            let number = |word: &str| word.parse::<u32>().expect("a number");
            let server = server.parse().expect("an address");
            return attack(server, number(most) as usize, number(pace));
        }
        ["bystander"] => return stand_by(),
        _ => {}
    }
    let (rounds, each, connections) = if is_instant() {
        (1, Duration::from_millis(300), 100)
    } else {
        (5, Duration::from_secs(3), CONNECTIONS)
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
    let source = Repeated::new(ticks.collect::<Vec<_>>(), u64::MAX);
    let phase = Arc::new(AtomicUsize::new(IGNORED));
    let config_in = SubscriberConfig::new(ReceiveConfig::new(group, interface));
    let mut builder = SubscriberBuilder::new(config_in);
    let histogram = || Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds");
    let measure = builder.attach_inline(Measure {
        phase: Arc::clone(&phase),
        latencies: std::array::from_fn(|_| histogram()),
    });
    let subscriber = builder.start().expect("a subscriber");
    let publisher = Publisher::start(config, source).expect("a publisher");
    let server = publisher.recovery_addr().expect("a recovery server");

    let measured = |what| {
        phase.store(what, Ordering::Relaxed);
        sleep(each);
        phase.store(IGNORED, Ordering::Relaxed);
    };
    let (bystander, beside) = bystander();
    let attacks = [
        (BYSTANDER, beside, ACTIONS_PER_SECOND),
        (PACED, server, ACTIONS_PER_SECOND),
        (FLAT_OUT, server, 0),
    ];
    sleep(each);
    for _ in 0..rounds {
        measured(QUIET);
        for (what, target, pace) in attacks {
            let attackers = attackers(target, connections, pace);
            measured(what);
            drop(attackers);
            sleep(each);
        }
    }
    drop(bystander);
    publisher.stop();
    let counters = Arc::clone(publisher.counters());
    publisher.join().expect("a summary");
    let outcome = subscriber.stop().take(&measure).expect("the strategy");

    let latencies = &outcome.strategy.latencies;
    print_table(latencies, connections);
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9)] {
        let micros = |phase: usize| [latencies[phase].value_at_quantile(quantile) as f64 / 1e3];
        Figure {
            what: &format!("the live path under a paced attack, {name}"),
            ours: &micros(PACED),
            unit: "µs",
            against: Some(("a bystander attacked alike", &micros(BYSTANDER))),
            bound: None,
        }
        .print();
    }
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

fn print_table(latencies: &[Histogram<u64>], connections: usize) {
    println!(
        "live path, {TICKS_PER_SECOND} ticks/s, from ts_due to the strategy, ns; {connections} hostile \
         connections\nbystander: {ACTIONS_PER_SECOND} actions/s at a server that only accepts; paced: as many at \
         ours; flat out: as fast as they can"
    );
    print!("{:>10}", "");
    PHASES.iter().for_each(|name| print!(" {name:>12}"));
    println!(" {:>18}", "paced : bystander");
    for (name, quantile) in [
        ("median", 0.5),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("max", 1.0),
    ] {
        let at = |phase: usize| latencies[phase].value_at_quantile(quantile);
        print!("{name:>10}");
        (QUIET..=FLAT_OUT).for_each(|phase| print!(" {:>12}", at(phase)));
        println!(" {:>18.3}", at(PACED) as f64 / at(BYSTANDER).max(1) as f64);
    }
    print!("{:>10}", "ticks");
    latencies[QUIET..]
        .iter()
        .for_each(|latencies| print!(" {:>12}", latencies.len()));
    println!();
}

/// The attackers, once all have connected.
fn attackers(server: SocketAddr, connections: usize, pace: u32) -> Role {
    let (server, connections) = (server.to_string(), connections.to_string());
    let words = ["attackers", &server, &connections, &pace.to_string()];
    let mut role = Role::start(&words).expect("a process");
    role.hear().expect("a line");
    role
}

/// A server that does nothing but accept, and its address: what it costs to be attacked is the
/// kernel's and the attackers' part.
fn bystander() -> (Role, SocketAddr) {
    let mut role = Role::start(&["bystander"]).expect("a process");
    let line = role.hear().expect("a line");
    (role, line.parse().expect("an address"))
}

fn stand_by() {
    raise_open_files(4 * CONNECTIONS as u64);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    say(&address.to_string()).expect("stdout");
    let mut clients = VecDeque::new();
    loop {
        clients.extend(listener.accept().map(|(client, _)| client));
        if clients.len() > CONNECTIONS {
            clients.pop_front();
        }
    }
}

/// Attacks until it is killed, with `pace` actions a second, or as fast as it can with 0.
fn attack(server: SocketAddr, most: usize, pace: u32) {
    let allowed = raise_open_files(most as u64 + 100);
    let most = most.min(allowed.saturating_sub(100) as usize);
    let mut clients: Vec<Option<TcpStream>> = (0..most).map(|at| connect(server, at)).collect();
    say(&format!("{most} connections")).expect("stdout");
    let between = Duration::from_secs(1).checked_div(pace);
    let mut due = Instant::now();
    for at in (0..most).cycle() {
        match between {
            Some(between) => {
                sleep(due.saturating_duration_since(Instant::now()));
                due += between;
            }
            None if at == 0 => sleep(Duration::from_millis(20)),
            None => {}
        }
        let client = &mut clients[at];
        let goes_on = client.as_mut().is_some_and(|client| go_on(client, at));
        if !goes_on {
            *client = connect(server, at);
        }
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
