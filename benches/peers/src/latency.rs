//! One way, from the instant at which the schedule said that a message leaves.

use hdrhistogram::Histogram;
use tickcast_benches::{is_instant, ratio};
use tickcast_net::clock;

use crate::message::{due_of, number_of};
use crate::{Failure, RATE_PER_SECOND};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const INTERVAL_NS: u64 = NANOS_PER_SECOND / RATE_PER_SECOND;
/// Calls `send` with the number and the due time of each message once the clock shows it, without
/// waiting for anything else; before that, again and again, `idle` with the time that is left, ns.
///
/// # Errors
/// What either returns.
pub fn paced(
    messages: u64,
    mut idle: impl FnMut(u64) -> Result<(), Failure>,
    mut send: impl FnMut(u64, u64) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let start = clock::realtime_ns() + INTERVAL_NS;
    for number in 0..messages {
        let due = start + number * INTERVAL_NS;
        loop {
            let now = clock::realtime_ns();
            if now >= due {
                break;
            }
            idle(due - now)?;
        }
        send(number, due)?;
    }
    Ok(messages)
}

/// To be idle and do nothing but look at the clock.
///
/// # Errors
/// Never.
pub fn spin(_left_ns: u64) -> Result<(), Failure> {
    std::hint::spin_loop();
    Ok(())
}

/// What a receiver notes.
#[derive(Debug)]
pub struct Received {
    times: Histogram<u64>,
    next: u64,
    out_of_order: u64,
}

impl Received {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never: the bounds of the histogram are sound.
    pub fn new() -> Result<Received, Failure> {
        Ok(Received {
            times: Histogram::new_with_bounds(1, 10 * NANOS_PER_SECOND, 3)?,
            next: 0,
            out_of_order: 0,
        })
    }

    /// Takes a message as it has come: looks at the clock, at the due time and at the number.
    #[inline]
    pub fn take(&mut self, message: &[u8]) {
        self.take_parts(number_of(message), due_of(message));
    }

    /// Takes the number and the due time of a message that has come.
    #[inline]
    pub fn take_parts(&mut self, number: u64, due: u64) {
        let took = clock::realtime_ns().saturating_sub(due);
        self.times.saturating_record(took);
        self.out_of_order += u64::from(number < self.next);
        self.next = number + 1;
    }

    /// How many messages have come.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u64 {
        self.times.len()
    }

    /// What came of the run, with how many were sent.
    ///
    /// # Errors
    /// When a message came after a later one: none of the ways may do that here.
    pub fn finish(self, sent: u64) -> Result<Latency, Failure> {
        if self.out_of_order > 0 {
            return Err(format!("{} messages came out of order", self.out_of_order).into());
        }
        Ok(Latency {
            lost: sent.saturating_sub(self.times.len()),
            times: self.times,
        })
    }
}

/// What came of one run.
#[derive(Debug)]
pub struct Latency {
    /// From due to received, ns.
    pub times: Histogram<u64>,
    /// Messages that never came.
    pub lost: u64,
}

/// A quantile of each run, µs.
#[must_use]
pub fn quantiles(runs: &[Latency], quantile: f64) -> Vec<f64> {
    runs.iter()
        .map(|run| run.times.value_at_quantile(quantile) as f64 / 1e3)
        .collect()
}

/// Prints what the ways gave, all runs together, and the medians of each beside the first's; nothing
/// of an instant.
pub fn print_latencies(ways: &[&str], runs: &[Vec<Latency>]) {
    if is_instant() {
        return;
    }
    println!(
        "{:<40}{:>9}{:>9}{:>9}{:>9}{:>9}{:>10}{:>6}  (µs)   p50 : first's",
        "", "samples", "p50", "p90", "p99", "p99.9", "max", "lost"
    );
    let first = quantiles(&runs[0], 0.5);
    for (way, runs) in ways.iter().zip(runs) {
        let mut all = runs[0].times.clone();
        runs[1..].iter().for_each(|run| all += &run.times);
        let lost: u64 = runs.iter().map(|run| run.lost).sum();
        let [p50, p90, p99, p99_9, max] =
            [0.5, 0.9, 0.99, 0.999, 1.0].map(|q| all.value_at_quantile(q) as f64 / 1e3);
        let times = ratio(&quantiles(runs, 0.5), &first);
        println!(
            "{way:<40}{:>9}{p50:>9.2}{p90:>9.2}{p99:>9.2}{p99_9:>9.1}{max:>10.1}{lost:>6}         {times}",
            all.len()
        );
    }
}
