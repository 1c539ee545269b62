//! What the benches beside other libraries share: the message and its pace, two threads on a core
//! each, our own way over loopback, and the bare socket's. Each bench puts other libraries beside
//! ours, in turns: `README.md` says how.

mod latency;
mod message;
mod ours;
mod threads;
mod throughput;

use std::error::Error;
use std::time::Duration;

use tickcast_benches::{control, hiccups, is_instant, machine, median};

pub use latency::{Latency, Received, paced, print_latencies, quantiles, spin};
pub use message::{MESSAGE_BYTES, Message, RATE_PER_SECOND, encode};
pub use ours::{OURS_FLAT_OUT, OURS_ONE_WAY, bare_latency, market, our_latency, our_throughput};
pub use threads::{Progress, on_two_cores};
pub use throughput::{Counted, Flow, print_flows, rates};

/// Whatever goes wrong in a bench.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Says what is measured, where, and what the machine does to a thread that only looks at the
/// clock.
pub fn introduce(name: &str) {
    println!("{name}: {}", machine());
    if is_instant() {
        println!("an instant: shows that it runs, the figures say nothing and are left out");
    } else {
        println!("hiccups: {}", hiccups(Duration::from_secs(2)));
    }
}

/// Prints the median of what each way took, and its A/A control; nothing of an instant.
pub fn print_times(what: &str, ways: &[&str], runs: &[Vec<f64>]) {
    if is_instant() {
        return;
    }
    println!("\n{what:<50}{:>8}  A/A", "median");
    for (name, runs) in ways.iter().zip(runs) {
        println!("{name:<50}{:>8.2}  {}", median(runs), control(runs));
    }
}
