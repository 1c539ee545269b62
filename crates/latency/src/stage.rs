//! The stages a tick passes, each between two of its stamps.

use std::fmt;

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
    /// The whole way, counted from the schedule: `ts_due` to `ts_pop`.
    Total,
    /// From a gap on both lines being seen to its last tick being there. A sample is a gap.
    Heal,
}

impl Stage {
    /// All stages, in the order a tick passes them.
    pub const ALL: [Stage; 7] = [
        Stage::Publish,
        Stage::Network,
        Stage::Kernel,
        Stage::Handle,
        Stage::Queue,
        Stage::Total,
        Stage::Heal,
    ];

    /// The stage's name in tables, JSON and log tags.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Publish => "publish",
            Stage::Network => "network",
            Stage::Kernel => "kernel",
            Stage::Handle => "handle",
            Stage::Queue => "queue",
            Stage::Total => "total",
            Stage::Heal => "heal",
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
