//! Which sessions there were, for readers that were lapped across the start of one.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use tickcast_wire::{Digest, PreviousSession};

/// How many sessions are remembered. A reader lapped across more starts is not told of the oldest;
/// it counts them.
pub(crate) const REMEMBERED: u32 = 256;

/// A session as it was for this subscriber: `first .. end` of it was delivered or lost by notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) session: u64,
    pub(crate) first: u64,
    /// The seq after its last; only known once the next one has started.
    pub(crate) end: u64,
    pub(crate) previous: Option<PreviousSession>,
}

/// Session `number` as six words. `number` is 0 while they are written.
#[derive(Debug, Default)]
struct Slot {
    number: AtomicU64,
    words: [AtomicU64; 6],
}

/// The last sessions, written by the receive thread before the mark of the next one is published.
///
/// The queue orders the writes before the reads of whoever has seen that mark. What a slot held is
/// overwritten 256 sessions later, perhaps while somebody reads it: `number` tells.
#[derive(Debug)]
pub(crate) struct Sessions {
    slots: Box<[Slot]>,
}

impl Sessions {
    pub(crate) fn new() -> Sessions {
        Sessions {
            slots: (0..REMEMBERED).map(|_| Slot::default()).collect(),
        }
    }

    fn slot(&self, number: u32) -> &Slot {
        &self.slots[(number % REMEMBERED) as usize]
    }

    /// Session `number`, from 1, begins at `first`.
    pub(crate) fn start(
        &self,
        number: u32,
        session: u64,
        first: u64,
        previous: Option<PreviousSession>,
    ) {
        let slot = self.slot(number);
        slot.number.store(0, Ordering::Relaxed);
        // Pairs with the acquire fence in `find`: who reads a word stored below sees the 0 above.
        fence(Ordering::Release);
        let [named, last_seq, digest] =
            previous.map_or([0; 3], |it| [it.session, it.last_seq, it.digest.value()]);
        let values = [session, first, first, named, last_seq, digest];
        for (word, value) in slot.words.iter().zip(values) {
            word.store(value, Ordering::Relaxed);
        }
        // Pairs with the acquire load in `find`: who sees the number sees the words.
        slot.number.store(u64::from(number), Ordering::Release);
    }

    /// Session `number` ends before `end`.
    pub(crate) fn end(&self, number: u32, end: u64) {
        self.slot(number).words[2].store(end, Ordering::Relaxed);
    }

    /// Session `number`, unless it was too long ago.
    pub(crate) fn find(&self, number: u32) -> Option<Session> {
        let slot = self.slot(number);
        let before = slot.number.load(Ordering::Acquire);
        let [session, first, end, named, last_seq, digest] = slot
            .words
            .each_ref()
            .map(|word| word.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let after = slot.number.load(Ordering::Relaxed);
        (before == u64::from(number) && after == before).then_some(Session {
            session,
            first,
            end,
            previous: (named != 0).then_some(PreviousSession {
                session: named,
                last_seq,
                digest: Digest::from_value(digest),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    fn previous(session: u64, last_seq: u64) -> PreviousSession {
        PreviousSession {
            session,
            last_seq,
            digest: Digest::from_value(last_seq),
        }
    }

    #[test]
    fn the_last_ones_are_remembered_and_no_others() {
        let sessions = Sessions::new();
        assert_eq!(sessions.find(1), None);
        for number in 1..=300u32 {
            let session = u64::from(number) * 10;
            sessions.start(
                number,
                session,
                5,
                (number > 1).then_some(previous(session - 10, 8)),
            );
            sessions.end(number, 9);
        }
        for number in 1..=300u32 {
            let session = u64::from(number) * 10;
            let expected = (number > 300 - REMEMBERED).then_some(Session {
                session,
                first: 5,
                end: 9,
                previous: (number > 1).then_some(previous(session - 10, 8)),
            });
            assert_eq!(sessions.find(number), expected, "{number}");
        }
    }

    #[test]
    fn what_is_found_is_never_torn() {
        let sessions = Arc::new(Sessions::new());
        let latest = Arc::new(AtomicU32::new(1));
        let writer = {
            let (sessions, latest) = (Arc::clone(&sessions), Arc::clone(&latest));
            std::thread::spawn(move || {
                for number in 1..=200_000u32 {
                    let value = u64::from(number);
                    sessions.start(number, value, value, Some(previous(value, value)));
                    latest.store(number, Ordering::Release);
                }
            })
        };
        while !writer.is_finished() {
            // The oldest is the one about to be overwritten.
            let newest = latest.load(Ordering::Acquire);
            for number in newest.saturating_sub(REMEMBERED - 1).max(1)..=newest {
                let Some(session) = sessions.find(number) else {
                    continue;
                };
                let value = u64::from(number);
                assert_eq!(
                    (session.session, session.first, session.end),
                    (value, value, value)
                );
                assert_eq!(session.previous, Some(previous(value, value)));
            }
        }
        writer.join().unwrap();
        assert!(sessions.find(200_000).is_some());
    }
}
