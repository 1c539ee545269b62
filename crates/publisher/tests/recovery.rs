//! Retransmits, snapshots and flow control over TCP.

mod support;

use std::thread;

use support::watchdog::{wait_for, wait_until_published};
use support::{Client, SESSION, ThenSilence, assert_published, config, line, recovery, ticks};
use tickcast_net::clock::realtime_ns;
use tickcast_protocol::{Image, ResponderLimits};
use tickcast_publisher::{Counter, FlowControl, Publisher, PublisherHandle, RecoveryConfig};
use tickcast_wire::{ReplyStatus, RequestKind, Tick};

/// A publisher that has published these ticks and now is silent.
fn publisher(original: &[Tick], group: [u8; 4], limits: ResponderLimits) -> PublisherHandle {
    let mut config = config(line(group).1);
    config.recovery = Some(RecoveryConfig {
        limits,
        ..recovery()
    });
    let source = ThenSilence::new(original.to_vec());
    let publisher = Publisher::start(config, source).unwrap();
    wait_until_published(&publisher, original.len() as u64);
    publisher
}

#[test]
fn many_clients_at_once_get_exactly_what_was_published() {
    let original = ticks(50_000);
    let publisher = publisher(&original, [239, 192, 92, 1], recovery().limits);
    let address = publisher.recovery_addr().unwrap();
    thread::scope(|scope| {
        for n in 0..8u64 {
            let original = &original;
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for (first, count) in [(1, 1), (1, 50_000), (n * 1000 + 1, 4321), (50_000, 1)] {
                    let (status, _, rows) = client.ask(RequestKind::Retransmit, first, count);
                    assert_eq!((status, rows[0].seq()), (ReplyStatus::Ok, first));
                    let range = first as usize - 1..(first + count) as usize - 1;
                    assert_published(&original[range], &rows);
                }
            });
        }
    });
    assert_eq!(publisher.counters().get(Counter::Retransmits), 32);
    publisher.stop();
    assert_eq!(publisher.join().unwrap().published, 50_000);
}

#[test]
fn requests_may_be_sent_before_replies_are_read() {
    let original = ticks(20_000);
    let publisher = publisher(&original, [239, 192, 92, 2], recovery().limits);
    let mut client = Client::connect(publisher.recovery_addr().unwrap());
    let ask = |first| client.send(RequestKind::Retransmit, first, 5000);
    let requests: Vec<_> = (0..20).map(|i| i * 700 + 1).map(ask).collect();
    for request in requests {
        let (status, _, rows) = client.reply(&request);
        assert_eq!(
            (status, rows[0].seq()),
            (ReplyStatus::Ok, request.first_seq())
        );
    }
}

#[test]
fn snapshots_are_the_image_at_their_seq() {
    let original = ticks(10_000);
    let publisher = publisher(&original, [239, 192, 92, 3], recovery().limits);
    let address = publisher.recovery_addr().unwrap();
    let (_, _, published) = Client::connect(address).ask(RequestKind::Retransmit, 1, 10_000);
    let mut image = Image::new(100);
    for tick in &published {
        image.apply(tick);
    }
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                let (status, reply, rows) = client.ask(RequestKind::Snapshot, 10_000, 0);
                assert_eq!((status, reply.first_seq()), (ReplyStatus::Ok, 10_000));
                assert_eq!(rows, image.snapshot());
                let (status, reply, _) = client.ask(RequestKind::Snapshot, 10_001, 0);
                assert_eq!((status, reply.detail()), (ReplyStatus::NotYet, 10_001));
            });
        }
    });
}

#[test]
fn refusals_over_the_wire_are_counted() {
    let limits = ResponderLimits {
        store_ticks: 1000,
        ticks_per_request: 100,
        ..recovery().limits
    };
    let original = ticks(5000);
    let publisher = publisher(&original, [239, 192, 92, 4], limits);
    let mut client = Client::connect(publisher.recovery_addr().unwrap());
    for (kind, first, count, expected, counter) in [
        (
            RequestKind::Retransmit,
            4000,
            1,
            (ReplyStatus::TooOld, 4001),
            Counter::TooOld,
        ),
        (
            RequestKind::Retransmit,
            5000,
            2,
            (ReplyStatus::NotYet, 5001),
            Counter::NotYet,
        ),
        (
            RequestKind::Retransmit,
            4500,
            101,
            (ReplyStatus::TooLarge, 100),
            Counter::TooLarge,
        ),
        (
            RequestKind::FlowJoin,
            1,
            0,
            (ReplyStatus::FlowControlOff, 0),
            Counter::FlowControlOff,
        ),
    ] {
        let (status, reply, rows) = client.ask(kind, first, count);
        assert_eq!((status, reply.detail()), expected);
        assert_eq!((reply.session(), rows.len()), (SESSION, 0));
        assert_eq!(publisher.counters().get(counter), 1, "{counter:?}");
    }
}

