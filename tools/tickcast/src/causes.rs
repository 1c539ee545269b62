//! Where ticks went missing, counted.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};
use tickcast_subscriber::{Cause, CauseCounts, Counters};

use crate::losses::Losses;
use crate::show;

/// Every tick that had to be recovered or was lost, by cause: for programs an object from cause to
/// ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Causes(CauseCounts);

impl Causes {
    /// What the stream lacked, and what these strategies were too slow for.
    pub fn new<'a>(counters: &Counters, strategies: impl Iterator<Item = &'a Losses>) -> Causes {
        let mut causes = CauseCounts::default();
        for (cause, ticks) in counters
            .recovered
            .iter()
            .chain(counters.lost_by_cause.iter())
        {
            causes.add(cause, ticks);
        }
        for losses in strategies {
            causes.add(Cause::Lapped, losses.lapped());
        }
        Causes(causes)
    }

    /// Whether they account for all that was recovered or lost on the way to the queue, no more and
    /// no less.
    pub fn add_up(&self, counters: &Counters) -> bool {
        let of_stream = self.0.total() - self.0.get(Cause::Lapped);
        of_stream == counters.retransmitted + counters.lost
    }

    /// Names them, for people: nothing if there are none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for (cause, ticks) in self.0.iter().filter(|&(_, ticks)| ticks > 0) {
            writeln!(
                out,
                "  missing   {} ticks: {}",
                show::count(ticks),
                name(cause)
            )?;
        }
        Ok(())
    }
}

impl Serialize for Causes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Cause::ALL.len()))?;
        for (cause, ticks) in self.0.iter() {
            map.serialize_entry(code(cause), &ticks)?;
        }
        map.end()
    }
}

/// A cause in words.
pub const fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::LineA => "line A lost them, line B was not there to bring them",
        Cause::LineB => "line B lost them, line A was behind",
        Cause::BothLines => "both lines lost them",
        Cause::SocketOverflow => "the receive buffer was full (see --receive-buffer)",
        Cause::Malformed => "packets were damaged",
        Cause::Partition => "every line was silent",
        Cause::BeforeJoin => "sent before the first packet was heard",
        Cause::HoldOverflow => "came too far ahead of a gap to be held",
        Cause::Superseded => "held, and replaced by a later snapshot",
        Cause::Lapped => "the strategy was slower than the queue is long",
    }
}

/// A cause for programs.
pub const fn code(cause: Cause) -> &'static str {
    match cause {
        Cause::LineA => "line_a",
        Cause::LineB => "line_b",
        Cause::BothLines => "both_lines",
        Cause::SocketOverflow => "socket_overflow",
        Cause::Malformed => "malformed",
        Cause::Partition => "partition",
        Cause::BeforeJoin => "before_join",
        Cause::HoldOverflow => "hold_overflow",
        Cause::Superseded => "superseded",
        Cause::Lapped => "lapped",
    }
}
