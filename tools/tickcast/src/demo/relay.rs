//! A recovery server that misbehaves on purpose: a relay before the publisher's real one.
//!
//! It passes bytes both ways, and draws for each request from the seed what becomes of it. Joins of
//! flow control pass as they are: a demo at full speed could not go on without them.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, spawn};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use tickcast_wire::{Request, RequestKind};
use zerocopy::FromBytes;

use crate::feed::Share;

/// What the recovery server does on purpose: for each request, the shares of what can happen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RecoveryFaults {
    refuse: f64,
    stall: f64,
    die: f64,
    garbage: f64,
}

const NAMES: &str = "refuse, stall, die or garbage, each alone or with a share, as in refuse=20%";

impl FromStr for RecoveryFaults {
    type Err = String;

    fn from_str(text: &str) -> Result<RecoveryFaults, String> {
        let mut faults = RecoveryFaults::default();
        for part in text.split(',') {
            let (name, share) = match part.trim().split_once('=') {
                Some((name, share)) => {
                    let share = share.parse::<Share>();
                    (name, share.map_err(|error| format!("{name}: {error}"))?.0)
                }
                None => (part.trim(), 1.0),
            };
            match name {
                "refuse" => faults.refuse = share,
                "stall" => faults.stall = share,
                "die" => faults.die = share,
                "garbage" => faults.garbage = share,
                _ => return Err(format!("{name:?} is no fault: expected {NAMES}")),
            }
        }
        if faults.refuse + faults.stall + faults.die + faults.garbage > 1.0 + 1e-9 {
            return Err("the shares are more than 100% together".into());
        }
        Ok(faults)
    }
}

impl fmt::Display for RecoveryFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.refuse, "refuses"),
            (self.stall, "stalls at"),
            (self.die, "dies in the reply to"),
            (self.garbage, "damages the reply to"),
        ];
        let kinds = kinds.into_iter().filter(|(share, _)| *share > 0.0);
        let kinds: Vec<String> = kinds
            .map(|(share, what)| format!("{what} {}%", (share * 1e5).round() / 1e3))
            .collect();
        write!(f, "{} of requests", kinds.join(", "))
    }
}

/// What became of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RelayCounters {
    requests: u64,
    refused: u64,
    stalled: u64,
    died: u64,
    garbled: u64,
}

impl fmt::Display for RelayCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests: {} refused, {} stalled, {} died, {} damaged",
            self.requests, self.refused, self.stalled, self.died, self.garbled
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pass,
    Refuse,
    Stall,
    Die,
    Garbage,
}

/// What the threads of the relay share.
struct Shared {
    server: SocketAddr,
    faults: RecoveryFaults,
    random: Mutex<Xoshiro256PlusPlus>,
    /// Both ends of every connection, to end them with.
    streams: Mutex<Vec<TcpStream>>,
    stop: AtomicBool,
    counts: [AtomicU64; 5],
}

