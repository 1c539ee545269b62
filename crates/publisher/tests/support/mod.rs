//! Ticks, a plain UDP reader and a plain recovery client for the tests of the publisher.

#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod watchdog;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use tickcast_net::{Interface, SendConfig};
use tickcast_protocol::ResponderLimits;
use tickcast_publisher::{PublisherConfig, RecoveryConfig, Source, SourceError, Speed, Supply};
use tickcast_wire::{
    BLOCK_ROWS, Block, Quote, Reply, ReplyStatus, Request, RequestKind, Side, TICK_BYTES, Tick,
    Trade,
};
use zerocopy::{FromBytes, IntoBytes};

pub const SESSION: u64 = 1_000;
pub const CHANNEL: u16 = 5;

/// Quotes and trades of 50 instruments, 10 µs apart.
pub fn ticks(n: u64) -> Vec<Tick> {
    (0..n)
        .map(|i| {
            let (instrument, at) = ((i * 7 % 50) as u32, 1_000_000 + i * 10_000);
            if i % 5 == 0 {
                let trade = Trade::new(i as i64, 2, i, Side::Buy, [0; 7]);
                Tick::new(trade, 1u16, instrument, at)
            } else {
                Tick::new(Quote::new(i as i64, 1, 2, i), 1u16, instrument, at)
            }
        })
        .collect()
}

/// A reader of a group on loopback, and the line that reaches it.
pub fn line(group: [u8; 4]) -> (UdpSocket, SendConfig) {
    let group = Ipv4Addr::from(group);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket
        .join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
        .unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    let group = format!("{group}:{port}").parse().unwrap();
    (
        socket,
        SendConfig::new(group, Interface::loopback().unwrap()),
    )
}

/// A publisher as fast as it can on this line, without linger. From here on the test may not hang.
pub fn config(line_a: SendConfig) -> PublisherConfig {
    watchdog::waiting_for("its publisher to be served by its recovery server");
    let mut config = PublisherConfig::new(line_a);
    config.speed = Speed::Max;
    config.session = Some(SESSION);
    config.channel = CHANNEL;
    config.linger = Duration::ZERO;
    config.recovery = Some(recovery());
    config
}

/// A small recovery server: many of them run at once.
pub fn recovery() -> RecoveryConfig {
    RecoveryConfig {
        limits: ResponderLimits {
            store_ticks: 65_536,
            ..ResponderLimits::default()
        },
        ..RecoveryConfig::default()
    }
}

/// Ticks, and then silence until the publisher is stopped.
pub struct ThenSilence {
    ticks: Vec<Tick>,
    taken: usize,
}

impl ThenSilence {
    pub fn new(ticks: Vec<Tick>) -> ThenSilence {
        ThenSilence { ticks, taken: 0 }
    }
}

impl Source for ThenSilence {
    fn peek(&mut self) -> Result<Supply<'_>, SourceError> {
        Ok(match &self.ticks[self.taken..] {
            [] => Supply::NotYet,
            ticks => Supply::Ticks(ticks),
        })
    }

    fn take(&mut self, count: usize) {
        self.taken += count;
    }
}

/// A recovery client.
pub struct Client {
    pub stream: TcpStream,
    id: u64,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Client::over(stream)
    }

    /// Over a connection of one's own.
    pub const fn over(stream: TcpStream) -> Client {
        Client { stream, id: 0 }
    }

    /// Sends a request and gives it back.
    pub fn send(&mut self, kind: RequestKind, first_seq: u64, count: u64) -> Request {
        self.id += 1;
        let request = Request::new(kind, SESSION, CHANNEL, first_seq, count, self.id);
        self.stream.write_all(request.as_bytes()).unwrap();
        request
    }

    pub fn reply(&mut self, request: &Request) -> (ReplyStatus, Reply, Vec<Tick>) {
        let mut reply = [0; 64];
        self.stream.read_exact(&mut reply).unwrap();
        let reply = Reply::read_from_bytes(&reply).unwrap();
        let status = reply.check(request).unwrap();
        let count = reply.count() as usize;
        let mut ticks = Vec::new();
        while ticks.len() < count {
            let mut block = [0; 64];
            self.stream.read_exact(&mut block).unwrap();
            let mut rows = vec![0; (count - ticks.len()).min(BLOCK_ROWS) * TICK_BYTES];
            self.stream.read_exact(&mut rows).unwrap();
            let rows = <[Tick]>::ref_from_bytes(&rows).unwrap();
            let block = Block::read_from_bytes(&block).unwrap();
            let checked = block.check(request.id(), ticks.len() as u64, rows);
            assert_eq!(checked, Ok(()));
            ticks.extend_from_slice(rows);
        }
        (status, reply, ticks)
    }

    pub fn ask(
        &mut self,
        kind: RequestKind,
        first_seq: u64,
        count: u64,
    ) -> (ReplyStatus, Reply, Vec<Tick>) {
        let request = self.send(kind, first_seq, count);
        self.reply(&request)
    }

    /// Joins flow control.
    pub fn join(&mut self, next_seq: u64) -> u64 {
        let (status, reply, _) = self.ask(RequestKind::FlowJoin, next_seq, 0);
        assert_eq!(status, ReplyStatus::Ok);
        reply.detail()
    }

    /// Waits until the server closes the connection, throwing away what it still sends.
    pub fn wait_for_close(&mut self) {
        let mut scrap = [0; 65_536];
        while matches!(self.stream.read(&mut scrap), Ok(1..)) {}
    }
}

/// What a subscriber sees: seq and ts_due apart, the ticks that were given to the publisher.
pub fn assert_published(original: &[Tick], published: &[Tick]) {
    assert_eq!(original.len(), published.len());
    for (original, published) in original.iter().zip(published) {
        let expected = original
            .with_seq(published.seq())
            .with_ts_due(published.ts_due());
        assert_eq!(*published, expected);
    }
}
