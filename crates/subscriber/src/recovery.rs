//! The recovery thread: asks over TCP, and hands the answers to the receive thread in chunks that
//! go round, so that nothing is allocated.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::Backoff;
use tickcast_net::ThreadError;
use tickcast_net::thread::spawn_named;
use tickcast_protocol::Recovered;
use tickcast_wire::{
    BLOCK_ROWS, Clear, Digest, Reply, ReplyStatus, Request, RequestKind, Tick, Venue,
};
use zerocopy::IntoBytes;

use crate::connection::{Connection, ConnectionError};
use crate::tls::ClientTls;

/// Ticks in a chunk: a block of a reply, 64 KiB.
const CHUNK_TICKS: usize = BLOCK_ROWS;
/// Chunks that go round: 1 MiB in all.
const CHUNKS: usize = 16;
/// Requests that may wait for the thread.
const REQUESTS: usize = 16;
/// Time to connect, for a reply to begin, and for each chunk of it to arrive in full.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest time that a server that refuses the connection is left alone, whatever it says.
const LEFT_ALONE: Duration = Duration::from_secs(1);
/// A channel that fails and works again many times a second is told of no more often than this.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Rows that a snapshot may have at most, whatever the server announces: 4 GiB.
const SNAPSHOT_ROWS_MAX: u64 = 1 << 26;

/// What a chunk holds, with the numbers of [`Recovered`].
#[derive(Debug, Clone, Copy)]
enum What {
    Ticks {
        id: u64,
        first_seq: u64,
        last: bool,
    },
    Snapshot {
        id: u64,
        session: u64,
        as_of: u64,
        digest: Digest,
        last: bool,
    },
    Refused {
        id: u64,
        status: ReplyStatus,
        detail: u64,
    },
    Failed {
        id: u64,
    },
}

impl What {
    const fn id(&self) -> u64 {
        match *self {
            What::Ticks { id, .. }
            | What::Snapshot { id, .. }
            | What::Refused { id, .. }
            | What::Failed { id } => id,
        }
    }
}

/// A part of an answer, on its way from the recovery thread to the receive thread or back.
pub(crate) struct Chunk {
    what: What,
    len: usize,
    ticks: Box<[Tick]>,
}

impl Chunk {
    /// Whether it ends the answer to its request.
    const fn is_last(&self) -> bool {
        match self.what {
            What::Ticks { last, .. } | What::Snapshot { last, .. } => last,
            What::Refused { .. } | What::Failed { .. } => true,
        }
    }

    fn new() -> Box<Chunk> {
        let empty = Tick::new(Clear::default(), Venue::NONE, 0, 0);
        let ticks = vec![empty; CHUNK_TICKS].into();
        Box::new(Chunk {
            what: What::Failed { id: 0 },
            len: 0,
            ticks,
        })
    }

    /// The chunk as the arbiter takes it.
    pub(crate) fn recovered(&self) -> Recovered<'_> {
        let ticks = &self.ticks[..self.len];
        match self.what {
            What::Ticks {
                id,
                first_seq,
                last,
            } => Recovered::Ticks {
                id,
                first_seq,
                ticks,
                last,
            },
            What::Snapshot {
                id,
                session,
                as_of,
                digest,
                last,
            } => Recovered::Snapshot {
                id,
                session,
                as_of,
                digest,
                rows: ticks,
                last,
            },
            What::Refused { id, status, detail } => Recovered::Refused { id, status, detail },
            What::Failed { id } => Recovered::Failed { id },
        }
    }
}

/// What both threads share.
struct Shared {
    requests: ArrayQueue<Request>,
    full: ArrayQueue<Box<Chunk>>,
    free: ArrayQueue<Box<Chunk>>,
    connects: AtomicU64,
    connect_failures: AtomicU64,
    /// The receive thread is gone.
    closed: AtomicBool,
}

/// The receive thread's end. Dropping it ends the recovery thread.
pub(crate) struct RecoveryLink {
    shared: Arc<Shared>,
    thread: Thread,
    /// Requests passed on of which the last part of the answer has not been taken.
    asked: usize,
}

impl RecoveryLink {
    /// Passes a request on; false if too many wait already.
    pub(crate) fn ask(&mut self, request: Request) -> bool {
        let passed_on = self.shared.requests.push(request).is_ok();
        if passed_on {
            self.asked += 1;
            self.thread.unpark();
        }
        passed_on
    }

