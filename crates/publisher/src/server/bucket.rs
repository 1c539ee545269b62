//! Bytes a second for one client.

/// A token bucket that may go into debt: what is asked for while it is not in debt is granted in
/// full, and the debt is paid off before the next.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    per_second: u64,
    burst: u64,
    /// In bytes; below 0 it is a debt.
    level: i128,
    filled_at: u64,
}

impl TokenBucket {
    /// A full bucket; `now` in ns.
    pub(crate) fn new(per_second: u64, burst: u64, now: u64) -> TokenBucket {
        TokenBucket {
            per_second: per_second.max(1),
            burst,
            level: i128::from(burst),
            filled_at: now,
        }
    }

    /// Whether more may be asked for now.
    ///
    /// # Errors
    /// The ns to wait until the debt is paid.
    pub(crate) fn check(&mut self, now: u64) -> Result<(), u64> {
        self.fill(now);
        if self.level >= 0 {
            return Ok(());
        }
        let debt = self.level.unsigned_abs();
        let wait = (debt * 1_000_000_000).div_ceil(u128::from(self.per_second));
        Err(u64::try_from(wait).unwrap_or(u64::MAX))
    }

    /// Takes `bytes`, into debt if need be.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.level -= i128::from(bytes);
    }

    fn fill(&mut self, now: u64) {
        let elapsed = u128::from(now.saturating_sub(self.filled_at));
        let bytes = elapsed * u128::from(self.per_second) / 1_000_000_000;
        if bytes > 0 {
            // The time that made these bytes and no more, so that no fraction gets lost.
            let used = bytes * 1_000_000_000 / u128::from(self.per_second);
            self.filled_at = self.filled_at.saturating_add(used as u64);
            let level = self.level.saturating_add_unsigned(bytes);
            self.level = level.min(i128::from(self.burst));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_into_debt_and_names_the_time_to_wait() {
        let mut bucket = TokenBucket::new(1000, 500, 0);
        assert_eq!(bucket.check(0), Ok(()));
        bucket.take(700);
        assert_eq!(bucket.check(0), Err(200_000_000));
        assert_eq!(bucket.check(100_500_000), Err(100_000_000));
        assert_eq!(bucket.check(200_000_000), Ok(()));
        bucket.take(1);
        assert_eq!(bucket.check(200_000_000), Err(1_000_000));
    }

    #[test]
    fn fills_no_further_than_the_burst() {
        let mut bucket = TokenBucket::new(1000, 500, 0);
        assert_eq!(bucket.check(u64::MAX), Ok(()));
        bucket.take(501);
        assert_eq!(bucket.check(u64::MAX), Err(1_000_000));
    }
}
