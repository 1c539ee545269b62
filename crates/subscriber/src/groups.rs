//! Groups of instruments whose latency is measured apart.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use tickcast_latency::{Recorder, Stage};
use tickcast_protocol::Provenance;
use tickcast_wire::{Symbol, Tick};

use crate::event::Origin;

/// The most groups, beside that of all other instruments.
pub const MAX_GROUPS: usize = 5;
/// The most symbols in all groups together.
pub const MAX_GROUP_SYMBOLS: usize = 65_536;

/// No instrument has this number: it is not known yet.
const UNKNOWN: u64 = u64::MAX;

/// Groups of instruments whose latency is measured apart: a tick belongs to the group of the symbol
/// that its instrument was last defined by. The ticks of all other instruments, and those that come
/// before a definition, are one more group, the last.
///
/// By default there are no groups. Clones are of the same groups: what one has learnt of
/// instruments the others know.
#[derive(Clone, Debug, Default)]
pub struct InstrumentGroups {
    /// In the order of their symbols.
    members: Arc<[Member]>,
    named: usize,
}

#[derive(Debug)]
struct Member {
    symbol: Symbol,
    group: usize,
    /// The instrument with this symbol, or [`UNKNOWN`].
    instrument: AtomicU64,
}

/// Why instruments cannot be grouped so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupsError {
    /// There are more than [`MAX_GROUPS`].
    #[error("{groups} groups of instruments, at most {MAX_GROUPS} are allowed")]
    TooManyGroups {
        /// How many there are.
        groups: usize,
    },
    /// There are more than [`MAX_GROUP_SYMBOLS`].
    #[error("{symbols} symbols in groups, at most {MAX_GROUP_SYMBOLS} are allowed")]
    TooManySymbols {
        /// How many there are.
        symbols: usize,
    },
    /// A symbol is in two groups, or twice in one.
    #[error("symbol {symbol} is in two groups, or twice in one")]
    Twice {
        /// The symbol.
        symbol: Symbol,
    },
}

impl InstrumentGroups {
    /// Groups of these symbols.
    ///
    /// # Errors
    /// When there are too many, or a symbol comes twice.
    pub fn new(groups: &[Vec<Symbol>]) -> Result<InstrumentGroups, GroupsError> {
        if groups.len() > MAX_GROUPS {
            return Err(GroupsError::TooManyGroups {
                groups: groups.len(),
            });
        }
        let numbered = groups.iter().enumerate();
        let mut members: Vec<Member> = numbered
            .flat_map(|(group, symbols)| {
                symbols.iter().map(move |&symbol| Member {
                    symbol,
                    group,
                    instrument: AtomicU64::new(UNKNOWN),
                })
            })
            .collect();
        if members.len() > MAX_GROUP_SYMBOLS {
            return Err(GroupsError::TooManySymbols {
                symbols: members.len(),
            });
        }
        members.sort_unstable_by(|a, b| order(&a.symbol, &b.symbol));
        let mut pairs = members.windows(2);
        if let Some(twice) = pairs.find(|pair| pair[0].symbol == pair[1].symbol) {
            return Err(GroupsError::Twice {
                symbol: twice[0].symbol,
            });
        }
        Ok(InstrumentGroups {
            members: members.into(),
            named: groups.len(),
        })
    }

    /// How many are told apart, with that of all other instruments; 0 when there are no groups.
    #[must_use]
    pub fn count(&self) -> usize {
        match self.named {
            0 => 0,
            named => named + 1,
        }
    }

    /// The symbols that no instrument was defined by so far, each with the number of its group.
    pub fn undefined(&self) -> impl Iterator<Item = (usize, Symbol)> {
        let members = self.members.iter();
        let undefined = members.filter(|it| it.instrument.load(Relaxed) == UNKNOWN);
        undefined.map(|member| (member.group, member.symbol))
    }

    fn find(&self, symbol: &Symbol) -> Option<usize> {
        let found = self
            .members
            .binary_search_by(|member| order(&member.symbol, symbol));
        found.ok()
    }
}

