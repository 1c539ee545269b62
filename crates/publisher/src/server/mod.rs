//! The recovery server, thread `tc-serve`: keeps the store and the image up to date and answers
//! many clients, none of which can hold up another or the send loop.

mod bucket;
mod client;
mod sending;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use thiserror::Error;
use tickcast_net::clock::monotonic_ns;
use tickcast_protocol::{NotContiguous, Responder};
use tickcast_queue::{Lapped, Line, Reader};
use tickcast_wire::Tick;
use zerocopy::{FromBytes, IntoBytes};

use crate::config::ClientLimits;
use crate::counters::{Counter, Counters};
use crate::flow::Positions;
use crate::server::client::{Client, Desk, Turn};

/// Published ticks reach the store at least this often.
const DRAIN_EVERY: Duration = Duration::from_millis(1);

/// Deadlines are looked at this often, in ns.
const DEADLINES_EVERY_NS: u64 = 10_000_000;

/// Ticks read from the ring at a time.
const DRAIN_TICKS: usize = 1024;

/// Chunks read from the ring before clients have their turn again.
const MOST_DRAINS: usize = 64;

/// Turns of clients, of 64 KiB each, before the ring is looked at again: however many clients want
/// to be served, the store keeps up with the send loop.
const MOST_TURNS: usize = 16;

/// Connections accepted before clients have their turn again.
const MOST_ACCEPTS: usize = 64;

/// Connections beyond the most clients that are still told Busy; more are closed at once.
const WAITING_ROOM: usize = 64;

const LISTENER: Token = Token(usize::MAX);

/// Why the server ended before the publisher did.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Waiting for clients failed.
    #[error("the recovery server cannot wait for its clients: {0}")]
    Poll(#[from] io::Error),
    /// The send loop overtook the store, which it must not.
    #[error("the store was overtaken: {0}")]
    Lapped(#[from] Lapped),
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
    clients: Slab<Client>,
    surplus: usize,
    /// Clients that may get on without a new event, each at most once.
    ready: VecDeque<usize>,
    /// Whether a client is in `ready`, by its key.
    is_ready: Vec<bool>,
    reader: Reader,
    lines: Box<[Line]>,
    responder: Responder,
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
        listen: SocketAddr,
        limits: ClientLimits,
        responder: Responder,
        reader: Reader,
        counters: Arc<Counters>,
        positions: Arc<Positions>,
    ) -> io::Result<Server> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(listen)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Server {
            poll,
            listener,
            accepting: false,
            clients: Slab::new(),
            surplus: 0,
            ready: VecDeque::new(),
            is_ready: Vec::new(),
            reader,
            lines: vec![Line::default(); DRAIN_TICKS].into_boxed_slice(),
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
        let mut drained_all = true;
        while !self.reader.is_closed() {
            let nothing_waits = drained_all && self.ready.is_empty();
            let timeout = if nothing_waits {
                DRAIN_EVERY
            } else {
                Duration::ZERO
            };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => result?,
            }
            drained_all = self.drain()?;
            for event in &events {
                match event.token() {
                    LISTENER => self.accepting = true,
                    Token(key) => self.mark_ready(key),
                }
            }
            let now = monotonic_ns();
            self.accept(now);
            self.serve(now);
            self.close_overdue(now);
            self.report_positions();
        }
        Ok(())
    }

    /// Takes published ticks into the store and the image; whether it got all.
    fn drain(&mut self) -> Result<bool, ServeError> {
        let mut drained_all = false;
        for _ in 0..MOST_DRAINS {
            let count = self.reader.read(&mut self.lines)?;
            // The words of a tick as they lie are its bytes: the length always fits.
            let bytes = self.lines[..count].as_bytes();
            let ticks = <[Tick]>::ref_from_bytes(bytes).unwrap_or_default();
            self.responder.append(ticks)?;
            if count < DRAIN_TICKS {
                drained_all = true;
                break;
            }
        }
        let refused = self.responder.image().refused();
        self.counters.set(Counter::ImageRefused, refused);
        Ok(drained_all)
    }

    fn accept(&mut self, now: u64) {
        for _ in 0..MOST_ACCEPTS {
            if !self.accepting {
                return;
            }
            match self.listener.accept() {
                Ok((stream, _)) => {
                    self.counters.add(Counter::Accepted, 1);
                    self.welcome(stream, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.accepting = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // Out of file descriptors, mostly: tried again in the next round.
                    self.counters.add(Counter::AcceptErrors, 1);
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, mut stream: mio::net::TcpStream, now: u64) {
        let surplus = self.clients.len() - self.surplus >= self.limits.max_clients;
        if surplus {
            self.counters.add(Counter::RefusedClients, 1);
            if self.surplus >= WAITING_ROOM {
                return;
            }
        }
        // Without it replies only come later.
        let _ = stream.set_nodelay(true);
        let entry = self.clients.vacant_entry();
        let key = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self
            .poll
            .registry()
            .register(&mut stream, Token(key), interest);
        if registered.is_err() {
            self.counters.add(Counter::AcceptErrors, 1);
            return;
        }
        entry.insert(Client::new(stream, &self.limits, surplus, now));
        self.surplus += usize::from(surplus);
        if self.is_ready.len() <= key {
            self.is_ready.resize(key + 1, false);
        }
        self.mark_ready(key);
        self.count_clients();
    }

    fn mark_ready(&mut self, key: usize) {
        if self.clients.contains(key) && !self.is_ready[key] {
            self.is_ready[key] = true;
            self.ready.push_back(key);
        }
    }

    /// Gives clients that are ready their turn, one after the other.
    fn serve(&mut self, now: u64) {
        for _ in 0..self.ready.len().min(MOST_TURNS) {
            let Some(key) = self.ready.pop_front() else {
                return;
            };
            self.is_ready[key] = false;
            let Some(client) = self.clients.get_mut(key) else {
                continue;
            };
            let mut desk = Desk {
                responder: &mut self.responder,
                counters: &self.counters,
                now,
            };
            match client.turn(&mut desk) {
                Turn::More => self.mark_ready(key),
                Turn::Waits => {}
                Turn::Close => self.close(key),
            }
        }
    }

    fn close(&mut self, key: usize) {
        let Some(mut client) = self.clients.try_remove(key) else {
            return;
        };
        // It is closed next, which also takes it out of the poll.
        let _ = self.poll.registry().deregister(client.stream_mut());
        self.surplus -= usize::from(client.is_surplus());
        self.count_clients();
    }

    fn count_clients(&self) {
        let clients = self.clients.len() - self.surplus;
        self.counters.set(Counter::Clients, clients as u64);
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
            self.close(key);
        }
    }

    /// Tells the send loop how far the subscribers under flow control are.
    fn report_positions(&mut self) {
        let end = self.positions.end();
        let (mut slowest, mut joined) = (None, 0);
        for (_, client) in &mut self.clients {
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
