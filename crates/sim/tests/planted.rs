//! The checker sees what is spoiled between the arbiter and it.

use std::borrow::Cow;
use std::cell::Cell;

use tickcast_protocol::{Checkpoint, Loss, Provenance};
use tickcast_sim::{Tap, run, run_tapped};
use tickcast_wire::{Digest, Tick, Venue};

/// Spoils one call, once its turn has come.
struct Spoil<'c> {
    calls_left: u32,
    what: fn(&mut Vec<Tick>),
    of_snapshots: bool,
    /// Runs in which its turn has come.
    spoiled: &'c Cell<usize>,
}

impl Tap for Spoil<'_> {
    fn ticks<'a>(&mut self, ticks: &'a [Tick], from: Provenance) -> Cow<'a, [Tick]> {
        if (from == Provenance::Snapshot) != self.of_snapshots || ticks.is_empty() {
            return Cow::Borrowed(ticks);
        }
        self.calls_left = self.calls_left.saturating_sub(1);
        if self.calls_left != 1 {
            return Cow::Borrowed(ticks);
        }
        self.spoiled.set(self.spoiled.get() + 1);
        let mut spoiled = ticks.to_vec();
        (self.what)(&mut spoiled);
        Cow::Owned(spoiled)
    }
}

const SEEDS: std::ops::Range<u64> = 0..60;

/// Spoils every run once and shows that each of them is found, with these words.
#[track_caller]
fn assert_found(of_snapshots: bool, words: &str, what: fn(&mut Vec<Tick>)) {
    let spoiled = Cell::new(0);
    let run = |seed| {
        let tap = Spoil {
            calls_left: 3,
            what,
            of_snapshots,
            spoiled: &spoiled,
        };
        run_tapped(seed, tap).violation
    };
    let found: Vec<String> = SEEDS.filter_map(run).collect();
    assert!(spoiled.get() > 5);
    if of_snapshots {
        // A snapshot that breaks off later is begun anew: its rows count for nothing.
        assert!(found.len() * 10 >= spoiled.get() * 9, "{found:?}");
    } else {
        assert_eq!(found.len(), spoiled.get(), "{found:?}");
    }
    assert!(found.iter().all(|what| what.contains(words)), "{found:?}");
}

#[test]
fn without_a_plant_there_is_nothing_to_find() {
    assert!(SEEDS.into_iter().all(|seed| run(seed).violation.is_none()));
}

#[test]
fn a_tick_left_out_is_found() {
    assert_found(false, "", |ticks| {
        ticks.pop();
    });
}

#[test]
fn a_tick_delivered_twice_is_found() {
    assert_found(false, "is next", |ticks| ticks.insert(0, ticks[0]));
}

#[test]
fn ticks_out_of_order_are_found() {
    assert_found(false, "is next", |ticks| {
        let mut other = ticks[0];
        other = other.with_seq(other.seq() + 1);
        ticks.insert(0, other);
    });
}

#[test]
fn a_changed_byte_is_found() {
    assert_found(false, "published was", |ticks| {
        let mut words = ticks[0].to_words();
        words[6] ^= 1;
        ticks[0] = Tick::from_words(words);
    });
}

#[test]
fn an_invented_tick_is_found() {
    assert_found(false, "is next", |ticks| {
        let seq = ticks[ticks.len() - 1].seq() + (1 << 40);
        let body = tickcast_wire::Clear::default();
        ticks.push(Tick::new(body, Venue::NONE, 1, 1).with_seq(seq));
    });
}

#[test]
fn a_row_missing_in_a_snapshot_is_found() {
    assert_found(true, "not the state then", |rows| {
        rows.pop();
    });
}

/// Keeps notices back, or changes them.
struct SpoilLoss<'c> {
    what: fn(Loss) -> Option<Loss>,
    changed: bool,
    runs: &'c Cell<usize>,
}

impl Tap for SpoilLoss<'_> {
    fn lost(&mut self, loss: &Loss) -> Option<Loss> {
        let spoiled = (self.what)(*loss);
        if spoiled != Some(*loss) && !std::mem::replace(&mut self.changed, true) {
            self.runs.set(self.runs.get() + 1);
        }
        spoiled
    }
}

#[track_caller]
fn assert_loss_found(what: fn(Loss) -> Option<Loss>) {
    let runs = Cell::new(0);
    let run = |seed| {
        let tap = SpoilLoss {
            what,
            changed: false,
            runs: &runs,
        };
        run_tapped(seed, tap).violation
    };
    let found = SEEDS.filter_map(run).count();
    assert!(runs.get() > 5);
    assert_eq!(found, runs.get());
}

#[test]
fn a_notice_kept_back_is_found() {
    assert_loss_found(|_| None);
}

#[test]
fn a_notice_that_is_one_short_is_found() {
    assert_loss_found(|loss| {
        let count = loss.count.saturating_sub(1).max(1);
        Some(Loss { count, ..loss })
    });
}

#[test]
fn a_notice_that_is_one_long_is_found() {
    assert_loss_found(|loss| {
        let count = loss.count + 1;
        Some(Loss { count, ..loss })
    });
}

/// Makes the publisher say another digest, from the third checkpoint on.
struct SpoilDigest<'c> {
    left: u32,
    changed: bool,
    runs: &'c Cell<usize>,
}

impl Tap for SpoilDigest<'_> {
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Checkpoint {
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return *checkpoint;
        }
        if !std::mem::replace(&mut self.changed, true) {
            self.runs.set(self.runs.get() + 1);
        }
        let digest = Digest::from_value(checkpoint.digest.value() ^ 1);
        Checkpoint {
            digest,
            ..*checkpoint
        }
    }
}

#[test]
fn a_publisher_whose_digest_is_not_that_of_its_ticks_is_found() {
    let runs = Cell::new(0);
    let run = |seed| {
        let tap = SpoilDigest {
            left: 3,
            changed: false,
            runs: &runs,
        };
        run_tapped(seed, tap).violation
    };
    let found: Vec<String> = SEEDS.filter_map(run).collect();
    assert!(runs.get() > 5);
    assert_eq!(found.len(), runs.get());
    // Where the comparison only begins there is nothing to hold it against yet.
    let by_verifier = found.iter().filter(|it| it.contains("a verifier finds"));
    assert!(by_verifier.count() * 2 > found.len(), "{found:?}");
}
