//! What the send loop and the server tell each other about flow control.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Flow control, for replays: the publisher waits for its subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowControl {
    /// How many ticks the publisher may be ahead of the slowest subscriber that joined. Default
    /// 32,768.
    pub window: u64,
    /// How many subscribers must have joined before the first tick leaves. Default 1.
    pub wait_for: usize,
}

impl Default for FlowControl {
    fn default() -> FlowControl {
        FlowControl {
            window: 32_768,
            wait_for: 1,
        }
    }
}

/// Nobody is under flow control.
const NOBODY: u64 = u64::MAX;

/// Positions of subscribers as the server last saw them, and the end as the send loop set it.
#[derive(Debug)]
pub(crate) struct Positions {
    /// The smallest next seq that a joined subscriber wants.
    slowest: AtomicU64,
    joined: AtomicUsize,
    /// Subscribers that have everything up to the end, whether still connected or not.
    confirmed: AtomicUsize,
    /// The next seq at the end of the session; 0 before the end.
    end: AtomicU64,
}

impl Positions {
    pub(crate) const fn new() -> Positions {
        Positions {
            slowest: AtomicU64::new(NOBODY),
            joined: AtomicUsize::new(0),
            confirmed: AtomicUsize::new(0),
            end: AtomicU64::new(0),
        }
    }

    /// The server's view, whenever it changed.
    pub(crate) fn update(&self, slowest: Option<u64>, joined: usize, confirmed: usize) {
        self.slowest
            .store(slowest.unwrap_or(NOBODY), Ordering::Relaxed);
        self.confirmed.store(confirmed, Ordering::Relaxed);
        // A send loop that sees the subscribers joined also sees the slowest of them.
        self.joined.store(joined, Ordering::Release);
    }

    pub(crate) fn joined(&self) -> usize {
        self.joined.load(Ordering::Acquire)
    }

    /// How many ticks may leave when `next_seq` is the next.
    pub(crate) fn allowance(&self, next_seq: u64, window: u64) -> u64 {
        let slowest = self.slowest.load(Ordering::Relaxed);
        slowest.saturating_add(window).saturating_sub(next_seq)
    }

    pub(crate) fn set_end(&self, next_seq: u64) {
        self.end.store(next_seq, Ordering::Relaxed);
    }

    /// The next seq at the end of the session, once that is known.
    pub(crate) fn end(&self) -> Option<u64> {
        Some(self.end.load(Ordering::Relaxed)).filter(|&end| end > 0)
    }

    /// Whether at least `wait_for` subscribers have everything and none that is still joined
    /// lacks something.
    pub(crate) fn all_confirmed(&self, wait_for: usize) -> bool {
        let Some(end) = self.end() else { return false };
        self.confirmed.load(Ordering::Relaxed) >= wait_for.max(1)
            && self.slowest.load(Ordering::Relaxed) >= end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_sets_the_pace() {
        let positions = Positions::new();
        assert_eq!(positions.allowance(1, 100), u64::MAX - 1);
        positions.update(Some(11), 2, 0);
        assert_eq!(positions.allowance(11, 100), 100);
        assert_eq!(positions.allowance(110, 100), 1);
        assert_eq!(positions.allowance(111, 100), 0);
        assert_eq!(positions.allowance(500, 100), 0);
        assert_eq!(positions.joined(), 2);
    }

    #[test]
    fn the_end_is_confirmed_by_enough_and_lacked_by_none() {
        let positions = Positions::new();
        positions.update(Some(50), 1, 0);
        assert!(!positions.all_confirmed(1));
        positions.set_end(50);
        assert!(!positions.all_confirmed(1));
        positions.update(Some(50), 1, 1);
        assert!(positions.all_confirmed(1));
        assert!(
            !positions.all_confirmed(2),
            "the second left without saying so"
        );
        positions.update(Some(49), 2, 1);
        assert!(!positions.all_confirmed(1));
        positions.update(None, 0, 2);
        assert!(positions.all_confirmed(2));
    }
}
