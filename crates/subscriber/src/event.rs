//! What comes out of a subscriber: the stream, in order, with every loss named.

use tickcast_protocol::{Checkpoint, Loss, Provenance};
use tickcast_wire::{PreviousSession, Tick};

use crate::image::NoImage;

/// When a packet passed the stations of its way, ns since the Unix epoch; 0 where it did not pass
/// or where the stamp is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamps {
    /// The publisher handed the packet to its kernel.
    pub sent: u64,
    /// The subscriber's kernel took it in.
    pub kernel: u64,
    /// The receive thread had read it.
    pub read: u64,
    /// The receive thread handed it on: into the queue, or to an inline strategy.
    pub push: u64,
    /// The strategy's thread took it out of the queue; equal to `push` for an inline strategy.
    pub pop: u64,
}

/// A session that starts for this subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionStart {
    /// The session.
    pub session: u64,
    /// The first seq of it that this subscriber is promised.
    pub first_seq: u64,
    /// The publisher's previous session, when the publisher knows how that ended.
    pub previous: Option<PreviousSession>,
}

/// Where a batch of ticks came from and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The session.
    pub session: u64,
    /// What brought the ticks.
    pub provenance: Provenance,
    /// They had to wait for ticks before them, or came by another way than a line: only the
    /// stamps `push` and `pop` are known. For what did not come out of the queue just now, `push`
    /// is `pop`.
    pub held: bool,
    /// When they passed the stations of their way.
    pub stamps: Stamps,
}

/// Ticks in a row of which not all are given, to a reader with
/// [`OverflowPolicy::Latest`](crate::OverflowPolicy::Latest): what follows is the state after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflated {
    /// The session.
    pub session: u64,
    /// The first seq of them.
    pub first_seq: u64,
    /// How many they are.
    pub count: u64,
    /// How many of them are not given, because a later one of the same instrument and kind takes
    /// their place. The others follow, as they were published and in order.
    pub left_out: u64,
    /// Trades among those that are not given: the only ones that were more than state.
    pub trades: u64,
}

/// Why what a reader knows of the state may not be complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incomplete {
    /// The subscriber joined without a snapshot, or with a part of one.
    JoinedWithoutSnapshot {
        /// The first seq after what is not known.
        first_seq: u64,
    },
    /// This reader was lapped and missed no seq, but perhaps rows of a snapshot.
    RowsMissed,
    /// This reader was lapped across more starts of sessions than are remembered.
    SessionsMissed {
        /// Sessions of which it is not told what it lost.
        count: u64,
    },
    /// This reader was lapped and should be refilled, but the local image has no state for it.
    NotRefilled(NoImage),
}

/// The next thing in the stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// A session starts.
    Session(SessionStart),
    /// The next ticks, or rows of a snapshot if the provenance says so.
    Ticks(&'a [Tick], Origin),
    /// These seqs will never come.
    Lost(Loss),
    /// What this reader knows of the state may not be complete.
    Incomplete(Incomplete),
    /// Of these seqs, only the latest tick of each instrument and kind follows.
    Conflated(Conflated),
    /// Rows of a snapshot follow: the state after seq `as_of`. It replaces all state before.
    Snapshot {
        /// The seq that the state is as of.
        as_of: u64,
    },
    /// The publisher says what the digest of the stream up to here is.
    Checkpoint(Checkpoint),
    /// The session ended with this seq.
    End {
        /// The session.
        session: u64,
        /// Its last seq; 0 when it was empty.
        last_seq: u64,
    },
}
