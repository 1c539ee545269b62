//! What goes into the arbiter by lines, and what comes out of it to a sink.

use tickcast_wire::{Digest, PreviousSession, Tick};

use super::Cause;

/// A multicast line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// Line A.
    A = 0,
    /// Line B.
    B = 1,
}

/// Where a delivered tick came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// Line A brought it first.
    A,
    /// Line B brought it first.
    B,
    /// It was asked for again over TCP.
    Retransmit,
    /// It is part of a snapshot: state, not an event.
    Snapshot,
    /// It was read late, with others, and is the latest of its instrument and kind among them.
    Conflated,
}

impl From<Line> for Provenance {
    fn from(line: Line) -> Provenance {
        match line {
            Line::A => Provenance::A,
            Line::B => Provenance::B,
        }
    }
}

/// Why ticks were lost: what kept recovery from bringing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LossReason {
    /// No recovery channel is configured.
    NoRecovery,
    /// The recovery channel did not bring them in time.
    RecoveryDeadline,
    /// The publisher no longer has them; a snapshot took their place.
    Snapshot,
    /// The publisher started a new session.
    SessionChange,
    /// The reader fell behind the receive thread by more than the queue holds.
    Lapped,
}

/// Seqs that will never be delivered: `first_seq .. first_seq + count` of `session`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The session they belong to.
    pub session: u64,
    /// The first of them.
    pub first_seq: u64,
    /// How many there are.
    pub count: u64,
    /// Why they could not be had.
    pub reason: LossReason,
    /// Where they went missing.
    pub cause: Cause,
}

/// What the publisher says of the stream before a seq, to be compared with what was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The session.
    pub session: u64,
    /// The seq that comes next.
    pub next_seq: u64,
    /// The digest of all ticks of the session before it.
    pub digest: Digest,
}

/// Something an operator should know; nothing that a strategy must act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// Nothing came on the line for `line_down_after`.
    LineDown(Line),
    /// The line came back.
    LineUp(Line),
    /// A packet came twice with different bytes; the first was delivered, the second dropped.
    DuplicateDiffers {
        /// The line of the second copy.
        line: Line,
        /// The first seq of the packet.
        first_seq: u64,
    },
    /// Many packets of an older session keep coming: a second publisher sends on this group. Only
    /// the newest session is followed.
    OlderSession {
        /// The session that is not followed.
        session: u64,
    },
    /// A snapshot was not there in time, or only a part of it: the subscriber goes on without the
    /// state before.
    JoinedWithoutSnapshot {
        /// The first seq that it will see.
        first_seq: u64,
    },
}

/// Takes what the arbiter puts out, in order.
///
/// Calls come in the order of the stream: `session`, then ticks, losses and snapshots, then
/// `end_of_session` or the next `session`. A `checkpoint` speaks of exactly what was put out before
/// it; one may follow the end of its session.
pub trait Sink {
    /// A session starts for this subscriber at `first_seq`. `previous` is what the publisher says
    /// of its session before.
    fn session(&mut self, session: u64, first_seq: u64, previous: Option<PreviousSession>);
    /// The next ticks. They follow everything before without a hole, unless `from` is
    /// [`Provenance::Snapshot`]. `held` tells that they had to wait for ticks before them.
    fn ticks(&mut self, ticks: &[Tick], from: Provenance, held: bool);
    /// These seqs will never come.
    fn lost(&mut self, loss: &Loss);
    /// A snapshot follows: the state after seq `as_of`. It replaces all state before.
    fn snapshot(&mut self, as_of: u64);
    /// The session ended; `last_seq` was its last, and has been delivered or lost by notice.
    fn end_of_session(&mut self, session: u64, last_seq: u64);
    /// A gap that no line was expected to fill any more is closed, so many ns after it was first
    /// seen. A figure, not part of the stream: by default nothing is done with it.
    fn healed(&mut self, _ns: u64) {}
    /// The publisher says what the digest of everything before its next seq is; that is the seq
    /// that comes next here, too. See [`Verifier`](crate::Verifier).
    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        let _ = checkpoint;
    }
    /// Something an operator should know.
    fn alarm(&mut self, alarm: Alarm);
}
