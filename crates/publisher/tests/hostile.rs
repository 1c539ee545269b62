//! Clients that mean ill disturb nobody else, and each kind has its counter.

mod support;

use std::io::Write;
use std::thread;
use std::time::Duration;

use support::{Client, ThenSilence, config, line, recovery, ticks};
use tickcast_publisher::{ClientLimits, Counter, Publisher, PublisherHandle, RecoveryConfig};
use tickcast_wire::{ReplyStatus, RequestKind};

const TICKS: u64 = 60_000;

fn publisher(group: [u8; 4], clients: ClientLimits) -> PublisherHandle {
    let mut config = config(line(group).1);
    config.recovery = Some(RecoveryConfig {
        clients,
        ..recovery()
    });
    let publisher = Publisher::start(config, ThenSilence::new(ticks(TICKS))).unwrap();
    wait_for(&publisher, Counter::Ticks, TICKS);
    publisher
}

fn connect(publisher: &PublisherHandle) -> Client {
    Client::connect(publisher.recovery_addr().unwrap())
}

fn wait_for(publisher: &PublisherHandle, counter: Counter, least: u64) {
    while publisher.counters().get(counter) < least {
        thread::sleep(Duration::from_millis(1));
    }
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
    while publisher.counters().get(Counter::Clients) > 1 {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn half_a_request_and_silence_are_closed_in_time() {
    let limits = ClientLimits {
        header_deadline: Duration::from_millis(50),
        idle_deadline: Duration::from_secs(1),
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 93, 2], limits);
    let mut half = connect(&publisher);
    half.stream.write_all(&[1; 32]).unwrap();
    let mut silent = connect(&publisher);
    assert_served(&mut connect(&publisher));
    half.wait_for_close();
    assert_eq!(publisher.counters().get(Counter::HeaderTimeouts), 1);
    silent.wait_for_close();
    assert!(publisher.counters().get(Counter::IdleTimeouts) >= 1);
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
    for client in &mut stalled {
        // Together far more than the buffers of any socket.
        for _ in 0..20 {
            client.send(RequestKind::Retransmit, 1, TICKS);
        }
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
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 93, 4], limits);
    let mut good = [connect(&publisher), connect(&publisher)];
    good.iter_mut().for_each(assert_served);

    let mut surplus = connect(&publisher);
    let (status, reply, _) = surplus.ask(RequestKind::Retransmit, 1, 1);
    assert_eq!((status, reply.detail() > 0), (ReplyStatus::Busy, true));
    surplus.wait_for_close();

    let flood: Vec<_> = (0..200).map(|_| connect(&publisher)).collect();
    wait_for(&publisher, Counter::RefusedClients, 201);
    good.iter_mut().for_each(assert_served);
    assert_eq!(publisher.counters().get(Counter::Clients), 2);
    drop(flood);

    let [leaving, mut staying] = good;
    drop(leaving);
    while publisher.counters().get(Counter::Clients) > 1 {
        thread::sleep(Duration::from_millis(1));
    }
    assert_served(&mut connect(&publisher));
    assert_served(&mut staying);
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