    /// Whether an answer is still to come.
    pub(crate) const fn is_asked(&self) -> bool {
        self.asked > 0
    }

    /// The next part of an answer; to be given back by [`RecoveryLink::give_back`].
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Box<Chunk>> {
        // Most of the time nothing was asked, and nothing can have come.
        if !self.is_asked() {
            return None;
        }
        let chunk = self.shared.full.pop()?;
        self.asked -= usize::from(chunk.is_last());
        Some(chunk)
    }

    pub(crate) fn give_back(&self, chunk: Box<Chunk>) {
        // There are never more chunks than room for them.
        let _ = self.shared.free.push(chunk);
    }

    pub(crate) fn connects(&self) -> u64 {
        self.shared.connects.load(Ordering::Relaxed)
    }

    pub(crate) fn connect_failures(&self) -> u64 {
        self.shared.connect_failures.load(Ordering::Relaxed)
    }
}

impl Drop for RecoveryLink {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.thread.unpark();
    }
}

/// The recovery thread's end.
struct RecoveryClient {
    server: SocketAddr,
    tls: Option<ClientTls>,
    channel: u16,
    shared: Arc<Shared>,
    connection: Option<Connection>,
    /// The server refused the connection, for this reason, and is left alone until then.
    refused: Option<(ReplyStatus, Instant)>,
    /// The last exchange failed. Only changes are logged: a dead server fails all the time.
    is_failing: bool,
    /// The log says that it fails.
    is_told: bool,
    /// When the log last said so.
    told_at: Option<Instant>,
}

/// Starts the recovery thread; it works until the link is dropped.
pub(crate) fn start_recovery(
    server: SocketAddr,
    tls: Option<ClientTls>,
    channel: u16,
) -> Result<(RecoveryLink, JoinHandle<()>), ThreadError> {
    let shared = Arc::new(Shared {
        requests: ArrayQueue::new(REQUESTS),
        full: ArrayQueue::new(CHUNKS),
        free: ArrayQueue::new(CHUNKS),
        connects: AtomicU64::new(0),
        connect_failures: AtomicU64::new(0),
        closed: AtomicBool::new(false),
    });
    for _ in 0..CHUNKS {
        let _ = shared.free.push(Chunk::new());
    }
    let client = RecoveryClient {
        server,
        tls,
        channel,
        shared: Arc::clone(&shared),
        connection: None,
        refused: None,
        is_failing: false,
        is_told: false,
        told_at: None,
    };
    let handle = spawn_named("tc-recover", None, move || client.run())?;
    let link = RecoveryLink {
        shared,
        thread: handle.thread().clone(),
        asked: 0,
    };
    Ok((link, handle))
}

