//! A snapshot that is to be spliced into the stream.

use tickcast_wire::PreviousSession;

/// Whether a snapshot is wanted before anything more is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// No: the stream runs.
    Done,
    /// Yes.
    Wanted(Splice),
}

/// A snapshot that is wanted, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Splice {
    /// The smallest seq it may be as of.
    pub(super) at_least: u64,
    pub(super) since: u64,
    pub(super) retry_at: u64,
    pub(super) tries: u32,
    pub(super) pending: Option<u64>,
    /// The sink has been told of the session: this subscriber is no late joiner, or no longer.
    pub(super) joined: bool,
    /// The sink has been given a part of a snapshot, and not all of it yet.
    pub(super) is_begun: bool,
    /// The seq that the snapshot being delivered is as of.
    pub(super) receiving: Option<u64>,
    pub(super) previous: Option<PreviousSession>,
}

impl Splice {
    /// Nothing came of a try: another one after a while.
    pub(super) fn retry(&mut self, at: u64) {
        self.pending = None;
        self.receiving = None;
        self.tries += 1;
        self.retry_at = at;
    }
}

impl Join {
    /// A late joiner's wish: the state as of `at_least` or later.
    pub(super) fn wanted(at_least: u64, previous: Option<PreviousSession>, now: u64) -> Join {
        Join::Wanted(Splice {
            at_least,
            since: now,
            retry_at: now,
            tries: 0,
            pending: None,
            joined: false,
            is_begun: false,
            receiving: None,
            previous,
        })
    }

    pub(super) fn is_done(&self) -> bool {
        *self == Join::Done
    }

    /// Whether the sink has been told of the session.
    pub(super) fn was_told(&self) -> bool {
        match self {
            Join::Done => true,
            Join::Wanted(splice) => splice.joined,
        }
    }
}
