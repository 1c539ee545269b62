//! By how much the clocks of two hosts differ, from questions and answers between them.

use crate::run::Clocks;
use crate::{Run, Stage};

/// By how much two clocks may drift apart, in parts per million: quartz at its worst is at 50, two
/// of them at twice that.
pub const DRIFT_PPM: u64 = 100;

/// The fewest rounds of which a drift is told.
const DRIFT_ROUNDS: u32 = 8;

/// The shortest time over which a drift is told, in s.
const DRIFT_SECONDS: f64 = 2.0;

/// Clocks that differ by more than so much disagree: 1 s.
const DISAGREE_NS: u64 = 1_000_000_000;

/// The stages from a stamp of the publisher's host to one of the subscriber's.
const BETWEEN_HOSTS: [Stage; 3] = [Stage::Network, Stage::Service, Stage::Total];

/// One question for the publisher's clock and its answer: four times, in ns since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When it was asked, by the subscriber's clock.
    pub asked: u64,
    /// When the question was there, by the publisher's.
    pub received: u64,
    /// When the answer left, by the publisher's.
    pub sent: u64,
    /// When the answer was there, by the subscriber's.
    pub answered: u64,
}

impl Exchange {
    /// What it says: a question is never there before it was asked, nor an answer before it left.
    /// `None` when its times contradict each other, as when a clock was set meanwhile.
    fn offset(&self) -> Option<Interval> {
        let difference = |a: u64, b: u64| i64::try_from(i128::from(a) - i128::from(b)).ok();
        let low = difference(self.sent, self.answered)?;
        let high = difference(self.received, self.asked)?;
        let in_order = self.asked <= self.answered && self.received <= self.sent;
        (in_order && low <= high).then_some(Interval { low, high })
    }
}

/// What an offset is known to be: no less than `low` and no more than `high`, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The least that it can be.
    pub low: i64,
    /// The most that it can be.
    pub high: i64,
}

impl Interval {
    /// What is known of it so many ns later, or earlier.
    fn after(self, ns: u64) -> Interval {
        // Rounded up, however short the time.
        let drift = ns / (1_000_000 / DRIFT_PPM) + 1;
        let drift = i64::try_from(drift).unwrap_or(i64::MAX);
        Interval {
            low: self.low.saturating_sub(drift),
            high: self.high.saturating_add(drift),
        }
    }

    /// What both say; `None` when they contradict each other.
    fn and(self, other: Interval) -> Option<Interval> {
        let (low, high) = (self.low.max(other.low), self.high.min(other.high));
        (low <= high).then_some(Interval { low, high })
    }

