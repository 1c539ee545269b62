//! A publisher made by hand, a recovery server made by hand, and a strategy that checks all it is
//! given.

#![allow(dead_code, reason = "every test binary uses its own part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tickcast_net::{Group, Interface, MulticastSender, ReceiveConfig, SendConfig};
use tickcast_subscriber::{
    ArbiterConfig, Loss, LossReason, Origin, Outcome, Provenance, SessionStart, Start, Stats,
    Strategy, Subscriber, SubscriberConfig, ThreadConfig,
};
use tickcast_wire::{
    BLOCK_ROWS, Block, Digest, Flags, PacketHeader, PreviousSession, Quote, Reply, ReplyStatus,
    Request, RequestKind, Tick, TickSum, Venue,
};
use zerocopy::{FromZeros, IntoBytes};

/// Long enough for any machine; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

pub const SESSION: u64 = 1_000;

/// Tick `seq` of a session, of one of 10,000 instruments.
pub fn tick(session: u64, seq: u64) -> Tick {
    let quote = Quote::new(seq as i64, session, seq as i64 * 3, seq ^ session);
    Tick::new(quote, Venue::SYNTHETIC, (seq % 10_000) as u32, seq * 7).with_seq(seq)
}

/// A packet of a session as it lies on the wire.
pub fn packet(header: PacketHeader) -> Vec<u8> {
    let seqs = header.first_seq()..header.next_seq();
    let ticks: Vec<Tick> = seqs.map(|seq| tick(header.session(), seq)).collect();
    packet_of(header.with_ts_sent(header.session()), &ticks)
}

/// A packet of any header and ticks, with the checksum of both.
pub fn packet_of(header: PacketHeader, ticks: &[Tick]) -> Vec<u8> {
    let checksum = header.checksum(TickSum::of(ticks));
    [header.as_bytes(), ticks.as_bytes(), &checksum].concat()
}

/// The sending side of two lines with groups of their own, driven by the test.
pub struct Feed {
    lines: [MulticastSender; 2],
    groups: [Group; 2],
    pub session: u64,
    pub previous: Option<PreviousSession>,
    pub next: u64,
}

impl Feed {
    pub fn new() -> Feed {
        static PORTS: AtomicU16 = AtomicU16::new(21_000);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let port = PORTS.fetch_add(1, Ordering::Relaxed);
        let groups = [230, 231].map(|line| format!("239.{line}.{high}.{low}:{port}"));
        let groups: [Group; 2] = groups.map(|group| group.parse().unwrap());
        let interface = Interface::loopback().unwrap();
        let lines = groups.map(|group| {
            MulticastSender::open(&SendConfig::new(group, interface.clone())).unwrap()
        });
        Feed {
            lines,
            groups,
            session: SESSION,
            previous: None,
            next: 1,
        }
    }

    /// A subscriber to both lines from the start of the session. It waits longer for a line and for
    /// recovery than any test does: a thread that stands still for a while gives nothing up.
    pub fn subscriber(&self, recovery: Option<SocketAddr>) -> SubscriberConfig {
        let interface = Interface::loopback().unwrap();
        let [a, b] = self
            .groups
            .map(|group| ReceiveConfig::new(group, interface.clone()));
        let mut config = SubscriberConfig::new(a);
        config.line_b = Some(b);
        config.recovery = recovery;
        config.idle = tickcast_net::Idle::Park;
        config.arbiter = ArbiterConfig {
            start: Start::Seq(1),
            reorder_window: 100_000,
            jitter: 0,
            line_patience: 60_000_000_000,
            recovery_deadline: 60_000_000_000,
            ..ArbiterConfig::default()
        };
        config
    }

    /// The groups of lines A and B.
    pub const fn groups(&self) -> [Group; 2] {
        self.groups
    }

    pub fn send_on(&self, line: usize, bytes: &[u8]) {
        self.lines[line].send(bytes, bytes.len()).unwrap();
    }

