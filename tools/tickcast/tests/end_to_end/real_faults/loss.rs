//! The kernel drops datagrams at random, on one network or on both.

use super::{TICKS, has_all, print_all};
use crate::feed::{folder, market};
use crate::namespaces::{LINE_A, LINE_B, Pair};
use crate::program::count;

#[test]
fn at_several_rates_on_one_line_and_on_both() {
    let Some(pair) = Pair::new() else {
        return;
    };
    let folder = folder();
    let market = market(folder.path(), TICKS);
    let (mut dropped, mut retransmitted) = ([0; 2], 0);
    for per_cent in [[30, 0], [0, 30], [99, 1], [5, 5], [30, 30], [70, 70]] {
        if pair.lose(per_cent).is_none() {
            return;
        }
        let ended = print_all(&pair.feed(), &pair.feed(), &market, &[]);
        let result = has_all(ended, &market);
        for (at, line) in [LINE_A, LINE_B].into_iter().enumerate() {
            let dropped_now = pair.right.dropped(line);
            assert!(dropped_now == 0 || per_cent[at] > 0, "{line}: {result}");
            dropped[at] += dropped_now;
        }
        retransmitted += count(&result, "retransmitted");
    }
    // Not at every rate: a publisher that is late sends many packets in one piece.
    assert!(dropped[0] > 0 && dropped[1] > 0, "{dropped:?}");
    assert!(retransmitted > 0);
}
