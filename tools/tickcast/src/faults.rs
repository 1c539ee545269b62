//! Faults made on purpose, as the command line writes them.

use std::io::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::Error;
use serde::Serialize;
use tickcast_subscriber::{FaultCounters, LineFaults};

use crate::feed::{Share, conflict};
use crate::show;

/// Faults of the lines.
#[derive(Debug, Clone, Args)]
pub struct FaultArgs {
    /// What goes wrong on line A on purpose, as in
    /// drop=10%,burst=44,dup=2%,reorder=5%,delay=1ms,corrupt=0.1%
    #[arg(long, value_name = "FAULTS", help_heading = "Faults")]
    fault_a: Option<Faults>,

    /// What goes wrong on line B on purpose.
    #[arg(long, value_name = "FAULTS", help_heading = "Faults")]
    fault_b: Option<Faults>,

    /// Drop this share of the packets that arrive on line A: short for --fault-a drop=SHARE.
    #[arg(
        long,
        value_name = "SHARE",
        allow_hyphen_values = true,
        conflicts_with = "fault_a",
        help_heading = "Faults"
    )]
    drop_a: Option<Share>,

    /// Drop this share of the packets that arrive on line B.
    #[arg(
        long,
        value_name = "SHARE",
        allow_hyphen_values = true,
        conflicts_with = "fault_b",
        help_heading = "Faults"
    )]
    drop_b: Option<Share>,
}

impl FaultArgs {
    /// The faults of lines A and B.
    pub fn lines(&self) -> [LineFaults; 2] {
        let line = |faults: Option<Faults>, drop: Option<Share>| match (faults, drop) {
            (Some(Faults(faults)), _) => faults,
            (None, Some(Share(drop))) => LineFaults::drop(drop),
            (None, None) => LineFaults::NONE,
        };
        [
            line(self.fault_a, self.drop_a),
            line(self.fault_b, self.drop_b),
        ]
    }

    /// Checks what the parser of one argument cannot, for this command.
    ///
    /// # Errors
    /// When both lines drop everything.
    pub fn check<A: Args>(&self, command: &'static str) -> Result<(), Error> {
        if self.lines().iter().any(|faults| faults.drop < 1.0) {
            return Ok(());
        }
        Err(conflict::<A>(
            command,
            "--drop-a and --drop-b, or --fault-a and --fault-b, are both 100%: nothing would arrive; \
             let one line through, if only a little of it",
        ))
    }
}

/// The faults of one line: names and values, separated by commas.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Faults(LineFaults);

const NAMES: &str = "drop=10%, burst=44, dup=2%, reorder=5%, delay=1ms or corrupt=0.1%";
/// Longer delays are an outage: deadlines would pass before a packet does.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Faults, String> {
        let mut faults = LineFaults::NONE;
        for part in text.split(',') {
            let Some((name, value)) = part.trim().split_once('=') else {
                return Err(format!("{part:?} is no fault: expected {NAMES}"));
            };
            let share = || {
                let share = value.parse::<Share>();
                share
                    .map(|Share(share)| share)
                    .map_err(|e| format!("{name}: {e}"))
            };
            match name {
                "drop" => faults.drop = share()?,
                "dup" => faults.duplicate = share()?,
                "reorder" => faults.reorder = share()?,
                "corrupt" => faults.corrupt = share()?,
                "burst" => faults.burst = burst(value)?,
                "delay" => faults.delay = delay(value)?,
                _ => return Err(format!("{name:?} is no fault: expected {NAMES}")),
            }
        }
        let shortest = faults.drop / (1.0 - faults.drop);
        if faults.burst > 1.0 && faults.drop < 1.0 && faults.burst < shortest {
            return Err(format!(
                "burst: so many drops make runs of at least {} packets; say burst={0}",
                (shortest - 1e-9).ceil()
            ));
        }
        Ok(Faults(faults))
    }
}

fn burst(value: &str) -> Result<f64, String> {
    match value.parse::<u32>() {
        Ok(burst @ 1..=1_000_000) => Ok(f64::from(burst)),
        _ => Err("burst: expected the mean number of packets dropped in a row, from 1 to 1000000, as in 44".into()),
    }
}

