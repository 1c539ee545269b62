//! Deadlines and places, on a clock of the test's own.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use tickcast_protocol::ResponderLimits;
use tickcast_queue::chunk;
use tickcast_wire::{Clear, Digest, Tick};
use zerocopy::IntoBytes;

use super::*;

const MS: u64 = 1_000_000;
const TICKS: u64 = 60_000;

/// A client, the other end of its connection, and what it needs of a server.
struct Bench {
    client: Client,
    peer: std::net::TcpStream,
    responder: Responder<Kept>,
    budget: Budget,
    bucket: TokenBucket,
    admission: Admission,
    counters: Counters,
    limits: ClientLimits,
}

impl Bench {
    fn new() -> Bench {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // Little room in the kernel, so that a reply does not find it all there.
        let small = socket2::SockRef::from(&listener);
        small.set_send_buffer_size(32 * 1024).unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let small = socket2::SockRef::from(&peer);
        small.set_recv_buffer_size(32 * 1024).unwrap();
        let (socket, address) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let limits = ClientLimits {
            header_deadline: Duration::from_millis(50),
            idle_deadline: Duration::from_millis(600),
            write_deadline: Duration::from_millis(70),
            make_room_after: Duration::from_millis(5),
            ..ClientLimits::default()
        };
        let mut responder = Responder::new(1, 0, Some(100), ResponderLimits::default());
        let tick = |seq| Tick::new(Clear::default(), 1u16, 1, seq).with_seq(seq);
        let ticks: Vec<Tick> = (1..=TICKS).map(tick).collect();
        let mut kept = chunk(ticks.len(), ticks[0]);
        kept.append([&ticks[..]], 0);
        responder.begin(kept.reader());
        responder.take_in(ticks.len(), Digest::default()).unwrap();
        let socket = TcpStream::from_std(socket);
        Bench {
            client: Client::new(socket, address.ip(), &limits, false, 0),
            peer,
            responder,
            budget: Budget::new(1 << 30, 1 << 30, 0),
            bucket: TokenBucket::new(1, 1, 0),
            admission: Admission::new(Vec::new(), 1),
            counters: Counters::new(),
            limits,
        }
    }

    /// Gives the client turns at this time until it waits for its socket.
    fn turn(&mut self, now: u64) -> Turn {
        let mut desk = Desk {
            responder: &mut self.responder,
            budget: &mut self.budget,
            handshakes: &mut self.bucket,
            admission: &mut self.admission,
            tls: None,
            counters: &self.counters,
            snapshot_refused: false,
            now,
        };
        loop {
            let turn = self.client.turn(&mut desk);
            if turn != Turn::More {
                return turn;
            }
        }
    }

    /// The other end writes, and the client has its turns once the bytes are there.
    fn write(&mut self, bytes: &[u8], now: u64) {
        self.peer.write_all(bytes).unwrap();
        while self.client.socket_mut().peek(&mut [0]).is_err() {
            std::thread::yield_now();
        }
        assert_eq!(self.turn(now), Turn::Waits);
    }

    fn ask(&mut self, kind: RequestKind, count: u64, now: u64) {
        let request = Request::new(kind, 1, 0, 1, count, 0);
        self.write(request.as_bytes(), now);
    }

    /// Nothing is overdue just before `at`, and this is at `at`.
    #[track_caller]
    fn assert_overdue(&self, at: u64, counter: Counter) {
        assert_eq!(self.client.overdue(&self.limits, at - 1), None);
        assert_eq!(self.client.overdue(&self.limits, at), Some(counter));
    }

    #[track_caller]
    fn assert_may_lose(&self, at: u64, is_settled: bool) {
        assert_eq!(self.client.merit(&self.limits, at - 1), None);
        let merit = self.client.merit(&self.limits, at);
        assert_eq!(merit.map(|(settled, _)| settled), Some(is_settled));
    }
}

#[test]
fn a_first_request_counts_from_the_beginning_whatever_comes_of_it() {
    let mut bench = Bench::new();
    bench.assert_overdue(50 * MS, Counter::HeaderTimeouts);
    bench.assert_may_lose(5 * MS, false);
    for at in 1..40 {
        bench.write(b"T", at * MS);
    }
    bench.assert_overdue(50 * MS, Counter::HeaderTimeouts);
    bench.assert_may_lose(5 * MS, false);
}

#[test]
fn a_served_client_may_be_idle_and_then_takes_its_time_from_the_first_byte() {
    let mut bench = Bench::new();
    bench.ask(RequestKind::Retransmit, 1, 10 * MS);
    bench.assert_overdue(610 * MS, Counter::IdleTimeouts);
    bench.assert_may_lose(60 * MS, true);
    bench.write(b"T", 100 * MS);
    bench.write(b"C", 149 * MS);
    bench.assert_overdue(150 * MS, Counter::HeaderTimeouts);
    bench.assert_may_lose(105 * MS, false);
}

#[test]
fn a_reply_that_is_not_taken_stalls_from_the_last_turn_that_was() {
    let mut bench = Bench::new();
    bench.ask(RequestKind::Retransmit, TICKS, MS);
    assert!(bench.client.unsent() > 0);
    bench.assert_overdue(71 * MS, Counter::WriteStalls);
    bench.assert_may_lose(6 * MS, false);
    bench.peer.set_nonblocking(true).unwrap();
    let before = bench.client.unsent();
    // The kernel makes room for the next in its own time.
    while bench.client.unsent() > before - 128 * 1024 {
        let _ = bench.peer.read(&mut [0; 65_536]);
        assert_eq!(bench.turn(30 * MS), Turn::Waits);
    }
    bench.assert_overdue(100 * MS, Counter::WriteStalls);
}

#[test]
fn under_flow_control_a_client_keeps_its_place() {
    let mut bench = Bench::new();
    bench.ask(RequestKind::FlowJoin, 0, MS);
    assert_eq!(bench.client.overdue(&bench.limits, u64::MAX), None);
    assert_eq!(bench.client.merit(&bench.limits, u64::MAX), None);
    // Once it begins a request, that is another matter.
    bench.write(b"T", 2 * MS);
    bench.assert_overdue(52 * MS, Counter::HeaderTimeouts);
}

#[test]
fn garbage_is_answered_and_then_only_its_end_is_waited_for() {
    let mut bench = Bench::new();
    bench.write(&[0x5a; 200], MS);
    assert_eq!(bench.counters.get(Counter::Malformed), 1);
    bench.assert_overdue(51 * MS, Counter::HeaderTimeouts);
    bench.assert_may_lose(6 * MS, false);
}

#[test]
fn without_tls_a_token_is_malformed() {
    let mut bench = Bench::new();
    let token = tickcast_wire::Token::new([1; 24]);
    bench.write(Request::with_token(0, token, 0).as_bytes(), MS);
    assert_eq!(bench.counters.get(Counter::Malformed), 1);
}

#[test]
fn memory_in_plain_text_is_less_than_a_kilobyte() {
    // The rows of a reply are taken from the store as the socket takes them.
    assert!(size_of::<Client>() <= 1024, "{}", size_of::<Client>());
}
