//! When a silent publisher says that it is still there.

/// Silence after which the first heartbeat is due, in ns: 1 ms.
pub const FIRST_HEARTBEAT_NS: u64 = 1_000_000;

/// The longest silence between heartbeats, in ns: 1 s.
pub const LONGEST_HEARTBEAT_NS: u64 = 1_000_000_000;

/// The schedule of heartbeats: the first after 1 ms of silence, so that the loss of the last
/// packet before a pause shows at once, then at intervals that double up to 1 s.
///
/// Call [`Heartbeat::handle_data`] whenever data was sent and [`Heartbeat::poll`] whenever there
/// was nothing to send. `now` is in ns of any clock that does not go back.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    interval: u64,
    due: u64,
}

impl Heartbeat {
    /// Silence begins now.
    #[must_use]
    pub const fn new(now: u64) -> Heartbeat {
        Heartbeat {
            interval: FIRST_HEARTBEAT_NS,
            due: now.saturating_add(FIRST_HEARTBEAT_NS),
        }
    }

    /// Data was sent: silence begins anew.
    pub const fn handle_data(&mut self, now: u64) {
        *self = Heartbeat::new(now);
    }

    /// Whether a heartbeat is to be sent now; if so, the next one is one interval away.
    #[must_use]
    pub fn poll(&mut self, now: u64) -> bool {
        if now < self.due {
            return false;
        }
        // Counted from now: one that comes late is not followed by a burst.
        self.interval = (self.interval * 2).min(LONGEST_HEARTBEAT_NS);
        self.due = now.saturating_add(self.interval);
        if planted!(HeartbeatsStop) {
            self.due = u64::MAX;
        }
        true
    }

    /// When the next heartbeat is due, if nothing is sent before.
    #[must_use]
    pub const fn due(&self) -> u64 {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Beats until `end`, polled at every due time.
    fn beats(heartbeat: &mut Heartbeat, end: u64) -> Vec<u64> {
        let mut beats = Vec::new();
        while heartbeat.due() <= end {
            let now = heartbeat.due();
            assert!(!heartbeat.poll(now - 1));
            assert!(heartbeat.poll(now));
            beats.push(now / MS);
        }
        beats
    }

    #[test]
    fn backs_off_by_doubling_to_a_second() {
        let mut heartbeat = Heartbeat::new(0);
        let expected = [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2023, 3023];
        assert_eq!(beats(&mut heartbeat, 3500 * MS), expected);
    }

    #[test]
    fn data_starts_it_over() {
        let mut heartbeat = Heartbeat::new(0);
        assert_eq!(beats(&mut heartbeat, 10 * MS), [1, 3, 7]);
        heartbeat.handle_data(10 * MS);
        assert_eq!(beats(&mut heartbeat, 20 * MS), [11, 13, 17]);
    }

    #[test]
    fn a_late_poll_gives_one_beat() {
        let mut heartbeat = Heartbeat::new(0);
        assert!(heartbeat.poll(500 * MS));
        assert!(!heartbeat.poll(500 * MS));
        assert_eq!(heartbeat.due(), 502 * MS);
        assert!(Heartbeat::new(u64::MAX).poll(u64::MAX));
    }
}
