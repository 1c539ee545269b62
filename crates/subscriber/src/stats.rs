//! What a running subscriber tells of itself.

use tickcast_net::BufferSize;
use tickcast_protocol::Counters;

use crate::faults::FaultCounters;
use crate::inlet::ReceivedBy;

/// What a subscriber counted, as of a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// What the arbiter counted.
    pub counters: Counters,
    /// The session followed; 0 before the first packet.
    pub session: u64,
    /// The next seq to be delivered or lost; 0 before the first packet.
    pub next_seq: u64,
    /// Ticks that wait for those before them.
    pub held: u64,
    /// Gaps that are open: the other line or recovery may still fill them.
    pub open_gaps: u64,
    /// Datagrams that the kernel dropped because the receive buffer of line A or B was full. When
    /// both come in by one AF_XDP socket, the counts of both, here and of errors, are line A's.
    pub kernel_dropped: [u64; 2],
    /// Datagrams that were cut off because they were longer than the receive slot.
    pub cut_off: [u64; 2],
    /// Receive calls that failed for another reason than nothing being there.
    pub receive_errors: [u64; 2],
    /// What was done to the packets of lines A and B on purpose.
    pub faults: [FaultCounters; 2],
    /// Connections made to the recovery server.
    pub recovery_connects: u64,
    /// Connections to the recovery server that failed.
    pub recovery_connect_failures: u64,
    /// The session followed has ended and everything of it was put out.
    pub ended: bool,
}

/// How much of the queue waits for one of its readers, as of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFill {
    /// The name of the strategy's thread; `reader` for a [`TickReader`](crate::TickReader).
    pub reader: String,
    /// Lines that wait: ticks, and a mark for each batch of them. More than `capacity` when the
    /// reader is lapped.
    pub waiting: u64,
    /// The most lines that may wait.
    pub capacity: u64,
}

/// The receive buffer of each line, as asked for and as it is. When both come in by one AF_XDP
/// socket, it is one buffer for both.
pub type ReceiveBuffers = [Option<BufferSize>; 2];

/// By which way each line comes in.
pub type ReceivedByLine = [Option<ReceivedBy>; 2];
