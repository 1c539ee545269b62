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
    let mut retransmitted = 0;
    for per_cent in [[30, 0], [0, 30], [99, 1], [5, 5], [30, 30], [70, 70]] {
        if pair.lose(per_cent).is_none() {
            return;
        }
        let ended = print_all(&pair.feed(), &pair.feed(), &market, &[]);
        let result = has_all(ended, &market);
        for (line, per_cent) in [LINE_A, LINE_B].into_iter().zip(per_cent) {
            let dropped = pair.right.dropped(line);
            assert_eq!(dropped > 0, per_cent > 0, "{dropped} on {line}, {result}");
        }
        retransmitted += count(&result, "retransmitted");
    }
    assert!(retransmitted > 0);
}
