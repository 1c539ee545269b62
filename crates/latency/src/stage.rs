//! The stages a tick passes, each between two of its stamps.

use std::fmt;

use crate::Provenance;

/// A part of a tick's way, from one stamp to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// From the instant the schedule said the tick leaves to its packet being handed to the
    /// kernel: `ts_due` to `ts_sent`.
    Publish,
    /// From there to the receiving kernel's stamp: `ts_sent` to `ts_kernel`.
    Network,
    /// From there to the receive thread having read the packet: `ts_kernel` to `ts_read`.
    Kernel,
    /// From there to the tick being in the queue: `ts_read` to `ts_push`.
    Handle,
    /// From there to a strategy having taken it: `ts_push` to `ts_pop`.
    Queue,
    /// From there to the strategy having dealt with it: `ts_pop` to `ts_done`. Ticks that a
    /// strategy is given together are done together.
    Strategy,
    /// The way without the schedule: `ts_sent` to `ts_pop`. What it says of a publisher that was
    /// late is nothing.
    Service,
    /// The whole way, counted from the schedule: `ts_due` to `ts_pop`.
    Total,
    /// `total` of those ticks on whose way one of this process's threads stood still, by the
    /// machine's doing: they are in both.
    Stalled,
    /// From a gap on both lines being seen to its last tick being there. A sample is a gap.
    Heal,
}

impl Stage {
    /// All stages, in the order a tick passes them.
    pub const ALL: [Stage; 10] = [
        Stage::Publish,
        Stage::Network,
        Stage::Kernel,
        Stage::Handle,
        Stage::Queue,
        Stage::Strategy,
        Stage::Service,
        Stage::Total,
        Stage::Stalled,
        Stage::Heal,
    ];

    /// The stage's name in tables, JSON and log tags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Publish => "publish",
            Stage::Network => "network",
            Stage::Kernel => "kernel",
            Stage::Handle => "handle",
            Stage::Queue => "queue",
            Stage::Strategy => "strategy",
            Stage::Service => "service",
            Stage::Total => "total",
            Stage::Stalled => "stalled",
            Stage::Heal => "heal",
        }
    }

    /// Whether each group of instruments has a histogram of it, when there are groups: of what every
    /// tick passes.
    #[must_use]
    pub const fn has_groups(self) -> bool {
        !matches!(self, Stage::Stalled | Stage::Heal)
    }

    /// What can bring the samples of this stage: only there is a histogram.
    #[must_use]
    pub const fn provenances(self) -> &'static [Provenance] {
        use Provenance::{A, B, Conflated, Retransmit, Snapshot};
        match self {
            // Stamps of a packet are known for what did not have to wait.
            Stage::Publish | Stage::Network | Stage::Kernel | Stage::Handle | Stage::Service => {
                &[A, B]
            }
            Stage::Queue | Stage::Heal => &[A, B, Retransmit],
            Stage::Strategy | Stage::Stalled => &[A, B, Retransmit, Conflated],
            Stage::Total => &[A, B, Retransmit, Snapshot, Conflated],
        }
    }

    /// The stage's place in [`Stage::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
