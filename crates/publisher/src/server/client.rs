//! One connection to the recovery server.

use std::io::{self, Read};
use std::net::Shutdown;

use mio::net::TcpStream;
use tickcast_protocol::{Responder, Response};
use tickcast_wire::{Reply, ReplyStatus, Request, TICK_BYTES};
use zerocopy::FromBytes;

use crate::config::ClientLimits;
use crate::counters::{Counter, Counters};
use crate::server::bucket::TokenBucket;
use crate::server::sending::{Body, Sending, SendingError};

/// The size of a request.
const REQUEST_BYTES: usize = size_of::<Request>();

/// What a client that is one too many is told to wait, in ns: 1 s.
const FULL_RETRY_NS: u64 = 1_000_000_000;

/// What became of a client's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It has more to do at once.
    More,
    /// It waits for its socket.
    Waits,
    /// It is to be closed.
    Close,
}

/// What a client is doing.
#[derive(Debug)]
enum State {
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
    stream: TcpStream,
    state: State,
    request: [u8; REQUEST_BYTES],
    filled: usize,
    bucket: TokenBucket,
    /// When it last got on with what it is doing, monotonic ns.
    since: u64,
    /// It is one too many: its first request is answered Busy.
    surplus: bool,
    /// The next seq it wants, once it joined flow control.
    pub(crate) position: Option<u64>,
    /// It said that it has everything up to the end.
    pub(crate) confirmed: bool,
}

/// What a client's turn needs of the server.
pub(crate) struct Desk<'a> {
    pub(crate) responder: &'a mut Responder,
    pub(crate) counters: &'a Counters,
    pub(crate) now: u64,
}

impl Client {
    pub(crate) fn new(stream: TcpStream, limits: &ClientLimits, surplus: bool, now: u64) -> Client {
        Client {
            stream,
            state: State::Reading,
            request: [0; REQUEST_BYTES],
            filled: 0,
            bucket: TokenBucket::new(limits.bytes_per_second, limits.burst_bytes, now),
            since: now,
            surplus,
            position: None,
            confirmed: false,
        }
    }

    pub(crate) const fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(crate) const fn is_surplus(&self) -> bool {
        self.surplus
    }

    /// Does one step: reads one request, or sends one turn of a reply.
    pub(crate) fn turn(&mut self, desk: &mut Desk<'_>) -> Turn {
        match &mut self.state {
            State::Reading => self.read(desk),
            State::Closing => self.discard(),
            State::Sending { sending, last } => {
                let (last, before) = (*last, sending.turns());
                match sending.send(&mut self.stream, desk.responder.store()) {
                    Ok(0) => return Turn::Waits,
                    // A few bytes now and then do not keep a reply alive.
                    Ok(_) if sending.turns() > before => self.since = desk.now,
                    Ok(_) => {}
                    Err(SendingError::Socket) => return Turn::Close,
                    Err(SendingError::Overrun) => {
                        desk.counters.add(Counter::Overruns, 1);
                        return Turn::Close;
                    }
                }
                if !sending.is_done() {
                    return Turn::More;
                }
                self.state = State::Reading;
                self.since = desk.now;
                if last {
                    let _ = self.stream.shutdown(Shutdown::Write);
                    self.state = State::Closing;
                }
                Turn::More
            }
        }
    }

    fn read(&mut self, desk: &mut Desk<'_>) -> Turn {
        match self.stream.read(&mut self.request[self.filled..]) {
            Ok(0) => Turn::Close,
            Ok(count) => {
                // The deadline of a request counts from its first byte.
                if self.filled == 0 {
                    self.since = desk.now;
                }
                self.filled += count;
                if self.filled == REQUEST_BYTES {
                    self.filled = 0;
                    self.serve(desk);
                }
                Turn::More
            }
            Err(error) => after_read_error(&error),
        }
    }

    fn discard(&mut self) -> Turn {
        let mut scrap = [0; 4096];
        match self.stream.read(&mut scrap) {
            Ok(0) => Turn::Close,
            Ok(_) => Turn::More,
            Err(error) => after_read_error(&error),
        }
    }

    /// Answers the request that has just arrived in full.
    fn serve(&mut self, desk: &mut Desk<'_>) {
        self.since = desk.now;
        let Ok(request) = Request::read_from_bytes(&self.request) else {
            return;
        };
        let response = match self.bucket.check(desk.now) {
            _ if self.surplus => busy(desk, &request, FULL_RETRY_NS),
            Err(wait) => busy(desk, &request, wait),
            Ok(()) => desk.responder.respond(&request, desk.now),
        };
        match response {
            Response::Refused(status, reply) => {
                desk.counters.add(counter_of(status), 1);
                let last = self.surplus || status == ReplyStatus::Malformed;
                let sending = Sending::new(reply, Body::None);
                self.state = State::Sending { sending, last };
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
            Response::Position { next_seq } => {
                // A position never goes back, and means nothing before the join.
                self.position = self.position.map(|position| position.max(next_seq));
            }
        }
    }

    fn send(&mut self, desk: &Desk<'_>, reply: Reply, body: Body) {
        desk.counters.add(Counter::RecoveryTicks, reply.count());
        self.bucket.take(reply.count() * TICK_BYTES as u64);
        self.state = State::Sending {
            sending: Sending::new(reply, body),
            last: false,
        };
    }

    /// The counter of the deadline that has passed, if one has.
    pub(crate) fn overdue(&self, limits: &ClientLimits, now: u64) -> Option<Counter> {
        let (deadline, counter) = match &self.state {
            State::Sending { .. } => (limits.write_deadline, Counter::WriteStalls),
            State::Closing => (limits.header_deadline, Counter::HeaderTimeouts),
            State::Reading if self.filled > 0 || self.surplus => {
                (limits.header_deadline, Counter::HeaderTimeouts)
            }
            State::Reading if self.position.is_some() => return None,
            State::Reading => (limits.idle_deadline, Counter::IdleTimeouts),
        };
        let waited = u128::from(now.saturating_sub(self.since));
        (waited >= deadline.as_nanos()).then_some(counter)
    }
}

fn busy(desk: &Desk<'_>, request: &Request, retry_ns: u64) -> Response {
    desk.responder.refuse(request, ReplyStatus::Busy, retry_ns)
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
        ReplyStatus::Ok | ReplyStatus::Busy => Counter::Busy,
    }
}
