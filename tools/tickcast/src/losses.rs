//! Lost ticks, by name.

use std::io::{self, Write};

use serde::{Serialize, Serializer};
use tickcast_subscriber::{Cause, Loss, LossReason};

use crate::{causes, show};

/// Ranges that are kept; what is lost in others only counts as lost.
const MOST: usize = 10_000;
/// Ranges that people are shown.
const MOST_SHOWN: usize = 20;

/// Ticks lost in a row, for one reason and cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Range {
    session: u64,
    first_seq: u64,
    last_seq: u64,
    #[serde(serialize_with = "as_code")]
    reason: LossReason,
    #[serde(serialize_with = "cause_as_code")]
    cause: Cause,
}

/// What one strategy lost: an object a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Losses {
    ranges: Vec<Range>,
    #[serde(skip)]
    lapped: u64,
}

impl Losses {
    /// Nothing yet, with room for all there may be: an inline strategy must not allocate.
    pub fn new() -> Losses {
        Losses {
            ranges: Vec::with_capacity(MOST),
            lapped: 0,
        }
    }

    /// Ticks that the strategy was too slow for.
    pub const fn lapped(&self) -> u64 {
        self.lapped
    }

    /// Adds a loss.
    pub fn add(&mut self, loss: &Loss) {
        let (first_seq, last_seq) = (loss.first_seq, loss.first_seq + (loss.count - 1));
        let (session, reason, cause) = (loss.session, loss.reason, loss.cause);
        if cause == Cause::Lapped {
            self.lapped += loss.count;
        }
        if let Some(last) = self.ranges.last_mut()
            && (last.session, last.reason, last.cause) == (session, reason, cause)
            && last.last_seq + 1 == first_seq
        {
            last.last_seq = last_seq;
        } else if self.ranges.len() < MOST {
            self.ranges.push(Range {
                session,
                first_seq,
                last_seq,
                reason,
                cause,
            });
        }
    }

    /// Names them, for people.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for range in self.ranges.iter().take(MOST_SHOWN) {
            let (session, first, last) = (range.session, range.first_seq, range.last_seq);
            writeln!(
                out,
                "  lost {first}..={last} of session {session}: {}; {}",
                causes::name(range.cause),
                name(range.reason)
            )?;
        }
        if self.ranges.len() > MOST_SHOWN {
            let more = show::count((self.ranges.len() - MOST_SHOWN) as u64);
            writeln!(out, "  and {more} more ranges, which --json names")?;
        }
        Ok(())
    }
}

impl Default for Losses {
    fn default() -> Losses {
        Losses::new()
    }
}

/// Why ticks are lost, in words.
pub const fn name(reason: LossReason) -> &'static str {
    match reason {
        LossReason::NoRecovery => "there is no recovery server",
        LossReason::RecoveryDeadline => "recovery did not bring them in time",
        LossReason::Snapshot => "the publisher had them no more, a snapshot took their place",
        LossReason::SessionChange => "the publisher started a new session",
        LossReason::Lapped => "the strategy was slower than the queue is long",
    }
}

/// Why ticks are lost, for programs.
const fn code(reason: LossReason) -> &'static str {
    match reason {
        LossReason::NoRecovery => "no_recovery",
        LossReason::RecoveryDeadline => "recovery_deadline",
        LossReason::Snapshot => "snapshot",
        LossReason::SessionChange => "session_change",
        LossReason::Lapped => "lapped",
    }
}

fn as_code<S: Serializer>(reason: &LossReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code(*reason))
}

fn cause_as_code<S: Serializer>(cause: &Cause, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(causes::code(*cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(first_seq: u64, count: u64, reason: LossReason) -> Loss {
        Loss {
            session: 7,
            first_seq,
            count,
            reason,
            cause: Cause::BothLines,
        }
    }

    #[test]
    fn losses_in_a_row_are_one_range() {
        let mut losses = Losses::new();
        losses.add(&loss(5, 3, LossReason::Lapped));
        losses.add(&loss(8, 1, LossReason::Lapped));
        losses.add(&loss(9, 1, LossReason::NoRecovery));
        losses.add(&loss(11, 1, LossReason::NoRecovery));
        let ranges: Vec<_> = losses
            .ranges
            .iter()
            .map(|r| (r.first_seq, r.last_seq))
            .collect();
        assert_eq!(ranges, [(5, 8), (9, 9), (11, 11)]);
    }

    #[test]
    fn programs_get_the_cause_as_a_code() {
        let reasons = [
            (LossReason::NoRecovery, "no_recovery"),
            (LossReason::RecoveryDeadline, "recovery_deadline"),
            (LossReason::Snapshot, "snapshot"),
            (LossReason::SessionChange, "session_change"),
            (LossReason::Lapped, "lapped"),
        ];
        for (reason, code) in reasons {
            let mut losses = Losses::new();
            losses.add(&loss(5, 3, reason));
            let range = serde_json::json!(
                [{"session": 7, "first_seq": 5, "last_seq": 7, "reason": code,
                  "cause": "both_lines"}]
            );
            assert_eq!(serde_json::to_value(&losses).unwrap(), range);
        }
    }

    #[test]
    fn memory_is_bounded_and_people_see_the_first() {
        let mut losses = Losses::new();
        let room = losses.ranges.capacity();
        for at in 0..2 * MOST as u64 {
            losses.add(&loss(1 + 2 * at, 1, LossReason::NoRecovery));
        }
        assert_eq!(losses.ranges.len(), MOST);
        assert_eq!(losses.ranges.capacity(), room);
        let mut shown = Vec::new();
        losses.write(&mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown.lines().count(), MOST_SHOWN + 1);
        let first =
            "  lost 1..=1 of session 7: both lines lost them; there is no recovery server\n";
        assert!(shown.starts_with(first), "{shown}");
        assert!(shown.ends_with("and 9,980 more ranges, which --json names\n"));
    }
}
