//! What a strategy tells of itself while it runs, for the live views.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use tickcast_subscriber::{Proof, Provenance};
use tickcast_wire::{Symbol, Tick};

/// Instruments that are counted one by one; ticks of those with a larger number count together.
const INSTRUMENTS: usize = 65_536;
/// Definitions that wait to be looked at; an instrument of more has its number for a name.
const DEFINITIONS: usize = 65_536;

/// Ticks by instrument, their symbols, and the proof. The strategy's thread stores, another one
/// loads; neither waits, and the strategy's allocates nothing.
#[derive(Debug)]
pub struct Activity {
    ticks: Box<[AtomicU64]>,
    others: AtomicU64,
    symbols: ArrayQueue<(u32, Symbol)>,
    proof: ArrayQueue<Proof>,
}

impl Activity {
    /// Counts ticks, and notes the names of instruments. Rows of a snapshot are state: they only
    /// have names.
    #[inline]
    pub fn take(&self, ticks: &[Tick], provenance: Provenance) {
        self.name(ticks);
        if provenance == Provenance::Snapshot {
            return;
        }
        for tick in ticks {
            let counter = self.ticks.get(tick.instrument() as usize);
            // One thread counts: no read-modify-write is needed.
            let counter = counter.unwrap_or(&self.others);
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    #[inline]
    fn name(&self, ticks: &[Tick]) {
        for tick in ticks {
            if let Some(definition) = tick.as_definition() {
                // Without room it stays a number.
                let _ = self.symbols.push((tick.instrument(), definition.symbol));
            }
        }
    }

    /// Shows how far the stream is proven.
    pub fn prove(&self, proof: Proof) {
        self.proof.force_push(proof);
    }
}

impl Default for Activity {
    fn default() -> Activity {
        Activity {
            ticks: (0..INSTRUMENTS).map(|_| AtomicU64::new(0)).collect(),
            others: AtomicU64::new(0),
            symbols: ArrayQueue::new(DEFINITIONS),
            proof: ArrayQueue::new(1),
        }
    }
}

/// Ticks of an instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Busy {
    pub(super) name: String,
    /// Since the last look.
    pub(super) now: u64,
    /// Since the start.
    pub(super) since: u64,
}

/// What there was since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Busiest {
    /// The busiest instruments, the busiest first.
    pub(super) rows: Vec<Busy>,
    /// How many instruments had ticks.
    pub(super) instruments: u64,
    /// Ticks of all instruments.
    pub(super) ticks: u64,
}

/// Looks at an [`Activity`] every so often.
#[derive(Debug, Default)]
pub(super) struct Looker {
    before: Vec<u64>,
    symbols: HashMap<u32, Symbol>,
    proof: Proof,
}

impl Looker {
    /// The proof, as it was shown last.
    pub(super) fn proof(&mut self, activity: &Activity) -> Proof {
        if let Some(proof) = activity.proof.pop() {
            self.proof = proof;
        }
        self.proof
    }

    /// What there was since the last look, with at most so many rows.
    pub(super) fn busiest(&mut self, activity: &Activity, most: usize) -> Busiest {
        while let Some((instrument, symbol)) = activity.symbols.pop() {
            self.symbols.insert(instrument, symbol);
        }
        self.before.resize(INSTRUMENTS + 1, 0);
        let all = activity.ticks.iter().chain([&activity.others]);
        let mut busy = Vec::new();
        for (at, (ticks, before)) in all.zip(&mut self.before).enumerate() {
            let since = ticks.load(Ordering::Relaxed);
            let now = since - *before;
            *before = since;
            if now > 0 {
                busy.push((now, at, since));
            }
        }
        let instruments = busy.len() as u64;
        let ticks = busy.iter().map(|&(now, ..)| now).sum();
        busy.sort_unstable_by_key(|&(now, at, _)| (std::cmp::Reverse(now), at));
        busy.truncate(most);
        let named = busy.into_iter().map(|(now, at, since)| Busy {
            name: self.name(at),
            now,
            since,
        });
        Busiest {
            rows: named.collect(),
            instruments,
            ticks,
        }
    }

    fn name(&self, at: usize) -> String {
        if at == INSTRUMENTS {
            return format!("#{INSTRUMENTS} and above");
        }
        let instrument = at as u32;
        crate::instruments::name(self.symbols.get(&instrument), instrument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickcast_wire::{Clear, Definition, Venue};

    fn clear(instrument: u32) -> Tick {
        Tick::new(Clear::default(), Venue::NONE, instrument, 0)
    }

    #[test]
    fn the_busiest_come_first_and_each_look_begins_anew() {
        let (activity, mut looker) = (Activity::default(), Looker::default());
        let definition = Definition::new(Symbol::new(b"AAPL"), 1, 1);
        let take = |ticks: &[Tick]| activity.take(ticks, Provenance::A);
        take(&[Tick::new(definition, Venue::NONE, 7, 0)]);
        take(&[clear(9), clear(9), clear(9), clear(7), clear(70_000)]);
        activity.take(&[clear(8)], Provenance::Snapshot);
        let busiest = looker.busiest(&activity, 2);
        let rows = busiest.rows.iter();
        let names: Vec<_> = rows.map(|busy| (busy.name.as_str(), busy.now)).collect();
        assert_eq!(names, [("#9", 3), ("AAPL", 2)]);
        assert_eq!((busiest.instruments, busiest.ticks), (3, 6));

        take(&[clear(70_000)]);
        let others = Busy {
            name: "#65536 and above".into(),
            now: 1,
            since: 2,
        };
        let expected = Busiest {
            rows: vec![others],
            instruments: 1,
            ticks: 1,
        };
        assert_eq!(looker.busiest(&activity, 2), expected);
    }

    #[test]
    fn more_definitions_than_there_is_room_for_leave_numbers() {
        let (activity, mut looker) = (Activity::default(), Looker::default());
        let definition = Definition::new(Symbol::new(b"X"), 1, 1);
        let tick = Tick::new(definition, Venue::NONE, 1, 0);
        for _ in 0..=DEFINITIONS {
            activity.take(&[tick], Provenance::Snapshot);
        }
        activity.take(&[Tick::new(definition, Venue::NONE, 2, 0)], Provenance::A);
        activity.take(&[clear(1), clear(2)], Provenance::B);
        let busiest = looker.busiest(&activity, 9);
        let names: Vec<_> = busiest.rows.iter().map(|busy| busy.name.as_str()).collect();
        assert_eq!(names, ["#2", "X"]);
    }
}
