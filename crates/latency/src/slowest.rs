//! The slowest ticks, with all their stamps.

use crate::report::duration;
use crate::{Exemplar, Leg, Provenance, Stage, StallLog};

/// So many of the slowest ticks are kept.
pub const EXEMPLARS: usize = 16;

/// At most so many stalls are told of one tick.
const SENTENCES: usize = 8;

/// The way of one tick: when it passed each station, in nanoseconds since the Unix epoch; 0 where
/// it did not pass or where the stamp is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Its seq.
    pub seq: u64,
    /// Its instrument.
    pub instrument: u32,
    /// What brought it.
    pub provenance: Provenance,
    /// The schedule said that it leaves.
    pub due: u64,
    /// The publisher handed its packet to the kernel.
    pub sent: u64,
    /// The receiving kernel stamped it.
    pub kernel: u64,
    /// The receive thread had read it.
    pub read: u64,
    /// The receive thread handed it on.
    pub push: u64,
    /// A strategy had it.
    pub pop: u64,
    /// The strategy had dealt with it.
    pub done: u64,
}

impl Way {
    /// From `due` to `pop`; 0 when they are the wrong way round.
    #[must_use]
    pub const fn total_ns(&self) -> u64 {
        self.pop.saturating_sub(self.due)
    }

    /// Its stages, in order: those of which both stamps are known.
    #[must_use]
    pub fn waterfall(&self) -> Vec<Leg> {
        let stages = [
            (Stage::Publish, self.due, self.sent),
            (Stage::Network, self.sent, self.kernel),
            (Stage::Kernel, self.kernel, self.read),
            (Stage::Handle, self.read, self.push),
            (Stage::Queue, self.push, self.pop),
            (Stage::Strategy, self.pop, self.done),
        ];
        stages
            .into_iter()
            .filter(|(_, from, to)| *from != 0 && *to != 0)
            .map(|(stage, from, to)| Leg {
                stage: stage.name().to_owned(),
                ns: to.wrapping_sub(from).cast_signed(),
            })
            .collect()
    }
}

impl Way {
    /// As it is shown: with its waterfall, and what the machine did meanwhile.
    #[must_use]
    pub fn exemplar(&self, stalls: &StallLog) -> Exemplar {
        let end = self.pop.max(self.done);
        let meanwhile = stalls.overlapping(self.due, end).map(|(thread, stall)| {
            let length = duration(stall.length_ns());
            let begins = match stall.from_ns.checked_sub(self.due) {
                Some(after) => format!("{} after it was due", duration(after)),
                None => format!("{} before it was due", duration(self.due - stall.from_ns)),
            };
            format!(
                "{} stood still for {length}, beginning {begins}",
                thread.thread
            )
        });
        Exemplar {
            seq: self.seq,
            instrument: self.instrument,
            provenance: self.provenance.name().to_owned(),
            due_ns: self.due,
            total_ns: self.total_ns(),
            waterfall: self.waterfall(),
            meanwhile: meanwhile.take(SENTENCES).collect(),
        }
    }
}

/// The slowest ticks of a set, at most [`EXEMPLARS`]; of ticks that come together, one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slowest {
    ways: [Way; EXEMPLARS],
    kept: usize,
    /// What is not slower than this is not kept.
    floor_ns: u64,
}

impl Slowest {
    pub(crate) fn is_among(&self, total_ns: u64) -> bool {
        total_ns > self.floor_ns
    }

    /// Keeps this way if it is among the slowest.
    #[cold]
    pub(crate) fn keep(&mut self, way: &Way) {
        if !self.is_among(way.total_ns()) {
            return;
        }
        if self.kept < EXEMPLARS {
            self.ways[self.kept] = *way;
            self.kept += 1;
        } else if let Some(quickest) = self.ways.iter_mut().min_by_key(|way| way.total_ns()) {
            *quickest = *way;
        }
        if self.kept == EXEMPLARS {
            self.floor_ns = self.ways.iter().map(Way::total_ns).min().unwrap_or(0);
        }
    }

    pub(crate) fn merge(&mut self, other: &Slowest) {
        for way in other.ways() {
            self.keep(way);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.kept = 0;
        self.floor_ns = 0;
    }

    /// In no order.
    pub(crate) fn ways(&self) -> &[Way] {
        &self.ways[..self.kept]
    }
}
