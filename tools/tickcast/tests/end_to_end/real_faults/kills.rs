//! Publisher, subscriber and recorder killed at random moments, by SIGKILL and by SIGTERM, again
//! and again; after every round all that they left is held against what was published.
//!
//! A seed decides who is killed, when and how. `TICKCAST_KILLS` is the number of rounds,
//! `TICKCAST_KILLS_SEED` the first seed; without it they are new in every run.

mod check;
mod plan;
mod planted;
mod round;
mod truth;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::feed::Feed;
use crate::namespaces::Pair;
use check::Met;
use plan::Plan;
use truth::Truth;

/// Rounds unless something else is asked for.
const ROUNDS: u64 = 200;
/// Rounds in which everything should have been met.
const ENOUGH: u64 = 200;
/// Rounds at once; most of a round is waiting.
const AT_ONCE: usize = 4;

/// Where rounds are played, one after the other.
pub struct Place {
    feed: Feed,
    /// The networks that lose; without them subscribers drop on purpose.
    networks: Option<Pair>,
}

/// Half of them between namespaces, if there can be any, half on the loopback interface.
fn place(number: usize) -> Place {
    let pair = number.is_multiple_of(2).then(Pair::new).flatten();
    let networks = pair.filter(|pair| pair.lose([0, 0]).is_some());
    Place {
        feed: networks.as_ref().map_or_else(Feed::on_loopback, Pair::feed),
        networks,
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|e| panic!("{variable}={text}: {e}")),
    )
}

#[test]
fn at_random_moments() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let first = number("TICKCAST_KILLS_SEED").unwrap_or_else(|| since.expect("a clock").as_secs());
    let seeds = first..first + number("TICKCAST_KILLS").unwrap_or(ROUNDS);
    let truth = Truth::find_out();
    let (next, met) = (AtomicU64::new(seeds.start), Mutex::new(Met::default()));
    std::thread::scope(|scope| {
        for at in 0..AT_ONCE {
            let (next, met, seeds, truth) = (&next, &met, &seeds, &truth);
            scope.spawn(move || {
                let place = place(at);
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seeds.contains(&seed)
                {
                    let round = play(seed, &place, truth);
                    met.lock().expect("rounds that hold").add(round);
                }
            });
        }
    });
    let met = met.into_inner().expect("rounds that hold");
    println!("seeds {seeds:?}: {met:?}");
    let are_enough = seeds.end - seeds.start >= ENOUGH;
    assert!(!are_enough || met.is_worth_something(), "{met:?}");
}

fn play(seed: u64, place: &Place, truth: &Truth) -> Met {
    let plan = Plan::of(seed);
    let round = || {
        let remains = round::play(&plan, place, truth);
        check::holds(&remains, truth)
    };
    catch_unwind(AssertUnwindSafe(round)).unwrap_or_else(|_| {
        let networks = if place.networks.is_some() {
            "namespaces"
        } else {
            "loopback"
        };
        panic!(
            "{plan:#?} on {networks} fails; again: TICKCAST_KILLS=20 TICKCAST_KILLS_SEED={seed} \
             cargo test -p tickcast --test end_to_end kills"
        )
    })
}
