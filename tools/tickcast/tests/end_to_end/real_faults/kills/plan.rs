//! What happens in a round, as a seed decides it.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The moments of a round: from the first start to behind the end of the publication.
const MOMENTS_MS: u64 = 450;

/// Whom something happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    Publisher,
    /// Prints what it gets.
    Subscriber,
    /// Records and prints what it gets.
    Recorder,
}

/// Somebody is killed.
#[derive(Debug, Clone, Copy)]
pub struct Act {
    pub at: Duration,
    pub whom: Whom,
    /// By SIGKILL; otherwise by SIGTERM.
    pub hard: bool,
    /// Started again afterwards.
    pub again: bool,
}

/// A round.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    /// The publisher starts when the subscribers are there; otherwise all start at once.
    pub in_order: bool,
    /// Whoever is started again subscribes from the start; otherwise live.
    pub from_start: bool,
    /// What lines A and B lose, per cent.
    pub lose: [u32; 2],
    pub acts: Vec<Act>,
}

impl Plan {
    pub fn of(seed: u64) -> Plan {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let losses = [[0, 0], [0, 0], [10, 0], [0, 30], [5, 5], [20, 20]];
        let lose = losses[random.random_range(0..losses.len())];
        let acts = random.random_range(1..=4);
        let mut plan = Plan {
            seed,
            in_order: random.random_bool(0.7),
            from_start: random.random_bool(0.5),
            lose,
            acts: (0..acts).map(|_| act(&mut random)).collect(),
        };
        plan.acts.sort_by_key(|act| act.at);
        plan
    }
}

fn act(random: &mut Xoshiro256PlusPlus) -> Act {
    let everybody = [Whom::Publisher, Whom::Subscriber, Whom::Recorder];
    Act {
        at: Duration::from_millis(random.random_range(0..MOMENTS_MS)),
        whom: everybody[random.random_range(0..everybody.len())],
        hard: random.random_bool(0.6),
        again: random.random_bool(0.6),
    }
}
