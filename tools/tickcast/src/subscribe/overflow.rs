//! Receive buffers that run over: said once a line, with what to do.

use tickcast_net::BufferSize;
use tickcast_subscriber::{ReceiveBuffers, ReceivedBy, ReceivedByLine, Stats};

use crate::show;

/// Watches what the kernel drops.
pub(super) struct Overflow {
    /// Of lines A and B, until it was said of the line.
    unsaid: ReceiveBuffers,
    by_xdp: [bool; 2],
}

impl Overflow {
    pub(super) fn new(buffers: ReceiveBuffers, received_by: &ReceivedByLine) -> Overflow {
        let is_xdp = |by: &Option<ReceivedBy>| matches!(by, Some(ReceivedBy::Xdp(_)));
        Overflow {
            unsaid: buffers,
            by_xdp: [is_xdp(&received_by[0]), is_xdp(&received_by[1])],
        }
    }

    /// Says it of a line whose first drops are in these counters.
    pub(super) fn look(&mut self, stats: &Stats) {
        for (at, line) in ["A", "B"].into_iter().enumerate() {
            if stats.kernel_dropped[at] > 0
                && let Some(buffer) = self.unsaid[at].take()
            {
                tracing::warn!("{}", explained(line, buffer, self.by_xdp[at]));
            }
        }
    }
}

fn explained(line: &str, buffer: BufferSize, by_xdp: bool) -> String {
    let room = show::count(buffer.got as u64);
    let more = if buffer.is_short() {
        "raise net.core.rmem_max, which cut --receive-buffer short"
    } else {
        "give a larger --receive-buffer"
    };
    let or = if by_xdp {
        "; or its datagrams came past the AF_XDP socket, in fragments or on another queue"
    } else {
        ""
    };
    format!(
        "the receive buffer of line {line}, {room} bytes, ran over, and the kernel drops what does \
         not fit: {more}, or give the receive thread a core of its own (--receive-core){or}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_is_what_helps() {
        let buffer = |asked| BufferSize { asked, got: 4_096 };
        let words = explained("A", buffer(4_096), false);
        assert!(words.contains("line A, 4,096 bytes"), "{words}");
        assert!(words.contains("larger --receive-buffer"), "{words}");
        assert!(explained("B", buffer(4_097), false).contains("net.core.rmem_max"));
        assert!(!words.contains("queue") && explained("A", buffer(1), true).contains("queue"));
    }
}