    pub fn send_both(&self, bytes: &[u8]) {
        self.send_on(0, bytes);
        self.send_on(1, bytes);
    }

    /// A datagram without a single byte.
    pub fn send_nothing_on(&self, line: usize) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let group: SocketAddr = self.groups[line].to_string().parse().unwrap();
        assert_eq!(socket.send_to(&[], group).unwrap(), 0);
    }

    fn complete(&self, header: PacketHeader) -> Vec<u8> {
        packet(match self.previous {
            Some(previous) => header.with_previous(previous),
            None => header,
        })
    }

    /// The packet with the next `count` ticks; whether it is sent is up to the caller.
    pub fn data(&mut self, count: u16) -> Vec<u8> {
        let header = PacketHeader::data(self.session, 0, self.next, count);
        self.next = header.next_seq();
        self.complete(header)
    }

    /// The next `count` ticks on both lines.
    pub fn publish(&mut self, count: u16) {
        let bytes = self.data(count);
        self.send_both(&bytes);
    }

    /// The next `count` ticks on neither line.
    pub fn skip(&mut self, count: u16) {
        self.next += u64::from(count);
    }

    pub fn heartbeat(&self) -> Vec<u8> {
        self.complete(PacketHeader::heartbeat(self.session, 0, self.next))
    }

    pub fn end(&self) {
        let header = PacketHeader::end_of_session(self.session, 0, self.next);
        self.send_both(&self.complete(header));
    }

    /// The publisher starts anew and knows where it had ended.
    pub fn restart(&mut self) {
        self.previous = Some(PreviousSession {
            session: self.session,
            last_seq: self.next - 1,
            digest: Digest::default(),
        });
        self.session += 1;
        self.next = 1;
    }
}

