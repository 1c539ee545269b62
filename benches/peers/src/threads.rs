//! Two threads on a core each, and how each knows when the other is done.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use tickcast_benches::feed::cores;
use tickcast_net::clock;
use tickcast_net::thread::pin_current;

use crate::Failure;

/// How long a receiver waits for stragglers after the last message.
const STRAGGLER_NS: u64 = 500_000_000;
/// Not all is sent yet.
const SENDING: u64 = u64::MAX;

/// What the two sides of a run tell each other.
#[derive(Debug)]
pub struct Progress {
    sent: AtomicU64,
    received_all: AtomicBool,
}

impl Progress {
    /// Says that so many messages were sent, and no more will be.
    pub fn sent_all(&self, messages: u64) {
        self.sent.store(messages, Ordering::Release);
    }

    /// Whether the sender has sent all that it will.
    #[must_use]
    pub fn is_all_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire) != SENDING
    }

    /// Whether the receiver has all it will take: for a sender whose library must be kept going
    /// until then.
    #[must_use]
    pub fn is_received(&self) -> bool {
        self.received_all.load(Ordering::Acquire)
    }

    /// For receivers: calls `poll`, which says how many messages have come in all, until all that
    /// were sent have come, or nothing has for a while after the last was sent.
    ///
    /// # Errors
    /// What `poll` returns.
    pub fn poll_until_done(
        &self,
        mut poll: impl FnMut() -> Result<u64, Failure>,
    ) -> Result<(), Failure> {
        let (mut last, mut quiet_since) = (0, None);
        loop {
            let received = poll()?;
            if received != last {
                (last, quiet_since) = (received, None);
            }
            match self.sent.load(Ordering::Acquire) {
                SENDING => {}
                sent if received >= sent => return Ok(()),
                _ => {
                    let now = clock::monotonic_ns();
                    if now - *quiet_since.get_or_insert(now) > STRAGGLER_NS {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Runs `send` on the first core and `receive` on the second, if there are two, and gives how many
/// messages `send` says it sent, and what `receive` made of them.
///
/// # Errors
/// What either returns, and when a thread cannot be pinned or panics.
pub fn on_two_cores<T: Send>(
    send: impl FnOnce(&Progress) -> Result<u64, Failure> + Send,
    receive: impl FnOnce(&Progress) -> Result<T, Failure> + Send,
) -> Result<(u64, T), Failure> {
    let pin =
        |index: usize| -> Result<(), Failure> { Ok(cores()[index].map_or(Ok(()), pin_current)?) };
    let progress = Progress {
        sent: AtomicU64::new(SENDING),
        received_all: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            let received = pin(1).and_then(|()| receive(&progress));
            progress.received_all.store(true, Ordering::Release);
            received
        });
        let sending = scope.spawn(|| {
            let sent = pin(0).and_then(|()| send(&progress));
            // A receiver does not wait for a sender that failed.
            progress.sent_all(*sent.as_ref().unwrap_or(&0));
            sent
        });
        let sent = sending.join().map_err(|_| "the sending thread panicked")?;
        let received = receiving.join();
        let received = received.map_err(|_| "the receiving thread panicked")?;
        Ok((sent?, received?))
    })
}
