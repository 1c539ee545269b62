//! The flow-control thread: tells the publisher how far the slowest strategy has come.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tickcast_wire::{Reply, ReplyStatus, Request, RequestKind};
use zerocopy::{FromZeros, IntoBytes};

use crate::error::StartError;
use crate::reader::Progress;
use crate::receive::Shared;

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
    stream: TcpStream,
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
        channel: u16,
        shared: Arc<Shared>,
        progress: Vec<Arc<Progress>>,
    ) -> Result<FlowClient, StartError> {
        let failed = |source: io::Error| StartError::FlowControl { server, source };
        let mut stream = connect(server).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        let request = Request::new(RequestKind::FlowJoin, 0, channel, 1, 0, 0);
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut reply = Reply::new_zeroed();
        stream.read_exact(reply.as_mut_bytes()).map_err(failed)?;
        match reply.check(&request) {
            Ok(ReplyStatus::Ok) => {
                let step = (reply.detail() / 8).max(1);
                Ok(FlowClient {
                    stream,
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

    /// Reports until the subscriber stops or the publisher goes away.
    pub(crate) fn run(mut self) {
        let mut reported = (0, 0);
        let is_bounded = self.step < u64::MAX / 8;
        let every = if is_bounded { EVERY } else { EVERY_UNBOUNDED };
        while !self.shared.stop.load(Ordering::Relaxed) {
            let position = self.position();
            let moved = position.1.abs_diff(reported.1);
            let at_rest = position.1 == self.shared.next_seq.load(Ordering::Relaxed);
            if position != reported && (moved >= self.step || at_rest) {
                if self.report(position).is_err() {
                    tracing::debug!("the publisher closed the flow-control connection");
                    return;
                }
                reported = position;
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
        self.stream.write_all(request.as_bytes())
    }
}

/// Connects, again and again for a while: both ends are often started at the same moment.
fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let (started, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        match TcpStream::connect_timeout(&server, PATIENCE) {
            Err(_) if started.elapsed() + pause < PATIENCE => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}
