//! What the lines claim to have sent and the publisher denies.

use super::*;

#[test]
fn a_claim_that_the_publisher_denies_is_forgotten() {
    let mut bench = Bench::from_start_with(|it| it.tries = 5);
    bench.both(&data(1, 1));
    bench.both(&heartbeat(50));
    let mut id = bench.request_after_reordering().id();
    for _ in 0..6 {
        bench.refuse(id, ReplyStatus::NotYet, 2);
        bench.wait(100 * MS);
        match bench.arbiter.poll_request(bench.now) {
            Some(request) => id = request.id(),
            None => break,
        }
    }
    assert_eq!(bench.both(&data(2, 2)), "A 2..=3\n");
    assert_eq!(bench.arbiter.counters().lost, 0);
}

#[test]
fn a_denied_claim_beyond_the_window_leaves_what_is_held() {
    let mut bench = Bench::from_start_with(|it| {
        it.hold_ticks = 8;
        it.tries = 1;
    });
    bench.both(&data(1, 1));
    bench.both(&data(3, 1));
    // The second copy confirms what is so far ahead.
    bench.both(&heartbeat(19));
    bench.both(&heartbeat(19));
    let both_gaps = bench.request_after_reordering();
    bench.refuse(both_gaps.id(), ReplyStatus::NotYet, 4);
    let real = bench.request_now();
    let claimed = bench.request_now();
    assert_eq!((real.first_seq(), claimed.first_seq()), (2, 4));
    bench.refuse(claimed.id(), ReplyStatus::NotYet, 4);
    assert_eq!(
        bench.retransmit(real.id(), 2, 1),
        "Retransmit 2..=2\nA 3..=3 held\n"
    );
}

#[test]
fn what_is_real_of_a_denied_claim_is_asked_for_anew() {
    let mut bench = Bench::from_start_with(|it| it.tries = 3);
    bench.both(&data(1, 1));
    // 2 and 3 were lost on both lines; the rest of the claim was never sent.
    bench.both(&heartbeat(50));
    let mut request = bench.request_after_reordering();
    for _ in 0..3 {
        assert_eq!((request.first_seq(), request.count()), (2, 48));
        bench.refuse(request.id(), ReplyStatus::NotYet, 4);
        bench.wait(100 * MS);
        request = bench.request_now();
    }
    assert_eq!(request.check(), Ok(RequestKind::Retransmit));
    assert_eq!((request.first_seq(), request.count()), (2, 2));
    assert_eq!(bench.retransmit(request.id(), 2, 2), "Retransmit 2..=3\n");
    assert_eq!(bench.both(&data(4, 1)), "A 4..=4\n");
}

#[test]
fn a_denied_claim_takes_no_other_gap_along() {
    let mut bench = Bench::from_start_with(|it| it.tries = 1);
    bench.both(&data(1, 1));
    bench.both(&data(3, 30));
    bench.both(&heartbeat(36));
    let first = bench.request_after_reordering();
    let second = bench.request_now();
    assert_eq!((first.first_seq(), second.first_seq()), (2, 33));
    // A server that lags behind the lines denies what has been delivered, too.
    bench.refuse(second.id(), ReplyStatus::NotYet, 1);
    bench.recovered(Recovered::Failed { id: first.id() });
    bench.wait(100 * MS);
    assert_eq!(bench.request(), Some((RequestKind::Snapshot, 2, 0)));
}

#[test]
fn a_gap_that_is_denied_takes_none_along_that_was_asked_for_with_it() {
    let mut bench = Bench::from_start_with(|it| it.tries = 1);
    bench.both(&data(1, 1));
    bench.both(&data(3, 1));
    bench.both(&heartbeat(6));
    let both = bench.request_after_reordering();
    assert_eq!((both.first_seq(), both.count()), (2, 4));
    bench.refuse(both.id(), ReplyStatus::NotYet, 4);
    let first = bench.request_now();
    let second = bench.request_now();
    assert_eq!((first.first_seq(), first.count()), (2, 1));
    assert_eq!((second.first_seq(), second.count()), (4, 2));
    bench.refuse(second.id(), ReplyStatus::NotYet, 4);
    assert_eq!(
        bench.retransmit(first.id(), 2, 1),
        "Retransmit 2..=2\nA 3..=3 held\n"
    );
    assert_eq!(
        bench.both(&data(4, 1)),
        "A 4..=4\n",
        "the claim is forgotten"
    );
}

#[test]
fn what_lies_behind_the_end_of_the_session_is_not_asked_for() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&heartbeat(50));
    let request = bench.request_after_reordering();
    bench.refuse(request.id(), ReplyStatus::NotYet, 2);
    bench.both(&data(2, 1));
    assert_eq!(bench.both(&end(3)), "end of 1000 at 2\n");
    bench.wait(1_000 * MS);
    assert_eq!(bench.arbiter.next_deadline(), None);
    assert_eq!(bench.request(), None);
    assert_eq!(bench.arbiter.counters().lost, 0);
}

#[test]
fn a_wild_seq_needs_a_second_witness() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    assert_eq!(bench.a(&data(1 << 60, 1)), "");
    assert_eq!(bench.both(&data(2, 1)), "A 2..=2\n");
    assert_eq!(bench.arbiter.counters().lines[0].unconfirmed, 1);
    bench.both(&data(100_000, 1));
    bench.both(&data(100_001, 1));
    bench.wait(0);
    bench.wait(40_000);
    let asked = bench.request();
    assert_eq!(
        asked,
        Some((RequestKind::Retransmit, 3, 16_384)),
        "a second packet agrees"
    );
}
