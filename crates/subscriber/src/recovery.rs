//! The recovery thread: asks over TCP, and hands the answers to the receive thread in chunks that
//! go round, so that nothing is allocated.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use crossbeam_queue::ArrayQueue;
use crossbeam_utils::Backoff;
use tickcast_protocol::Recovered;
use tickcast_wire::{Clear, Reply, ReplyStatus, Request, RequestKind, Tick, Venue};
use zerocopy::{FromZeros, IntoBytes};

/// Ticks in a chunk: 64 KiB.
const CHUNK_TICKS: usize = 1_024;
/// Chunks that go round: 1 MiB in all.
const CHUNKS: usize = 16;
/// Requests that may wait for the thread.
const REQUESTS: usize = 16;
/// Time to connect, and longest time without a byte of an answer.
const PATIENCE: Duration = Duration::from_secs(1);
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

/// A part of an answer, on its way from the recovery thread to the receive thread or back.
pub(crate) struct Chunk {
    what: What,
    len: usize,
    ticks: Box<[Tick]>,
}

impl Chunk {
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
                last,
            } => Recovered::Snapshot {
                id,
                session,
                as_of,
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
    full: ArrayQueue<Box<Chunk>>,
    free: ArrayQueue<Box<Chunk>>,
    connects: AtomicU64,
    connect_failures: AtomicU64,
}

/// The receive thread's end.
pub(crate) struct RecoveryLink {
    requests: Sender<Request>,
    shared: Arc<Shared>,
}

impl RecoveryLink {
    /// Passes a request on; false if too many wait already.
    pub(crate) fn ask(&self, request: Request) -> bool {
        match self.requests.try_send(request) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// The next part of an answer; to be given back by [`RecoveryLink::give_back`].
    #[inline]
    pub(crate) fn take(&self) -> Option<Box<Chunk>> {
        // Asking for the length first costs a load; popping an empty queue costs an exchange.
        if self.shared.full.is_empty() {
            None
        } else {
            self.shared.full.pop()
        }
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

/// The recovery thread's end; it works until the link is dropped.
pub(crate) struct RecoveryClient {
    server: SocketAddr,
    requests: Receiver<Request>,
    shared: Arc<Shared>,
    stream: Option<TcpStream>,
}

/// Makes both ends.
pub(crate) fn recovery(server: SocketAddr) -> (RecoveryLink, RecoveryClient) {
    let (sender, requests) = bounded(REQUESTS);
    let shared = Arc::new(Shared {
        full: ArrayQueue::new(CHUNKS),
        free: ArrayQueue::new(CHUNKS),
        connects: AtomicU64::new(0),
        connect_failures: AtomicU64::new(0),
    });
    for _ in 0..CHUNKS {
        let _ = shared.free.push(Chunk::new());
    }
    let link = RecoveryLink {
        requests: sender,
        shared: Arc::clone(&shared),
    };
    (
        link,
        RecoveryClient {
            server,
            requests,
            shared,
            stream: None,
        },
    )
}

impl RecoveryClient {
    pub(crate) fn run(mut self) {
        let mut asked = Vec::with_capacity(REQUESTS);
        while let Ok(first) = self.requests.recv() {
            asked.clear();
            asked.push(first);
            asked.extend(self.requests.try_iter().take(REQUESTS - 1));
            self.serve(&asked);
        }
    }

    /// Asks for all of them at once and takes the answers in order. Whatever goes wrong, each
    /// request is answered.
    fn serve(&mut self, asked: &[Request]) {
        let mut answered = 0;
        let outcome = self.exchange(asked, &mut answered);
        if let Err(error) = outcome {
            tracing::warn!(server = %self.server, %error, "recovery failed; it will be tried again");
            self.stream = None;
            for request in &asked[answered..] {
                self.put(What::Failed { id: request.id() }, 0, None);
            }
        }
    }

    fn exchange(&mut self, asked: &[Request], answered: &mut usize) -> io::Result<()> {
        let mut stream = self.connect()?;
        for request in asked {
            stream.write_all(request.as_bytes())?;
        }
        for request in asked {
            let mut reply = Reply::new_zeroed();
            stream.read_exact(reply.as_mut_bytes())?;
            let status = reply.check(request).map_err(io::Error::other)?;
            if status == ReplyStatus::Ok {
                self.take_ticks(&mut stream, request, &reply)?;
            } else {
                tracing::debug!(?status, detail = reply.detail(), "recovery request refused");
                let what = What::Refused {
                    id: request.id(),
                    status,
                    detail: reply.detail(),
                };
                self.put(what, 0, None);
            }
            *answered += 1;
        }
        self.stream = Some(stream);
        Ok(())
    }

    fn connect(&mut self) -> io::Result<TcpStream> {
        if let Some(stream) = self.stream.take() {
            return Ok(stream);
        }
        let stream = TcpStream::connect_timeout(&self.server, PATIENCE).inspect_err(|_| {
            self.shared.connect_failures.fetch_add(1, Ordering::Relaxed);
        })?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        self.shared.connects.fetch_add(1, Ordering::Relaxed);
        Ok(stream)
    }

    /// Hands the rows of a reply over as they come.
    fn take_ticks(
        &self,
        stream: &mut TcpStream,
        request: &Request,
        reply: &Reply,
    ) -> io::Result<()> {
        let (id, is_snapshot) = (request.id(), request.check() == Ok(RequestKind::Snapshot));
        if is_snapshot && reply.count() > SNAPSHOT_ROWS_MAX {
            return Err(io::Error::other(
                "the server announces an impossibly large snapshot",
            ));
        }
        let (mut first_seq, mut left) = (reply.first_seq(), reply.count());
        loop {
            let len = left.min(CHUNK_TICKS as u64) as usize;
            left -= len as u64;
            let last = left == 0;
            let what = if is_snapshot {
                What::Snapshot {
                    id,
                    session: reply.session(),
                    as_of: reply.first_seq(),
                    last,
                }
            } else {
                What::Ticks {
                    id,
                    first_seq,
                    last,
                }
            };
            self.read_chunk(what, len, stream)?;
            first_seq = first_seq.wrapping_add(len as u64);
            if last {
                return Ok(());
            }
        }
    }

    fn read_chunk(&self, what: What, len: usize, stream: &mut TcpStream) -> io::Result<()> {
        let mut chunk = self.free_chunk();
        let read = stream.read_exact(chunk.ticks[..len].as_mut_bytes());
        if let Err(error) = read {
            let _ = self.shared.free.push(chunk);
            return Err(error);
        }
        self.put(what, len, Some(chunk));
        Ok(())
    }

    fn put(&self, what: What, len: usize, chunk: Option<Box<Chunk>>) {
        let mut chunk = chunk.unwrap_or_else(|| self.free_chunk());
        chunk.what = what;
        chunk.len = len;
        // There are never more chunks than room for them.
        let _ = self.shared.full.push(chunk);
    }

    /// Waits for a chunk that the receive thread is done with.
    fn free_chunk(&self) -> Box<Chunk> {
        let backoff = Backoff::new();
        loop {
            if let Some(chunk) = self.shared.free.pop() {
                return chunk;
            }
            if backoff.is_completed() {
                std::thread::sleep(Duration::from_micros(50));
            }
            backoff.snooze();
        }
    }
}
