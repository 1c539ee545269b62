//! Starts the threads of a publisher, and what is left in the hands of whoever started it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use thiserror::Error;
use tickcast_latency::StallMeter;
use tickcast_net::clock::realtime_ns;
use tickcast_net::thread::{Placement, spawn_named};
use tickcast_net::{BufferSize, Idle, MulticastSender, NetError, ThreadError};
use tickcast_protocol::{Responder, Sequencer};
use tickcast_wire::Digest;

use crate::config::{PublisherConfig, RecoveryConfig};
use crate::counters::{Counter, Counters};
use crate::flow::Positions;
use crate::handover::{Outbox, handover};
use crate::lines::Lines;
use crate::send::SendLoop;
use crate::server::{ServeError, Server};
use crate::source::{Source, SourceError};

/// What was published, once it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The session.
    pub session: u64,
    /// Ticks published, which is the last seq.
    pub published: u64,
    /// The digest of all of them.
    pub digest: Digest,
    /// When the first batch was sent, ns since the Unix epoch; 0 if there was none.
    pub first_sent_ns: u64,
    /// When the last batch was sent, ns since the Unix epoch; 0 if there was none.
    pub last_sent_ns: u64,
}

impl Summary {
    /// Time from the first to the last send, in ns.
    #[must_use]
    pub const fn elapsed_ns(&self) -> u64 {
        self.last_sent_ns.saturating_sub(self.first_sent_ns)
    }
}

/// Why a publisher did not start, or ended badly.
#[derive(Debug, Error)]
pub enum PublishError {
    /// A line cannot be opened.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A thread cannot be started.
    #[error(transparent)]
    Thread(#[from] ThreadError),
    /// The recovery server cannot listen.
    #[error(
        "the recovery server cannot listen on {listen}: {error}; choose another address or port 0"
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// Sessions must rise.
    #[error(
        "session {session} does not come after the previous one, {previous}: set a larger one or \
         the clock right"
    )]
    SessionNotLater {
        /// The session to start.
        session: u64,
        /// The previous session.
        previous: u64,
    },
    /// Positions reach the publisher by the recovery server only.
    #[error("flow control needs the recovery server: give it an address to listen on")]
    FlowControlWithoutRecovery,
    /// The source could not go on. What came before was published, and the session was ended.
    #[error("the source failed after {} ticks: {error}", summary.published)]
    Source {
        /// What was published before.
        summary: Summary,
        /// What the source says.
        error: SourceError,
    },
    /// The recovery server ended early. The session was ended then.
    #[error("the recovery server failed after {} ticks were published: {error}", summary.published)]
    Serve {
        /// What was published.
        summary: Summary,
        /// Why it ended.
        error: ServeError,
    },
    /// A thread panicked, which is a defect of this program.
    #[error("thread {thread} panicked: please report it")]
    Panicked {
        /// The name of the thread.
        thread: &'static str,
    },
}

/// Starts publishers; see [`Publisher::start`].
#[derive(Debug)]
pub struct Publisher;

