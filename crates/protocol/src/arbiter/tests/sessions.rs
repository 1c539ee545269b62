//! Sessions: one that follows another, one that is older, the end.

use super::*;

#[test]
fn a_restart_abandons_the_old_session_with_an_exact_notice() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    bench.both(&data(5, 1));
    let header = PacketHeader::data(SESSION + 1, 0, 1, 1)
        .with_ts_sent(SESSION + 1)
        .with_previous(previous(8, 0));
    let packet = packet(header, &[published(1)]);
    assert_eq!(
        bench.a(&packet),
        "lost 3..=4 SessionChange BothLines\nA 5..=5 held\nlost 6..=8 SessionChange BothLines\n\
         session 1001 from 1 after Some((1000, 8))\nA 1..=1\n"
    );
    assert_eq!(bench.b(&data(6, 1)), "", "the old session is over");
    assert_eq!(bench.arbiter.counters().lines[1].stale_session, 1);
    assert_eq!(bench.b(&packet), "");
}

#[test]
fn a_restart_while_a_snapshot_is_awaited_loses_the_rest_by_notice() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    bench.both(&data(5, 1));
    let request = bench.request_after_reordering();
    bench.refuse(request.id(), ReplyStatus::TooOld, 5);
    assert_eq!(bench.request(), Some((RequestKind::Snapshot, 4, 0)));
    assert_eq!(
        bench.a(&data_of(SESSION + 1, 1, 1)),
        "lost 3..=4 SessionChange BothLines\nA 5..=5 held\nsession 1001 from 1 after None\nA 1..=1\n"
    );
    // A late joiner that was told of no session is owed nothing of it.
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    assert_eq!(
        bench.a(&data_of(SESSION + 1, 1, 1)),
        "session 1001 from 1 after None\nA 1..=1\n"
    );
}

#[test]
fn a_restart_wants_the_new_session_from_its_start() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    let packet = data_of(SESSION + 1, 4, 1);
    assert_eq!(bench.both(&packet), "session 1001 from 1 after None\n");
    let request = bench.request_after_reordering();
    assert_eq!(
        (request.session(), request.first_seq(), request.count()),
        (SESSION + 1, 1, 3)
    );
}

#[test]
fn a_session_that_changes_inside_half_a_snapshot_is_left_with_an_alarm() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    let id = bench.request_now().id();
    assert_eq!(
        bench.half_a_snapshot(id),
        "session 1000 from 101 after None\nsnapshot as of 100\nSnapshot 7..=7\n"
    );
    let header = PacketHeader::data(SESSION + 1, 0, 1, 1)
        .with_ts_sent(SESSION + 1)
        .with_previous(previous(106, 0));
    let packet = packet(header, &[published(1)]);
    assert_eq!(
        bench.both(&packet),
        "alarm JoinedWithoutSnapshot { first_seq: 101 }\nA 101..=104 held\n\
         lost 105..=106 SessionChange BothLines\n\
         session 1001 from 1 after Some((1000, 106))\nA 1..=1\n"
    );
    // The rest of the snapshot is of no interest any more.
    assert_eq!(bench.snapshot(id, 100), "");
    assert_eq!(bench.both(&data_of(SESSION + 1, 2, 1)), "A 2..=2\n");
    assert_eq!(bench.request(), None);
}

#[test]
fn answers_about_another_session_are_never_delivered() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(3, 1));
    let old = bench.request_after_reordering();
    bench.both(&data_of(SESSION + 1, 2, 1));
    assert_eq!(bench.retransmit(old.id(), 2, 1), "");
    assert_eq!(bench.arbiter.next_seq(), 1);
    let request = bench.request_after_reordering();
    assert_eq!(
        bench.refuse(request.id(), ReplyStatus::OtherSession, SESSION + 2),
        "lost 1..=1 SessionChange BothLines\nA 2..=2 held\n"
    );
}

#[test]
fn a_second_publisher_with_an_older_session_raises_one_alarm() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    let mut alarms = String::new();
    for seq in 1..2_000 {
        alarms += &bench.a(&data_of(SESSION - 1, seq, 1));
    }
    assert_eq!(alarms, "alarm OlderSession { session: 999 }\n");
}

#[test]
fn damaged_sessions_do_not_take_over() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    let header = PacketHeader::data(u64::MAX, 0, 1, 1).with_ts_sent(SESSION);
    let packet = packet(header, &[published(1)]);
    assert_eq!(bench.a(&packet), "");
    assert_eq!(bench.arbiter.counters().lines[0].future_session, 1);
    assert_eq!(bench.arbiter.session(), SESSION);
}

#[test]
fn the_end_waits_for_what_is_missing() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    assert_eq!(bench.both(&end(5)), "");
    let request = bench.request_after_reordering();
    assert_eq!(
        bench.retransmit(request.id(), 3, 2),
        "Retransmit 3..=4\nend of 1000 at 4\n"
    );
    assert_eq!(bench.both(&end(5)), "");
    assert_eq!(bench.arbiter.next_deadline(), None);
}

#[test]
fn an_empty_session_ends_at_once() {
    let mut bench = Bench::from_start();
    assert_eq!(
        bench.both(&end(1)),
        "session 1000 from 1 after None\nend of 1000 at 0\n"
    );
}
