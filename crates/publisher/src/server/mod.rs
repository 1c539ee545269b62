//! The recovery server, thread `tc-serve`: keeps the store and the image up to date and answers
//! many clients, none of which can hold up another or the send loop.

mod admission;
mod bucket;
mod budget;
mod client;
mod clients;
mod sending;
mod stream;

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;
use thiserror::Error;
use tickcast_net::clock::monotonic_ns;
use tickcast_net::raise_open_files;
use tickcast_protocol::{NotContiguous, Responder};
use tickcast_wire::{Reply, ReplyStatus};
use zerocopy::IntoBytes;

use crate::config::{ClientLimits, RecoveryConfig};
use crate::counters::{Counter, Counters};
use crate::flow::Positions;
use crate::handover::{Inbox, Kept};
use crate::server::admission::{Admission, Refusal};
use crate::server::bucket::TokenBucket;
use crate::server::budget::Budget;
use crate::server::client::{Client, Desk, Turn};
use crate::server::clients::Clients;
use crate::tls::ServerTls;

/// Published ticks reach the store at least this often while they come fast, and before any client
/// has its turn.
const DRAIN_EVERY: Duration = Duration::from_millis(1);

/// And this often while they come slowly: each time the server runs, it takes a core from whoever
/// spins there. In that time a send loop that has 24 million ticks a second does not use up the spare chunks.
const DRAIN_SLOWLY: Duration = Duration::from_millis(10);

/// Ticks come fast when there were more than this many to take, which takes some 20 µs.
const FAST_TICKS: usize = 1_024;

/// Deadlines are looked at this often, in ns.
const DEADLINES_EVERY_NS: u64 = 10_000_000;

/// After so many ticks clients have their turn again.
const DRAIN_TICKS: usize = 65_536;

/// Turns of clients, of 64 KiB each, before the store is looked after again: however many clients want
/// to be served, the store keeps up with the send loop.
const MOST_TURNS: usize = 16;

/// Connections accepted before clients have their turn again.
const MOST_ACCEPTS: usize = 64;

/// After an error no connection is accepted for so long, in ns: 100 ms.
const ACCEPT_PAUSE_NS: u64 = 100_000_000;

/// Connections that were sent away and are kept for a moment, so that what they still send does not
/// take the reason away from them.
const DEPARTING: usize = 64;

/// How long they are kept, in ns: 1 s.
const DEPARTING_NS: u64 = 1_000_000_000;

/// Bytes that the kernel may hold of what a client sends: many requests, and any handshake.
const RECEIVE_BUFFER: usize = 16 * 1024;

/// Connections that wait to be accepted: with a full queue new ones are lost, and tried again only
/// after a second.
const WAITING_CONNECTIONS: i32 = 4096;

/// Files that a process with a publisher has open besides its clients.
const OTHER_FILES: u64 = 256;

const LISTENER: Token = Token(usize::MAX);

