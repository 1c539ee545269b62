//! Lines A and B over real sockets on loopback.

mod support;

use support::{
    Checker, Feed, SESSION, assert_kept, packet, packet_of, thread, tick, wait_for, wait_for_end,
};
use tickcast_subscriber::{LossReason, Provenance, SubscriberBuilder};
use tickcast_wire::PacketHeader;

#[test]
fn what_one_line_lacks_the_other_brings() {
    let mut feed = Feed::new();
    let mut builder = SubscriberBuilder::new(feed.subscriber(None));
    let inline = builder.attach_inline(Checker::default());
    let queued = builder
        .attach(Checker::default(), &thread("tc-queued"))
        .unwrap();
    let mut subscriber = builder.start().unwrap();

    for round in 0..60 {
        let bytes = feed.data(21);
        // Line A lacks every third packet, line B every fourth of the others.
        if round % 3 != 1 {
            feed.send_on(0, &bytes);
        }
        if round % 3 == 1 || round % 4 != 1 {
            feed.send_on(1, &bytes);
        }
    }
    feed.end();
    wait_for_end(&mut subscriber);
    let mut stopped = subscriber.stop();
    for attached in [&inline, &queued] {
        let outcome = stopped.take(attached).unwrap();
        assert_kept(&outcome, 60 * 21);
        assert_eq!(
            (outcome.account.delivered, outcome.account.lost),
            (60 * 21, 0)
        );
        assert!(
            outcome.strategy.by[Provenance::B as usize] > 0,
            "line B won too"
        );
        assert_eq!(outcome.strategy.ended, [(SESSION, 60 * 21)]);
    }
    let counters = stopped.stats.counters;
    assert_eq!(counters.gaps, 0);
    assert_eq!(
        counters.lines.map(|line| line.won).iter().sum::<u64>(),
        60 * 21
    );
    assert_eq!(stopped.failed_threads, 0);
}

#[test]
fn without_recovery_the_exact_range_is_lost_by_notice() {
    let mut feed = Feed::new();
    let mut builder = SubscriberBuilder::new(feed.subscriber(None));
    let checker = builder.attach_inline(Checker::default());
    let mut subscriber = builder.start().unwrap();
    feed.publish(10);
    feed.skip(5);
    feed.publish(15);
    feed.skip(2);
    feed.send_both(&feed.heartbeat());
    feed.end();
    wait_for_end(&mut subscriber);
    let outcome = subscriber.stop().take(&checker).unwrap();
    assert_kept(&outcome, 32);
    let expected = [
        (11, 5, LossReason::NoRecovery),
        (31, 2, LossReason::NoRecovery),
    ];
    assert_eq!(outcome.strategy.lost(), expected);
}

#[test]
fn a_restart_names_what_the_old_session_had() {
    let mut feed = Feed::new();
    let mut builder = SubscriberBuilder::new(feed.subscriber(None));
    let checker = builder
        .attach(Checker::default(), &thread("tc-checker"))
        .unwrap();
    let mut subscriber = builder.start().unwrap();
    feed.publish(10);
    feed.publish(10);
    // By both lines: what the old session still has to say would be stale as well.
    wait_for(&mut subscriber, "20 delivered", |stats| {
        let by_both = stats.counters.lines.iter().all(|line| line.datagrams == 2);
        stats.counters.delivered == 20 && by_both
    });
    // The last seven never arrive; the new session says that there were 27.
    feed.skip(7);
    feed.restart();
    feed.publish(21);
    // The old publisher is not quite dead.
    feed.send_both(&packet(PacketHeader::data(SESSION, 0, 21, 7)));
    feed.publish(4);
    feed.end();
    wait_for_end(&mut subscriber);
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&checker).unwrap();
    assert_kept(&outcome, 27 + 25);
    assert_eq!(
        outcome.strategy.lost(),
        [(21, 7, LossReason::SessionChange)]
    );
    let [first, second] = outcome.strategy.sessions[..] else {
        panic!("two sessions: {:?}", outcome.strategy.sessions);
    };
    assert_eq!((first.session, first.previous), (SESSION, None));
    assert_eq!(
        (
            second.session,
            second.previous.map(|it| (it.session, it.last_seq))
        ),
        (SESSION + 1, Some((SESSION, 27)))
    );
    let stale: u64 = stopped
        .stats
        .counters
        .lines
        .iter()
        .map(|line| line.stale_session)
        .sum();
    assert_eq!(stale, 2);
}

#[test]
fn foreign_and_malformed_datagrams_are_counted_by_name() {
    let mut feed = Feed::new();
    let mut builder = SubscriberBuilder::new(feed.subscriber(None));
    let checker = builder.attach_inline(Checker::default());
    let mut subscriber = builder.start().unwrap();
    feed.publish(3);
    let sound = packet(PacketHeader::data(SESSION, 0, 4, 2));
    let mut newer = sound.clone();
    newer[4] = 2;
    let mut unknown = sound.clone();
    unknown[5] = 9;
    let mut damaged = sound.clone();
    damaged[64 + 40] ^= 1;
    let wrong_seq = [tick(SESSION, 4), tick(SESSION, 6)];
    let wrong_seq = packet_of(PacketHeader::data(SESSION, 0, 4, 2), &wrong_seq);
    for bytes in [
        &[b'x'; 200][..],
        &sound[..63],
        &newer,
        &unknown,
        &sound[..sound.len() - 1],
        &packet(PacketHeader::data(SESSION, 0, 0, 0)),
        &packet(PacketHeader::heartbeat(SESSION, 0, 0)),
        &damaged,
        &wrong_seq,
        &packet(PacketHeader::data(SESSION, 7, 4, 2)),
        &packet(PacketHeader::data(SESSION - 1, 0, 4, 2)),
        &packet_of(PacketHeader::heartbeat(u64::MAX, 0, 4), &[]),
    ] {
        feed.send_on(0, bytes);
    }
    // A datagram without a single byte, which the sender would not send.
    feed.send_nothing_on(0);
    feed.publish(3);
    feed.end();
    wait_for_end(&mut subscriber);
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&checker).unwrap();
    assert_kept(&outcome, 6);
    assert_eq!(outcome.account.lost, 0);
    let line = stopped.stats.counters.lines[0];
    assert_eq!(
        (line.foreign, line.truncated, line.newer_version),
        (1, 2, 1)
    );
    assert_eq!(
        (line.unknown_kind, line.wrong_length, line.damaged),
        (1, 2, 1)
    );
    assert_eq!((line.seq_out_of_range, line.wrong_tick_seq), (1, 1));
    assert_eq!(
        (line.other_channel, line.stale_session, line.future_session),
        (1, 1, 1)
    );
    assert_eq!(stopped.stats.counters.lines[1].refused(), 0);
}
