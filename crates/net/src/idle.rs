//! What a thread does when there is nothing to do.

use std::fmt;
use std::str::FromStr;

use rustix::thread::sched_yield;

/// Empty rounds that are spun before yielding.
const SPINS: u32 = 64;
/// Empty rounds from one yield to the next. Fewer make looks late, more make others wait.
const ROUNDS_PER_YIELD: u32 = 8;
/// Empty rounds that are yielded, after the spins, before parking.
const YIELDS: u32 = 64;

/// How a thread waits for work: what it costs others against how late it notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Never gives up its core. Fastest, and only sensible on a core of its own.
    Spin,
    /// Lets others run at the first look that found nothing, and at every eighth after it: on a
    /// shared core whoever waits for what was just handed on has its turn at once, and looks stay
    /// frequent when nobody does.
    Yield,
    /// Spins and yields a little, then sleeps until woken. Slowest, and costs nothing when idle.
    Park,
}

impl Idle {
    /// Spinning when `cores` leaves at least one beside `busy_threads`, the threads that would
    /// spin; otherwise yielding.
    #[must_use]
    pub fn default_for(cores: usize, busy_threads: usize) -> Idle {
        if cores > busy_threads {
            Idle::Spin
        } else {
            Idle::Yield
        }
    }
}

impl FromStr for Idle {
    type Err = IdleParseError;

    fn from_str(text: &str) -> Result<Idle, IdleParseError> {
        match text {
            "spin" => Ok(Idle::Spin),
            "yield" => Ok(Idle::Yield),
            "park" => Ok(Idle::Park),
            _ => Err(IdleParseError {
                text: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Idle::Spin => "spin",
            Idle::Yield => "yield",
            Idle::Park => "park",
        })
    }
}

/// The text names no idle strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no idle strategy: write spin, yield or park")]
pub struct IdleParseError {
    /// The text that was given.
    pub text: String,
}

/// The idle strategy of one thread at work: it counts the rounds that found nothing.
///
/// ```
/// use std::time::Duration;
/// use tickcast_net::{Idle, Idler};
///
/// let mut idler = Idler::new(Idle::Park);
/// let mut work = vec![3, 2, 1];
/// let mut parked = false;
/// while !parked {
///     let did_work = work.pop().is_some();
///     idler.wait(did_work, || {
///         std::thread::sleep(Duration::from_millis(1));
///         parked = true;
///     });
/// }
/// assert!(work.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Idler {
    idle: Idle,
    empty_rounds: u32,
}

impl Idler {
    /// Starts as if work had just been done.
    #[must_use]
    pub fn new(idle: Idle) -> Idler {
        Idler {
            idle,
            empty_rounds: 0,
        }
    }

    /// The strategy it follows.
    #[must_use]
    pub fn idle(&self) -> Idle {
        self.idle
    }

    /// To be called once a round. Returns at once after a round that did work; otherwise spins,
    /// yields or calls `park`, which has to come back within a time that suits the thread, as
    /// [`wait`](crate::wait) with a timeout or a short sleep does.
    pub fn wait(&mut self, did_work: bool, park: impl FnOnce()) {
        if did_work {
            self.empty_rounds = 0;
            return;
        }
        match self.next_step() {
            Step::Look => std::hint::spin_loop(),
            Step::Yield => sched_yield(),
            Step::Park => park(),
        }
    }

    #[inline]
    fn next_step(&mut self) -> Step {
        // It wraps after minutes without work; whoever yields has to go on with it.
        self.empty_rounds = self.empty_rounds.wrapping_add(1);
        match self.idle {
            Idle::Yield if self.empty_rounds % ROUNDS_PER_YIELD == 1 => Step::Yield,
            Idle::Park if self.empty_rounds > SPINS + YIELDS => Step::Park,
            Idle::Park if self.empty_rounds > SPINS => Step::Yield,
            Idle::Spin | Idle::Yield | Idle::Park => Step::Look,
        }
    }
}

/// What is done after a round without work.
#[derive(Debug, PartialEq)]
enum Step {
    Look,
    Yield,
    Park,
}

#[cfg(test)]
mod tests {
    use super::{Idle, Idler, ROUNDS_PER_YIELD, Step};

    #[test]
    fn a_thread_that_yields_does_so_however_long_nothing_comes() {
        let mut idler = Idler::new(Idle::Yield);
        for begun in [0, u32::MAX / 2, u32::MAX - 80] {
            idler.empty_rounds = begun / ROUNDS_PER_YIELD * ROUNDS_PER_YIELD;
            for _ in 0..20 {
                assert_eq!(idler.next_step(), Step::Yield);
                (1..ROUNDS_PER_YIELD).for_each(|_| assert_eq!(idler.next_step(), Step::Look));
            }
        }
    }
}
