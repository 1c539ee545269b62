//! The flow-control thread: tells the publisher how far the slowest strategy has come.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tickcast_wire::{Reply, ReplyStatus, Request, RequestKind};
use zerocopy::{FromZeros, IntoBytes};

use crate::connection::{Connection, ConnectionError};
use crate::error::StartError;
use crate::reader::Progress;
use crate::receive::Shared;
use crate::tls::ClientTls;

/// How often the position is looked at while the publisher may have to wait for it.
const EVERY: Duration = Duration::from_micros(100);
/// How often it is looked at when the window is out of reach: only the end is of interest then.
const EVERY_UNBOUNDED: Duration = Duration::from_millis(10);
/// Longest time for the publisher to be there, and to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The first wait between two tries to connect, doubled by each.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// A connection under flow control.
pub(crate) struct FlowClient {
    connection: Connection,
    channel: u16,
    shared: Arc<Shared>,
    progress: Vec<Arc<Progress>>,
    /// The position is reported whenever it has moved by so many ticks.
    step: u64,
}

impl FlowClient {
    /// Joins: from now on the publisher waits for this subscriber.
    pub(crate) fn join(
        server: SocketAddr,
        tls: Option<&ClientTls>,
        channel: u16,
        shared: Arc<Shared>,
        progress: Vec<Arc<Progress>>,
    ) -> Result<FlowClient, StartError> {
        let failed = |source: io::Error| StartError::FlowControl { server, source };
        let mut connection = match connect(server, tls, channel) {
            Ok(connection) => connection,
            Err(ConnectionError::Refused { status, .. }) => {
                return Err(StartError::FlowControlRefused { server, status });
            }
            Err(ConnectionError::Io(error)) => return Err(failed(error)),
            Err(error) => return Err(failed(io::Error::other(error))),
        };
        let request = Request::new(RequestKind::FlowJoin, 0, channel, 1, 0, 0);
        connection.write_all(request.as_bytes()).map_err(failed)?;
        let mut reply = Reply::new_zeroed();
        let read = connection.read_within(PATIENCE, reply.as_mut_bytes());
        read.map_err(failed)?;
        match reply.check(&request) {
            Ok(ReplyStatus::Ok) => {
                let step = (reply.detail() / 8).max(1);
                Ok(FlowClient {
                    connection,
                    channel,
                    shared,
                    progress,
                    step,
                })
            }
            Ok(status) => Err(StartError::FlowControlRefused { server, status }),
            Err(error) => Err(failed(io::Error::other(error))),
        }
    }

    /// Reports until nothing moves any more or the publisher goes away. What strategies read after
    /// the subscriber was told to stop is reported too.
    pub(crate) fn run(mut self) {
        let mut reported = (0, 0);
        let is_bounded = self.step < u64::MAX / 8;
        let every = if is_bounded { EVERY } else { EVERY_UNBOUNDED };
        loop {
            // Before the position, which is the last one then.
            let is_last = self.shared.at_rest.load(Ordering::Acquire);
            let position = self.position();
            let moved = position.1.abs_diff(reported.1);
            let has_all = position.1 == self.shared.next_seq.load(Ordering::Relaxed);
            if position != reported && (moved >= self.step || has_all || is_last) {
                if self.report(position).is_err() {
                    tracing::debug!("the publisher closed the flow-control connection");
                    return;
                }
                reported = position;
            }
            if is_last {
                return;
            }
            std::thread::sleep(every);
        }
    }

    /// The session, and the next seq that the slowest reader wants.
    fn position(&self) -> (u64, u64) {
        let session = self.shared.session.load(Ordering::Relaxed);
        let received = self.shared.next_seq.load(Ordering::Relaxed);
        let slowest = self
            .progress
            .iter()
            .filter_map(|progress| progress.next_seq())
            .min();
        (session, slowest.unwrap_or(received).min(received))
    }

    fn report(&mut self, (session, next): (u64, u64)) -> io::Result<()> {
        let request = Request::new(RequestKind::Position, session, self.channel, next, 0, 0);
        self.connection.write_all(request.as_bytes())
    }
}

/// Connects, again and again for a while: both ends are often started at the same moment.
fn connect(
    server: SocketAddr,
    tls: Option<&ClientTls>,
    channel: u16,
) -> Result<Connection, ConnectionError> {
    let (started, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        match Connection::open(server, tls, channel, PATIENCE) {
            Err(ConnectionError::Io(_)) if started.elapsed() + pause < PATIENCE => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}
