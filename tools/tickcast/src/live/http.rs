//! A small HTTP server: one thread, a bounded number of connections, a deadline for each. Whatever
//! comes in only ever costs its own connection.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use tickcast_net::thread::spawn_named;

use super::pages::{Pages, Reply, Request, refusal};

/// Connections at once; one more takes the place of the oldest.
const CONNECTIONS: usize = 64;
/// How long a connection may take for its one request and reply.
const DEADLINE: Duration = Duration::from_secs(5);
/// Time until a connection is accepted for which there was no room.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
/// The longest head of a request, bytes.
const REQUEST: usize = 8_192;
/// The most fields in it.
const FIELDS: usize = 64;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// A server that runs until it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves these pages at an address; port 0 for any that is free.
    ///
    /// # Errors
    /// When the address cannot be listened at.
    pub(super) fn start(address: SocketAddr, pages: Pages) -> anyhow::Result<Server> {
        let mut listener = TcpListener::bind(address)
            .with_context(|| format!("cannot listen at {address}; is another program there?"))?;
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(registry, WAKER)?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut serving = Serving {
            listener,
            poll,
            pages,
            connections: Slab::with_capacity(CONNECTIONS),
            accept_failed: false,
            stop: Arc::clone(&stop),
        };
        let thread = spawn_named("tc-http", None, move || serving.run())?;
        Ok(Server {
            address,
            stop,
            waker,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let woken = self.waker.wake().is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // It may have panicked: nothing of it is needed any more.
            let _ = thread.join();
        }
    }
}

struct Serving {
    listener: TcpListener,
    poll: Poll,
    pages: Pages,
    connections: Slab<Connection>,
    /// There was no room for a connection that waits: no event will tell of it again.
    accept_failed: bool,
    stop: Arc<AtomicBool>,
}

impl Serving {
    fn run(&mut self) {
        let mut events = Events::with_capacity(CONNECTIONS + 2);
        while !self.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.poll.poll(&mut events, self.patience()) {
                if error.kind() == ErrorKind::Interrupted {
                    continue;
                }
                tracing::error!(%error, "the HTTP server ends");
                return;
            }
            for event in &events {
                match event.token() {
                    LISTENER | WAKER => {}
                    Token(at) => self.go_on(at),
                }
            }
            self.accept();
            let now = Instant::now();
            self.connections
                .retain(|_, connection| connection.deadline > now);
        }
    }

    /// How long nothing has to be done but what events tell of.
    fn patience(&self) -> Option<Duration> {
        let now = Instant::now();
        let deadlines = self.connections.iter().map(|(_, open)| open.deadline);
        let again = self.accept_failed.then(|| now + ACCEPT_AGAIN);
        let next = deadlines.chain(again).min()?;
        // Rounded up: the system waits whole milliseconds.
        Some(next.saturating_duration_since(now) + Duration::from_millis(1))
    }

    fn accept(&mut self) {
        self.accept_failed = false;
        // As many as there are places: whoever knocks all the time does not keep the others waiting.
        for _ in 0..CONNECTIONS {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    self.accept_failed = true;
                    return;
                }
            };
            if self.connections.len() == CONNECTIONS {
                self.drop_oldest();
            }
            let entry = self.connections.vacant_entry();
            let at = entry.key();
            let mut connection = Connection::new(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            if registry
                .register(&mut connection.stream, Token(at), interest)
                .is_ok()
            {
                entry.insert(connection);
                self.go_on(at);
            }
        }
        // More of them wait, and no event tells of those that knocked before.
        self.knock();
    }

    fn knock(&mut self) {
        let registry = self.poll.registry();
        let again = registry.reregister(&mut self.listener, LISTENER, Interest::READABLE);
        if let Err(error) = again {
            tracing::error!(%error, "the HTTP server accepts no more connections");
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self
            .connections
            .iter()
            .min_by_key(|(_, open)| open.deadline);
        if let Some(at) = oldest.map(|(at, _)| at) {
            self.connections.remove(at);
        }
    }

    /// Reads and writes what can be, and closes the connection when it is done with.
    fn go_on(&mut self, at: usize) {
        let Some(connection) = self.connections.get_mut(at) else {
            return;
        };
        match connection.go_on(&mut self.pages) {
            Ok(false) => {}
            // Whoever is gone does not want to be told why.
            Ok(true) | Err(_) => {
                self.connections.remove(at);
            }
        }
    }
}

/// One connection: a request, a reply.
struct Connection {
    stream: TcpStream,
    deadline: Instant,
    request: Vec<u8>,
    reply: Option<Reply>,
    written: usize,
}

impl Connection {
    fn new(stream: TcpStream) -> Connection {
        Connection {
            stream,
            deadline: Instant::now() + DEADLINE,
            request: Vec::new(),
            reply: None,
            written: 0,
        }
    }

    /// Whether it is done with.
    fn go_on(&mut self, pages: &mut Pages) -> io::Result<bool> {
        while self.reply.is_none() {
            let mut bytes = [0; 1_024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(true),
                Ok(count) => {
                    self.request.extend_from_slice(&bytes[..count]);
                    self.reply = answer(&self.request, pages);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return later(error),
            }
        }
        self.write()
    }

    fn write(&mut self) -> io::Result<bool> {
        let Some(reply) = &self.reply else {
            return Ok(false);
        };
        loop {
            let head = reply.head.len();
            let rest = match self.written.checked_sub(head) {
                None => &reply.head[self.written..],
                Some(of_body) => &reply.body[of_body..],
            };
            if rest.is_empty() {
                return Ok(true);
            }
            match self.stream.write(rest) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return later(error),
            }
        }
    }
}

/// What cannot be done now is no failure.
fn later(error: io::Error) -> io::Result<bool> {
    match error.kind() {
        ErrorKind::WouldBlock => Ok(false),
        _ => Err(error),
    }
}

/// The reply to what has come so far; none while more must come.
fn answer(bytes: &[u8], pages: &mut Pages) -> Option<Reply> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) if bytes.len() <= REQUEST => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            let why = "the head of the request is too long";
            return Some(refusal("431 Request Header Fields Too Large", why));
        }
        Err(_) => return Some(refusal("400 Bad Request", "this is no HTTP request")),
    }
    let mut hosts = request
        .headers
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("host"));
    let host = hosts.next().map(|field| std::str::from_utf8(field.value));
    Some(pages.reply(Request {
        method: request.method.unwrap_or_default(),
        path: request.path.unwrap_or_default(),
        host: host.map(Result::unwrap_or_default),
    }))
}

#[cfg(test)]
mod tests;
