//! Reading the publisher's store: for tools that ask and wait, without a stream.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use tickcast_wire::{BLOCK_ROWS, Clear, ReplyStatus, Request, RequestKind, Tick, Venue};
use zerocopy::IntoBytes;

use crate::connection::{Connection, ConnectionError};
use crate::tls::ClientTls;

/// Time to connect, for a reply to begin, and for each block of it to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ticks that are asked for at once: 1 MiB. Servers let replies of more than 64 KiB wait for those
/// that heal subscribers.
const TICKS_PER_REQUEST: u64 = 16_384;

/// What the publisher's store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored<'a> {
    /// The ticks from the seq asked for on, at least one and no more than were asked for.
    Ticks(&'a [Tick]),
    /// It has the first one no longer.
    TooOld {
        /// The oldest seq that it has.
        oldest: u64,
    },
    /// The last one is not published yet.
    NotYet {
        /// The next seq to be published.
        next: u64,
    },
    /// The publisher runs another session.
    OtherSession {
        /// The session that it runs.
        current: u64,
    },
    /// The server has too much to do.
    Busy {
        /// The time after which to ask again.
        wait: Duration,
    },
}

/// Asks a publisher for the ticks that it keeps for retransmission.
///
/// It connects when it is first asked, and again after a failure.
pub struct StoreReader {
    server: SocketAddr,
    tls: Option<ClientTls>,
    channel: u16,
    connection: Option<Connection>,
    /// The server's own limit, once it has told it.
    most: u64,
    /// Requests so far: the id of each.
    asked: u64,
    ticks: Vec<Tick>,
}

/// An answer without its ticks.
enum Answer {
    Ticks(usize),
    Refused(ReplyStatus, u64),
}

impl StoreReader {
    /// For the store of this channel's publisher, which has its recovery server there.
    #[must_use]
    pub const fn new(server: SocketAddr, tls: Option<ClientTls>, channel: u16) -> StoreReader {
        StoreReader {
            server,
            tls,
            channel,
            connection: None,
            most: TICKS_PER_REQUEST,
            asked: 0,
            ticks: Vec::new(),
        }
    }

    /// Ticks of a session from `first_seq` on, at most `count` (at least 1) of them.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses the connection, or answers wrong. Asked again, it
    /// connects anew.
    pub fn read(
        &mut self,
        session: u64,
        first_seq: u64,
        count: u64,
    ) -> Result<Stored<'_>, ConnectionError> {
        let answer = self.ask_for_less(session, first_seq, count);
        let answer = answer.inspect_err(|_| self.connection = None)?;
        Ok(match answer {
            Answer::Ticks(len) => Stored::Ticks(&self.ticks[..len]),
            Answer::Refused(status, detail) => match status {
                ReplyStatus::TooOld => Stored::TooOld { oldest: detail },
                ReplyStatus::NotYet => Stored::NotYet { next: detail },
                ReplyStatus::OtherSession => Stored::OtherSession { current: detail },
                ReplyStatus::Busy => Stored::Busy {
                    wait: Duration::from_nanos(detail),
                },
                _ => {
                    self.connection = None;
                    return Err(ConnectionError::Refused { status, detail });
                }
            },
        })
    }

    /// Asks for no more than the server allows.
    fn ask_for_less(
        &mut self,
        session: u64,
        first_seq: u64,
        count: u64,
    ) -> Result<Answer, ConnectionError> {
        loop {
            let count = count.min(self.most);
            match self.ask(session, first_seq, count)? {
                Answer::Refused(ReplyStatus::TooLarge, most) if (1..count).contains(&most) => {
                    self.most = most;
                }
                answer => return Ok(answer),
            }
        }
    }

    fn ask(&mut self, session: u64, first_seq: u64, count: u64) -> Result<Answer, ConnectionError> {
        self.asked += 1;
        let (kind, id) = (RequestKind::Retransmit, self.asked);
        let request = Request::new(kind, session, self.channel, first_seq, count, id);
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let tls = self.tls.as_ref();
                none.insert(Connection::open(self.server, tls, self.channel, PATIENCE)?)
            }
        };
        let written = connection
            .write_all(request.as_bytes())
            .and_then(|()| connection.flush());
        let (status, reply) = match (connection.read_reply(PATIENCE, &request), written) {
            // A server that closed before it was asked has said why, if at all.
            (Err(ConnectionError::Io(_)), Err(error)) => return Err(error.into()),
            (reply, _) => reply?,
        };
        if status != ReplyStatus::Ok {
            return Ok(Answer::Refused(status, reply.detail()));
        }
        // What was asked for, which is not much: the reply was checked against the request.
        let len = reply.count() as usize;
        if self.ticks.len() < len {
            let empty = Tick::new(Clear::default(), Venue::NONE, 0, 0);
            self.ticks.resize(len, empty);
        }
        let mut before = 0;
        for block in self.ticks[..len].chunks_mut(BLOCK_ROWS) {
            connection.read_block(PATIENCE, id, before, block)?;
            before += block.len() as u64;
        }
        Ok(Answer::Ticks(len))
    }
}
