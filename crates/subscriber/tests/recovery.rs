//! Healing over TCP with servers of every kind: whatever they do, delivered and lost is what was
//! promised.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use support::{
    Checker, Feed, SESSION, assert_kept, blocks, packet, refuse, reply, retransmit, serve,
    snapshot, thread, tick, unserved, wait_for, wait_for_end,
};
use tickcast_subscriber::{
    LossReason, Outcome, Provenance, SessionStart, Start, Stats, SubscriberBuilder,
    SubscriberConfig,
};
use tickcast_wire::{
    BLOCK_ROWS, Block, PacketHeader, Reply, ReplyStatus, Request, RequestKind, TickSum,
};
use zerocopy::{FromZeros, IntoBytes};

/// Ticks 1 to 30 with 11 to 15 on neither line, healed by this server as far as it can.
fn heal(server: SocketAddr) -> (Outcome<Checker>, Stats) {
    let feed = Feed::new();
    let config = feed.subscriber(Some(server));
    heal_as(config, feed, |_| true)
}

/// The same with a server that cannot, whose failure is seen before the session ends.
fn give_up(server: SocketAddr, has_failed: impl Fn(&Stats) -> bool) -> (Outcome<Checker>, Stats) {
    let feed = Feed::new();
    let mut config = feed.subscriber(Some(server));
    config.arbiter.tries = 3;
    config.arbiter.recovery_deadline = 300_000_000;
    heal_as(config, feed, has_failed)
}

fn heal_as(
    config: SubscriberConfig,
    mut feed: Feed,
    may_end: impl Fn(&Stats) -> bool,
) -> (Outcome<Checker>, Stats) {
    let mut builder = SubscriberBuilder::new(config);
    let checker = builder
        .attach(Checker::default(), &thread("tc-checker"))
        .unwrap();
    let mut subscriber = builder.start().unwrap();
    feed.publish(10);
    feed.skip(5);
    feed.publish(15);
    wait_for(&mut subscriber, "as far as it may end", may_end);
    feed.end();
    wait_for_end(&mut subscriber);
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&checker).unwrap();
    assert_kept(&outcome, 30);
    assert_eq!(stopped.failed_threads, 0);
    (outcome, stopped.stats)
}

/// Every tick came, five of them by retransmit.
fn assert_healed((outcome, stats): &(Outcome<Checker>, Stats)) {
    assert_eq!(outcome.account.lost, 0, "{stats:#?}");
    assert_eq!(outcome.strategy.by[Provenance::Retransmit as usize], 5);
    assert_eq!(stats.counters.retransmitted, 5);
}

/// The five ticks that no line brought are lost by notice, and nothing else.
fn assert_given_up((outcome, stats): &(Outcome<Checker>, Stats)) {
    let expected = [(11, 5, LossReason::RecoveryDeadline)];
    assert_eq!(outcome.strategy.lost(), expected, "{stats:#?}");
}

/// A server that answers the first requests in a way of its own, and then as a sound one.
fn first_otherwise(
    mut faults: usize,
    mut otherwise: impl FnMut(&Request, &mut TcpStream) -> bool + Send + 'static,
) -> SocketAddr {
    serve(move |request, stream| {
        if faults == 0 {
            return retransmit(request, stream);
        }
        faults -= 1;
        otherwise(request, stream)
    })
}

#[test]
fn a_gap_is_healed_by_retransmit() {
    let result = heal(serve(retransmit));
    assert_healed(&result);
    let counters = result.1.counters;
    assert_eq!(
        (
            counters.gaps,
            counters.gap_ticks,
            counters.retransmit_requests
        ),
        (1, 5, 1)
    );
    assert_eq!(result.1.recovery_connects, 1);
}

#[test]
fn an_absent_server_costs_only_what_the_lines_lost() {
    let (_port, address) = unserved();
    let result = give_up(address, |stats| stats.recovery_connect_failures > 0);
    assert_given_up(&result);
}

#[test]
fn a_server_that_never_answers() {
    let result = give_up(serve(|_, _| true), |_| true);
    assert_given_up(&result);
    assert_eq!(result.1.counters.retransmitted, 0);
}

