//! Clients that mean ill disturb nobody else, and each kind has its counter.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use support::watchdog::{wait_for, wait_until};
use support::{CHANNEL, Client, SESSION, ThenSilence, config, line, recovery, ticks};
use tickcast_publisher::{ClientLimits, Counter, Publisher, PublisherHandle, RecoveryConfig};
use tickcast_wire::{Reply, ReplyStatus, Request, RequestKind, TICK_BYTES};
use zerocopy::{FromBytes, IntoBytes};

const TICKS: u64 = 60_000;

fn publisher(group: [u8; 4], clients: ClientLimits) -> PublisherHandle {
    let recovery = RecoveryConfig {
        clients,
        ..recovery()
    };
    with_recovery(group, recovery)
}

fn with_recovery(group: [u8; 4], recovery: RecoveryConfig) -> PublisherHandle {
    let mut config = config(line(group).1);
    config.recovery = Some(recovery);
    let publisher = Publisher::start(config, ThenSilence::new(ticks(TICKS))).unwrap();
    wait_for(&publisher, Counter::Ticks, TICKS);
    publisher
}

fn connect(publisher: &PublisherHandle) -> Client {
    Client::connect(publisher.recovery_addr().unwrap())
}

/// Connects from another address of this host.
fn connect_from(host: u8, publisher: &PublisherHandle) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from = SocketAddr::from(([127, 0, 93, host], 0));
    socket.bind(&from.into()).unwrap();
    let to = publisher.recovery_addr().unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    Client::over(stream)
}

/// What the server says without having been asked; it closes the connection then.
fn rejection(client: &mut Client) -> Reply {
    let mut reply = [0; 64];
    client.stream.read_exact(&mut reply).unwrap();
    client.wait_for_close();
    Reply::read_from_bytes(&reply).unwrap()
}

/// Waits until the server has noticed that no more clients than these are left.
fn wait_for_clients(publisher: &PublisherHandle, left: u64) {
    wait_until(&format!("{left} clients to be left"), || {
        publisher.counters().get(Counter::Clients) <= left
    });
}

/// A client that is served as if it were alone.
fn assert_served(client: &mut Client) {
    let (status, _, rows) = client.ask(RequestKind::Retransmit, 1, 1000);
    assert_eq!((status, rows.len()), (ReplyStatus::Ok, 1000));
}

#[test]
fn garbage_is_answered_malformed_and_closed() {
    let publisher = publisher([239, 192, 93, 1], ClientLimits::default());
    let mut good = connect(&publisher);
    for round in 1..=3 {
        let mut bad = connect(&publisher);
        // More than a request, so that some of it is never read as one.
        bad.stream.write_all(&[0x5a; 1000]).unwrap();
        bad.wait_for_close();
        assert_eq!(publisher.counters().get(Counter::Malformed), round);
        assert_served(&mut good);
    }
    wait_for_clients(&publisher, 1);
}

#[test]
fn half_a_request_and_silence_are_closed_in_time() {
    let limits = ClientLimits {
        // Time enough for those that are to be served, however late they get on.
        header_deadline: Duration::from_secs(3),
        idle_deadline: Duration::from_secs(1),
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 93, 2], limits);
    let mut half = connect(&publisher);
    half.stream.write_all(&[1; 32]).unwrap();
    let mut silent = connect(&publisher);
    let mut idle = connect(&publisher);
    assert_served(&mut idle);
    half.wait_for_close();
    silent.wait_for_close();
    assert_eq!(publisher.counters().get(Counter::HeaderTimeouts), 2);
    idle.wait_for_close();
    assert_eq!(publisher.counters().get(Counter::IdleTimeouts), 1);
    assert_served(&mut connect(&publisher));
}