impl RecoveryClient {
    fn run(mut self) {
        let mut asked = Vec::with_capacity(REQUESTS);
        while !self.is_closed() {
            asked.clear();
            asked.extend(std::iter::from_fn(|| self.shared.requests.pop()).take(REQUESTS));
            if asked.is_empty() {
                // A request or the end that came since was looked for wakes it at once.
                std::thread::park();
            } else {
                self.serve(&asked);
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed)
    }

    /// Asks for all of them at once and takes the answers in order. Whatever goes wrong, each
    /// request is answered.
    fn serve(&mut self, asked: &[Request]) {
        let now = Instant::now();
        if let Some((status, until)) = self.refused.filter(|(_, until)| *until > now) {
            return self.refuse(asked, status, until - now);
        }
        let mut answered = 0;
        let outcome = self.exchange(asked, &mut answered);
        if answered > 0 {
            self.is_failing = false;
            if std::mem::take(&mut self.is_told) {
                tracing::warn!(server = %self.server, "recovery works again");
            }
        }
        if let Err(error) = outcome {
            if self.is_closed() {
                return;
            }
            let is_news = !std::mem::replace(&mut self.is_failing, true);
            if is_news && self.told_at.is_none_or(|told| told.elapsed() > TELL_EVERY) {
                tracing::warn!(server = %self.server, %error,
                    "recovery failed; it is tried again and again");
                self.is_told = true;
                self.told_at = Some(Instant::now());
            }
            self.connection = None;
            let rest = &asked[answered..];
            if let ConnectionError::Refused { status, detail } = error {
                let wait = Duration::from_nanos(detail).min(LEFT_ALONE);
                self.refused = Some((status, Instant::now() + wait));
                return self.refuse(rest, status, wait);
            }
            for request in rest {
                self.answer(What::Failed { id: request.id() });
            }
        }
    }

    /// Answers as the server did, or would.
    fn refuse(&self, asked: &[Request], status: ReplyStatus, wait: Duration) {
        let detail = wait.as_nanos() as u64;
        for request in asked {
            let id = request.id();
            self.answer(What::Refused { id, status, detail });
        }
    }

    fn exchange(&mut self, asked: &[Request], answered: &mut usize) -> Result<(), ConnectionError> {
        let mut connection = self.connect()?;
        let mut write = || {
            for request in asked {
                connection.write_all(request.as_bytes())?;
            }
            connection.flush()
        };
        let mut written = write();
        for request in asked {
            let (status, reply) = match connection.read_reply(PATIENCE, request) {
                // A server that closed before it was asked has said why, if at all.
                Err(ConnectionError::Io(_)) if written.is_err() => {
                    return std::mem::replace(&mut written, Ok(())).map_err(Into::into);
                }
                reply => reply?,
            };
            if status == ReplyStatus::Ok {
                self.take_ticks(&mut connection, request, &reply)?;
            } else {
                let detail = reply.detail();
                tracing::debug!(?status, detail, "recovery request refused");
                let id = request.id();
                self.answer(What::Refused { id, status, detail });
            }
            *answered += 1;
        }
        self.connection = Some(connection);
        Ok(())
    }

    fn connect(&mut self) -> Result<Connection, ConnectionError> {
        // The server closes a connection that was idle for long, or went away meanwhile.
        if let Some(connection) = self.connection.take().filter(Connection::is_open) {
            return Ok(connection);
        }
        let tls = self.tls.as_ref();
        let opened = Connection::open(self.server, tls, self.channel, PATIENCE);
        let outcome = if opened.is_ok() {
            &self.shared.connects
        } else {
            &self.shared.connect_failures
        };
        outcome.fetch_add(1, Ordering::Relaxed);
        opened
    }

    /// Hands the rows of a reply over as they come, block by block.
    fn take_ticks(
        &self,
        connection: &mut Connection,
        request: &Request,
        reply: &Reply,
    ) -> io::Result<()> {
        let (id, is_snapshot) = (request.id(), request.check() == Ok(RequestKind::Snapshot));
        if is_snapshot && reply.count() > SNAPSHOT_ROWS_MAX {
            return Err(io::Error::other(
                "the server announces an impossibly large snapshot",
            ));
        }
        let mut before = 0;
        loop {
            let len = (reply.count() - before).min(CHUNK_TICKS as u64) as usize;
            let last = before + len as u64 == reply.count();
            let what = if is_snapshot {
                What::Snapshot {
                    id,
                    session: reply.session(),
                    as_of: reply.first_seq(),
                    digest: reply.digest(),
                    last,
                }
            } else {
                What::Ticks {
                    id,
                    first_seq: reply.first_seq().wrapping_add(before),
                    last,
                }
            };
            self.read_chunk(what, before, len, connection)?;
            before += len as u64;
            if last {
                return Ok(());
            }
        }
    }

    fn read_chunk(
        &self,
        what: What,
        before: u64,
        len: usize,
        connection: &mut Connection,
    ) -> io::Result<()> {
        let Some(mut chunk) = self.free_chunk() else {
            return Err(io::Error::other("the subscriber stops"));
        };
        let id = what.id();
        let ticks = &mut chunk.ticks[..len];
        if let Err(error) = connection.read_block(PATIENCE, id, before, ticks) {
            let _ = self.shared.free.push(chunk);
            return Err(error);
        }
        self.put(chunk, what, len);
        Ok(())
    }

    /// An answer without ticks.
    fn answer(&self, what: What) {
        if let Some(chunk) = self.free_chunk() {
            self.put(chunk, what, 0);
        }
    }

    fn put(&self, mut chunk: Box<Chunk>, what: What, len: usize) {
        chunk.what = what;
        chunk.len = len;
        // There are never more chunks than room for them.
        let _ = self.shared.full.push(chunk);
    }

    /// Waits for a chunk that the receive thread is done with; `None` when that is gone.
    fn free_chunk(&self) -> Option<Box<Chunk>> {
        let backoff = Backoff::new();
        while !self.is_closed() {
            if let Some(chunk) = self.shared.free.pop() {
                return Some(chunk);
            }
            if backoff.is_completed() {
                std::thread::sleep(Duration::from_micros(50));
            }
            backoff.snooze();
        }
        None
    }
}
