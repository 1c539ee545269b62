//! Two lines of one feed: the first copy, what comes in another order, a line that lags or is silent.

use super::*;

#[test]
fn the_first_copy_is_delivered_the_other_is_a_duplicate() {
    let mut bench = Bench::from_start();
    assert_eq!(
        bench.a(&data(1, 3)),
        "session 1000 from 1 after None\nA 1..=3\n"
    );
    bench.now += 700;
    assert_eq!(bench.b(&data(1, 3)), "");
    assert_eq!(bench.b(&data(4, 2)), "B 4..=5\n");
    assert_eq!(bench.a(&data(4, 2)), "");
    let [a, b] = bench.arbiter.counters().lines;
    assert_eq!((a.won, a.duplicates, b.won, b.duplicates), (3, 2, 2, 3));
    assert_eq!((b.later_packets, b.later_ns), (1, 700));
}

#[test]
fn lines_cut_into_packets_differently_still_give_each_tick_once() {
    let mut bench = Bench::from_start();
    bench.a(&data(1, 4));
    assert_eq!(bench.b(&data(1, 6)), "B 5..=6\n");
    assert_eq!(bench.a(&data(5, 4)), "A 7..=8\n");
    assert_eq!(bench.arbiter.counters().delivered, 8);
}

#[test]
fn reordered_packets_are_held_and_delivered_in_order() {
    let mut bench = Bench::from_start();
    bench.a(&data(1, 1));
    assert_eq!(bench.a(&data(4, 2)), "");
    assert_eq!((bench.arbiter.held(), bench.arbiter.open_gaps()), (2, 1));
    assert_eq!(bench.a(&data(2, 2)), "A 2..=3\nA 4..=5 held\n");
    assert_eq!((bench.arbiter.held(), bench.arbiter.open_gaps()), (0, 0));
    assert_eq!(bench.request(), None);
}

#[test]
fn a_loss_on_one_line_asks_for_nothing() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.a(&data(3, 1));
    assert_eq!(bench.wait(50 * MS), "");
    assert_eq!(bench.request(), None);
    assert_eq!(bench.b(&data(2, 1)), "B 2..=2\nA 3..=3 held\n");
    assert_eq!(bench.arbiter.counters().gaps, 0);
}

#[test]
fn a_lagging_line_is_waited_for_once() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.a(&data(3, 1));
    bench.wait(99 * MS);
    assert_eq!(bench.request(), None);
    bench.wait(MS);
    bench.wait(40_000);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 2, 1)));
    bench.a(&data(5, 1));
    bench.wait(40_000);
    assert_eq!(
        bench.request(),
        None,
        "passed now, asked for after the reorder window"
    );
    bench.wait(40_000);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 4, 1)));
}

#[test]
fn a_silent_line_is_down_and_comes_back() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.now += 2_000 * MS;
    bench.a(&heartbeat(2));
    assert_eq!(bench.wait(1_001 * MS), "alarm LineDown(B)\n");
    assert_eq!(bench.wait(MS), "");
    bench.a(&data(3, 1));
    bench.wait(0);
    bench.wait(40_000);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 2, 1)));
    assert_eq!(bench.b(&heartbeat(2)), "alarm LineUp(B)\n");
}

#[test]
fn a_heartbeat_that_goes_back_changes_nothing() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 9));
    assert_eq!(bench.both(&heartbeat(4)), "");
    assert_eq!(bench.both(&heartbeat(1)), "");
    assert_eq!(bench.arbiter.next_seq(), 10);
    assert_eq!(bench.wait(MS), "");
    assert_eq!(bench.request(), None);
    assert_eq!(bench.both(&data(10, 1)), "A 10..=10\n");
}