/// Why the server ended before the publisher did.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Waiting for clients failed.
    #[error("the recovery server cannot wait for its clients: {0}")]
    Poll(#[from] io::Error),
    /// The store was handed ticks with a hole.
    #[error("the store: {0}")]
    NotContiguous(#[from] NotContiguous),
}

/// The server and its clients.
pub(crate) struct Server {
    poll: Poll,
    listener: TcpListener,
    /// Connections may be waiting to be accepted.
    accepting: bool,
    accept_at: u64,
    admission: Admission,
    clients: Clients,
    departing: VecDeque<(u64, TcpStream)>,
    budget: Budget,
    handshakes: TokenBucket,
    tls: Option<ServerTls>,
    inbox: Inbox,
    responder: Responder<Kept>,
    limits: ClientLimits,
    counters: Arc<Counters>,
    positions: Arc<Positions>,
    /// Subscribers that have everything, whether still connected or not.
    confirmed: usize,
    deadlines_at: u64,
}

impl Server {
    /// Listens; the address it listens on is [`Server::local_addr`].
    pub(crate) fn open(
        config: &RecoveryConfig,
        responder: Responder<Kept>,
        inbox: Inbox,
        counters: Arc<Counters>,
        positions: Arc<Positions>,
    ) -> io::Result<Server> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(config.listen)?;
        prepare_socket(&listener, config.clients.send_buffer)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let (limits, now) = (config.clients, monotonic_ns());
        log_dangers(config);
        let handshakes = limits.handshakes_per_second;
        Ok(Server {
            poll,
            listener,
            accepting: false,
            accept_at: 0,
            admission: Admission::new(config.allow.clone(), limits.clients_per_address),
            clients: Clients::default(),
            departing: VecDeque::new(),
            budget: Budget::new(limits.total_bytes_per_second, limits.total_burst_bytes, now),
            handshakes: TokenBucket::new(handshakes, handshakes, now),
            tls: config.tls.clone(),
            inbox,
            responder,
            limits,
            counters,
            positions,
            confirmed: 0,
            deadlines_at: 0,
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the send loop is gone.
    pub(crate) fn run(mut self) -> Result<(), ServeError> {
        let mut events = Events::with_capacity(1024);
        let mut until_next_drain = DRAIN_EVERY;
        loop {
            let timeout = if self.clients.ready() == 0 {
                until_next_drain
            } else {
                Duration::ZERO
            };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => result?,
            }
            let Some(again_in) = self.drain()? else {
                return Ok(());
            };
            until_next_drain = again_in;
            for event in &events {
                match event.token() {
                    LISTENER => self.accepting = true,
                    Token(key) => self.clients.mark_ready(key),
                }
            }
            let now = monotonic_ns();
            self.clients.resume(now);
            self.accept(now);
            self.serve(now);
            self.close_overdue(now);
            self.report_positions();
        }
    }

    /// Takes published ticks into the store and the image; when to do so again, `None` when the send
    /// loop is gone.
    fn drain(&mut self) -> Result<Option<Duration>, ServeError> {
        let mut taken = 0;
        let again_in = loop {
            match self.inbox.take(&mut self.responder)? {
                None => break None,
                Some(0) if taken > FAST_TICKS => break Some(DRAIN_EVERY),
                Some(0) => break Some(DRAIN_SLOWLY),
                Some(count) => taken += count,
            }
            if taken >= DRAIN_TICKS {
                break Some(Duration::ZERO);
            }
        };
        let refused = self.responder.image().refused();
        self.counters.set(Counter::ImageRefused, refused);
        Ok(again_in)
    }

    fn accept(&mut self, now: u64) {
        if now < self.accept_at {
            return;
        }
        for _ in 0..MOST_ACCEPTS {
            if !self.accepting {
                return;
            }
            match self.listener.accept() {
                Ok((socket, address)) => {
                    self.counters.add(Counter::Accepted, 1);
                    self.welcome(socket, address.ip(), now);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.accepting = false,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => return self.cannot_accept(now),
                },
            }
        }
    }

    /// Out of file descriptors, mostly: makes some free, and tries again in a while.
    fn cannot_accept(&mut self, now: u64) {
        self.counters.add(Counter::AcceptErrors, 1);
        self.accept_at = now + ACCEPT_PAUSE_NS;
        self.departing.clear();
        self.make_room(now);
    }

    fn welcome(&mut self, mut socket: TcpStream, address: IpAddr, now: u64) {
        let mut admitted = self.admission.check(address);
        if admitted.is_ok() && self.clients.len() >= self.limits.max_clients && !self.make_room(now)
        {
            admitted = Err(Refusal::Full);
        }
        // Without it replies only come later.
        let _ = socket.set_nodelay(true);
        if let Err(refusal) = admitted {
            self.counters.add(refusal.counter(), 1);
            if refusal != Refusal::NotAllowed {
                self.send_away(socket, now);
            }
            return;
        }
        let token = Token(self.clients.vacant_key());
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut socket, token, interest);
        if registered.is_err() {
            self.counters.add(Counter::AcceptErrors, 1);
            return;
        }
        let has_tls = self.tls.is_some();
        let client = Client::new(socket, address, &self.limits, has_tls, now);
        self.admission.enter(address);
        self.clients.insert(client);
        self.count_clients();
    }

    /// Takes the place of a client that does not get on; whether there was one.
    fn make_room(&mut self, now: u64) -> bool {
        let Some(key) = self.clients.weakest(&self.limits, now) else {
            return false;
        };
        self.counters.add(Counter::MadeRoom, 1);
        self.cut_off(key);
        true
    }

    /// Tells a connection that gets no place why, and when to come again.
    fn send_away(&mut self, mut socket: TcpStream, now: u64) {
        let (session, retry_ns) = (self.responder.session(), self.admission.retry_ns());
        let reply = Reply::rejection(session, ReplyStatus::Busy, retry_ns);
        // The kernel has room for a first few bytes. What was sent already is thrown away, because
        // closing with unread bytes would take the reply away.
        let _ = socket.write(reply.as_bytes());
        let _ = socket.shutdown(Shutdown::Write);
        let _ = socket.read(&mut [0; 4096]);
        if self.departing.len() >= DEPARTING {
            self.departing.pop_front();
        }
        self.departing.push_back((now, socket));
    }

    /// Gives clients that are ready their turn, one after the other.
    fn serve(&mut self, now: u64) {
        let mut desk = Desk {
            responder: &mut self.responder,
            budget: &mut self.budget,
            handshakes: &mut self.handshakes,
            admission: &mut self.admission,
            tls: self.tls.as_ref(),
            counters: &self.counters,
            snapshot_refused: false,
            now,
        };
        let mut closed = Vec::new();
        for _ in 0..MOST_TURNS {
            let Some(key) = self.clients.next_ready() else {
                break;
            };
            let Some(client) = self.clients.get_mut(key) else {
                continue;
            };
            match client.turn(&mut desk) {
                Turn::More => self.clients.mark_ready(key),
                Turn::Waits => {}
                Turn::Pauses(until) => self.clients.pause(key, until),
                Turn::Close => closed.push(key),
            }
        }
        if desk.snapshot_refused {
            let slow = |client: &Client| client.is_slow_with_snapshot(&self.limits, now);
            let slow = self.clients.iter().filter(|(_, client)| slow(client));
            let slow: Vec<_> = slow.map(|(key, _)| key).collect();
            self.counters.add(Counter::MadeRoom, slow.len() as u64);
            slow.into_iter().for_each(|key| self.cut_off(key));
        }
        // Who said in this round that it has everything, and left, is counted before it is gone.
        if !closed.is_empty() {
            self.report_positions();
        }
        for key in closed {
            self.close(key);
        }
    }

    /// Closes a connection and throws away what has not left: the kernel would keep it for minutes
    /// for a client that never reads.
    fn cut_off(&mut self, key: usize) {
        if let Some(client) = self.clients.get_mut(key) {
            let _ = SockRef::from(&*client.socket_mut()).set_linger(Some(Duration::ZERO));
        }
        self.close(key);
    }

    fn close(&mut self, key: usize) {
        let Some(mut client) = self.clients.remove(key) else {
            return;
        };
        // It is closed next, which also takes it out of the poll.
        let _ = self.poll.registry().deregister(client.socket_mut());
        self.admission.leave(client.address());
        self.budget.give_back(client.unsent());
        self.count_clients();
    }

    fn count_clients(&self) {
        let clients = self.clients.len() as u64;
        self.counters.set(Counter::Clients, clients);
    }

    fn close_overdue(&mut self, now: u64) {
        if now < self.deadlines_at {
            return;
        }
        self.deadlines_at = now + DEADLINES_EVERY_NS;
        let overdue = |(key, client): (usize, &Client)| {
            client
                .overdue(&self.limits, now)
                .map(|counter| (key, counter))
        };
        let overdue: Vec<_> = self.clients.iter().filter_map(overdue).collect();
        for (key, counter) in overdue {
            self.counters.add(counter, 1);
            self.cut_off(key);
        }
        let stay = |(since, _): &(u64, TcpStream)| now.saturating_sub(*since) < DEPARTING_NS;
        self.departing.retain(stay);
    }

    /// Tells the send loop how far the subscribers under flow control are.
    fn report_positions(&mut self) {
        let end = self.positions.end();
        let (mut slowest, mut joined) = (None, 0);
        for client in self.clients.iter_mut() {
            let Some(position) = client.position else {
                continue;
            };
            joined += 1;
            slowest = Some(slowest.map_or(position, |slowest: u64| slowest.min(position)));
            if !client.confirmed && end.is_some_and(|end| position >= end) {
                client.confirmed = true;
                self.confirmed += 1;
            }
        }
        self.positions.update(slowest, joined, self.confirmed);
        self.counters.set(Counter::FlowSubscribers, joined as u64);
    }
}

/// Sets how many connections may wait, and bounds what the kernel holds for a client, which would otherwise be megabytes for one that never
/// reads. Accepted sockets inherit it.
fn prepare_socket(listener: &TcpListener, send_buffer: usize) -> io::Result<()> {
    let socket = SockRef::from(listener);
    // The kernel doubles what it is asked for.
    socket.set_send_buffer_size(send_buffer / 2)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER / 2)?;
    // Listening again only makes the queue longer.
    socket.listen(WAITING_CONNECTIONS)
}

/// Says what whoever starts a server should know.
fn log_dangers(config: &RecoveryConfig) {
    let listen = config.listen;
    if config.tls.is_none() && !listen.ip().to_canonical().is_loopback() {
        tracing::warn!(%listen, "recovery is served in plain text and asks for no token: whoever \
            reaches it can read the feed; for other than private networks give it a certificate");
    }
    let wanted = config.clients.max_clients as u64 + OTHER_FILES;
    let open_files = raise_open_files(wanted);
    if open_files < wanted {
        tracing::warn!(
            open_files,
            wanted,
            "not all clients will find room: raise the limit of open \
            files (ulimit -n), or allow fewer clients"
        );
    }
}
