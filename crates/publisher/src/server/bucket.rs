//! So many a second: of bytes, requests or handshakes.

/// A token bucket that may go into debt: what is asked for while it is not in debt is granted in
/// full, and the debt is paid off before the next.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    per_second: u64,
    burst: u64,
    /// Below 0 it is a debt.
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
        self.check_debt(0, now)
    }

    /// Whether more may be asked for now by somebody for whom so much debt is not too much.
    ///
    /// # Errors
    /// The ns to wait until no more than that is left of the debt.
    pub(crate) fn check_debt(&mut self, most: u64, now: u64) -> Result<(), u64> {
        self.fill(now);
        let level = self.level + i128::from(most);
        if level >= 0 {
            return Ok(());
        }
        let wait = (level.unsigned_abs() * 1_000_000_000).div_ceil(u128::from(self.per_second));
        Err(u64::try_from(wait).unwrap_or(u64::MAX))
    }

    /// Takes so much, into debt if need be.
    pub(crate) fn take(&mut self, amount: u64) {
        self.level -= i128::from(amount);
    }

    /// Gives back what was taken and not used.
    pub(crate) fn give_back(&mut self, amount: u64) {
        let level = self.level + i128::from(amount);
        self.level = level.min(i128::from(self.burst));
    }

    fn fill(&mut self, now: u64) {
        let elapsed = u128::from(now.saturating_sub(self.filled_at));
        let amount = elapsed * u128::from(self.per_second) / 1_000_000_000;
        if amount > 0 {
            // The time that made this amount and no more, so that no fraction gets lost.
            let used = amount * 1_000_000_000 / u128::from(self.per_second);
            self.filled_at = self.filled_at.saturating_add(used as u64);
            let level = self.level.saturating_add_unsigned(amount);
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
        assert_eq!(bucket.check_debt(150, 0), Err(50_000_000));
        assert_eq!(bucket.check_debt(200, 0), Ok(()));
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
        bucket.give_back(100_000);
        bucket.take(501);
        assert_eq!(bucket.check(u64::MAX), Err(1_000_000));
    }
}
