//! What leaves a publisher by multicast, seen by a plain socket on loopback.

mod support;

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{
    CHANNEL, Client, SESSION, ThenSilence, assert_published, config, line, recovery, ticks,
};
use tickcast_latency::{StallBoard, StallLog};
use tickcast_net::Idle;
use tickcast_publisher::{
    Counter, FlowControl, InMemory, Prefetched, PublishError, Publisher, RecoveryConfig, Source,
    SourceError, Speed, Supply,
};
use tickcast_wire::{Digest, Packet, PacketKind, PreviousSession, RequestKind, Tick};

const PREVIOUS: PreviousSession = PreviousSession {
    session: SESSION - 1,
    last_seq: 77,
    digest: Digest::from_value(78),
};

/// The next datagram.
fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut bytes = vec![0; 65_536];
    let len = socket.recv(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

/// Reads to the end of the session and checks every packet; gives the ticks.
fn read_session(socket: &UdpSocket, mut position: impl FnMut(u64)) -> Vec<Tick> {
    let mut ticks: Vec<Tick> = Vec::new();
    let mut digest = Digest::default();
    loop {
        let bytes = receive(socket);
        let packet = Packet::parse(&bytes).unwrap();
        let header = packet.header();
        assert_eq!((header.session(), header.channel()), (SESSION, CHANNEL));
        assert_eq!(header.first_seq(), ticks.len() as u64 + 1);
        assert_eq!(header.digest(), digest);
        assert_eq!(header.previous(), Some(PREVIOUS));
        for tick in packet.ticks() {
            assert!(tick.ts_due() <= header.ts_sent());
            assert!(
                ticks
                    .last()
                    .is_none_or(|last| last.ts_due() <= tick.ts_due())
            );
        }
        digest.update_all(packet.ticks());
        ticks.extend(packet.ticks());
        position(ticks.len() as u64 + 1);
        if packet.kind() == PacketKind::EndOfSession {
            return ticks;
        }
    }
}

#[test]
fn every_packet_reaches_both_lines() {
    let (socket_a, line_a) = line([239, 192, 91, 1]);
    let (socket_b, line_b) = line([239, 192, 91, 2]);
    let mut config = config(line_a);
    config.line_b = Some(line_b);
    config.previous = Some(PREVIOUS);
    // Two subscribers pace the publisher, so that the small buffers of plain sockets do.
    config.flow_control = Some(FlowControl {
        window: 400,
        wait_for: 2,
    });
    config.linger = Duration::from_secs(600);
    let original = ticks(10_000);
    let publisher = Publisher::start(config, InMemory::new(original.clone())).unwrap();
    let address = publisher.recovery_addr().unwrap();

    let readers = [socket_a, socket_b].map(|socket| {
        let mut client = Client::connect(address);
        std::thread::spawn(move || {
            assert_eq!(client.join(1), 400);
            read_session(&socket, |next| {
                client.send(RequestKind::Position, next, 0);
            })
        })
    });
    let [on_a, on_b] = readers.map(|reader| reader.join().unwrap());
    assert_published(&original, &on_a);
    assert_eq!(on_a, on_b);

    // Both have confirmed the end: the linger of ten minutes is cut short.
    let (ticks, packets) = {
        let counters = publisher.counters();
        (counters.get(Counter::Ticks), counters.get(Counter::Packets))
    };
    let summary = publisher.join().unwrap();
    let mut digest = Digest::default();
    digest.update_all(&on_a);
    assert_eq!((summary.published, summary.digest), (10_000, digest));
    assert_eq!((ticks, summary.session), (10_000, SESSION));
    assert!((477..10_000).contains(&packets));
    assert!(summary.first_sent_ns > 0 && summary.last_sent_ns >= summary.first_sent_ns);
}

#[test]
fn silence_is_filled_with_heartbeats_and_a_stop_ends_the_session() {
    let (socket, line_a) = line([239, 192, 91, 3]);
    let publisher = Publisher::start(config(line_a), ThenSilence::new(ticks(30))).unwrap();
    let mut kinds = Vec::new();
    while kinds.len() < 5 {
        let bytes = receive(&socket);
        let packet = Packet::parse(&bytes).unwrap();
        kinds.push(packet.kind());
        if packet.kind() == PacketKind::Heartbeat {
            assert_eq!(packet.header().first_seq(), 31);
        }
    }
    use PacketKind::{Data, Heartbeat};
    assert_eq!(kinds, [Data, Data, Heartbeat, Heartbeat, Heartbeat]);

    publisher.stop();
    let end = loop {
        let bytes = receive(&socket);
        let packet = Packet::parse(&bytes).unwrap();
        if packet.kind() == PacketKind::EndOfSession {
            break packet.header().first_seq();
        }
    };
    assert_eq!((end, publisher.join().unwrap().published), (31, 30));
}

#[test]
fn due_times_follow_the_schedule_not_the_sending() {
    let (socket, line_a) = line([239, 192, 91, 4]);
    let mut config = config(line_a);
    config.speed = Speed::Original(2.0);
    config.previous = Some(PREVIOUS);
    // Few enough for the buffer of the socket, even one tick a packet.
    let publisher = Publisher::start(config, InMemory::new(ticks(100))).unwrap();
    let published = read_session(&socket, |_| ());
    let anchor = published[0].ts_due();
    for (i, tick) in published.iter().enumerate() {
        assert_eq!(tick.ts_due(), anchor + i as u64 * 5_000);
    }
    assert_eq!(publisher.join().unwrap().published, 100);
}

#[test]
fn a_source_that_fails_ends_the_session_and_says_why() {
    let (socket, line_a) = line([239, 192, 91, 5]);
    let mut config = config(line_a);
    config.previous = Some(PREVIOUS);
    let failing = std::iter::once(Ok(ticks(500)));
    let failing = failing.chain([Err(io::Error::other("torn file"))]);
    let source = Prefetched::start(failing).unwrap();
    let publisher = Publisher::start(config, source).unwrap();
    assert_eq!(read_session(&socket, |_| ()).len(), 500);
    let error = publisher.join().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the source failed after 500 ticks: torn file"
    );
    assert!(matches!(error, PublishError::Source { summary, .. } if summary.published == 500));
}

