//! What is known of one multicast line.

/// State of a line within the current session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineState {
    /// Whether the subscriber listens to it at all.
    pub(super) configured: bool,
    /// The seq after everything this line has sent, as far as it showed.
    pub(super) position: u64,
    /// When anything of the current session last arrived.
    pub(super) last_at: u64,
    /// Nothing has arrived for too long.
    pub(super) down: bool,
    /// It left a gap open for so long that gaps no longer wait for it.
    pub(super) lagging: bool,
}

impl LineState {
    /// Takes in that the line has passed everything before `next_seq`.
    pub(super) fn pass(&mut self, next_seq: u64, now: u64) {
        if next_seq > self.position {
            self.position = next_seq;
            self.lagging = false;
        }
        self.last_at = now;
    }

    /// Whether the line can still be expected to bring what lies before `end`.
    pub(super) fn may_bring(&self, end: u64) -> bool {
        !planted!(LinesNotWaitedFor)
            && self.configured
            && !self.down
            && !self.lagging
            && self.position < end
    }
}
