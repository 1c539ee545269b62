//! Gaps on both lines: what is asked for, and when a gap is healed or given up.

use super::*;

#[test]
fn a_loss_on_both_lines_is_asked_for_after_the_reorder_window() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(5, 1));
    let request = bench.request_after_reordering();
    assert_eq!(
        (request.first_seq(), request.count(), request.session()),
        (2, 3, SESSION)
    );
    assert_eq!(bench.request(), None, "one request a gap");
    assert_eq!(
        bench.retransmit(request.id(), 2, 3),
        "Retransmit 2..=4\nA 5..=5 held\n"
    );
    let counters = bench.arbiter.counters();
    assert_eq!(
        (counters.gaps, counters.gap_ticks, counters.retransmitted),
        (1, 3, 3)
    );
}

#[test]
fn a_gap_is_timed_from_being_seen_to_being_closed() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(5, 1));
    let request = bench.request_after_reordering();
    bench.now += 30_000;
    bench.retransmit(request.id(), 2, 3);
    // What the other line fills needs no healing.
    bench.a(&data(7, 1));
    bench.b(&data(6, 2));
    assert_eq!(bench.trace.healed, [70_000]);
    assert_eq!(bench.arbiter.counters().heal_ns_max, 70_000);
}

#[test]
fn a_heartbeat_shows_that_the_last_packet_was_lost() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&heartbeat(4));
    let request = bench.request_after_reordering();
    assert_eq!((request.first_seq(), request.count()), (2, 2));
    assert_eq!(bench.retransmit(request.id(), 2, 2), "Retransmit 2..=3\n");
    assert_eq!(
        bench.both(&heartbeat(2)),
        "",
        "a heartbeat that goes back changes nothing"
    );
    assert_eq!(bench.arbiter.next_seq(), 4);
}

#[test]
fn several_gaps_are_asked_for_at_once() {
    let mut bench = Bench::from_start();
    for seq in [1, 3, 103, 203] {
        bench.both(&data(seq, 1));
        bench.both(&data(seq + 1, 30));
    }
    bench.wait(0);
    bench.wait(40_000);
    let asked: Vec<_> = std::iter::from_fn(|| bench.request())
        .map(|(_, seq, _)| seq)
        .collect();
    assert_eq!(asked, [34, 134]);
}

#[test]
fn gaps_close_together_are_asked_for_at_once() {
    let mut bench = Bench::from_start();
    for (seq, count) in [(1, 1), (3, 21), (25, 22), (49, 1)] {
        bench.both(&data(seq, count));
    }
    bench.wait(0);
    bench.wait(40_000);
    // 21 ticks lie between the first two, 22 before the third.
    let request = bench.request_now();
    assert_eq!((request.first_seq(), request.count()), (2, 23));
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 47, 2)));
    assert_eq!(
        bench.retransmit(request.id(), 2, 23),
        "Retransmit 2..=2\nA 3..=23 held\nRetransmit 24..=24\nA 25..=46 held\n",
        "what lies between has come by a line"
    );
    let counters = bench.arbiter.counters();
    assert_eq!(
        (counters.retransmitted, counters.retransmit_duplicates),
        (2, 21)
    );
}

#[test]
fn gaps_asked_for_together_stay_within_the_most_of_a_request() {
    let mut bench = Bench::from_start_with(|it| it.retransmit_ticks = 4);
    for seq in [1, 3, 6, 8] {
        bench.both(&data(seq, 1));
    }
    bench.wait(0);
    bench.wait(40_000);
    let request = bench.request_now();
    assert_eq!((request.first_seq(), request.count()), (2, 4));
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 7, 1)));
    // A part that does not come is asked for again, by itself.
    bench.retransmit(request.id(), 2, 1);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 4, 2)));
}

#[test]
fn a_reply_without_ticks_leaves_everything_missing() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(9, 1));
    let request = bench.request_after_reordering();
    assert_eq!(bench.retransmit(request.id(), 4, 0), "");
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 2, 7)));
}

#[test]
fn what_is_left_of_a_request_that_was_too_old_is_asked_for_again() {
    let mut bench = Bench::from_start();
    for seq in [1, 3, 5] {
        bench.both(&data(seq, 1));
    }
    let both = bench.request_after_reordering();
    assert_eq!((both.first_seq(), both.count()), (2, 3));
    assert_eq!(bench.a(&data(2, 1)), "A 2..=2\nA 3..=3 held\n");
    bench.refuse(both.id(), ReplyStatus::TooOld, 4);
    assert_eq!(bench.request(), None);
    bench.wait(MS);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 4, 1)));
}

#[test]
fn without_recovery_a_loss_is_named_and_the_stream_goes_on() {
    let mut bench = Bench::from_start_with(|it| {
        it.recovery = false;
        it.line_b = false;
    });
    bench.a(&data(1, 1));
    bench.a(&data(4, 1));
    bench.wait(0);
    assert_eq!(
        bench.wait(40_000),
        "lost 2..=3 NoRecovery LineA\nA 4..=4 held\n"
    );
    assert_eq!(
        bench.a(&data(2, 2)),
        "",
        "too late: a lost tick is never delivered"
    );
}

#[test]
fn a_gap_that_cannot_be_healed_is_given_up_at_the_deadline() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(3, 1));
    let request = bench.request_after_reordering();
    bench.wait(1_000 * MS);
    assert_eq!(bench.recovered(Recovered::Failed { id: request.id() }), "");
    assert_eq!(
        bench.wait(1_000 * MS),
        "lost 2..=2 RecoveryDeadline BothLines\nA 3..=3 held\n"
    );
    assert_eq!(bench.retransmit(request.id(), 2, 1), "");
}