/// A running publisher. Dropping it asks the publisher to stop and does not wait for it.
#[derive(Debug)]
pub struct PublisherHandle {
    session: u64,
    recovery_addr: Option<SocketAddr>,
    send_buffers: [Option<BufferSize>; 2],
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
    send: Option<JoinHandle<(Summary, Option<SourceError>)>>,
    serve: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Publisher {
    /// Opens the lines and the recovery server, then starts to publish the source: the send loop
    /// in a thread `tc-send`, the server in a thread `tc-serve`.
    ///
    /// # Errors
    /// [`PublishError`] when something cannot be opened or started; nothing runs then.
    pub fn start(
        config: PublisherConfig,
        source: impl Source,
    ) -> Result<PublisherHandle, PublishError> {
        let session = session(&config)?;
        if config.flow_control.is_some() && config.recovery.is_none() {
            return Err(PublishError::FlowControlWithoutRecovery);
        }
        let counters = Arc::new(Counters::new());
        let positions = Arc::new(Positions::new());
        let stop = Arc::new(AtomicBool::new(false));

        let mut senders = vec![MulticastSender::open(&config.line_a)?];
        if let Some(line_b) = &config.line_b {
            senders.push(MulticastSender::open(line_b)?);
        }
        let mut send_buffers = [None; 2];
        for (buffer, sender) in send_buffers.iter_mut().zip(&senders) {
            *buffer = Some(sender.send_buffer());
        }
        let (mut outbox, mut serve, mut recovery_addr) = (None, None, None);
        if let Some(recovery) = &config.recovery {
            let (server, to_server) =
                open_server(session, &config, recovery, &counters, &positions)?;
            let listen_error = |error| PublishError::Listen {
                listen: recovery.listen,
                error,
            };
            recovery_addr = Some(server.local_addr().map_err(listen_error)?);
            let stop_when_done = StopOnDrop(Arc::clone(&stop));
            let run = move || {
                let _stop_when_done = stop_when_done;
                server.run()
            };
            // If the send loop cannot be started, its end of the way is gone and the server ends.
            serve = Some(spawn_named("tc-serve", recovery.core, run)?);
            outbox = Some(to_server);
        }
        let placement = Placement {
            core: config.send_core,
            priority: config.send_priority,
        };
        let send_loop = SendLoop {
            source,
            meter: meter(&config),
            sequencer: Sequencer::new(session, config.channel, config.previous),
            lines: Lines::new(senders, Arc::clone(&counters)),
            config,
            outbox,
            positions,
            stop: Arc::clone(&stop),
            counters: Arc::clone(&counters),
        };
        let send = spawn_named("tc-send", placement, move || send_loop.run())?;
        Ok(PublisherHandle {
            session,
            recovery_addr,
            send_buffers,
            stop,
            counters,
            send: Some(send),
            serve,
        })
    }
}

/// The meter of the send loop; it sees nothing unless the loop spins.
fn meter(config: &PublisherConfig) -> StallMeter {
    let board = config.stalls.as_ref();
    let board = board.filter(|_| config.idle == Idle::Spin);
    board.map_or_else(StallMeter::off, |board| {
        board.meter("tc-send", config.send_core)
    })
}

/// The session to start, which must come after the previous one.
fn session(config: &PublisherConfig) -> Result<u64, PublishError> {
    let session = config.session.unwrap_or_else(realtime_ns);
    match config.previous {
        Some(previous) if session <= previous.session => Err(PublishError::SessionNotLater {
            session,
            previous: previous.session,
        }),
        _ => Ok(session),
    }
}

fn open_server(
    session: u64,
    config: &PublisherConfig,
    recovery: &RecoveryConfig,
    counters: &Arc<Counters>,
    positions: &Arc<Positions>,
) -> Result<(Server, Outbox), PublishError> {
    let (outbox, inbox) = handover(recovery.limits.store_ticks);
    let window = config.flow_control.map(|flow| flow.window);
    let responder = Responder::new(session, config.channel, window, recovery.limits);
    let server = Server::open(
        recovery,
        responder,
        inbox,
        Arc::clone(counters),
        Arc::clone(positions),
    );
    let server = server.map_err(|error| PublishError::Listen {
        listen: recovery.listen,
        error,
    })?;
    Ok((server, outbox))
}

/// Stops the send loop when the server is gone, even by a panic: what is sent without a store
/// could not be recovered, and nobody would hear the subscribers under flow control.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl PublisherHandle {
    /// The session.
    #[must_use]
    pub const fn session(&self) -> u64 {
        self.session
    }

    /// The address of the recovery server, if there is one.
    #[must_use]
    pub const fn recovery_addr(&self) -> Option<SocketAddr> {
        self.recovery_addr
    }

    /// The send buffers of lines A and B: asked for and got.
    #[must_use]
    pub const fn send_buffers(&self) -> [Option<BufferSize>; 2] {
        self.send_buffers
    }

    /// The counters; a clone of the `Arc` outlives the handle.
    #[must_use]
    pub const fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Ticks published so far.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.counters.get(Counter::Ticks)
    }

    /// Asks the publisher to end the session now, as at the end of the source.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it is over, so that [`PublisherHandle::join`] does not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let send_finished = self.send.as_ref().is_none_or(JoinHandle::is_finished);
        let serve_finished = self.serve.as_ref().is_none_or(JoinHandle::is_finished);
        send_finished && serve_finished
    }

    /// Waits for the end of the session and of its linger time.
    ///
    /// # Errors
    /// [`PublishError::Source`], [`PublishError::Serve`] and [`PublishError::Panicked`].
    pub fn join(mut self) -> Result<Summary, PublishError> {
        let send = self.send.take().map(JoinHandle::join);
        let serve = self.serve.take().map(JoinHandle::join);
        let panicked = |thread| PublishError::Panicked { thread };
        let Some(Ok((summary, source_error))) = send else {
            return Err(panicked("tc-send"));
        };
        match serve {
            Some(Err(_)) => return Err(panicked("tc-serve")),
            Some(Ok(Err(error))) => return Err(PublishError::Serve { summary, error }),
            Some(Ok(Ok(()))) | None => {}
        }
        match source_error {
            Some(error) => Err(PublishError::Source { summary, error }),
            None => Ok(summary),
        }
    }
}

impl Drop for PublisherHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
