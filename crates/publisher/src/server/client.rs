//! One connection to the recovery server.

use std::io::{self, Read, Write};
use std::net::IpAddr;

use mio::net::TcpStream;
use tickcast_net::clock::realtime_ns;
use tickcast_protocol::{Responder, Response};
use tickcast_wire::{Reply, ReplyStatus, Request, RequestKind, TICK_BYTES};
use zerocopy::FromBytes;

use crate::config::ClientLimits;
use crate::counters::{Counter, Counters};
use crate::handover::Kept;
use crate::server::admission::Admission;
use crate::server::bucket::TokenBucket;
use crate::server::budget::Budget;
use crate::server::sending::{Body, Sending, SendingError};
use crate::server::stream::Stream;
use crate::tls::ServerTls;

/// The size of a request.
const REQUEST_BYTES: usize = size_of::<Request>();

/// What a client with the wrong token is told to wait, in ns: 1 s.
const DENIED_RETRY_NS: u64 = 1_000_000_000;

/// A client that was served keeps its place so many times longer than one that was not.
const SETTLED: u128 = 10;

/// The first byte of a TLS connection: a handshake.
const TLS_HANDSHAKE: u8 = 22;

/// The first byte of a request, and of a reply.
const PLAIN_TEXT: u8 = b'T';

/// What became of a client's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It has more to do at once.
    More,
    /// It waits for its socket.
    Waits,
    /// It has made too many requests and has its next turn at this time.
    Pauses(u64),
    /// It is to be closed.
    Close,
}

/// What a client is doing.
#[derive(Debug)]
enum State {
    /// The first byte is to come, which tells whether it speaks TLS.
    Opening,
    /// A request is to come, or has come in part.
    Reading,
    /// A reply leaves; then the connection goes on, or is closed.
    Sending { sending: Sending, last: bool },
    /// All was said. What the client still sends is thrown away until it closes, because closing
    /// with unread bytes would take the last reply away from it.
    Closing,
}

/// One connection and its state.
#[derive(Debug)]
pub(crate) struct Client {
    stream: Stream,
    address: IpAddr,
    state: State,
    request: [u8; REQUEST_BYTES],
    filled: usize,
    bytes: TokenBucket,
    requests: TokenBucket,
    /// When it last got on with what it is doing, monotonic ns.
    since: u64,
    /// When its last request had arrived, monotonic ns.
    asked_at: u64,
    /// It must show the token before anything else.
    needs_token: bool,
    /// It has made a request that can be served.
    has_asked: bool,
    /// The next seq it wants, once it joined flow control.
    pub(crate) position: Option<u64>,
    /// It said that it has everything up to the end.
    pub(crate) confirmed: bool,
}

/// What a client's turn needs of the server.
pub(crate) struct Desk<'a> {
    pub(crate) responder: &'a mut Responder<Kept>,
    pub(crate) budget: &'a mut Budget,
    pub(crate) handshakes: &'a mut TokenBucket,
    pub(crate) admission: &'a mut Admission,
    pub(crate) tls: Option<&'a ServerTls>,
    pub(crate) counters: &'a Counters,
    /// A snapshot was refused because others are still being sent.
    pub(crate) snapshot_refused: bool,
    pub(crate) now: u64,
}

impl Client {
    pub(crate) fn new(
        socket: TcpStream,
        address: IpAddr,
        limits: &ClientLimits,
        tls: bool,
        now: u64,
    ) -> Client {
        let per_second = limits.requests_per_second;
        Client {
            stream: Stream::new(socket),
            address,
            state: if tls { State::Opening } else { State::Reading },
            request: [0; REQUEST_BYTES],
            filled: 0,
            bytes: TokenBucket::new(limits.bytes_per_second, limits.burst_bytes, now),
            requests: TokenBucket::new(per_second, per_second, now),
            since: now,
            asked_at: now,
            needs_token: tls && !address.to_canonical().is_loopback(),
            has_asked: false,
            position: None,
            confirmed: false,
        }
    }

    pub(crate) const fn address(&self) -> IpAddr {
        self.address
    }