#[test]
fn a_client_that_never_reads_is_closed_and_holds_up_nobody() {
    let limits = ClientLimits {
        write_deadline: Duration::from_millis(100),
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 93, 3], limits);
    let mut good = connect(&publisher);
    let mut stalled: Vec<_> = (0..5).map(|_| connect(&publisher)).collect();
    // Together far more than the buffers of any socket. In one piece: a client that is closed before
    // it has asked for all of it could not go on.
    let requests = [Request::new(RequestKind::Retransmit, SESSION, CHANNEL, 1, TICKS, 0); 20];
    for client in &mut stalled {
        client.stream.write_all(requests.as_bytes()).unwrap();
    }
    for _ in 0..20 {
        assert_served(&mut good);
    }
    wait_for(&publisher, Counter::WriteStalls, 5);
    assert_served(&mut good);
}

#[test]
fn one_client_too_many_is_told_to_come_later() {
    let limits = ClientLimits {
        max_clients: 2,
        make_room_after: Duration::from_secs(3600),
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 93, 4], limits);
    let mut good = [connect(&publisher), connect(&publisher)];
    good.iter_mut().for_each(assert_served);

    // Whether it asks or only listens.
    let mut surplus = connect(&publisher);
    let (status, reply, _) = surplus.ask(RequestKind::Retransmit, 1, 1);
    assert_eq!((status, reply.detail() > 0), (ReplyStatus::Busy, true));
    surplus.wait_for_close();
    let mut surplus = connect(&publisher);
    let reply = rejection(&mut surplus);
    assert_eq!(reply.rejection_status(), Some(ReplyStatus::Busy));
    assert!(reply.detail() > 0);

    let mut flood: Vec<_> = (0..200).map(|_| connect(&publisher)).collect();
    wait_for(&publisher, Counter::RefusedClients, 202);
    good.iter_mut().for_each(assert_served);
    assert_eq!(publisher.counters().get(Counter::Clients), 2);
    for refused in &mut flood {
        let status = rejection(refused).rejection_status();
        assert_eq!(status, Some(ReplyStatus::Busy));
    }

    let [leaving, mut staying] = good;
    drop(leaving);
    wait_for_clients(&publisher, 1);
    assert_served(&mut connect(&publisher));
    assert_served(&mut staying);
}

#[test]
fn those_that_do_not_get_on_make_room() {
    let limits = ClientLimits {
        max_clients: 5,
        make_room_after: Duration::from_millis(20),
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 93, 7], limits);
    let mut hostile = Vec::new();
    for _ in 0..10 {
        for _ in 0..10 {
            let mut client = connect(&publisher);
            // It may have been refused already.
            let _ = client.stream.write_all(&[1; 32]);
            hostile.push(client);
        }
        // A client that does as it is told gets in while they all stay.
        loop {
            let mut late = connect(&publisher);
            let (status, reply, _) = late.ask(RequestKind::Retransmit, 1, 1000);
            if status == ReplyStatus::Ok {
                break;
            }
            assert_eq!(reply.rejection_status(), Some(ReplyStatus::Busy));
            thread::sleep(Duration::from_nanos(reply.detail()));
        }
    }
    assert!(publisher.counters().get(Counter::MadeRoom) >= 10);
    assert_eq!(publisher.counters().get(Counter::HeaderTimeouts), 0);
}

#[test]
fn one_host_cannot_take_all_places() {
    let limits = ClientLimits {
        max_clients: 6,
        clients_per_address: 4,
        make_room_after: Duration::from_secs(3600),
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 93, 8], limits);
    let hostile: Vec<_> = (0..50).map(|_| connect_from(66, &publisher)).collect();
    wait_for(&publisher, Counter::AddressLimit, 46);
    assert_served(&mut connect_from(1, &publisher));
    assert_served(&mut connect_from(2, &publisher));
    let status = rejection(&mut connect_from(66, &publisher)).rejection_status();
    assert_eq!(status, Some(ReplyStatus::Busy));
    assert_eq!(publisher.counters().get(Counter::RefusedClients), 0);
    drop(hostile);
    wait_for_clients(&publisher, 0);
    assert_served(&mut connect_from(66, &publisher));
}

