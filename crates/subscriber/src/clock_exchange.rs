//! The clock thread: asks again and again what the publisher's clock shows.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tickcast_latency::{ClockOffset, Clocks, Exchange};
use tickcast_net::clock::realtime_ns;
use tickcast_wire::{Reply, ReplyStatus, Request};
use zerocopy::{FromZeros, IntoBytes};

use crate::connection::{Connection, ConnectionError};
use crate::receive::Shared;
use crate::tls::ClientTls;

/// How often it asks.
const EVERY: Duration = Duration::from_millis(250);
/// How long it waits after a failure: a publisher that is not there, or of before, is left alone.
const AGAIN: Duration = Duration::from_secs(1);
/// How many times, one after the other: the quickest answer says most.
const EXCHANGES: usize = 4;
/// Time to connect, and for each answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known of the clocks, for whoever asks.
#[derive(Debug, Default)]
pub(crate) struct ClockMeter(Mutex<ClockOffset>);

impl ClockMeter {
    /// What is known since the start; none before the first answer.
    pub(crate) fn clocks(&self) -> Option<Clocks> {
        self.offset().clocks(realtime_ns())
    }

    fn offset(&self) -> std::sync::MutexGuard<'_, ClockOffset> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's own.
pub(crate) struct ClockClient {
    pub(crate) server: SocketAddr,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) channel: u16,
    pub(crate) shared: Arc<Shared>,
    pub(crate) meter: Arc<ClockMeter>,
}

impl ClockClient {
    /// Asks until the subscriber stops.
    pub(crate) fn run(self) {
        let (mut connection, mut is_told) = (None, false);
        let mut exchanges = Vec::with_capacity(EXCHANGES);
        while !self.shared.stop.load(Ordering::Relaxed) {
            exchanges.clear();
            let outcome = self.ask(&mut connection, &mut exchanges);
            self.meter.offset().take(&exchanges);
            let Err(error) = outcome else {
                std::thread::park_timeout(EVERY);
                continue;
            };
            connection = None;
            // Only the first: it is asked again and again.
            if !std::mem::replace(&mut is_told, true) {
                tracing::info!(server = %self.server, %error, "the publisher's clock is not known");
            }
            std::thread::park_timeout(AGAIN);
        }
    }

    fn ask(
        &self,
        connection: &mut Option<Connection>,
        exchanges: &mut Vec<Exchange>,
    ) -> Result<(), ConnectionError> {
        let connection = match connection {
            Some(connection) => connection,
            none => {
                let tls = self.tls.as_ref();
                none.insert(Connection::open(self.server, tls, self.channel, PATIENCE)?)
            }
        };
        for id in 0..EXCHANGES as u64 {
            exchanges.push(exchange(connection, self.channel, id)?);
        }
        Ok(())
    }
}

fn exchange(
    connection: &mut Connection,
    channel: u16,
    id: u64,
) -> Result<Exchange, ConnectionError> {
    let mut reply = Reply::new_zeroed();
    let asked = realtime_ns();
    let request = Request::for_clock(channel, asked, id);
    connection.write_all(request.as_bytes())?;
    connection.flush()?;
    connection.read_within(PATIENCE, reply.as_mut_bytes())?;
    let answered = realtime_ns();
    match reply.check(&request).map_err(io::Error::other)? {
        ReplyStatus::Ok => {
            let (received, sent) = reply.clock();
            Ok(Exchange {
                asked,
                received,
                sent,
                answered,
            })
        }
        status => Err(ConnectionError::Refused {
            status,
            detail: reply.detail(),
        }),
    }
}