#[test]
fn the_publisher_stays_within_the_window_of_the_slowest() {
    let original = ticks(5000);
    let mut config = config(line([239, 192, 92, 5]).1);
    config.flow_control = Some(FlowControl {
        window: 100,
        wait_for: 2,
    });
    let publisher = Publisher::start(config, ThenSilence::new(original)).unwrap();
    let address = publisher.recovery_addr().unwrap();

    let mut first = Client::connect(address);
    first.join(1);
    wait_for(&publisher, Counter::Heartbeats, 4);
    assert_eq!(publisher.published(), 0, "the second has not joined");

    let mut second = Client::connect(address);
    second.join(1);
    wait_until_published(&publisher, 100);
    first.send(RequestKind::Position, 1000, 0);
    // A request that is answered: the position before it has arrived.
    first.ask(RequestKind::Retransmit, 1, 1);
    let rounds = publisher.counters().get(Counter::FlowWaits);
    wait_for(&publisher, Counter::FlowWaits, rounds + 100);
    assert_eq!(publisher.published(), 100, "the second is where it was");

    second.send(RequestKind::Position, 501, 0);
    wait_until_published(&publisher, 600);
    second.send(RequestKind::Position, 2, 0);
    second.ask(RequestKind::Retransmit, 1, 1);
    assert_eq!(
        publisher.published(),
        600,
        "a position never goes back, nor does it allow more"
    );
    drop(second);
    wait_until_published(&publisher, 1099);
    drop(first);
    wait_until_published(&publisher, 5000);
}

#[test]
fn clients_ask_while_ticks_are_published() {
    const TICKS: u64 = 400_000;
    let original = ticks(TICKS);
    let config = config(line([239, 192, 92, 6]).1);
    let publisher = Publisher::start(config, ThenSilence::new(original.clone())).unwrap();
    let address = publisher.recovery_addr().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                let mut as_of = 0;
                while as_of < TICKS {
                    let (status, reply, rows) = client.ask(RequestKind::Snapshot, as_of, 0);
                    assert_eq!(status, ReplyStatus::Ok);
                    assert!(reply.first_seq() >= as_of);
                    as_of = reply.first_seq();
                    for row in rows {
                        assert!(row.seq() <= as_of);
                        let original = original[row.seq() as usize - 1];
                        assert_eq!(row.body(), original.body());
                    }
                    if as_of >= 100 {
                        check_last_hundred(&mut client, as_of, &original);
                    }
                }
            });
        }
    });
    publisher.stop();
    assert_eq!(publisher.join().unwrap().published, TICKS);
}

/// The hundred ticks up to `last` are as they were published, or already gone.
fn check_last_hundred(client: &mut Client, last: u64, original: &[Tick]) {
    let (status, reply, rows) = client.ask(RequestKind::Retransmit, last - 99, 100);
    if status == ReplyStatus::TooOld {
        assert!(reply.detail() > last - 99);
    } else {
        assert_eq!((status, rows[99].seq()), (ReplyStatus::Ok, last));
        assert_published(&original[last as usize - 100..last as usize], &rows);
    }
}

#[test]
fn the_clock_says_when_it_was_asked_and_when_it_answered() {
    let publisher = publisher(&ticks(10), [239, 192, 92, 6], recovery().limits);
    let mut client = Client::connect(publisher.recovery_addr().unwrap());
    for n in 1..=10 {
        let asked = realtime_ns();
        let (status, reply, rows) = client.ask(RequestKind::Clock, asked, 0);
        let answered = realtime_ns();
        assert_eq!((status, rows.len()), (ReplyStatus::Ok, 0));
        let (received, sent) = reply.clock();
        assert!(asked <= received && received <= sent && sent <= answered);
        assert_eq!(publisher.counters().get(Counter::Clocks), n);
    }
}
