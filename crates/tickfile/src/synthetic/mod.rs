//! A market made from a seed. `docs/synthetic-market.md` says what its shape was taken from.

mod activity;
mod clock;
mod instrument;
mod quantiles;
mod shape;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use tickcast_wire::{Definition, Flags, Symbol, Tick, Venue};

use activity::Activity;
use clock::Clock;
use instrument::{GRID, Instrument, LOT};
use shape::{BREAKS, EVENTS, RUN_LENGTHS, STATUSES, TRADES};

/// When the synthetic market opens: 2024-01-02 14:30:00 UTC, in ns since the Unix epoch.
pub const SYNTHETIC_OPEN: u64 = 1_704_205_800_000_000_000;

/// Most instruments of a synthetic market; each takes about 50 bytes of memory.
pub const SYNTHETIC_INSTRUMENTS_MAX: u32 = 1_000_000;

/// Which market to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntheticConfig {
    /// The same seed gives the same bytes, on every machine and with every version of the same
    /// major number.
    pub seed: u64,
    /// How many instruments, numbered from 1: at least one, at most
    /// [`SYNTHETIC_INSTRUMENTS_MAX`] are made.
    pub instruments: u32,
}

impl Default for SyntheticConfig {
    /// Seed 1, 4,000 instruments.
    fn default() -> SyntheticConfig {
        SyntheticConfig {
            seed: 1,
            instruments: 4_000,
        }
    }
}

/// An endless market: first a definition of every instrument, then quotes, trades, now and then a
/// halt or a trade that is taken back. `seq` and `ts_due` are 0.
///
/// Only integers and correctly rounded operations (`+ × ÷ √`) decide the bytes, so they do not
/// depend on the machine.
///
/// ```
/// use tickcast_tickfile::{Synthetic, SyntheticConfig};
///
/// let config = SyntheticConfig { seed: 7, instruments: 100 };
/// let first: Vec<_> = Synthetic::new(config).take(1_000).collect();
/// let again: Vec<_> = Synthetic::new(config).take(1_000).collect();
/// assert_eq!(first, again);
/// ```
pub struct Synthetic {
    random: Xoshiro256PlusPlus,
    clock: Clock,
    activity: Activity,
    instruments: Vec<Instrument>,
    /// Instruments that were defined so far.
    defined: u32,
    /// The ticks of the event that is being given.
    event: Vec<Tick>,
    at: usize,
}

impl Synthetic {
    /// The market of this seed.
    #[must_use]
    pub fn new(config: SyntheticConfig) -> Synthetic {
        let count = config.instruments.clamp(1, SYNTHETIC_INSTRUMENTS_MAX);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(config.seed);
        Synthetic {
            activity: Activity::new(count, &mut random),
            instruments: (0..count).map(|_| Instrument::new(&mut random)).collect(),
            clock: Clock::new(SYNTHETIC_OPEN),
            defined: 0,
            event: Vec::with_capacity(RUN_LENGTHS.len()),
            at: 0,
            random,
        }
    }

    /// Makes the ticks of the next event: all of one instrument, at one time.
    fn next_event(&mut self) {
        self.event.clear();
        self.at = 0;
        if (self.defined as usize) < self.instruments.len() {
            self.defined += 1;
            self.event.push(definition(self.defined));
            return;
        }
        let ts_event = self.clock.advance(&mut self.random);
        let index = self.activity.pick(self.random.next_u64());
        let instrument = &mut self.instruments[index];
        let number = index as u32 + 1;
        let mut push = |tick: Tick| self.event.push(tick);
        let roll = self.random.next_u64();
        let (run, what, rare) = (roll & 1023, roll >> 10 & 1023, roll >> 20 & (EVENTS - 1));
        let run = shape::run_length(run as u32);

        let stamp = Stamp { number, ts_event };
        if instrument.is_halted() || rare < STATUSES {
            push(stamp.tick(instrument.toggle_halt()));
        } else if rare < STATUSES + BREAKS
            && let Some(broken) = instrument.take_back()
        {
            push(stamp.tick(broken));
        } else if what < TRADES {
            let side = instrument::side(roll >> 63);
            for _ in 0..run.saturating_sub(1).max(1) {
                push(stamp.tick(instrument.trade(side, &mut self.random)));
            }
            if run > 1 {
                push(stamp.tick(instrument.requote(side, &mut self.random)));
            }
        } else {
            for _ in 0..run {
                push(stamp.tick(instrument.quote(&mut self.random)));
            }
        }
        if let Some(last) = self.event.last_mut() {
            *last = last.with_flags(Flags::LAST_OF_EVENT);
        }
    }
}

impl Iterator for Synthetic {
    type Item = Tick;

    #[inline]
    fn next(&mut self) -> Option<Tick> {
        if self.at == self.event.len() {
            self.next_event();
        }
        let tick = self.event.get(self.at).copied();
        self.at += 1;
        tick
    }
}

/// What the ticks of one event have in common.
#[derive(Clone, Copy)]
struct Stamp {
    number: u32,
    ts_event: u64,
}

impl Stamp {
    fn tick(self, body: impl tickcast_wire::TickBody) -> Tick {
        Tick::new(body, Venue::SYNTHETIC, self.number, self.ts_event)
    }
}

/// Instrument 42 is `SYN0042`.
fn definition(number: u32) -> Tick {
    let symbol = Symbol::new(format!("SYN{number:04}").as_bytes());
    Tick::new(
        Definition::new(symbol, GRID, LOT as u32),
        Venue::SYNTHETIC,
        number,
        SYNTHETIC_OPEN,
    )
    .with_flags(Flags::LAST_OF_EVENT)
}