fn order(a: &Symbol, b: &Symbol) -> Ordering {
    a.as_bytes().cmp(b.as_bytes())
}

/// Records the stages of every group, on the thread of one strategy. Everything is allocated when
/// it is made.
pub(crate) struct GroupMeter {
    groups: InstrumentGroups,
    /// The instruments that are known, rising, and the places of their members.
    known: Vec<(u32, usize)>,
}

impl GroupMeter {
    /// `None` when there are no groups.
    pub(crate) fn new(groups: &InstrumentGroups) -> Option<GroupMeter> {
        let mut known = Vec::with_capacity(groups.members.len());
        for (place, member) in groups.members.iter().enumerate() {
            let instrument = member.instrument.load(Relaxed);
            known.extend(u32::try_from(instrument).ok().map(|it| (it, place)));
        }
        known.sort_unstable();
        (groups.named > 0).then(|| GroupMeter {
            groups: groups.clone(),
            known,
        })
    }

    /// The strategy was given these ticks, and was done with them at `done`.
    pub(crate) fn record(
        &mut self,
        recorder: &mut Recorder,
        ticks: &[Tick],
        origin: &Origin,
        done: u64,
        inline: bool,
    ) {
        let spans = spans(origin, done, inline);
        for tick in ticks {
            self.take_definition(tick);
            // State is no event.
            if origin.provenance == Provenance::Snapshot {
                continue;
            }
            let group = self.group(tick.instrument());
            let (due, stamps) = (tick.ts_due(), origin.stamps);
            recorder.record_group((Stage::Total, group), due, stamps.pop, 1);
            if stamps.sent != 0 {
                recorder.record_group((Stage::Publish, group), due, stamps.sent, 1);
            }
            for (stage, from, to) in spans.into_iter().flatten() {
                recorder.record_group((stage, group), from, to, 1);
            }
        }
    }

    /// The number of the group of an instrument.
    fn group(&self, instrument: u32) -> usize {
        let others = self.groups.named;
        let known = self
            .known
            .binary_search_by_key(&instrument, |known| known.0);
        known.map_or(others, |at| self.groups.members[self.known[at].1].group)
    }

    fn take_definition(&mut self, tick: &Tick) {
        let Some(definition) = tick.as_definition() else {
            return;
        };
        let instrument = tick.instrument();
        let at = self
            .known
            .binary_search_by_key(&instrument, |known| known.0);
        let before = at.ok().map(|at| self.known[at].1);
        let now = self.groups.find(&definition.symbol);
        if before == now {
            return;
        }
        let members = &self.groups.members;
        if let Some(before) = before {
            members[before].instrument.store(UNKNOWN, Relaxed);
        }
        self.known
            .retain(|known| known.0 != instrument && Some(known.1) != now);
        if let Some(now) = now {
            let number = u64::from(instrument);
            members[now].instrument.store(number, Relaxed);
            let at = self.known.partition_point(|known| known.0 < instrument);
            // There is room: each member is known at most once.
            self.known.insert(at, (instrument, now));
        }
    }
}

/// The stages that ticks which came together have in common, as far as their stamps are known.
fn spans(origin: &Origin, done: u64, inline: bool) -> [Option<(Stage, u64, u64)>; 6] {
    let stamps = origin.stamps;
    let if_known = |stamp: u64, span| (stamp != 0).then_some(span);
    let is_queued = !inline && origin.provenance != Provenance::Conflated;
    [
        if_known(stamps.kernel, (Stage::Network, stamps.sent, stamps.kernel)),
        if_known(stamps.kernel, (Stage::Kernel, stamps.kernel, stamps.read)),
        if_known(stamps.sent, (Stage::Handle, stamps.read, stamps.push)),
        is_queued.then_some((Stage::Queue, stamps.push, stamps.pop)),
        if_known(stamps.sent, (Stage::Service, stamps.sent, stamps.pop)),
        if_known(done, (Stage::Strategy, stamps.pop, done)),
    ]
}

#[cfg(test)]
mod tests;
