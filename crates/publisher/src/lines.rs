//! Line A and line B: the same bytes on both.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use tickcast_net::{MulticastSender, SendError};
use tickcast_protocol::PACKET_BYTES;

use crate::counters::{Counter, Counters};

/// How often a line that has no room is tried again, before packets are given up on it; the other
/// line and retransmission still have them. From then on each is tried once, until the line takes
/// one: it does not hold up the other for longer.
const MOST_RETRIES: u32 = 200;

/// The first retries only let others run.
const YIELDS: u32 = 20;

/// The pause before each later retry: 18 ms in all.
const PAUSE: Duration = Duration::from_micros(100);

/// The sockets of the lines.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: Vec<Line>,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Line {
    sender: MulticastSender,
    /// Since something went out.
    retries: Cell<u32>,
}

impl Lines {
    pub(crate) fn new(senders: Vec<MulticastSender>, counters: Arc<Counters>) -> Lines {
        let line = |sender| Line {
            sender,
            retries: Cell::new(0),
        };
        Lines {
            lines: senders.into_iter().map(line).collect(),
            counters,
        }
    }

    /// Sends the packets in `bytes` on every line: all of [`PACKET_BYTES`], the last may be
    /// shorter.
    pub(crate) fn send(&self, bytes: &[u8]) {
        for Line { sender, retries } in &self.lines {
            let sent = send_all(bytes, retries, &self.counters, |rest| {
                sender.send(rest, PACKET_BYTES)
            });
            self.counters.add(Counter::Bytes, sent as u64);
        }
    }
}

/// Sends all packets, some of them again and again while there is no room; gives the bytes that
/// went out. What cannot be sent is counted.
fn send_all(
    mut bytes: &[u8],
    retries: &Cell<u32>,
    counters: &Counters,
    mut send: impl FnMut(&[u8]) -> Result<(), SendError>,
) -> usize {
    let (all, mut given_up) = (bytes.len(), 0);
    while !bytes.is_empty() {
        let Err(error) = send(bytes) else {
            retries.set(0);
            break;
        };
        bytes = &bytes[error.sent()..];
        if error.sent() > 0 {
            retries.set(0);
        }
        if error.is_transient() && retries.get() < MOST_RETRIES {
            counters.add(Counter::SendRetries, 1);
            pause(retries.get());
            retries.set(retries.get() + 1);
        } else {
            // One packet is given up, then the rest has its turn.
            counters.add(Counter::SendFailures, 1);
            let packet = bytes.len().min(PACKET_BYTES);
            bytes = &bytes[packet..];
            given_up += packet;
        }
    }
    all - given_up
}

fn pause(retries: u32) {
    if retries < YIELDS {
        std::thread::yield_now();
    } else {
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickcast_net::OsError;

    const BATCH: usize = 3 * PACKET_BYTES + 100;

    /// Sends a batch on a new line, as [`send_on`] does.
    fn send(answers: &[Result<(), SendError>]) -> (Vec<usize>, usize, u64, u64) {
        send_on(&Cell::new(0), answers)
    }

    /// Sends a batch through `answers`, one a call; gives the lengths asked for, the bytes sent,
    /// retries and failures.
    fn send_on(
        line: &Cell<u32>,
        answers: &[Result<(), SendError>],
    ) -> (Vec<usize>, usize, u64, u64) {
        let counters = Counters::new();
        let mut asked = Vec::new();
        let sent = send_all(&[0; BATCH], line, &counters, |bytes| {
            asked.push(bytes.len());
            answers.get(asked.len() - 1).copied().unwrap_or(Ok(()))
        });
        let failures = counters.get(Counter::SendFailures);
        (asked, sent, counters.get(Counter::SendRetries), failures)
    }

    #[test]
    fn goes_on_where_the_kernel_stopped() {
        let full = Err(SendError::WouldBlock {
            sent: 2 * PACKET_BYTES,
        });
        let none = Err(SendError::NoBuffers { sent: 0 });
        let asked = vec![BATCH, BATCH, BATCH, PACKET_BYTES + 100];
        assert_eq!(send(&[none, none, full]), (asked, BATCH, 3, 0));
    }

    #[test]
    fn a_packet_that_cannot_be_sent_is_counted_and_the_rest_goes() {
        let os = OsError { code: 100 };
        let down = Err(SendError::NetworkDown {
            sent: PACKET_BYTES,
            os,
        });
        let asked = vec![BATCH, PACKET_BYTES + 100];
        assert_eq!(send(&[down]), (asked, BATCH - PACKET_BYTES, 0, 1));
    }

    #[test]
    fn a_line_that_never_has_room_is_given_up_in_bounded_time() {
        let none = Err(SendError::NoBuffers { sent: 0 });
        let (asked, sent, retries, failures) = send(&[none; 1000]);
        assert_eq!((sent, retries, failures), (0, u64::from(MOST_RETRIES), 4));
        assert_eq!(asked.len() as u64, retries + failures);
    }

    #[test]
    fn a_line_that_was_given_up_is_tried_once_until_it_has_room() {
        let (line, none) = (Cell::new(0), Err(SendError::NoBuffers { sent: 0 }));
        let retries = |answers: &[_]| send_on(&line, answers).2;
        assert_eq!(retries(&[none; 1000]), u64::from(MOST_RETRIES));
        assert_eq!(send_on(&line, &[none; 1000]), (retried_none(), 0, 0, 4));
        assert_eq!(retries(&[none, Ok(())]), 0);
        assert_eq!(retries(&[none, Ok(())]), 1, "it has had room");
    }

    /// A batch, less a packet with every try.
    fn retried_none() -> Vec<usize> {
        (0..4)
            .map(|given_up| BATCH - given_up * PACKET_BYTES)
            .collect()
    }
}