/// Waits until the counters are as wanted.
pub fn wait_for(subscriber: &mut Subscriber, what: &str, wanted: impl Fn(&Stats) -> bool) -> Stats {
    let started = Instant::now();
    loop {
        let stats = subscriber.stats();
        if wanted(&stats) {
            return stats;
        }
        assert!(started.elapsed() < PATIENCE, "still not {what}: {stats:#?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until this is so.
pub fn wait_until(what: &str, so: impl Fn() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < PATIENCE, "still not {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the session has ended and everything was read.
pub fn wait_for_end(subscriber: &mut Subscriber) {
    let started = Instant::now();
    while !subscriber.has_ended() {
        let stats = subscriber.stats();
        assert!(started.elapsed() < PATIENCE, "no end: {stats:#?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A thread for a strategy that parks.
pub fn thread(name: &str) -> ThreadConfig {
    ThreadConfig {
        name: name.into(),
        core: None,
        priority: None,
        idle: tickcast_net::Idle::Park,
        measured: true,
    }
}

/// Checks that everything comes in order and as published, and keeps the rest.
#[derive(Debug, Default)]
pub struct Checker {
    pub sessions: Vec<SessionStart>,
    pub losses: Vec<Loss>,
    pub snapshots: Vec<u64>,
    pub rows: u64,
    pub by: [u64; 5],
    pub ended: Vec<(u64, u64)>,
    next: u64,
}

impl Strategy for Checker {
    fn on_tick(&mut self, seen: &Tick, origin: &Origin) {
        let start = self.sessions.last().expect("a session first");
        assert_eq!(origin.session, start.session);
        self.by[origin.provenance as usize] += 1;
        if origin.provenance == Provenance::Snapshot {
            self.rows += 1;
            return;
        }
        assert_eq!(*seen, tick(start.session, self.next));
        self.next += 1;
    }

    fn on_gap(&mut self, loss: &Loss) {
        let start = self.sessions.last().expect("a session first");
        assert_eq!((loss.session, loss.first_seq), (start.session, self.next));
        self.next += loss.count;
        self.losses.push(*loss);
    }

    fn on_session(&mut self, start: &SessionStart) {
        self.sessions.push(*start);
        self.next = start.first_seq;
    }

    fn on_snapshot(&mut self, as_of: u64) {
        assert_eq!(self.next, as_of + 1, "a snapshot that does not join on");
        self.snapshots.push(as_of);
    }

    fn on_end(&mut self, session: u64, last_seq: u64) {
        assert_eq!(self.next, last_seq + 1);
        self.ended.push((session, last_seq));
    }
}

impl Checker {
    /// The losses as (first seq, count, reason).
    pub fn lost(&self) -> Vec<(u64, u64, LossReason)> {
        let parts = |loss: &Loss| (loss.first_seq, loss.count, loss.reason);
        self.losses.iter().map(parts).collect()
    }
}

/// Delivered and lost is all of the promised ticks, and the checker found no fault.
pub fn assert_kept(outcome: &Outcome<Checker>, promised: u64) {
    assert_eq!(outcome.panic, None);
    let account = outcome.account;
    assert_eq!(account.delivered + account.lost, promised, "{account:?}");
}

/// Answers the requests of one connection as the test likes; false closes the connection.
pub trait Answer: FnMut(&Request, &mut TcpStream) -> bool + Send + 'static {}
impl<F: FnMut(&Request, &mut TcpStream) -> bool + Send + 'static> Answer for F {}

/// A recovery server; it serves one connection at a time, until the test process ends.
pub fn serve(mut answer: impl Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Request::new_zeroed();
            while stream.read_exact(request.as_mut_bytes()).is_ok() {
                if !answer(&request, &mut stream) {
                    break;
                }
            }
        }
    });
    address
}

/// An address at which nobody listens, and what keeps it from everybody else for so long.
pub fn unserved() -> ((TcpListener, TcpStream), SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // The port of a connection's other end is taken, and nobody listens at it.
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let address = stream.local_addr().unwrap();
    ((listener, stream), address)
}

/// Writes a reply and these rows; false, as for a client that is gone, if that fails.
pub fn reply(stream: &mut TcpStream, header: Reply, rows: &[Tick]) -> bool {
    stream.write_all(header.as_bytes()).is_ok() && blocks(stream, &header, 0, rows)
}

/// Writes these rows of a reply, which come after `before` others.
pub fn blocks(stream: &mut TcpStream, header: &Reply, before: u64, rows: &[Tick]) -> bool {
    let mut befores = (before..).step_by(BLOCK_ROWS);
    rows.chunks(BLOCK_ROWS).all(|rows| {
        let (before, count) = (befores.next().unwrap(), rows.len() as u32);
        let block = Block::new(header.id(), before, count, TickSum::of(rows));
        stream.write_all(block.as_bytes()).is_ok() && stream.write_all(rows.as_bytes()).is_ok()
    })
}

/// The answer of a sound server to a retransmit.
pub fn retransmit(request: &Request, stream: &mut TcpStream) -> bool {
    assert_eq!(request.check(), Ok(RequestKind::Retransmit));
    let (session, first, count) = (request.session(), request.first_seq(), request.count());
    let rows: Vec<Tick> = (first..first + count)
        .map(|seq| tick(session, seq))
        .collect();
    let header = Reply::new(request, session, ReplyStatus::Ok, 0).with_ticks(first, count);
    reply(stream, header, &rows)
}

/// The answer of a sound server to a snapshot: three rows as of `as_of`.
pub fn snapshot(request: &Request, stream: &mut TcpStream, as_of: u64) -> bool {
    assert_eq!(request.check(), Ok(RequestKind::Snapshot));
    let row = |seq| tick(SESSION, seq).with_flags(Flags::SNAPSHOT);
    let rows: Vec<Tick> = (as_of - 2..=as_of).map(row).collect();
    let header = Reply::new(request, SESSION, ReplyStatus::Ok, 0).with_ticks(as_of, 3);
    reply(stream, header, &rows)
}

/// A refusal.
pub fn refuse(request: &Request, stream: &mut TcpStream, status: ReplyStatus, detail: u64) -> bool {
    reply(stream, Reply::new(request, SESSION, status, detail), &[])
}