/// The relay. It ends with its last connection when it is dropped.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens on a free port of this host, before the server at `server`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(server: SocketAddr, faults: RecoveryFaults, seed: u64) -> io::Result<Relay> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            faults,
            random: Mutex::new(Xoshiro256PlusPlus::seed_from_u64(seed)),
            streams: Mutex::default(),
            stop: AtomicBool::new(false),
            counts: Default::default(),
        });
        let accepting = {
            let shared = Arc::clone(&shared);
            spawn(move || accept(&listener, &shared))
        };
        Ok(Relay {
            address,
            shared,
            accepting: Some(accepting),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What became of the requests so far.
    pub fn counters(&self) -> RelayCounters {
        let count = |fate: Fate| self.shared.counts[fate as usize].load(Ordering::Relaxed);
        RelayCounters {
            requests: self
                .shared
                .counts
                .each_ref()
                .map(|it| it.load(Ordering::Relaxed))
                .iter()
                .sum(),
            refused: count(Fate::Refuse),
            stalled: count(Fate::Stall),
            died: count(Fate::Die),
            garbled: count(Fate::Garbage),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for stream in locked(&self.shared.streams).drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// A thread that panicked left nothing half done in what these locks guard.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = Arc::clone(shared);
        spawn(move || {
            if let Err(error) = serve(client, &shared) {
                tracing::debug!(%error, "a relayed connection ended");
            }
        });
    }
}

/// One connection: this thread passes the requests on, another one the replies.
fn serve(mut client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let mut server = TcpStream::connect(shared.server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ends = [client.try_clone()?, server.try_clone()?];
    let mut streams = locked(&shared.streams);
    // Those that are over are of no more use.
    streams.retain(|stream| stream.peer_addr().is_ok());
    streams.extend(ends);
    drop(streams);
    let (fates, next_fate) = channel();
    let replies = {
        let (server, client) = (server.try_clone()?, client.try_clone()?);
        spawn(move || pass_replies(server, client, &next_fate))
    };
    let ended = pass_requests(&mut client, &mut server, shared, &fates);
    drop(fates);
    for stream in [&client, &server] {
        let _ = stream.shutdown(Shutdown::Both);
    }
    let _ = replies.join();
    ended
}

fn pass_requests(
    client: &mut TcpStream,
    server: &mut TcpStream,
    shared: &Shared,
    fates: &Sender<Fate>,
) -> io::Result<()> {
    let mut record = [0; size_of::<Request>()];
    loop {
        client.read_exact(&mut record)?;
        let kind = Request::read_from_bytes(&record).map(|request| request.check());
        let fate = match kind {
            Ok(Ok(RequestKind::Retransmit | RequestKind::Snapshot)) => shared.draw(),
            _ => Fate::Pass,
        };
        if fate == Fate::Refuse {
            return Ok(());
        }
        // The thread that passes replies goes when its connection does.
        if fates.send(fate).is_err() {
            return Ok(());
        }
        server.write_all(&record)?;
    }
}

impl Shared {
    fn draw(&self) -> Fate {
        let drawn: f64 = locked(&self.random).random_range(0.0..1.0);
        let RecoveryFaults {
            refuse,
            stall,
            die,
            garbage,
        } = self.faults;
        let fate = if drawn < refuse {
            Fate::Refuse
        } else if drawn < refuse + stall {
            Fate::Stall
        } else if drawn < refuse + stall + die {
            Fate::Die
        } else if drawn < refuse + stall + die + garbage {
            Fate::Garbage
        } else {
            Fate::Pass
        };
        self.counts[fate as usize].fetch_add(1, Ordering::Relaxed);
        fate
    }
}

/// Passes replies on until one end is gone. What is drawn for a request happens to what comes next.
fn pass_replies(mut server: TcpStream, mut client: TcpStream, fates: &Receiver<Fate>) {
    let mut bytes = vec![0; 65_536];
    while let Ok(count @ 1..) = server.read(&mut bytes) {
        let fate = fates.try_iter().last().unwrap_or(Fate::Pass);
        let part = match fate {
            Fate::Die => &bytes[..count / 2],
            Fate::Garbage => {
                garble(&mut bytes[..count]);
                &bytes[..count]
            }
            // The client closes the connection when it has waited long enough.
            Fate::Stall => continue_silently(&mut server),
            Fate::Pass | Fate::Refuse => &bytes[..count],
        };
        if client.write_all(part).is_err() || fate == Fate::Die || fate == Fate::Stall {
            break;
        }
    }
    for stream in [&client, &server] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Reads on and passes nothing, until the connection ends.
fn continue_silently(server: &mut TcpStream) -> &'static [u8] {
    // An error ends it as well.
    let _ = io::copy(server, &mut io::sink());
    &[]
}

/// Changes a byte in each 512, the first among them.
fn garble(bytes: &mut [u8]) {
    for (at, byte) in bytes.iter_mut().enumerate().step_by(512) {
        *byte ^= (at / 512) as u8 | 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_shown() {
        let faults: RecoveryFaults = "refuse=20%,stall=1%,die=10%,garbage=5%".parse().unwrap();
        assert_eq!(
            faults.to_string(),
            "refuses 20%, stalls at 1%, dies in the reply to 10%, damages the reply to 5% of requests"
        );
        let alone: RecoveryFaults = "stall".parse().unwrap();
        assert_eq!(alone.to_string(), "stalls at 100% of requests");
    }

    #[test]
    fn nonsense_is_told_what_was_expected() {
        for (text, expected) in [
            ("", "is no fault: expected refuse, stall"),
            ("crash", "\"crash\" is no fault"),
            ("die=often", "die: expected a share"),
            ("die=60%,stall=60%", "more than 100%"),
            ("die,stall", "more than 100%"),
        ] {
            let error = text.parse::<RecoveryFaults>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn damage_changes_something_everywhere() {
        let mut bytes = [0; 65_536];
        garble(&mut bytes);
        for part in bytes.chunks(512) {
            assert_ne!(part[0], 0);
        }
    }
}