#[test]
fn a_server_that_answers_byte_by_byte_for_ever() {
    let server = serve(|request, stream| {
        let header = Reply::new(request, SESSION, ReplyStatus::Ok, 0).with_ticks(11, 5);
        let rows: Vec<_> = (11..16).map(|seq| tick(SESSION, seq)).collect();
        let block = Block::new(request.id(), 0, 5, TickSum::of(&rows));
        let rows = [block.as_bytes(), rows.as_bytes()].concat();
        let mut bytes = header.as_bytes().iter().chain(&rows);
        bytes.all(|&byte| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            stream.write_all(&[byte]).is_ok()
        })
    });
    assert_given_up(&give_up(server, |_| true));
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_reply() {
    let result = heal(first_otherwise(1, |request, stream| {
        let header = Reply::new(request, SESSION, ReplyStatus::Ok, 0).with_ticks(11, 5);
        let rows: Vec<_> = (11..16).map(|seq| tick(SESSION, seq)).collect();
        let block = Block::new(request.id(), 0, 5, TickSum::of(&rows));
        let cut_off = [block.as_bytes(), rows[..2].as_bytes()].concat();
        reply(stream, header, &[]);
        let _ = stream.write_all(&cut_off);
        false
    }));
    assert_healed(&result);
    assert_eq!(result.1.counters.recovery_failures, 1);
    assert_eq!(result.1.recovery_connects, 2);
}

#[test]
fn a_server_that_answers_another_range() {
    let result = heal(first_otherwise(1, |request, stream| {
        let header = Reply::new(request, SESSION, ReplyStatus::Ok, 0).with_ticks(12, 5);
        let rows: Vec<_> = (12..17).map(|seq| tick(SESSION, seq)).collect();
        reply(stream, header, &rows)
    }));
    assert_healed(&result);
    assert_eq!(result.1.counters.recovery_failures, 1);
}

#[test]
fn a_server_that_sends_other_ticks_than_it_announces() {
    let result = heal(first_otherwise(1, |request, stream| {
        let header = Reply::new(request, SESSION, ReplyStatus::Ok, 0).with_ticks(11, 5);
        let rows: Vec<_> = (21..26).map(|seq| tick(SESSION, seq)).collect();
        reply(stream, header, &rows)
    }));
    assert_healed(&result);
    assert_eq!(result.1.counters.recovery_lies, 1);
}

#[test]
fn a_server_that_sends_too_few_rows() {
    let result = heal(first_otherwise(1, |request, stream| {
        let header = Reply::new(request, SESSION, ReplyStatus::Ok, 0).with_ticks(11, 4);
        let rows: Vec<_> = (11..15).map(|seq| tick(SESSION, seq)).collect();
        reply(stream, header, &rows)
    }));
    assert_healed(&result);
    assert_eq!(result.1.counters.recovery_failures, 1);
}

#[test]
fn a_server_that_answers_for_another_session() {
    let server = serve(|request, stream| {
        let header = Reply::new(request, SESSION - 1, ReplyStatus::Ok, 0).with_ticks(11, 5);
        let rows: Vec<_> = (11..16).map(|seq| tick(SESSION - 1, seq)).collect();
        reply(stream, header, &rows)
    });
    let has_failed = |stats: &Stats| stats.counters.recovery_failures > 0;
    assert_given_up(&give_up(server, has_failed));
}

/// A reply in which the byte at `at` of its block of ticks is another.
fn damaged(at: usize, request: &Request, stream: &mut TcpStream) -> bool {
    let header = Reply::new(request, SESSION, ReplyStatus::Ok, 0).with_ticks(11, 5);
    let rows: Vec<_> = (11..16).map(|seq| tick(SESSION, seq)).collect();
    let block = Block::new(request.id(), 0, 5, TickSum::of(&rows));
    let mut bytes = [header.as_bytes(), block.as_bytes(), rows.as_bytes()].concat();
    bytes[at] ^= 1;
    stream.write_all(&bytes).is_ok()
}