#[test]
fn networks_that_are_not_served_are_closed_at_once() {
    let allow = vec!["127.0.93.2/31".parse().unwrap()];
    let publisher = with_recovery(
        [239, 192, 93, 9],
        RecoveryConfig {
            allow,
            ..recovery()
        },
    );
    for outside in [1, 4, 66] {
        let mut client = connect_from(outside, &publisher);
        let heard = client.stream.read(&mut [0; 64]);
        assert!(matches!(heard, Ok(0) | Err(_)), "{heard:?}");
    }
    assert_eq!(publisher.counters().get(Counter::NotAllowed), 3);
    assert_served(&mut connect_from(2, &publisher));
    assert_served(&mut connect_from(3, &publisher));
}

#[test]
fn a_flood_of_requests_waits_in_the_socket() {
    let limits = ClientLimits {
        requests_per_second: 200,
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 93, 10], limits);
    let mut flood = connect(&publisher);
    let requests = [Request::new(RequestKind::Retransmit, SESSION, CHANNEL, 1, 1, 0); 500];
    flood.stream.write_all(requests.as_bytes()).unwrap();
    wait_for(&publisher, Counter::RequestLimit, 1);
    assert_served(&mut connect(&publisher));
    // All are answered in the end: nobody who only was too quick loses anything.
    let mut replies = vec![0; 500 * (64 + TICK_BYTES)];
    flood.stream.read_exact(&mut replies).unwrap();
}

#[test]
fn subscribers_that_miss_the_same_range_are_served_within_the_budget() {
    const CLIENTS: u64 = 40;
    const BYTES: u64 = 16_384 * TICK_BYTES as u64;
    let limits = ClientLimits {
        total_bytes_per_second: 20 * BYTES,
        total_burst_bytes: 4 * BYTES,
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 93, 11], limits);
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = connect(&publisher);
                loop {
                    let (status, reply, rows) = client.ask(RequestKind::Retransmit, 1, 16_384);
                    if status == ReplyStatus::Ok {
                        return assert_eq!(rows.len(), 16_384);
                    }
                    assert_eq!(status, ReplyStatus::Busy);
                    assert!((1..=1_000_000_000).contains(&reply.detail()));
                    thread::sleep(Duration::from_nanos(reply.detail()));
                }
            });
        }
    });
    // What left is the burst, what the time allowed, and one reply that went into debt.
    let allowed = started.elapsed().as_secs_f64() * 20.0 + 4.0 + 1.0;
    assert!(CLIENTS as f64 <= allowed, "in {:?}", started.elapsed());
    let counters = publisher.counters();
    let busy = counters.get(Counter::BudgetBusy);
    assert!(busy > 0 && busy == counters.get(Counter::Busy));
    assert_eq!(counters.get(Counter::Retransmits), CLIENTS);
}

#[test]
fn a_greedy_client_is_told_when_to_ask_again() {
    let limits = ClientLimits {
        bytes_per_second: 1_000_000,
        burst_bytes: 64_000,
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 93, 5], limits);
    let mut greedy = connect(&publisher);
    let (status, ..) = greedy.ask(RequestKind::Retransmit, 1, TICKS);
    assert_eq!(status, ReplyStatus::Ok);
    let (status, reply, _) = greedy.ask(RequestKind::Retransmit, 1, 1);
    assert_eq!(status, ReplyStatus::Busy);
    // 3.84 MB were sent, 64 kB were free: the debt takes seconds to pay.
    assert!((1..4_000_000_000).contains(&reply.detail()));
    assert_served(&mut connect(&publisher));
}

#[test]
fn a_position_without_a_join_gets_no_reply_and_does_nothing() {
    let publisher = publisher([239, 192, 93, 6], ClientLimits::default());
    let mut client = connect(&publisher);
    client.send(RequestKind::Position, 1, 0);
    assert_served(&mut client);
    assert_eq!(publisher.counters().get(Counter::FlowSubscribers), 0);
}
