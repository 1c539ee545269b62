//! Strategies: code that is called with the stream.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tickcast_protocol::{Checkpoint, Loss, Provenance};
use tickcast_wire::Tick;

use crate::event::{Conflated, Event, Incomplete, Origin, SessionStart};
use crate::measuring::Measuring;
use crate::reader::TickReader;

/// Code that is called with every tick, in order, and with every loss.
///
/// Only [`Strategy::on_tick`] must be written. The calls come from one thread.
///
/// ```
/// use tickcast_subscriber::{Origin, Strategy};
/// use tickcast_wire::Tick;
///
/// /// Counts trades.
/// struct Trades(u64);
///
/// impl Strategy for Trades {
///     fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
///         self.0 += u64::from(tick.as_trade().is_some());
///     }
/// }
/// ```
pub trait Strategy: Send {
    /// The next tick; or a row of a snapshot, if `origin.provenance` says so.
    fn on_tick(&mut self, tick: &Tick, origin: &Origin);

    /// The next ticks, as many as came together. Calls [`Strategy::on_tick`] for each, unless a
    /// strategy can do better.
    fn on_ticks(&mut self, ticks: &[Tick], origin: &Origin) {
        for tick in ticks {
            self.on_tick(tick, origin);
        }
    }

    /// These seqs will never come.
    fn on_gap(&mut self, loss: &Loss) {
        let _ = loss;
    }

    /// What the strategy knows of the state may not be complete.
    fn on_incomplete(&mut self, why: &Incomplete) {
        let _ = why;
    }

    /// Of these seqs, only the latest tick of each instrument and kind follows.
    fn on_conflated(&mut self, conflated: &Conflated) {
        let _ = conflated;
    }

    /// A session starts: seqs start anew.
    fn on_session(&mut self, start: &SessionStart) {
        let _ = start;
    }

    /// Rows of a snapshot follow: the state after seq `as_of`. It replaces all state before.
    fn on_snapshot(&mut self, as_of: u64) {
        let _ = as_of;
    }

    /// The publisher says what the digest of the stream up to here is. A
    /// [`Verifier`](crate::Verifier) compares it with what was delivered.
    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) {
        let _ = checkpoint;
    }

    /// The session ended with this seq.
    fn on_end(&mut self, session: u64, last_seq: u64) {
        let _ = (session, last_seq);
    }
}

/// What one strategy was given: `delivered + conflated + lost` is every seq it was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Ticks delivered, rows of snapshots not counted.
    pub delivered: u64,
    /// Ticks that were not given because later ones took their place, by notice; see
    /// [`OverflowPolicy::Latest`](crate::OverflowPolicy::Latest).
    pub conflated: u64,
    /// Ticks lost by notice.
    pub lost: u64,
    /// Notices of loss.
    pub losses: u64,
    /// Rows of snapshots delivered: state, not part of the stream.
    pub snapshot_ticks: u64,
    /// Sessions that started.
    pub sessions: u64,
    /// How often it was lapped.
    pub lapped: u64,
    /// How often it was refilled from the local image.
    pub refills: u64,
    /// `ts_due` of the first tick delivered, ns since the Unix epoch; 0 before.
    pub first_due: u64,
    /// When the last tick was delivered, ns since the Unix epoch; 0 before.
    pub last_delivered: u64,
}

/// What became of a strategy.
#[derive(Debug)]
pub struct Outcome<S> {
    /// The strategy, as it was in the end.
    pub strategy: S,
    /// What it was given.
    pub account: Account,
    /// What it said when it panicked; it was given nothing after that.
    pub panic: Option<String>,
}

/// A strategy at work: it calls, counts and measures.
pub(crate) struct Runner<S> {
    strategy: S,
    account: Account,
    measuring: Measuring,
    panic: Option<String>,
}

impl<S: Strategy> Runner<S> {
    pub(crate) fn new(strategy: S, measuring: Measuring) -> Runner<S> {
        Runner {
            strategy,
            account: Account::default(),
            measuring,
            panic: None,
        }
    }

    fn call(&mut self, event: Event<'_>) {
        match event {
            Event::Ticks(ticks, origin) => {
                self.count(ticks, &origin);
                self.measuring.before(ticks, &origin);
                self.strategy.on_ticks(ticks, &origin);
                self.measuring.after(ticks, &origin);
            }
            Event::Lost(loss) => {
                self.account.lost += loss.count;
                self.account.losses += 1;
                self.strategy.on_gap(&loss);
            }
            Event::Incomplete(why) => self.strategy.on_incomplete(&why),
            Event::Conflated(conflated) => {
                self.account.conflated += conflated.left_out;
                self.strategy.on_conflated(&conflated);
            }
            Event::Session(start) => {
                self.account.sessions += 1;
                self.strategy.on_session(&start);
            }
            Event::Snapshot { as_of } => self.strategy.on_snapshot(as_of),
            Event::Checkpoint(checkpoint) => self.strategy.on_checkpoint(&checkpoint),
            Event::End { session, last_seq } => self.strategy.on_end(session, last_seq),
        }
    }

    #[inline]
    fn count(&mut self, ticks: &[Tick], origin: &Origin) {
        let count = ticks.len() as u64;
        if origin.provenance == Provenance::Snapshot {
            self.account.snapshot_ticks += count;
            return;
        }
        if self.account.delivered == 0 {
            self.account.first_due = ticks.first().map_or(0, Tick::ts_due);
        }
        self.account.delivered += count;
        self.account.last_delivered = origin.stamps.pop;
    }
}

/// A strategy at work, whatever its type.
pub(crate) trait Run: Send {
    /// Passes an event on; false once the strategy has panicked.
    fn handle(&mut self, event: Event<'_>) -> bool;
    /// Lets the reporter have what was counted if it asked for it.
    fn poll_report(&mut self);
    /// Takes over what its reader counted.
    fn account_for(&mut self, reader: &TickReader);
    /// Hands over the rest of the histograms, and gives the [`Outcome`] of the strategy.
    fn finish(self: Box<Self>) -> Box<dyn Any + Send>;
}

impl<S: Strategy + 'static> Run for Runner<S> {
    #[inline]
    fn handle(&mut self, event: Event<'_>) -> bool {
        if self.panic.is_some() {
            return false;
        }
        // The strategy is never called again after a panic, so nobody sees it half changed, but
        // for whoever takes it out of the outcome, which tells of the panic.
        let called = catch_unwind(AssertUnwindSafe(|| self.call(event)));
        if let Err(panic) = called {
            self.panic = Some(panic_text(&*panic));
        }
        self.panic.is_none()
    }

    fn poll_report(&mut self) {
        self.measuring.poll_report();
    }

    fn account_for(&mut self, reader: &TickReader) {
        self.account.lapped = reader.lapped();
        self.account.refills = reader.refills();
    }

    fn finish(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(Outcome {
            strategy: self.strategy,
            account: self.account,
            panic: self.panic,
        })
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
