//! Everybody comes back at once when a publisher has been started again.

mod support;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use support::watchdog::wait_for;
use support::{CHANNEL, Client, SESSION, ThenSilence, config, line, recovery, ticks};
use tickcast_publisher::{ClientLimits, Counter, Publisher, PublisherHandle, RecoveryConfig};
use tickcast_wire::{Reply, ReplyStatus, Request, RequestKind, TICK_BYTES};
use zerocopy::{FromBytes, IntoBytes};

const TICKS: u64 = 10_000;
const ASKED: u64 = 500;
const CLIENTS: usize = 120;
/// Far fewer than come.
const PLACES: usize = 16;

fn publisher(listen: SocketAddr, session: u64) -> PublisherHandle {
    let mut config = config(line([239, 255, 84, 1]).1);
    config.session = Some(session);
    config.recovery = Some(RecoveryConfig {
        listen,
        clients: ClientLimits {
            max_clients: PLACES,
            clients_per_address: PLACES,
            ..ClientLimits::default()
        },
        ..recovery()
    });
    let publisher = Publisher::start(config, ThenSilence::new(ticks(TICKS))).unwrap();
    wait_for(&publisher, Counter::Ticks, TICKS);
    publisher
}

/// Connects, asks once and goes: the rows that came, or how long to wait.
fn ask(address: SocketAddr, session: u64) -> io::Result<Result<u64, Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let request = Request::new(RequestKind::Retransmit, session, CHANNEL, 1, ASKED, 1);
    // Whoever has no place is told so without being asked for a request.
    let written = stream.write_all(request.as_bytes());
    let mut reply = [0; 64];
    stream.read_exact(&mut reply)?;
    written?;
    let reply = Reply::read_from_bytes(&reply).unwrap();
    if let Some(status) = reply.rejection_status() {
        assert_eq!(status, ReplyStatus::Busy);
        return Ok(Err(Duration::from_nanos(reply.detail())));
    }
    match reply.check(&request).unwrap() {
        ReplyStatus::Ok => {
            let mut rows = vec![0; 64 + reply.count() as usize * TICK_BYTES];
            stream.read_exact(&mut rows)?;
            Ok(Ok(reply.count()))
        }
        ReplyStatus::Busy => Ok(Err(Duration::from_nanos(reply.detail()))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_who_come_back_at_once_are_served() {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let first = publisher(anywhere, SESSION);
    let address = first.recovery_addr().unwrap();
    let connected: Vec<_> = (0..PLACES).map(|_| Client::connect(address)).collect();
    first.stop();
    first.join().unwrap();
    drop(connected);

    let second = publisher(address, SESSION + 1);
    let comers: Vec<_> = (0..CLIENTS)
        .map(|_| {
            thread::spawn(move || {
                loop {
                    match ask(address, SESSION + 1) {
                        Ok(Ok(rows)) => return rows,
                        Ok(Err(wait)) => thread::sleep(wait),
                        // A refused connection may be reset before its reason is read.
                        Err(_) => thread::sleep(Duration::from_millis(50)),
                    }
                }
            })
        })
        .collect();
    for comer in comers {
        assert_eq!(comer.join().unwrap(), ASKED);
    }
    // Never more at once than there are places: the others were told to wait, or made to.
    assert!(second.counters().get(Counter::Clients) <= PLACES as u64);
    second.stop();
    second.join().unwrap();
}
