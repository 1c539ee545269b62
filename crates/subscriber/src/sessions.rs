//! Which sessions there were, for readers that were lapped across the start of one.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many sessions are remembered.
const REMEMBERED: usize = 16;

/// A session as it was for this subscriber: `first .. end` of it was delivered or lost by notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) session: u64,
    pub(crate) first: u64,
    /// The seq after its last; only known once the next one has started.
    pub(crate) end: u64,
}

/// The last sessions, written by the receive thread before the mark of the next one is published.
/// The queue orders the writes before the reads of whoever has seen that mark.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slots: [[AtomicU64; 4]; REMEMBERED],
}

impl Sessions {
    fn slot(&self, number: u16) -> &[AtomicU64; 4] {
        &self.slots[usize::from(number) % REMEMBERED]
    }

    pub(crate) fn start(&self, number: u16, session: u64, first: u64) {
        let values = [session, first, first, u64::from(number)];
        for (word, value) in self.slot(number).iter().zip(values) {
            word.store(value, Ordering::Relaxed);
        }
    }

    pub(crate) fn end(&self, number: u16, end: u64) {
        self.slot(number)[2].store(end, Ordering::Relaxed);
    }

    /// Session `number`, unless it was too long ago.
    pub(crate) fn find(&self, number: u16) -> Option<Session> {
        let [session, first, end, found] = self
            .slot(number)
            .each_ref()
            .map(|word| word.load(Ordering::Relaxed));
        (found == u64::from(number)).then_some(Session {
            session,
            first,
            end,
        })
    }
}
