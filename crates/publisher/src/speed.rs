//! When each tick is due.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use tickcast_wire::Tick;

/// How fast ticks are published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// At the pace of their event times, this many times as fast.
    Original(f64),
    /// This many ticks a second, evenly spaced.
    PerSecond(u64),
    /// As fast as they can be sent: each is due when it is sent.
    Max,
}

/// The smallest and the largest multiplier of [`Speed::Original`].
pub const MULTIPLIER_RANGE: (f64, f64) = (0.001, 1e6);

/// The most ticks a second that [`Speed::PerSecond`] takes.
pub const MOST_PER_SECOND: u64 = 1_000_000_000;

/// Why a text is not a speed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpeedError {
    /// None of the forms.
    #[error(
        "speed \"{text}\" is not known: write a multiplier as 1x, 10x or 0.5x, a rate as \
         250000/s, or max"
    )]
    UnknownForm {
        /// The text.
        text: String,
    },
    /// A multiplier that is not a number, or out of range.
    #[error("speed \"{text}\": the multiplier must be a number from 0.001 to 1000000, as in 10x")]
    Multiplier {
        /// The text.
        text: String,
    },
    /// A rate that is not a whole number, or out of range.
    #[error(
        "speed \"{text}\": the rate must be a whole number of ticks from 1 to 1000000000, as \
         in 250000/s"
    )]
    Rate {
        /// The text.
        text: String,
    },
}

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Speed, SpeedError> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        if let Some(number) = text.strip_suffix('x') {
            let (least, most) = MULTIPLIER_RANGE;
            let multiplier = number.parse().ok().filter(|m| (least..=most).contains(m));
            return multiplier
                .map(Speed::Original)
                .ok_or_else(|| SpeedError::Multiplier {
                    text: text.to_owned(),
                });
        }
        if let Some(number) = text.strip_suffix("/s") {
            let rate = number
                .parse()
                .ok()
                .filter(|r| (1..=MOST_PER_SECOND).contains(r));
            return rate.map(Speed::PerSecond).ok_or_else(|| SpeedError::Rate {
                text: text.to_owned(),
            });
        }
        Err(SpeedError::UnknownForm {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Speed::Original(multiplier) => write!(f, "{multiplier}x"),
            Speed::PerSecond(rate) => write!(f, "{rate}/s"),
            Speed::Max => f.write_str("max"),
        }
    }
}

/// Gives each tick its due time, from the anchor alone: never from when the one before it really
/// left, so that lateness shows in the figures and does not add up.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pace: Pace,
    anchor: u64,
}

#[derive(Debug, Clone)]
enum Pace {
    Original(Original),
    Even(Even),
    Max,
}

/// The pace of event times.
#[derive(Debug, Clone)]
struct Original {
    /// Nanoseconds of schedule for one of event time, times 2^48.
    stretch: u64,
    /// The first event time, once there was one.
    first_event: Option<u64>,
    /// The latest event time so far: one that goes back is due with the one before it.
    latest_event: u64,
}

/// The same time from each tick to the next: exactly, without a division a tick.
#[derive(Debug, Clone)]
struct Even {
    rate: u64,
    /// When the next tick is due after the anchor: whole ns, and a rest in parts of `1 / rate` ns.
    next: (u64, u64),
}

const STRETCH_BITS: u32 = 48;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

impl Schedule {
    /// A schedule whose first tick is due at `anchor`, ns since the Unix epoch.
    pub(crate) fn new(speed: Speed, anchor: u64) -> Schedule {
        let pace = match speed {
            Speed::Original(multiplier) => {
                let (least, most) = MULTIPLIER_RANGE;
                let stretch = (1u64 << STRETCH_BITS) as f64 / multiplier.clamp(least, most);
                Pace::Original(Original {
                    stretch: stretch as u64,
                    first_event: None,
                    latest_event: 0,
                })
            }
            Speed::PerSecond(rate) => Pace::Even(Even {
                rate: rate.max(1),
                next: (0, 0),
            }),
            Speed::Max => Pace::Max,
        };
        Schedule { pace, anchor }
    }

    /// Whether every tick is due as soon as it is there, so that [`Schedule::take`] need not be
    /// asked.
    pub(crate) const fn is_always_due(&self) -> bool {
        matches!(self.pace, Pace::Max)
    }

    /// When the next tick is due; `now` at full speed.
    pub(crate) fn due(&self, tick: &Tick, now: u64) -> u64 {
        let after_anchor = match &self.pace {
            Pace::Max => return now,
            Pace::Even(even) => even.next.0,
            Pace::Original(original) => original.after_first(tick),
        };
        self.anchor.saturating_add(after_anchor)
    }

    /// Takes the next tick if it is due, and gives its due time.
    pub(crate) fn take(&mut self, tick: &Tick, now: u64) -> Option<u64> {
        let due = self.due(tick, now);
        if due > now {
            return None;
        }
        match &mut self.pace {
            Pace::Max => {}
            Pace::Even(even) => even.advance(),
            Pace::Original(original) => original.advance(tick),
        }
        Some(due)
    }
}

impl Original {
    /// Schedule from the first tick to this one, ns.
    fn after_first(&self, tick: &Tick) -> u64 {
        let Some(first) = self.first_event else {
            return 0;
        };
        let events = tick.ts_event().max(self.latest_event) - first;
        let schedule = (u128::from(events) * u128::from(self.stretch)) >> STRETCH_BITS;
        u64::try_from(schedule).unwrap_or(u64::MAX)
    }

