//! Bytes a second for all clients together.

use crate::server::bucket::TokenBucket;

/// A reply of at most this many bytes is small: it is served even while large ones have to wait.
pub(crate) const SMALL_BYTES: u64 = 64 * 1024;

/// Small replies may go so far into debt: what leaves in an eighth of a second.
const RESERVE: u64 = 8;

/// The longest time that a client is told to wait, in ns: 1 s.
const LONGEST_WAIT_NS: u64 = 1_000_000_000;

/// What the server may send in all.
///
/// However many clients miss the same range, no more leaves than this. Those that have to wait are
/// given times one after the other, as the budget will allow, and do not all come back at once.
#[derive(Debug)]
pub(crate) struct Budget {
    bucket: TokenBucket,
    per_second: u64,
    /// Until then what the budget will allow is promised to clients that wait.
    promised_until: u64,
}

impl Budget {
    pub(crate) fn new(per_second: u64, burst: u64, now: u64) -> Budget {
        Budget {
            bucket: TokenBucket::new(per_second, burst, now),
            per_second: per_second.max(1),
            promised_until: now,
        }
    }

    /// Whether a reply of about so many bytes may be sent.
    ///
    /// # Errors
    /// The ns after which to ask again.
    pub(crate) fn check(&mut self, bytes: u64, now: u64) -> Result<(), u64> {
        let reserve = if bytes <= SMALL_BYTES {
            self.per_second / RESERVE
        } else {
            0
        };
        let Err(wait) = self.bucket.check_debt(reserve, now) else {
            return Ok(());
        };
        let (earliest, latest) = (now.saturating_add(wait), now + LONGEST_WAIT_NS);
        let mut start = self.promised_until.max(earliest);
        if start > latest {
            // More wait than can be served soon: the next round of them begins.
            start = earliest.min(latest);
        }
        let takes = u128::from(bytes) * 1_000_000_000 / u128::from(self.per_second);
        self.promised_until = start.saturating_add(takes as u64);
        Err(start - now)
    }

    /// Takes what a reply will need.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.bucket.take(bytes);
    }

    /// Gives back what a reply was not sent of.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.bucket.give_back(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const MIB: u64 = 1 << 20;
    const MS: u64 = 1_000_000;

    /// Clients that all miss the same range at once and keep to what they are told: what left in
    /// the first second, how many requests it took, and when the last was served.
    fn served(clients: usize, bytes: u64) -> (u64, usize, u64) {
        let mut budget = Budget::new(64 * MIB, MIB, 0);
        let mut asks: BTreeMap<(u64, usize), ()> = (0..clients).map(|c| ((0, c), ())).collect();
        let (mut first_second, mut requests, mut last) = (0, 0, 0);
        while let Some(((now, client), ())) = asks.pop_first() {
            requests += 1;
            match budget.check(bytes, now) {
                Ok(()) => {
                    budget.take(bytes);
                    first_second += if now < 1_000 * MS { bytes } else { 0 };
                    last = now;
                }
                Err(wait) => {
                    assert!((1..=LONGEST_WAIT_NS).contains(&wait));
                    asks.insert((now + wait, client), ());
                }
            }
        }
        (first_second, requests, last)
    }

    #[test]
    fn many_that_miss_the_same_are_served_one_after_the_other() {
        let (first_second, requests, last) = served(1000, MIB);
        // The burst, a second's worth, and the one that went into debt.
        assert!(first_second <= 66 * MIB, "{first_second}");
        // 1,000 MiB at 64 MiB a second.
        assert!((15_000 * MS..16_500 * MS).contains(&last), "{last}");
        // Each asks once a second or so while it waits, not all of them every time one is served.
        assert!(requests < 20_000, "{requests}");
    }

    #[test]
    fn a_few_that_miss_the_same_ask_twice() {
        let (_, requests, last) = served(50, MIB);
        assert!(requests <= 100, "{requests}");
        assert!(last < 800 * MS, "{last}");
    }

    #[test]
    fn small_replies_do_not_wait_for_large_ones() {
        let mut budget = Budget::new(64 * MIB, MIB, 0);
        while budget.check(4 * MIB, 0).is_ok() {
            budget.take(4 * MIB);
        }
        let mut small = 0;
        while budget.check(SMALL_BYTES, 0).is_ok() {
            budget.take(SMALL_BYTES);
            small += 1;
        }
        // 8 MiB of reserve, less the debt of the large one.
        assert!((60..=100).contains(&small), "{small}");
        let wait = budget.check(SMALL_BYTES, 0).unwrap_err();
        assert_eq!(budget.check(SMALL_BYTES, wait), Ok(()));
    }

    #[test]
    fn what_was_not_sent_is_given_back() {
        let mut budget = Budget::new(MIB, MIB, 0);
        budget.take(10 * MIB);
        assert!(budget.check(MIB, 0).is_err());
        budget.give_back(9 * MIB);
        assert_eq!(budget.check(MIB, 0), Ok(()));
    }
}
