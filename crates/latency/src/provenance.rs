//! What brought a tick.

use std::fmt;

/// What brought a tick: each stage has a histogram for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// Line A.
    #[default]
    A,
    /// Line B.
    B,
    /// The recovery channel: it was sent again.
    Retransmit,
    /// The recovery channel, as a row of the latest state. It is no event: it has an age, not a
    /// latency, and is in no sum.
    Snapshot,
    /// It is the latest of those that a slow reader was not given one by one.
    Conflated,
}

impl Provenance {
    /// All of them.
    pub const ALL: [Provenance; 5] = [
        Provenance::A,
        Provenance::B,
        Provenance::Retransmit,
        Provenance::Snapshot,
        Provenance::Conflated,
    ];

    /// Its name in tables, JSON and log tags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Provenance::A => "A",
            Provenance::B => "B",
            Provenance::Retransmit => "retransmit",
            Provenance::Snapshot => "snapshot",
            Provenance::Conflated => "conflated",
        }
    }

    /// Whether its samples are part of the sum over all of them: those of ticks are, those of
    /// state are not.
    #[must_use]
    pub const fn is_summed(self) -> bool {
        !matches!(self, Provenance::Snapshot)
    }

    /// Its place in [`Provenance::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