fn delay(value: &str) -> Result<Duration, String> {
    match humantime::parse_duration(value) {
        Ok(delay) if delay <= LONGEST_DELAY => Ok(delay),
        _ => Err("delay: expected a time of at most 1s, as in 1ms or 250us".into()),
    }
}

/// What was done to one line, for programs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Made {
    dropped: u64,
    duplicated: u64,
    reordered: u64,
    delayed: u64,
    corrupted: u64,
    not_held: u64,
}

impl From<FaultCounters> for Made {
    fn from(counters: FaultCounters) -> Made {
        Made {
            dropped: counters.dropped,
            duplicated: counters.duplicated,
            reordered: counters.reordered,
            delayed: counters.delayed,
            corrupted: counters.corrupted,
            not_held: counters.not_held,
        }
    }
}

/// Names what was done to the lines, for people: nothing if nothing was.
///
/// # Errors
/// When it cannot be written.
pub fn write_made(out: &mut dyn Write, lines: [Made; 2]) -> io::Result<()> {
    for (line, made) in ["A", "B"].into_iter().zip(lines) {
        let kinds = [
            (made.dropped, "dropped"),
            (made.duplicated, "duplicated"),
            (made.reordered, "reordered"),
            (made.delayed, "delayed"),
            (made.corrupted, "damaged"),
            (made.not_held, "not held for want of room"),
        ];
        let done: Vec<String> = kinds
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", show::count(*count)))
            .collect();
        if !done.is_empty() {
            writeln!(out, "  faults    line {line}, packets: {}", done.join(", "))?;
        }
    }
    Ok(())
}

/// The faults of one line in words, if there are any.
pub fn describe(faults: &LineFaults) -> Option<String> {
    let percent = |share: f64| format!("{:.3}", share * 100.0);
    let percent = |share: f64| {
        let text = percent(share);
        format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
    };
    let mut parts = Vec::new();
    if faults.drop > 0.0 {
        let runs = if faults.burst > 1.0 {
            format!(" in runs of {} packets", faults.burst)
        } else {
            String::new()
        };
        parts.push(format!("drops {}{runs}", percent(faults.drop)));
    }
    for (share, what) in [
        (faults.duplicate, "duplicates"),
        (faults.reorder, "reorders"),
        (faults.corrupt, "damages"),
    ] {
        if share > 0.0 {
            parts.push(format!("{what} {}", percent(share)));
        }
    }
    if !faults.delay.is_zero() {
        let delay = humantime::format_duration(faults.delay);
        parts.push(format!("delays each by {delay}"));
    }
    (!parts.is_empty()).then(|| format!("{} of its packets", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_can_go_wrong_is_read() {
        let read: Faults = "drop=10%,burst=44,dup=2%,reorder=5%,delay=1ms,corrupt=0.1%"
            .parse()
            .unwrap();
        let expected = LineFaults {
            drop: 0.1,
            burst: 44.0,
            duplicate: 0.02,
            reorder: 0.05,
            delay: Duration::from_millis(1),
            corrupt: 0.001,
        };
        assert_eq!(read, Faults(expected));
        assert_eq!(
            describe(&expected).unwrap(),
            "drops 10% in runs of 44 packets, duplicates 2%, reorders 5%, damages 0.1%, delays \
             each by 1ms of its packets"
        );
        assert_eq!(describe(&LineFaults::NONE), None);
    }

    #[test]
    fn nonsense_is_told_what_was_expected() {
        for (text, expected) in [
            ("", "is no fault: expected drop=10%"),
            ("drop", "is no fault: expected drop=10%"),
            ("loss=1%", "\"loss\" is no fault"),
            ("drop=101%", "drop: expected a share"),
            ("drop=50%,burst=0", "burst: expected the mean number"),
            ("drop=90%,burst=4", "say burst=9"),
            ("delay=2s", "at most 1s"),
            ("delay=5", "at most 1s"),
        ] {
            let error = text.parse::<Faults>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