    pub(crate) fn socket_mut(&mut self) -> &mut TcpStream {
        self.stream.socket_mut()
    }

    /// Does one step: reads one request, or sends one turn of a reply.
    pub(crate) fn turn(&mut self, desk: &mut Desk<'_>) -> Turn {
        match &self.state {
            State::Opening => self.open(desk),
            State::Reading => self.read(desk),
            State::Sending { .. } => self.send_on(desk),
            State::Closing => self.discard(),
        }
    }

    /// Looks at the first byte, and begins TLS if it is the right one.
    fn open(&mut self, desk: &mut Desk<'_>) -> Turn {
        let mut first = [0];
        match self.stream.socket_mut().peek(&mut first) {
            Ok(0) => return Turn::Close,
            Ok(_) => {}
            Err(error) => return after_read_error(&error),
        }
        match first[0] {
            TLS_HANDSHAKE => match desk.handshakes.check(desk.now) {
                Ok(()) => self.begin_tls(desk),
                Err(_) => {
                    desk.counters.add(Counter::HandshakeLimit, 1);
                    let wait = desk.admission.retry_ns();
                    self.reject(desk, ReplyStatus::Busy, wait)
                }
            },
            PLAIN_TEXT => {
                desk.counters.add(Counter::TlsRequired, 1);
                self.reject(desk, ReplyStatus::TlsRequired, 0)
            }
            _ => {
                desk.counters.add(Counter::TlsFailures, 1);
                Turn::Close
            }
        }
    }

    fn begin_tls(&mut self, desk: &mut Desk<'_>) -> Turn {
        desk.handshakes.take(1);
        desk.counters.add(Counter::Handshakes, 1);
        let begun = desk.tls.map(|tls| self.stream.begin_tls(&tls.config));
        if !matches!(begun, Some(Ok(()))) {
            return Turn::Close;
        }
        self.state = State::Reading;
        Turn::More
    }

    /// Says why the connection is not served, in plain text.
    fn reject(&mut self, desk: &Desk<'_>, status: ReplyStatus, detail: u64) -> Turn {
        let reply = Reply::rejection(desk.responder.session(), status, detail);
        self.refuse(desk, reply, true);
        Turn::More
    }

    fn read(&mut self, desk: &mut Desk<'_>) -> Turn {
        if let Err(wait) = self.requests.check(desk.now) {
            desk.counters.add(Counter::RequestLimit, 1);
            return Turn::Pauses(desk.now.saturating_add(wait));
        }
        match self.stream.read(&mut self.request[self.filled..]) {
            Ok(0) => Turn::Close,
            Ok(count) => {
                // The deadline of a first request counts from the beginning of the connection, that
                // of another from its first byte.
                if self.filled == 0 && self.has_asked {
                    self.since = desk.now;
                }
                self.filled += count;
                if self.filled == REQUEST_BYTES {
                    self.filled = 0;
                    self.requests.take(1);
                    self.serve(desk);
                }
                Turn::More
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::InvalidData {
                    desk.counters.add(Counter::TlsFailures, 1);
                }
                after_read_error(&error)
            }
        }
    }

