//! How the arbiter behaves.

/// Where a subscriber starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At whatever is live, with a snapshot of the state before it.
    Live,
    /// At this seq of the running session; 1 is its start.
    Seq(u64),
}

/// How the arbiter behaves. All times in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArbiterConfig {
    /// The channel; packets of others are counted and dropped.
    pub channel: u16,
    /// Whether line B is listened to as well.
    pub line_b: bool,
    /// Whether there is a recovery channel to ask.
    pub recovery: bool,
    /// Where to start.
    pub start: Start,
    /// Most ticks held while waiting for those before them: 65,536 (4 MiB).
    pub hold_ticks: usize,
    /// How long a gap that all lines have passed still waits for a reordered packet: 10 µs.
    pub reorder_window: u64,
    /// Most that is added to it, by seq and `jitter_seed`, so that many subscribers that miss the
    /// same do not ask at the same instant: 10 µs.
    pub jitter: u64,
    /// What makes the jitter of this subscriber its own.
    pub jitter_seed: u64,
    /// How long a gap waits for a line that lags behind the other: 100 ms.
    pub line_patience: u64,
    /// A line that is silent for so long is down: 3 s, three times the longest heartbeat distance.
    pub line_down_after: u64,
    /// Most ticks asked for at once: 16,384 (1 MiB).
    pub retransmit_ticks: u64,
    /// Tries of a retransmit before a snapshot is asked for instead, which costs what is held: 16,
    /// which take about a second.
    pub tries: u32,
    /// First wait after a failed try, doubled by each further one: 1 ms.
    pub retry_delay: u64,
    /// A gap that is open for so long is given up with a notice: 2 s.
    pub recovery_deadline: u64,
}

impl Default for ArbiterConfig {
    fn default() -> ArbiterConfig {
        const MS: u64 = 1_000_000;
        ArbiterConfig {
            channel: 0,
            line_b: true,
            recovery: true,
            start: Start::Live,
            hold_ticks: 65_536,
            reorder_window: 10_000,
            jitter: 10_000,
            jitter_seed: 0,
            line_patience: 100 * MS,
            line_down_after: 3_000 * MS,
            retransmit_ticks: 16_384,
            tries: 16,
            retry_delay: MS,
            recovery_deadline: 2_000 * MS,
        }
    }
}