    /// The least that holds both.
    fn or(self, other: Interval) -> Interval {
        Interval {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    fn middle(self) -> i64 {
        ((i128::from(self.low) + i128::from(self.high)) / 2) as i64
    }

    /// How far its ends are from its middle, at most.
    fn uncertainty(self) -> u64 {
        self.middle()
            .abs_diff(self.low)
            .max(self.middle().abs_diff(self.high))
    }
}

/// The offset of the publisher's clock to the subscriber's, from exchanges: always an interval.
///
/// What was known before is kept, wider by [`DRIFT_PPM`] of the time since, and each exchange
/// narrows it. An exchange that contradicts it says that a clock was set: all before is forgotten,
/// and the step is counted. A step of the publisher's clock that is smaller than the interval is
/// wide is not seen; the interval is then wrong by at most as much, until it is as wide again.
///
/// It holds a few numbers, however long it is used.
#[derive(Clone, Debug, Default)]
pub struct ClockOffset {
    /// The latest exchange.
    latest: Option<Exchange>,
    /// What was known then.
    known: Option<Interval>,
    /// All that the offset may have been since the first exchange.
    whole: Option<Interval>,
    exchanges: u64,
    steps: u64,
    drift: Drift,
}

impl ClockOffset {
    /// Takes in some exchanges in a row, in their order.
    pub fn take(&mut self, exchanges: &[Exchange]) {
        let before = self.latest.zip(self.known);
        let steps = self.steps;
        for exchange in exchanges {
            self.take_one(exchange);
        }
        let (Some(latest), Some(known)) = (self.latest, self.known) else {
            return;
        };
        // Between the two it was no further from one of them than half the time allows.
        let since = before.map(|(earlier, _)| latest.answered.abs_diff(earlier.answered));
        let half = since.unwrap_or(0).div_ceil(2);
        if let Some((_, before)) = before.filter(|_| steps == self.steps) {
            self.include(before.after(half));
            self.include(known.after(half));
        } else {
            self.include(known);
        }
        self.drift.add(latest.answered, known);
    }

    fn take_one(&mut self, exchange: &Exchange) {
        self.exchanges += 1;
        let earlier = self.latest.replace(*exchange);
        let went_back = earlier.is_some_and(|earlier| {
            exchange.asked < earlier.answered || exchange.received < earlier.sent
        });
        let offset = exchange.offset();
        let expected = earlier.zip(self.known).map(|(earlier, known)| {
            known.after(exchange.answered.saturating_sub(earlier.answered))
        });
        self.known = match (offset, expected) {
            (Some(offset), Some(expected)) if !went_back => expected.and(offset),
            (Some(offset), None) if !went_back => Some(offset),
            _ => None,
        };
        if self.known.is_none() {
            self.steps += 1;
            self.known = offset;
            self.drift = Drift::default();
        }
    }

    fn include(&mut self, interval: Interval) {
        self.whole = Some(self.whole.map_or(interval, |whole| whole.or(interval)));
    }

    /// What is known at this time of the subscriber's clock; `None` before the first exchange.
    #[must_use]
    pub fn at(&self, now: u64) -> Option<Interval> {
        let latest = self.latest?;
        Some(self.known?.after(now.saturating_sub(latest.answered)))
    }

    /// What is known of the whole time from the first exchange until `now`, by the subscriber's
    /// clock; `None` before it. `discipline` is for others to say.
    #[must_use]
    pub fn clocks(&self, now: u64) -> Option<Clocks> {
        let now = self.at(now)?;
        let whole = self.whole.map_or(now, |whole| whole.or(now));
        Some(Clocks {
            offset_ns: whole.middle(),
            uncertainty_ns: whole.uncertainty(),
            exchanges: self.exchanges,
            drift_ppb: self.drift.ppb(),
            steps: self.steps,
            discipline: None,
        })
    }
}

/// How fast the offset changes: the line through what was known, each by its certainty.
#[derive(Clone, Copy, Debug, Default)]
struct Drift {
    /// The first: when, in ns, and what.
    first: Option<(u64, i64)>,
    rounds: u32,
    seconds: f64,
    sum: f64,
    sum_t: f64,
    sum_x: f64,
    sum_tt: f64,
    sum_tx: f64,
}

impl Drift {
    fn add(&mut self, at: u64, known: Interval) {
        let (start, first) = *self.first.get_or_insert((at, known.middle()));
        let t = at.saturating_sub(start) as f64 / 1e9;
        let x = (i128::from(known.middle()) - i128::from(first)) as f64;
        let weight = 1.0 / (known.uncertainty() as f64 + 1.0).powi(2);
        self.rounds = self.rounds.saturating_add(1);
        self.seconds = t;
        self.sum += weight;
        self.sum_t += weight * t;
        self.sum_x += weight * x;
        self.sum_tt += weight * t * t;
        self.sum_tx += weight * t * x;
    }

    /// In ns a second, which is parts per billion.
    fn ppb(&self) -> Option<f64> {
        if self.rounds < DRIFT_ROUNDS || self.seconds < DRIFT_SECONDS {
            return None;
        }
        let spread = self.sum * self.sum_tt - self.sum_t * self.sum_t;
        let slope = (self.sum * self.sum_tx - self.sum_t * self.sum_x) / spread;
        slope.is_finite().then_some(slope)
    }
}

impl Clocks {
    /// What a time really was that went from a stamp of the publisher's clock to one of the
    /// subscriber's and came out as `ns`: between these two.
    #[must_use]
    pub fn one_way(&self, ns: i64) -> [i64; 2] {
        let middle = ns.saturating_add(self.offset_ns);
        [
            middle.saturating_sub_unsigned(self.uncertainty_ns),
            middle.saturating_add_unsigned(self.uncertainty_ns),
        ]
    }

    /// Says of the percentiles of a run from one host to the other where they lie, and keeps itself
    /// in it. After a step nothing is known of them.
    pub fn bound(self, run: &mut Run) {
        let stages = run.stages.iter_mut();
        let one_way = stages.filter(|it| BETWEEN_HOSTS.iter().any(|of| it.stage == of.name()));
        let parts = one_way.flat_map(|it| it.parts.iter_mut().chain(&mut it.groups));
        // A floor, which would be of one host, is not taken between two.
        let views = run.views.iter_mut().map(|view| &mut view.figures);
        let figures = parts.chain(views);
        for percentile in figures.flat_map(|it| &mut it.percentiles) {
            percentile.between_ns = percentile.ns.filter(|_| self.steps == 0).map(|ns| {
                let bounds = self.one_way(i64::try_from(ns).unwrap_or(i64::MAX));
                // Nothing arrives before it was sent.
                bounds.map(|ns| u64::try_from(ns).unwrap_or(0))
            });
        }
        run.clocks = Some(self);
    }

    /// What whoever reads a one-way figure must know, each a sentence.
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        let (offset, unsure) = (self.offset_ns.unsigned_abs(), show(self.uncertainty_ns));
        let side = if self.offset_ns < 0 {
            "behind"
        } else {
            "ahead of"
        };
        let shown = show(offset);
        let mut statements = vec![format!(
            "the publisher's clock was {shown} {side} this host's, ± {unsure}, by {} exchanges: a \
             figure from one host to the other is right only after adding {}{shown} ± {unsure}",
            self.exchanges,
            if self.offset_ns < 0 { "-" } else { "" },
        )];
        if self.steps > 0 {
            statements.push(format!(
                "a clock was set, or drifted by more than {DRIFT_PPM} parts per million, {} times: \
                 figures from one host to the other mean nothing, those within one host hold",
                self.steps
            ));
        }
        if offset > DISAGREE_NS {
            statements.push(format!(
                "the clocks of the two hosts disagree by {shown}: before they are set right, most \
                 figures from one host to the other are negative or far too long"
            ));
        }
        statements
    }
}

/// A time with its unit.
fn show(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", value / 1e6),
        _ => format!("{:.1} s", value / 1e9),
    }
}

#[cfg(test)]
mod tests;