#[test]
fn a_damaged_reply_is_asked_for_again() {
    // The session and the checksum of the reply, the count of the block, a price, a seq.
    for at in [8, 60, 64 + 4, 128 + 32, 128 + 3 * 64 + 8] {
        let damage = move |request: &Request, stream: &mut _| damaged(at, request, stream);
        let result = heal(first_otherwise(1, damage));
        assert_healed(&result);
        let counters = result.1.counters;
        let failed = (counters.recovery_failures, counters.recovery_lies);
        assert_eq!(failed, (1, 0), "byte {at}");
    }
}

#[test]
fn a_server_that_talks_nonsense() {
    let result = heal(first_otherwise(2, |_, stream| {
        let _ = stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nDate: never\r\n\r\n");
        false
    }));
    assert_healed(&result);
    assert_eq!(result.1.counters.recovery_failures, 2);
}

#[test]
fn a_busy_server_is_asked_again() {
    let result = heal(first_otherwise(2, |request, stream| {
        refuse(request, stream, ReplyStatus::Busy, 1_000_000)
    }));
    assert_healed(&result);
    let counters = result.1.counters;
    assert_eq!(
        (counters.recovery_refusals, counters.recovery_failures),
        (2, 0)
    );
}

#[test]
fn what_is_too_old_is_replaced_by_a_snapshot() {
    let server = serve(|request, stream| match request.check() {
        Ok(RequestKind::Retransmit) => refuse(request, stream, ReplyStatus::TooOld, 14),
        _ => snapshot(request, stream, 17),
    });
    let (outcome, stats) = heal(server);
    // Five that never came, and two that were held when the snapshot took their place.
    let lost = [(11, 5, LossReason::Snapshot), (16, 2, LossReason::Snapshot)];
    assert_eq!(outcome.strategy.lost(), lost);
    assert_eq!(
        (outcome.strategy.snapshots, outcome.strategy.rows),
        (vec![17], 3)
    );
    assert_eq!(
        (stats.counters.snapshots, stats.counters.snapshot_ticks),
        (1, 3)
    );
    assert_eq!(outcome.account.delivered, 23);
}

#[test]
fn a_late_joiner_splices_the_snapshot_with_live_ticks() {
    let mut feed = Feed::new();
    feed.skip(100);
    let server = serve(|request, stream| {
        assert!(
            request.first_seq() >= 100,
            "no older than the first live tick"
        );
        snapshot(request, stream, 130)
    });
    let mut config = feed.subscriber(Some(server));
    config.arbiter.start = Start::Live;
    let mut builder = SubscriberBuilder::new(config);
    let checker = builder
        .attach(Checker::default(), &thread("tc-checker"))
        .unwrap();
    let mut subscriber = builder.start().unwrap();
    for _ in 0..5 {
        feed.publish(10);
    }
    feed.end();
    wait_for_end(&mut subscriber);
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&checker).unwrap();
    assert_kept(&outcome, 20);
    assert_eq!(outcome.account.lost, 0);
    let start = SessionStart {
        session: SESSION,
        first_seq: 131,
        previous: None,
    };
    assert_eq!(outcome.strategy.sessions, [start]);
    assert_eq!(outcome.strategy.snapshots, [130]);
}

#[test]
fn a_restart_in_the_middle_of_healing_ends_the_old_session_by_notice() {
    let mut feed = Feed::new();
    let mut builder = SubscriberBuilder::new(feed.subscriber(Some(serve(|_, _| true))));
    let checker = builder
        .attach(Checker::default(), &thread("tc-checker"))
        .unwrap();
    let mut subscriber = builder.start().unwrap();
    feed.publish(10);
    feed.skip(5);
    feed.publish(15);
    wait_for(&mut subscriber, "asked", |stats| {
        stats.counters.retransmit_requests > 0
    });
    feed.restart();
    feed.publish(12);
    feed.end();
    wait_for_end(&mut subscriber);
    let outcome = subscriber.stop().take(&checker).unwrap();
    assert_kept(&outcome, 30 + 12);
    assert_eq!(
        outcome.strategy.lost(),
        [(11, 5, LossReason::SessionChange)]
    );
}

