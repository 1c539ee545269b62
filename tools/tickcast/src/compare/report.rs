//! What a comparison ends with.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::statistics::{Effect, FEWEST_TURNS, effect};
use crate::show::{self, BOLD};

/// The percentiles of `total` that are compared.
pub(super) const PERCENTS: [f64; 3] = [50.0, 90.0, 99.0];

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The options of both settings.
    a: String,
    b: String,
    /// How long each run was measured, s.
    duration_s: f64,
    /// Turns that were taken.
    turns: usize,
    percentiles: Vec<Compared>,
    /// Whether a percentile differs.
    differ: bool,
    /// That, and what else must be known, each a sentence.
    statements: Vec<String>,
}

/// One percentile of `total`.
#[derive(Debug, Serialize)]
struct Compared {
    percent: f64,
    /// The values of each turn, ns.
    a_ns: Vec<u64>,
    b_ns: Vec<u64>,
    /// None with too few turns.
    #[serde(flatten)]
    effect: Option<Effect>,
}

impl Report {
    /// Concludes from the values of A and B, a turn each.
    pub(super) fn new(
        [a, b]: [String; 2],
        duration: Duration,
        values: &[Vec<[u64; PERCENTS.len()]>; 2],
    ) -> Report {
        let turns = values[0].len();
        let compared = |at: usize| {
            let [a_ns, b_ns]: [Vec<u64>; 2] =
                [0, 1].map(|which: usize| values[which].iter().map(|value| value[at]).collect());
            let effect = effect(&a_ns, &b_ns, PERCENTS.len());
            Compared {
                percent: PERCENTS[at],
                a_ns,
                b_ns,
                effect,
            }
        };
        let percentiles: Vec<Compared> = (0..PERCENTS.len()).map(compared).collect();
        let effects = || percentiles.iter().filter_map(|compared| compared.effect);
        let differ = effects().any(|effect| effect.differs);
        let statements = if turns < FEWEST_TURNS {
            vec![format!(
                "{turns} turns are too few to say whether they differ: at least {FEWEST_TURNS} are \
                 needed"
            )]
        } else if differ {
            percentiles
                .iter()
                .filter_map(Compared::difference)
                .collect()
        } else {
            let would: Vec<String> = percentiles
                .iter()
                .filter_map(Compared::detectable)
                .collect();
            vec![format!(
                "no difference found; one of {} would have been",
                would.join(", or of ")
            )]
        };
        Report {
            a,
            b,
            duration_s: duration.as_secs_f64(),
            turns,
            percentiles,
            differ,
            statements,
        }
    }
}

impl Compared {
    /// In words, if there is one.
    fn difference(&self) -> Option<String> {
        let effect = self.effect.filter(|effect| effect.differs)?;
        let (share, direction) = if effect.ratio > 1.0 {
            (effect.ratio - 1.0, "more")
        } else {
            (1.0 - effect.ratio, "less")
        };
        Some(format!(
            "at p{} B takes {} {direction} than A",
            self.percent,
            show::share(share)
        ))
    }

    /// How large a difference would have been found.
    fn detectable(&self) -> Option<String> {
        let share = self.effect?.detectable();
        Some(format!("{} at p{}", show::share(share), self.percent))
    }
}

/// Prints it for people.
pub(super) fn print(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let options = |text: &str| match text {
        "" => "(no options)".to_owned(),
        text => text.to_owned(),
    };
    writeln!(
        out,
        "{BOLD}compare{BOLD:#}  {} turns, each run measured for {} s",
        report.turns, report.duration_s
    )?;
    writeln!(out, "  A  {}", options(&report.a))?;
    writeln!(out, "  B  {}", options(&report.b))?;
    writeln!(
        out,
        "{BOLD}{:<8}{:>10}{:>10}{:>9}   {:<18}{:<10}{BOLD:#}",
        "total", "A", "B", "ratio", "interval", "control"
    )?;
    for compared in &report.percentiles {
        let [a, b] = [&compared.a_ns, &compared.b_ns].map(|values| median(values));
        write!(out, "p{:<7}{a:>10}{b:>10}", compared.percent)?;
        match compared.effect {
            Some(effect) => writeln!(
                out,
                "{:>9.3}   {:<18}±{:<9}{}",
                effect.ratio,
                format!("{:.3} to {:.3}", effect.interval[0], effect.interval[1]),
                show::share(effect.spread),
                if effect.differs { "differs" } else { "" }
            )?,
            None => writeln!(out, "{:>9}   {:<18}-", "-", "-")?,
        }
    }
    for statement in &report.statements {
        writeln!(out, "{BOLD}{statement}{BOLD:#}")?;
    }
    Ok(())
}

/// The middle value, as people read times.
fn median(values: &[u64]) -> String {
    let mut values = values.to_vec();
    values.sort_unstable();
    let middle = values.get(values.len() / 2).copied();
    middle.map_or_else(|| "-".into(), tickcast_latency::duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(factor: f64, turns: u64) -> (Report, String) {
        let values = [1.0, factor].map(|factor| {
            (0..turns)
                .map(|turn| {
                    let wander = 1.0 + 0.01 * (turn % 7) as f64;
                    [10_000.0, 20_000.0, 30_000.0].map(|ns: f64| (ns * factor * wander) as u64)
                })
                .collect()
        });
        let names = ["--inline".to_owned(), String::new()];
        let report = Report::new(names, Duration::from_secs(1), &values);
        let mut text = Vec::new();
        print(&mut text, &report).unwrap();
        let text = std::str::from_utf8(&text).unwrap();
        (report, anstream::adapter::strip_str(text).to_string())
    }

    #[test]
    fn a_difference_is_said_with_its_direction() {
        let (report, text) = said(1.5, 40);
        assert!(report.differ);
        assert_eq!(report.statements.len(), 3);
        assert!(text.contains("at p50 B takes 50.0 % more than A"), "{text}");
        assert!(text.contains("A  --inline\n  B  (no options)"), "{text}");
        let (_, text) = said(0.5, 40);
        assert!(text.contains("at p99 B takes 50.0 % less than A"), "{text}");
    }

    #[test]
    fn none_is_said_with_what_would_have_been_found() {
        let (report, text) = said(1.0, 40);
        assert!(!report.differ);
        assert!(text.contains("no difference found; one of "), "{text}");
        assert!(text.contains(" % at p50, or of "), "{text}");
    }

    #[test]
    fn too_few_turns_say_so() {
        let (report, text) = said(2.0, 9);
        assert!(!report.differ);
        assert!(text.contains("9 turns are too few"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["percentiles"][0]["a_ns"].as_array().unwrap().len(), 9);
        assert_eq!(said(2.0, 0).0.turns, 0);
    }
}
