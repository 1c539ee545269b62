//! The requests under way, and what the recovery channel brings for them.

use tickcast_wire::{Digest, ReplyStatus, RequestKind, Tick};

/// Requests under way at once; the recovery channel answers them in order.
const MAX_REQUESTS: usize = 8;

/// Longest wait between two tries, ns.
pub(super) const RETRY_DELAY_MAX: u64 = 100_000_000;

/// The wait after so many tries that came to nothing: doubled by each.
pub(super) fn backoff(first_delay: u64, tries: u32) -> u64 {
    if planted!(NoBackoff) {
        return 0;
    }
    (first_delay << tries.min(16)).min(RETRY_DELAY_MAX)
}

/// What the recovery channel brought for the request `id`.
#[derive(Debug, Clone, Copy)]
pub enum Recovered<'a> {
    /// Some of the ticks of a retransmit.
    Ticks {
        /// The request.
        id: u64,
        /// The seq of the first of them.
        first_seq: u64,
        /// The ticks.
        ticks: &'a [Tick],
        /// Whether these are the last of the reply.
        last: bool,
    },
    /// Some of the rows of a snapshot.
    Snapshot {
        /// The request.
        id: u64,
        /// The session it is of.
        session: u64,
        /// The seq it is as of.
        as_of: u64,
        /// The digest of all ticks up to that seq, as the server says; 0 = none.
        digest: Digest,
        /// The rows. Their own digest was checked by whoever received them, before the last.
        rows: &'a [Tick],
        /// Whether these are the last of the reply.
        last: bool,
    },
    /// The server said no.
    Refused {
        /// The request.
        id: u64,
        /// Why, and what to do.
        status: ReplyStatus,
        /// What the status needs to say more.
        detail: u64,
    },
    /// No answer, or none that can be used: the connection failed, broke off or timed out.
    Failed {
        /// The request.
        id: u64,
    },
}

impl Recovered<'_> {
    pub(super) const fn id(&self) -> u64 {
        match *self {
            Recovered::Ticks { id, .. }
            | Recovered::Snapshot { id, .. }
            | Recovered::Refused { id, .. }
            | Recovered::Failed { id } => id,
        }
    }
}

/// A request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) kind: RequestKind,
    pub(super) first: u64,
    pub(super) end: u64,
}

/// The requests under way, and whether the channel works.
pub(super) struct Requests {
    pub(super) asked: Vec<Asked>,
    pub(super) next_id: u64,
    /// Failures in a row, those at the same time counted once.
    failures: u32,
    /// After a failure nothing is asked before this time, whatever is missing.
    pub(super) blocked_until: u64,
}

impl Requests {
    pub(super) fn new() -> Requests {
        Requests {
            asked: Vec::with_capacity(MAX_REQUESTS),
            next_id: 1,
            failures: 0,
            blocked_until: 0,
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.asked.capacity() * size_of::<Asked>()
    }

    /// The channel failed: it is left alone for a while that doubles with each failure in a row,
    /// so that many gaps together ask a dead server no more often than one would.
    pub(super) fn note_failure(&mut self, now: u64, first_delay: u64) {
        if now >= self.blocked_until {
            let delay = backoff(first_delay, self.failures);
            self.blocked_until = now.saturating_add(delay);
            self.failures += 1;
        }
    }

    /// The channel brought an answer.
    pub(super) fn note_answer(&mut self) {
        self.failures = 0;
        self.blocked_until = 0;
    }

    /// Forgets all of them; answers that still come are ignored.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
    }

    pub(super) fn find(&self, id: u64) -> Option<Asked> {
        let is_it = |asked: &&Asked| asked.id == id || planted!(AnswersOfOthersTaken);
        self.asked.iter().find(is_it).copied()
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.asked
            .retain(|asked| asked.id != id || planted!(MemoryGrows));
    }

    /// Whether another request may be made: after a failure one at a time.
    pub(super) fn has_room(&self) -> bool {
        let most = if self.failures > 0 { 1 } else { MAX_REQUESTS };
        self.asked.len() < most || planted!(MemoryGrows)
    }

    pub(super) fn add(&mut self, kind: RequestKind, first: u64, end: u64) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.asked.push(Asked {
            id,
            kind,
            first,
            end,
        });
        id
    }
}