#[test]
fn what_cannot_start_says_why() {
    let (_socket, line_a) = line([239, 192, 91, 6]);
    let start = |config| Publisher::start(config, InMemory::new(ticks(1))).unwrap_err();

    let mut earlier = config(line_a.clone());
    earlier.previous = Some(PreviousSession {
        session: SESSION,
        ..PREVIOUS
    });
    let expected = (SESSION, SESSION);
    assert!(matches!(
        start(earlier),
        PublishError::SessionNotLater { session, previous } if (session, previous) == expected
    ));

    let mut deaf = config(line_a.clone());
    deaf.recovery = None;
    deaf.flow_control = Some(FlowControl::default());
    assert!(matches!(
        start(deaf),
        PublishError::FlowControlWithoutRecovery
    ));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut in_use = config(line_a);
    in_use.recovery = Some(RecoveryConfig {
        listen: taken.local_addr().unwrap(),
        ..recovery()
    });
    assert!(matches!(start(in_use), PublishError::Listen { .. }));
}

#[test]
fn without_recovery_it_only_sends() {
    let (socket, line_a) = line([239, 192, 91, 7]);
    let mut config = config(line_a);
    config.previous = Some(PREVIOUS);
    config.recovery = None;
    let publisher = Publisher::start(config, InMemory::new(ticks(100))).unwrap();
    assert_eq!(publisher.recovery_addr(), None);
    assert_eq!(read_session(&socket, |_| ()).len(), 100);
    assert_eq!(publisher.join().unwrap().published, 100);
}

/// Fails in the middle of the session, once it is told to.
struct Panics {
    source: ThenSilence,
    told: Arc<AtomicBool>,
}

impl Source for Panics {
    fn peek(&mut self) -> Result<Supply<'_>, SourceError> {
        let told = self.told.load(Ordering::Relaxed);
        assert!(!told, "this source fails here on purpose");
        self.source.peek()
    }

    fn take(&mut self, count: usize) {
        self.source.take(count);
    }
}

#[test]
fn a_source_that_panics_is_reported_and_takes_the_server_with_it() {
    let (_socket, line_a) = line([239, 192, 91, 8]);
    let told = Arc::new(AtomicBool::new(false));
    let source = Panics {
        source: ThenSilence::new(ticks(100)),
        told: Arc::clone(&told),
    };
    let publisher = Publisher::start(config(line_a), source).unwrap();
    let mut client = Client::connect(publisher.recovery_addr().unwrap());
    told.store(true, Ordering::Relaxed);
    client.wait_for_close();
    let error = publisher.join().unwrap_err();
    assert!(matches!(
        error,
        PublishError::Panicked { thread: "tc-send" }
    ));
}

/// Looks for ticks that take a while, from the third on: most of them when nothing is due.
struct Stopped<S> {
    source: S,
    peeks: u32,
}

const STOP: Duration = Duration::from_millis(3);

impl<S: Source> Source for Stopped<S> {
    fn peek(&mut self) -> Result<Supply<'_>, SourceError> {
        self.peeks += 1;
        if self.peeks >= 3 {
            std::thread::sleep(STOP);
        }
        self.source.peek()
    }

    fn take(&mut self, count: usize) {
        self.source.take(count);
    }
}

#[test]
fn a_send_loop_that_spins_is_its_own_meter() {
    for (idle, has_meter) in [
        (Idle::Spin, true),
        (Idle::Yield, false),
        (Idle::Park, false),
    ] {
        let (_socket, line) = line([239, 192, 91, 9]);
        let mut config = config(line);
        // Between two ticks there is time for several looks.
        config.speed = Speed::PerSecond(50);
        config.idle = idle;
        config.linger = Duration::ZERO;
        let board = StallBoard::new();
        config.stalls = Some(board.clone());
        let source = Stopped {
            source: InMemory::new(ticks(3)),
            peeks: 0,
        };
        Publisher::start(config, source).unwrap().join().unwrap();
        let mut log = StallLog::default();
        board.collect(&mut log);
        let threads: Vec<_> = log.threads.iter().map(|it| &*it.thread).collect();
        if has_meter {
            assert_eq!(threads, ["tc-send"]);
            let stop = u64::try_from(STOP.as_nanos()).unwrap();
            let stalls = &log.threads[0].stalls;
            assert!(
                stalls.iter().any(|stall| stall.length_ns() >= stop),
                "{stalls:?}"
            );
            assert!(board.latest_end_ns() > 0);
        } else {
            assert_eq!(threads, [""; 0]);
        }
    }
}
