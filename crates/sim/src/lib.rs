//! The promise, tried: both ends of [`tickcast_protocol`] and a bad network between them, on a
//! virtual clock, in one thread, from one seed.
//!
//! A seed stands for a mix of sizes, limits and fault rates of its own: loss on either line or on
//! both, in bursts, duplicates, reordering, delay, damage, lines that go down, partitions, a
//! recovery channel that refuses, stalls, dies or lies, restarts of the publisher and of
//! subscribers. A checker that knows every published tick holds what each subscriber is given
//! against it. The same seed gives the same run, byte for byte, and the same hash of its trace.
//!
//! It never reads a clock, opens a socket or starts a thread; only the program measures how long a
//! run takes. What is modelled, and what is not: `docs/simulation.md`.
//!
//! ```
//! let report = tickcast_sim::run(7);
//! assert_eq!(report.violation, None);
//! assert_eq!(report.hash, tickcast_sim::run(7).hash);
//! ```

mod checker;
mod coverage;
mod market;
mod mix;
mod network;
mod publisher;
mod random;
mod recovery;
mod state;
mod trace;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use checker::{Tap, Untouched};
pub use coverage::{Coverage, Happening};
use world::World;

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was wrong first, if anything was.
    pub violation: Option<String>,
    /// Virtual time that passed, ns.
    pub simulated_ns: u64,
    /// Ticks published, over all sessions.
    pub published: u64,
    /// Requests that the subscribers made.
    pub requests: u64,
    /// The hash of everything that happened, in order.
    pub hash: u64,
    /// What happened.
    pub coverage: Coverage,
}

/// Runs a seed.
#[must_use]
pub fn run(seed: u64) -> Report {
    run_with(seed, false, Untouched)
}

/// Runs a seed and prints everything that happens to standard output, a line each.
#[must_use]
pub fn run_printed(seed: u64) -> Report {
    run_with(seed, true, Untouched)
}

/// Runs a seed with something between the arbiters and the checker.
#[must_use]
pub fn run_tapped(seed: u64, tap: impl Tap) -> Report {
    run_with(seed, false, tap)
}

fn run_with(seed: u64, prints: bool, tap: impl Tap) -> Report {
    let mut world = World::new(seed, prints, tap);
    // A panic of the protocol is a violation like any other: it has a seed to replay it with.
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = world.violation.take();
    Report {
        seed,
        violation: if outcome.is_err() {
            Some("a panic".into())
        } else {
            violation
        },
        simulated_ns: world.trace.now,
        published: world.published,
        requests: world.requests,
        hash: world.trace.hash(),
        coverage: world.coverage,
    }
}
