//! Snapshots: for a late joiner, and over what is too old to be had.

use super::*;

#[test]
fn a_late_joiner_splices_a_snapshot_into_the_live_stream() {
    let mut bench = Bench::new(ArbiterConfig::default());
    assert_eq!(bench.both(&data(100, 5)), "");
    let snapshot = bench.request_now();
    assert_eq!(
        (snapshot.check(), snapshot.first_seq()),
        (Ok(RequestKind::Snapshot), 99)
    );
    assert_eq!(bench.both(&data(105, 5)), "");
    assert_eq!(
        bench.snapshot(snapshot.id(), 106),
        "session 1000 from 107 after None\nsnapshot as of 106\nSnapshot 1..=3\nA 107..=109 held\n"
    );
    assert_eq!(bench.both(&data(110, 1)), "A 110..=110\n");
    assert_eq!(bench.arbiter.counters().lost, 0);
}

#[test]
fn a_late_joiner_without_a_server_goes_live_at_the_deadline() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 2));
    bench.request();
    assert_eq!(
        bench.wait(2_000 * MS),
        "session 1000 from 100 after None\n\
         alarm JoinedWithoutSnapshot { first_seq: 100 }\nA 100..=101 held\n"
    );
}

#[test]
fn too_old_is_bridged_by_a_snapshot_with_an_exact_notice() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(10, 3));
    let request = bench.request_after_reordering();
    bench.refuse(request.id(), ReplyStatus::TooOld, 9);
    let snapshot = bench.request_now();
    assert_eq!(snapshot.check(), Ok(RequestKind::Snapshot));
    assert_eq!(snapshot.first_seq(), 9);
    assert_eq!(
        bench.snapshot(snapshot.id(), 11),
        "lost 2..=9 Snapshot BothLines\nlost 10..=11 Snapshot Superseded\nsnapshot as of 11\nSnapshot 1..=3\nA 12..=12 held\n"
    );
    assert_eq!(bench.both(&data(13, 1)), "A 13..=13\n");
}

#[test]
fn one_snapshot_bridges_all_that_is_too_old() {
    let mut bench = Bench::from_start();
    for seq in [1, 3, 5, 7] {
        bench.both(&data(seq, 1));
    }
    let first = bench.request_after_reordering();
    bench.refuse(first.id(), ReplyStatus::TooOld, 5);
    let snapshot = bench.request_now();
    assert_eq!(snapshot.first_seq(), 4);
    assert_eq!(
        bench.snapshot(snapshot.id(), 4),
        "lost 2..=2 Snapshot BothLines\nlost 3..=3 Snapshot Superseded\nlost 4..=4 Snapshot BothLines\nsnapshot as of 4\nSnapshot 1..=3\nA 5..=5 held\n"
    );
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 6, 1)));
}

#[test]
fn too_old_for_what_a_line_brought_meanwhile_changes_nothing() {
    let mut bench = Bench::from_start();
    for (seq, count) in [(1, 1), (3, 30), (34, 1)] {
        bench.both(&data(seq, count));
    }
    let first = bench.request_after_reordering();
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 33, 1)));
    assert_eq!(bench.a(&data(2, 1)), "A 2..=2\nA 3..=32 held\n");
    bench.refuse(first.id(), ReplyStatus::TooOld, 35);
    assert_eq!(bench.request(), None, "seq 33 has been asked for");
}

#[test]
fn a_snapshot_older_than_asked_is_refused_and_asked_for_again() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    let snapshot = bench.request_now();
    assert_eq!(bench.snapshot(snapshot.id(), 98), "");
    assert_eq!(bench.arbiter.counters().recovery_lies, 1);
    bench.wait(MS);
    assert_eq!(bench.request(), Some((RequestKind::Snapshot, 99, 0)));
}

#[test]
fn a_snapshot_from_far_ahead_blinds_nobody() {
    for as_of in [105 + (1 << 24), u64::MAX - 1, u64::MAX] {
        let mut bench = Bench::new(ArbiterConfig::default());
        bench.both(&data(100, 5));
        let snapshot = bench.request_now();
        assert_eq!(bench.snapshot(snapshot.id(), as_of), "");
        assert_eq!(bench.arbiter.counters().recovery_lies, 1);
        bench.wait(MS);
        let again = bench.request_now();
        assert!(
            bench
                .snapshot(again.id(), 104)
                .ends_with("Snapshot 1..=3\n")
        );
        assert_eq!(bench.both(&data(105, 1)), "A 105..=105\n");
    }
}

#[test]
fn a_snapshot_that_breaks_off_is_begun_anew() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    let id = bench.request_now().id();
    let begun = "session 1000 from 101 after None\nsnapshot as of 100\nSnapshot 7..=7\n";
    assert_eq!(bench.half_a_snapshot(id), begun);
    assert_eq!(bench.recovered(Recovered::Failed { id }), "");
    bench.wait(MS);
    let again = bench.request_now();
    assert_eq!(again.first_seq(), 100);
    assert_eq!(
        bench.snapshot(again.id(), 102),
        "lost 101..=102 Snapshot Superseded\nsnapshot as of 102\nSnapshot 1..=3\nA 103..=104 held\n"
    );
}

#[test]
fn a_snapshot_that_stays_half_raises_an_alarm() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    let id = bench.request_now().id();
    bench.half_a_snapshot(id);
    bench.recovered(Recovered::Failed { id });
    assert_eq!(
        bench.wait(2_000 * MS),
        "alarm JoinedWithoutSnapshot { first_seq: 101 }\nA 101..=104 held\n"
    );
}

#[test]
fn a_snapshot_of_another_session_is_asked_for_again_ever_more_seldom() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&data(100, 5));
    // The server is of the next session already, whose packets have not come yet.
    let mut waits = Vec::new();
    for _ in 0..9 {
        let request = bench.request_now();
        assert_eq!(request.check(), Ok(RequestKind::Snapshot));
        let asked = bench.now;
        bench.refuse(request.id(), ReplyStatus::OtherSession, SESSION + 1);
        while bench.arbiter.next_deadline().unwrap() > bench.now {
            bench.now = bench.arbiter.next_deadline().unwrap();
            assert_eq!(bench.wait(0), "");
        }
        waits.push((bench.now - asked) / MS);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 100, 100]);
    assert_eq!(
        bench.wait(2_000 * MS),
        "session 1000 from 100 after None\nalarm JoinedWithoutSnapshot { first_seq: 100 }\nA 100..=104 held\n"
    );
}
