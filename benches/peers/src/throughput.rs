//! As many messages as go through, none lost.

use tickcast_benches::{control, is_instant, median};
use tickcast_net::clock;

use crate::Failure;
use crate::message::{due_of, number_of};

/// What a receiver notes: the number of every message is looked at.
#[derive(Debug, Default)]
pub struct Counted {
    received: u64,
    next: u64,
    out_of_order: u64,
    first_due: u64,
    last_came: u64,
}

impl Counted {
    /// Takes a message as it has come.
    #[inline]
    pub fn take(&mut self, message: &[u8]) {
        let number = number_of(message);
        if self.received == 0 {
            self.first_due = due_of(message);
        }
        self.out_of_order += u64::from(number < self.next);
        self.next = number.wrapping_add(1);
        self.received += 1;
    }

    /// To be called after the messages of a poll, if there were any.
    #[inline]
    pub fn end_of_poll(&mut self) {
        self.last_came = clock::realtime_ns();
    }

    /// How many messages have come.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u64 {
        self.received
    }

    /// What went through, with how many were sent, and how many were sent again.
    ///
    /// # Errors
    /// When messages were lost or out of order: then the figure is none.
    pub fn finish(self, sent: u64, sent_again: u64) -> Result<Flow, Failure> {
        let lost = sent.saturating_sub(self.received);
        if lost > 0 || self.out_of_order > 0 {
            let wrong = self.out_of_order;
            return Err(format!("of {sent} messages {lost} lost, {wrong} out of order").into());
        }
        Ok(Flow {
            messages: self.received,
            sent_again,
            seconds: self.last_came.saturating_sub(self.first_due) as f64 / 1e9,
        })
    }
}

/// What went through in one run, without a loss.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Messages sent and received.
    pub messages: u64,
    /// What was lost on the way and sent again, in the library's own unit.
    pub sent_again: u64,
    /// From the first that was sent to the last that came.
    pub seconds: f64,
}

/// Millions of messages a second, one value a run.
#[must_use]
pub fn rates(runs: &[Flow]) -> Vec<f64> {
    let rate = |run: &Flow| run.messages as f64 / run.seconds / 1e6;
    runs.iter().map(rate).collect()
}

/// Prints what the ways gave; nothing of an instant.
pub fn print_flows(ways: &[&str], runs: &[Vec<Flow>]) {
    if is_instant() {
        return;
    }
    println!(
        "{:<44}{:>5}{:>14}{:>12}  A/A",
        "", "runs", "M messages/s", "sent again"
    );
    for (way, runs) in ways.iter().zip(runs) {
        let sent_again: u64 = runs.iter().map(|run| run.sent_again).sum();
        let rates = rates(runs);
        let (count, rate, control) = (runs.len(), median(&rates), control(&rates));
        println!("{way:<44}{count:>5}{rate:>14.2}{sent_again:>12}  {control}");
    }
}
