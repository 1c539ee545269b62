//! Threads on cores of their own, and what a cache line takes from one to the other.

use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use tickcast_net::thread::{available_cores, pin_current};

/// The last cores of the machine, `N` of them; `None` when it has fewer, and then nothing is to be
/// pinned.
#[must_use]
pub fn last_cores<const N: usize>() -> Option<[usize; N]> {
    available_cores().last_chunk().copied()
}

/// Runs `near` and `far` on a core each and returns how long `near` took. They are given cores
/// only when there are two.
///
/// # Panics
/// When one of them does.
pub fn on_two_cores(near: impl FnOnce() + Send, far: impl FnOnce() + Send) -> Duration {
    let cores = last_cores::<2>();
    let pin = |at: usize| {
        if let Some(cores) = cores {
            pin_current(cores[at]).expect("a core of this process");
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(1);
            far();
        });
        let timed = scope.spawn(|| {
            pin(0);
            let start = Instant::now();
            near();
            start.elapsed()
        });
        timed
            .join()
            .expect("the timed side of a bench does not panic")
    })
}

/// Spins until `ready`, yielding now and then for the sake of machines with one core.
pub fn spin_until(mut ready: impl FnMut() -> bool) {
    let mut spins = 0u32;
    while !ready() {
        spins = spins.wrapping_add(1);
        if spins.is_multiple_of(1 << 16) {
            thread::yield_now();
        } else {
            hint::spin_loop();
        }
    }
}

/// Lines over which the bare hops go: how long one takes depends on where in the machine it lies.
const BARE_LINES: usize = 32;

/// So many hops of a ping-pong on one cache line each way, between two cores, some on each of many
/// lines: the floor of a queue.
#[must_use]
pub fn cache_line_hops(hops: u64) -> Duration {
    type Lines = [CachePadded<AtomicU64>; BARE_LINES];
    let (there, back) = (Box::<Lines>::default(), Box::<Lines>::default());
    let rounds = hops / 2;
    let pair = |round: u64| {
        let line = (round % BARE_LINES as u64) as usize;
        (&there[line], &back[line])
    };
    let near = || {
        for round in 1..=rounds {
            let (there, back) = pair(round);
            there.store(round, Ordering::Release);
            spin_until(|| back.load(Ordering::Acquire) == round);
        }
    };
    let far = || {
        for round in 1..=rounds {
            let (there, back) = pair(round);
            spin_until(|| there.load(Ordering::Acquire) == round);
            back.store(round, Ordering::Release);
        }
    };
    on_two_cores(near, far)
}

/// Nanoseconds of one of `units` that `run` does.
pub fn ns_each(units: u64, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_nanos() as f64 / units as f64
}
