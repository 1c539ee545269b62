//! The kernel's 32-bit drop counter of a socket, extended to 64 bits.

/// Cumulative drops of one socket since it was opened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DropCounter {
    total: u64,
}

impl DropCounter {
    /// Takes a reading of the kernel's counter and returns the total. Readings may come out of
    /// order: a datagram carries the count of when it was queued. An older one changes nothing.
    pub(crate) fn read(&mut self, counter: u32) -> u64 {
        let ahead = counter.wrapping_sub(self.total as u32);
        if ahead <= u32::MAX / 2 {
            self.total += u64::from(ahead);
        }
        self.total
    }

    /// The total by the readings so far.
    pub(crate) fn total(self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::DropCounter;

    #[test]
    fn it_goes_on_beyond_32_bits() {
        let mut drops = DropCounter::default();
        assert_eq!(drops.read(2_000_000_000), 2_000_000_000);
        assert_eq!(drops.read(4_000_000_000), 4_000_000_000);
        assert_eq!(drops.read(5), (1 << 32) + 5);
        assert_eq!(drops.total(), (1 << 32) + 5);
    }

    #[test]
    fn an_older_reading_changes_nothing() {
        let mut drops = DropCounter::default();
        drops.read(100);
        assert_eq!(drops.read(99), 100);
        assert_eq!(drops.read(101), 101);
        // Just after the 32-bit counter wrapped, too.
        let mut drops = DropCounter {
            total: (1 << 32) + 3,
        };
        assert_eq!(drops.read(u32::MAX), (1 << 32) + 3);
    }
}