    fn send_on(&mut self, desk: &mut Desk<'_>) -> Turn {
        let State::Sending { sending, last } = &mut self.state else {
            return Turn::Close;
        };
        let (last, before) = (*last, sending.turns());
        if !sending.is_done() {
            match sending.send(&mut self.stream, desk.responder.store()) {
                Ok(0) => return Turn::Waits,
                // A few bytes now and then do not keep a reply alive.
                Ok(_) if sending.turns() > before => self.since = desk.now,
                Ok(_) => {}
                Err(SendingError::Socket) => return Turn::Close,
                Err(SendingError::Overrun) => {
                    desk.counters.add(Counter::Overruns, 1);
                    let Some(refusal) = sending.too_old(desk.responder.store()) else {
                        return Turn::Close;
                    };
                    self.refuse(desk, refusal, last);
                    return Turn::More;
                }
            }
            if !sending.is_done() {
                return Turn::More;
            }
        }
        match self.stream.flush() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Turn::Waits,
            Err(_) => return Turn::Close,
        }
        self.since = desk.now;
        self.state = State::Reading;
        if last {
            self.stream.finish();
            self.state = State::Closing;
        }
        Turn::More
    }

    fn discard(&mut self) -> Turn {
        let mut scrap = [0; 4096];
        match self.stream.socket_mut().read(&mut scrap) {
            Ok(0) => Turn::Close,
            Ok(_) => Turn::More,
            Err(error) => after_read_error(&error),
        }
    }

    /// Answers the request that has just arrived in full.
    fn serve(&mut self, desk: &mut Desk<'_>) {
        let Ok(request) = Request::read_from_bytes(&self.request) else {
            return;
        };
        let kind = request.check().ok();
        if kind == Some(RequestKind::Token) && desk.tls.is_some() {
            return self.look_at_token(desk, &request);
        }
        if self.needs_token {
            return self.deny(desk, &request);
        }
        (self.since, self.asked_at) = (desk.now, desk.now);
        self.has_asked |= kind.is_some();
        let response = match kind {
            // It gets no reply, not even that it comes too often.
            Some(RequestKind::Position) | None => desk.responder.respond(&request, desk.now),
            Some(kind) => self.decide(desk, &request, kind),
        };
        self.answer(desk, response);
    }

    fn look_at_token(&mut self, desk: &mut Desk<'_>, request: &Request) {
        if !desk.tls.is_some_and(|tls| tls.is_token(request.token())) {
            return self.deny(desk, request);
        }
        self.needs_token = false;
        let reply = Reply::new(request, desk.responder.session(), ReplyStatus::Ok, 0);
        self.refuse(desk, reply, false);
    }

    fn deny(&mut self, desk: &mut Desk<'_>, request: &Request) {
        let denied = ReplyStatus::Denied;
        let response = desk.responder.refuse(request, denied, DENIED_RETRY_NS);
        self.answer(desk, response);
    }

    /// Serves a request, unless the client or all of them together were sent enough.
    fn decide(&mut self, desk: &mut Desk<'_>, request: &Request, kind: RequestKind) -> Response {
        let busy = |desk: &Desk<'_>, wait| desk.responder.refuse(request, ReplyStatus::Busy, wait);
        if let Err(wait) = self.bytes.check(desk.now) {
            return busy(desk, wait);
        }
        let bytes = desk.responder.most_bytes(request);
        if let Err(wait) = desk.budget.check(bytes, desk.now) {
            desk.counters.add(Counter::BudgetBusy, 1);
            return busy(desk, wait);
        }
        let response = desk.responder.respond(request, desk.now);
        let is_busy = matches!(response, Response::Refused(ReplyStatus::Busy, _));
        desk.snapshot_refused |= is_busy && kind == RequestKind::Snapshot;
        response
    }

    fn answer(&mut self, desk: &mut Desk<'_>, response: Response) {
        match response {
            Response::Refused(status, reply) => {
                desk.counters.add(counter_of(status), 1);
                let last = matches!(status, ReplyStatus::Malformed | ReplyStatus::Denied);
                self.refuse(desk, reply, last);
            }
            Response::Retransmit {
                reply, first_seq, ..
            } => {
                desk.counters.add(Counter::Retransmits, 1);
                self.send(desk, reply, Body::Store { first_seq });
            }
            Response::Snapshot { reply, snapshot } => {
                desk.counters.add(Counter::Snapshots, 1);
                self.send(desk, reply, Body::Snapshot(snapshot));
            }
            Response::Joined { reply, next_seq } => {
                desk.counters.add(Counter::FlowJoins, 1);
                self.position = Some(next_seq.max(1));
                self.send(desk, reply, Body::None);
            }
            Response::Clock { reply } => {
                desk.counters.add(Counter::Clocks, 1);
                let received = realtime_ns();
                self.send(desk, reply, Body::Clock { received });
            }
            Response::Position { next_seq } => {
                // A position never goes back, and means nothing before the join.
                self.position = self.position.map(|position| position.max(next_seq));
            }
        }
    }

    /// Sends a reply without ticks; with `last` the connection is closed after it.
    fn refuse(&mut self, desk: &Desk<'_>, reply: Reply, last: bool) {
        self.since = desk.now;
        let sending = Sending::new(reply, Body::None);
        self.state = State::Sending { sending, last };
    }

    fn send(&mut self, desk: &mut Desk<'_>, reply: Reply, body: Body) {
        desk.counters.add(Counter::RecoveryTicks, reply.count());
        let bytes = reply.count() * TICK_BYTES as u64;
        self.bytes.take(bytes);
        desk.budget.take(bytes);
        self.state = State::Sending {
            sending: Sending::new(reply, body),
            last: false,
        };
    }

    /// The counter of the deadline that has passed, if one has.
    pub(crate) fn overdue(&self, limits: &ClientLimits, now: u64) -> Option<Counter> {
        let (deadline, counter) = match &self.state {
            State::Sending { .. } => (limits.write_deadline, Counter::WriteStalls),
            State::Opening | State::Closing => (limits.header_deadline, Counter::HeaderTimeouts),
            State::Reading if self.filled > 0 || !self.has_asked => {
                (limits.header_deadline, Counter::HeaderTimeouts)
            }
            State::Reading if self.position.is_some() => return None,
            State::Reading => (limits.idle_deadline, Counter::IdleTimeouts),
        };
        (self.waited(now) >= deadline.as_nanos()).then_some(counter)
    }

    /// How long it has not got on, in ns.
    fn waited(&self, now: u64) -> u128 {
        u128::from(now.saturating_sub(self.since))
    }

    /// How much it deserves its place: of those that may lose it to a new client, the one with the
    /// smallest value does. `None` if it may not.
    pub(crate) fn merit(&self, limits: &ClientLimits, now: u64) -> Option<(bool, u64)> {
        // One that was served and has nothing under way is more likely to mean well than a new one.
        let is_settled = self.has_asked && self.filled == 0 && matches!(self.state, State::Reading);
        let patience = limits.make_room_after.as_nanos() * if is_settled { SETTLED } else { 1 };
        let may_lose = self.position.is_none() && self.waited(now) >= patience;
        may_lose.then_some((is_settled, self.since))
    }

    /// Whether it is sent a snapshot so slowly that nobody else is to wait for it.
    pub(crate) fn is_slow_with_snapshot(&self, limits: &ClientLimits, now: u64) -> bool {
        let elapsed = now.saturating_sub(self.asked_at);
        let State::Sending { sending, .. } = &self.state else {
            return false;
        };
        u128::from(elapsed) >= limits.make_room_after.as_nanos()
            && sending.is_slow_snapshot(elapsed, limits.write_deadline.as_nanos())
    }

    /// Bytes of its reply that were not sent.
    pub(crate) fn unsent(&self) -> u64 {
        match &self.state {
            State::Sending { sending, .. } => sending.unsent(),
            State::Opening | State::Reading | State::Closing => 0,
        }
    }
}

fn after_read_error(error: &io::Error) -> Turn {
    match error.kind() {
        io::ErrorKind::WouldBlock => Turn::Waits,
        io::ErrorKind::Interrupted => Turn::More,
        _ => Turn::Close,
    }
}

const fn counter_of(refusal: ReplyStatus) -> Counter {
    match refusal {
        ReplyStatus::TooOld => Counter::TooOld,
        ReplyStatus::NotYet => Counter::NotYet,
        ReplyStatus::OtherSession => Counter::OtherSession,
        ReplyStatus::TooLarge => Counter::TooLarge,
        ReplyStatus::FlowControlOff => Counter::FlowControlOff,
        ReplyStatus::Malformed => Counter::Malformed,
        ReplyStatus::Denied => Counter::Denied,
        ReplyStatus::TlsRequired => Counter::TlsRequired,
        ReplyStatus::Ok | ReplyStatus::Busy => Counter::Busy,
    }
}

#[cfg(test)]
mod tests;
