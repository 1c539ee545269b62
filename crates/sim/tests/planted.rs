//! The checker sees what is spoiled between the arbiter and it.

use std::borrow::Cow;

use tickcast_protocol::{Loss, Provenance};
use tickcast_sim::{Report, Tap, run, run_tapped};
use tickcast_wire::{Tick, Venue};

/// Spoils one call, once its turn has come.
#[derive(Clone, Copy)]
struct Spoil {
    calls_left: u32,
    what: fn(&mut Vec<Tick>),
    of_snapshots: bool,
}

impl Tap for Spoil {
    fn ticks<'a>(&mut self, ticks: &'a [Tick], from: Provenance) -> Cow<'a, [Tick]> {
        if (from == Provenance::Snapshot) != self.of_snapshots || ticks.is_empty() {
            return Cow::Borrowed(ticks);
        }
        self.calls_left = self.calls_left.saturating_sub(1);
        if self.calls_left != 1 {
            return Cow::Borrowed(ticks);
        }
        let mut spoiled = ticks.to_vec();
        (self.what)(&mut spoiled);
        Cow::Owned(spoiled)
    }
}

fn violations(tap: impl Tap + Copy) -> Vec<String> {
    let reports = (0..40).map(|seed| run_tapped(seed, tap));
    reports
        .filter_map(|report: Report| report.violation)
        .collect()
}

fn spoiled(of_snapshots: bool, what: fn(&mut Vec<Tick>)) -> Vec<String> {
    violations(Spoil {
        calls_left: 3,
        what,
        of_snapshots,
    })
}

#[track_caller]
fn assert_found(found: &[String], times: usize, word: &str) {
    assert!(
        found.len() >= times,
        "found {} times: {found:?}",
        found.len()
    );
    assert!(found.iter().all(|what| what.contains(word)), "{found:?}");
}

#[test]
fn without_a_plant_there_is_nothing_to_find() {
    assert!((0..40).all(|seed| run(seed).violation.is_none()));
}

#[test]
fn a_tick_left_out_is_found() {
    let found = spoiled(false, |ticks| {
        ticks.pop();
    });
    assert_found(&found, 39, "");
}

#[test]
fn a_tick_delivered_twice_is_found() {
    assert_found(
        &spoiled(false, |ticks| ticks.insert(0, ticks[0])),
        39,
        "is next",
    );
}

#[test]
fn ticks_out_of_order_are_found() {
    let found = spoiled(false, |ticks| {
        let mut other = ticks[0];
        other = other.with_seq(other.seq() + 1);
        ticks.insert(0, other);
    });
    assert_found(&found, 39, "is next");
}

#[test]
fn a_changed_byte_is_found() {
    let found = spoiled(false, |ticks| {
        let mut words = ticks[0].to_words();
        words[6] ^= 1;
        ticks[0] = Tick::from_words(words);
    });
    assert_found(&found, 39, "published was");
}

#[test]
fn an_invented_tick_is_found() {
    let found = spoiled(false, |ticks| {
        let seq = ticks[ticks.len() - 1].seq() + (1 << 40);
        let body = tickcast_wire::Clear::default();
        ticks.push(Tick::new(body, Venue::NONE, 1, 1).with_seq(seq));
    });
    assert_found(&found, 39, "is next");
}

#[test]
fn a_row_missing_in_a_snapshot_is_found() {
    let found = spoiled(true, |rows| {
        rows.pop();
    });
    assert_found(&found, 3, "not the state then");
}

/// Keeps notices back, or changes them.
#[derive(Clone, Copy)]
struct SpoilLoss(fn(Loss) -> Option<Loss>);

impl Tap for SpoilLoss {
    fn lost(&mut self, loss: &Loss) -> Option<Loss> {
        (self.0)(*loss)
    }
}

#[test]
fn a_notice_kept_back_is_found() {
    assert_found(&violations(SpoilLoss(|_| None)), 5, "");
}

#[test]
fn a_notice_that_is_one_short_or_one_long_is_found() {
    let short = SpoilLoss(|loss| {
        let count = loss.count.saturating_sub(1).max(1);
        Some(Loss { count, ..loss })
    });
    assert_found(&violations(short), 3, "");
    let long = SpoilLoss(|loss| {
        let count = loss.count + 1;
        Some(Loss { count, ..loss })
    });
    assert_found(&violations(long), 5, "");
}