#[test]
fn stopping_does_not_wait_for_an_endless_reply() {
    let mut feed = Feed::new();
    let server = serve(|request, stream| {
        let rows = 1 << 26;
        let header = Reply::new(request, SESSION, ReplyStatus::Ok, 0).with_ticks(500, rows);
        let row = tick(SESSION, 500).with_flags(tickcast_wire::Flags::SNAPSHOT);
        let many = [row; BLOCK_ROWS];
        let mut befores = (0..rows).step_by(many.len());
        reply(stream, header, &[]) && befores.all(|before| blocks(stream, &header, before, &many))
    });
    feed.skip(500);
    let mut config = feed.subscriber(Some(server));
    config.arbiter.start = Start::Live;
    let mut subscriber = SubscriberBuilder::new(config).start().unwrap();
    feed.publish(1);
    wait_for(&mut subscriber, "rows of the snapshot", |stats| {
        stats.counters.snapshot_ticks > 0
    });
    let stopped = subscriber.stop();
    assert_eq!(stopped.failed_threads, 0);
    assert_eq!(stopped.stats.counters.snapshots, 0);
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_costs_no_try() {
    let (closed, is_closed) = std::sync::mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Request::new_zeroed();
            stream.read_exact(request.as_mut_bytes()).unwrap();
            retransmit(&request, &mut stream);
            drop(stream);
            closed.send(()).unwrap();
        }
    });
    let mut feed = Feed::new();
    let mut builder = SubscriberBuilder::new(feed.subscriber(Some(server)));
    let checker = builder.attach_inline(Checker::default());
    let mut subscriber = builder.start().unwrap();
    for _ in 0..3 {
        feed.publish(10);
        feed.skip(5);
        feed.publish(5);
        is_closed.recv().unwrap();
    }
    feed.end();
    wait_for_end(&mut subscriber);
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&checker).unwrap();
    assert_kept(&outcome, 60);
    assert_eq!(stopped.stats.recovery_connects, 3);
    assert_eq!(stopped.stats.counters.recovery_failures, 0);
}

#[test]
fn what_comes_late_by_a_line_is_not_delivered_again() {
    let mut feed = Feed::new();
    let mut builder = SubscriberBuilder::new(feed.subscriber(Some(serve(retransmit))));
    let checker = builder.attach_inline(Checker::default());
    let mut subscriber = builder.start().unwrap();
    feed.publish(10);
    feed.skip(5);
    feed.publish(15);
    wait_for(&mut subscriber, "healed", |stats| {
        stats.counters.delivered == 30
    });
    feed.send_both(&packet(PacketHeader::data(SESSION, 0, 11, 5)));
    feed.end();
    wait_for_end(&mut subscriber);
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&checker).unwrap();
    assert_kept(&outcome, 30);
    let duplicates = stopped.stats.counters.lines.map(|line| line.duplicates);
    assert_eq!(duplicates.iter().sum::<u64>(), 25 + 10);
}

#[test]
fn a_restart_while_a_snapshot_is_awaited_ends_the_old_session_by_notice() {
    let mut feed = Feed::new();
    let server = serve(|request, stream| match request.check() {
        Ok(RequestKind::Retransmit) => refuse(request, stream, ReplyStatus::TooOld, 14),
        _ => true,
    });
    let mut builder = SubscriberBuilder::new(feed.subscriber(Some(server)));
    let checker = builder
        .attach(Checker::default(), &thread("tc-checker"))
        .unwrap();
    let mut subscriber = builder.start().unwrap();
    feed.publish(10);
    feed.skip(5);
    feed.publish(15);
    wait_for(&mut subscriber, "asked for a snapshot", |stats| {
        stats.counters.snapshot_requests > 0
    });
    feed.restart();
    feed.publish(12);
    feed.end();
    wait_for_end(&mut subscriber);
    let outcome = subscriber.stop().take(&checker).unwrap();
    assert_kept(&outcome, 30 + 12);
    assert_eq!(
        outcome.strategy.lost(),
        [(11, 5, LossReason::SessionChange)]
    );
}