    fn advance(&mut self, tick: &Tick) {
        self.first_event.get_or_insert(tick.ts_event());
        self.latest_event = self.latest_event.max(tick.ts_event());
    }
}

impl Even {
    fn advance(&mut self) {
        let (mut ns, mut rest) = self.next;
        ns = ns.saturating_add(NANOS_PER_SECOND / self.rate);
        rest += NANOS_PER_SECOND % self.rate;
        if rest >= self.rate {
            ns = ns.saturating_add(1);
            rest -= self.rate;
        }
        self.next = (ns, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tickcast_wire::Clear;

    fn tick(ts_event: u64) -> Tick {
        Tick::new(Clear::default(), 1u16, 1, ts_event)
    }

    /// Due times of ticks with these event times, all of them taken late.
    fn dues(speed: &str, events: &[u64]) -> Vec<u64> {
        let mut schedule = Schedule::new(speed.parse().unwrap(), 1000);
        let take = |&event| schedule.take(&tick(event), u64::MAX).unwrap();
        events.iter().map(take).collect()
    }

    #[test]
    fn speeds_are_read_and_shown() {
        for (text, speed) in [
            ("1x", Speed::Original(1.0)),
            ("10x", Speed::Original(10.0)),
            ("0.5x", Speed::Original(0.5)),
            ("250000/s", Speed::PerSecond(250_000)),
            ("max", Speed::Max),
        ] {
            assert_eq!(text.parse(), Ok(speed));
            assert_eq!(speed.to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_told_what_was_expected() {
        assert_eq!(
            "5/m".parse::<Speed>().unwrap_err().to_string(),
            "speed \"5/m\" is not known: write a multiplier as 1x, 10x or 0.5x, a rate as \
             250000/s, or max"
        );
        for text in ["", "fast", "10", "MAX", "1 x "] {
            let error = text.parse::<Speed>().unwrap_err();
            assert_eq!(error, SpeedError::UnknownForm { text: text.into() });
        }
        for text in ["x", "0x", "-1x", "NaNx", "infx", "1e9x", "0.0001x"] {
            let error = text.parse::<Speed>().unwrap_err();
            assert_eq!(error, SpeedError::Multiplier { text: text.into() });
        }
        for text in ["/s", "0/s", "-5/s", "1.5/s", "1000000001/s"] {
            let error = text.parse::<Speed>().unwrap_err();
            assert_eq!(error, SpeedError::Rate { text: text.into() });
        }
    }

    #[test]
    fn original_pace_from_the_anchor_alone() {
        let events = [500, 600, 550, 600, 700, 1 << 60];
        let last = (1 << 60) - 500;
        assert_eq!(
            dues("1x", &events),
            [1000, 1100, 1100, 1100, 1200, 1000 + last]
        );
        assert_eq!(
            dues("0.5x", &events),
            [1000, 1200, 1200, 1200, 1400, 1000 + 2 * last]
        );
        assert_eq!(dues("10x", &events)[..5], [1000, 1009, 1009, 1009, 1019]);
        assert_eq!(dues("0.001x", &[0, u64::MAX]), [1000, u64::MAX]);
    }

    #[test]
    fn even_pace_does_not_drift() {
        assert_eq!(dues("3/s", &[9, 1, 5])[1..], [333_334_333, 666_667_666]);
        // After a second it stands as at the start, so that it does after any number of them.
        for rate in [1, 3, 7, 999_983] {
            let mut even = Even { rate, next: (0, 0) };
            (0..rate).for_each(|_| even.advance());
            assert_eq!(even.next, (NANOS_PER_SECOND, 0));
        }
        let mut schedule = Schedule::new(Speed::PerSecond(3), 7);
        let start = 10_000_000_000_000_000_000;
        schedule.pace = Pace::Even(Even {
            rate: 3,
            next: (start, 0),
        });
        for due in [start, start + 333_333_333, start + 666_666_666] {
            assert_eq!(schedule.take(&tick(0), u64::MAX), Some(7 + due));
        }
        schedule.anchor = u64::MAX;
        assert_eq!(schedule.due(&tick(0), 0), u64::MAX);
    }

    #[test]
    fn nothing_is_taken_before_it_is_due() {
        let mut schedule = Schedule::new(Speed::Original(1.0), 1000);
        assert_eq!(schedule.take(&tick(50), 999), None);
        assert_eq!(schedule.take(&tick(50), 1000), Some(1000));
        assert_eq!(schedule.take(&tick(60), 1009), None);
        assert_eq!(schedule.due(&tick(60), 1009), 1010);
        assert_eq!(schedule.take(&tick(60), 5000), Some(1010));
        let mut max = Schedule::new(Speed::Max, 1000);
        assert_eq!(max.take(&tick(60), 7), Some(7));
    }

    proptest! {
        #[test]
        fn even_pace_is_the_quotient(rate in 1u64..=MOST_PER_SECOND, ticks in 1u64..3000) {
            let mut schedule = Schedule::new(Speed::PerSecond(rate), 0);
            for taken in 0..ticks {
                let due = taken * NANOS_PER_SECOND / rate;
                prop_assert_eq!(schedule.take(&tick(0), u64::MAX), Some(due));
            }
        }

        #[test]
        fn due_times_never_go_back(
            events in proptest::collection::vec(any::<u64>(), 1..50),
            multiplier in 0.001f64..1e6,
        ) {
            let mut schedule = Schedule::new(Speed::Original(multiplier), 5);
            let mut before = 0;
            for event in events {
                let due = schedule.take(&tick(event), u64::MAX).unwrap();
                prop_assert!(due >= before);
                before = due;
            }
        }
    }
}
