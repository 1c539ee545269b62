//! Where the hold window and the list of gaps are full.

use super::*;

#[test]
fn what_does_not_fit_the_window_is_recovered_later() {
    let mut bench = Bench::from_start_with(|it| it.hold_ticks = 8);
    bench.both(&data(1, 1));
    bench.both(&data(3, 6));
    bench.both(&data(9, 6));
    assert_eq!(bench.arbiter.counters().lines[0].overflow, 5);
    let request = bench.request_after_reordering();
    assert_eq!(request.first_seq(), 2);
    assert_eq!(
        bench.retransmit(request.id(), 2, 1),
        "Retransmit 2..=2\nA 3..=7 held\nA 8..=9 held\n"
    );
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 10, 5)));
}

#[test]
fn a_full_list_of_gaps_leaves_none_behind() {
    let mut bench = Bench::from_start_with(|it| {
        it.recovery = false;
        it.line_b = false;
    });
    // 256 gaps of three ticks; the first is split, so that there is no room to split the second.
    for at in 0..=256 {
        bench.a(&data(1 + 4 * at, 1));
    }
    for seq in [3, 7, 8, 6] {
        assert_eq!(bench.a(&data(seq, 1)), "");
    }
    assert_eq!(bench.a(&data(2, 1)), "A 2..=2\nA 3..=3 held\n");
    assert_eq!(bench.a(&data(4, 1)), "A 4..=4\nA 5..=9 held\n");
    bench.wait(0);
    let lost = bench.wait(40_000);
    assert!(
        lost.starts_with("lost 10..=12 NoRecovery LineA\nA 13..=13 held\n"),
        "{lost}"
    );
    assert_eq!(bench.arbiter.next_seq(), 1 + 4 * 256 + 1);
}
