//! Line A and line B: the same bytes on both.

use std::sync::Arc;
use std::time::Duration;

use tickcast_net::MulticastSender;
use tickcast_protocol::PACKET_BYTES;

use crate::counters::{Counter, Counters};

/// How often a send is tried again when there is no room, before its packets are given up on that
/// line; the other line and retransmission still have them.
const MOST_RETRIES: u32 = 200;

/// The first retries only let others run.
const YIELDS: u32 = 20;

/// The pause before each later retry: 18 ms in all.
const PAUSE: Duration = Duration::from_micros(100);

/// The sockets of the lines.
#[derive(Debug)]
pub(crate) struct Lines {
    senders: Vec<MulticastSender>,
    counters: Arc<Counters>,
}

impl Lines {
    pub(crate) const fn new(senders: Vec<MulticastSender>, counters: Arc<Counters>) -> Lines {
        Lines { senders, counters }
    }

    /// Sends the packets in `bytes` on every line: all of [`PACKET_BYTES`], the last may be
    /// shorter.
    pub(crate) fn send(&self, bytes: &[u8]) {
        for sender in &self.senders {
            self.send_on(sender, bytes);
        }
        let all_lines = bytes.len() * self.senders.len();
        self.counters.add(Counter::Bytes, all_lines as u64);
    }

    fn send_on(&self, sender: &MulticastSender, mut bytes: &[u8]) {
        let mut retries = 0;
        while let Err(error) = sender.send(bytes, PACKET_BYTES) {
            bytes = &bytes[error.sent()..];
            if error.is_transient() && retries < MOST_RETRIES {
                self.counters.add(Counter::SendRetries, 1);
                pause(retries);
                retries += 1;
            } else {
                // One packet is given up, then the rest has its turn.
                self.counters.add(Counter::SendFailures, 1);
                bytes = &bytes[bytes.len().min(PACKET_BYTES)..];
            }
        }
    }
}

fn pause(retries: u32) {
    if retries < YIELDS {
        std::thread::yield_now();
    } else {
        std::thread::sleep(PAUSE);
    }
}
