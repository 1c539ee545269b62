//! A run, for people.

use std::io::{self, Write};

use tickcast_latency::{Exemplar, Figures, Ratio, Run, Setting, StageFigures, View, duration};

use crate::show::{self, BOLD};

/// The slowest ticks that people are shown; `--json` has all that were kept.
const SHOWN: usize = 5;
/// Wide enough for `99.999` and a time.
const COLUMN: usize = 10;

/// Prints it.
pub(super) fn print(out: &mut dyn Write, run: &Run) -> io::Result<()> {
    let seconds = |ns: u64| ns as f64 / 1e9;
    write!(
        out,
        "{BOLD}latency{BOLD:#}  {}, {:.1} s",
        run.name,
        seconds(run.duration_ns)
    )?;
    match run.warm_up_ns {
        0 => writeln!(out)?,
        ns => writeln!(out, ", after {:.1} s to get steady", seconds(ns))?,
    }
    if run.ticks.published > 0 {
        writeln!(
            out,
            "  {} published, {} delivered, {} lost",
            show::count(run.ticks.published),
            show::count(run.ticks.delivered),
            show::count(run.ticks.lost)
        )?;
    }
    for setting in &run.settings {
        writeln!(out, "  {:<20}{}", setting.name, setting.value)?;
    }
    stages(out, &run.stages)?;
    views(out, &run.views)?;
    platform(out, run)?;
    exemplars(out, &run.exemplars)?;
    for statement in &run.statements {
        writeln!(out, "{BOLD}note{BOLD:#}  {statement}")?;
    }
    Ok(())
}

fn stages(out: &mut dyn Write, stages: &[StageFigures]) -> io::Result<()> {
    let Some(first) = stages.iter().find_map(|stage| stage.parts.first()) else {
        return Ok(());
    };
    heading(out, "stage", first)?;
    for stage in stages {
        let [all, parts @ ..] = &stage.parts[..] else {
            continue;
        };
        row(out, &stage.stage, all)?;
        errors(out, all)?;
        between(out, all)?;
        if stage.stage != "total" {
            continue;
        }
        for part in parts.iter().filter(|_| parts.len() > 1) {
            row(out, &format!("  {}", part.of), part)?;
        }
        for group in &stage.groups {
            row(out, &format!("  @ {}", group.of), group)?;
        }
    }
    Ok(())
}

fn heading(out: &mut dyn Write, what: &str, figures: &Figures) -> io::Result<()> {
    write!(out, "{BOLD}{what:<15}{:>13}", "samples")?;
    for percentile in &figures.percentiles {
        write!(out, "{:>COLUMN$}", format!("p{}", percentile.percent))?;
    }
    writeln!(out, "{:>COLUMN$}{BOLD:#}", "max")
}

fn row(out: &mut dyn Write, name: &str, figures: &Figures) -> io::Result<()> {
    write!(out, "{name:<15}{:>13}", show::count(figures.samples))?;
    let percentiles = figures.percentiles.iter().map(|percentile| percentile.ns);
    for ns in percentiles.chain([figures.max_ns]) {
        write!(out, "{:>COLUMN$}", show::duration(ns))?;
    }
    writeln!(out)?;
    if figures.negative > 0 {
        let count = show::count(figures.negative);
        writeln!(out, "  {count} negative, in no figure: two clocks disagree")?;
    }
    if figures.saturated > 0 {
        writeln!(out, "  {} over 60 s", show::count(figures.saturated))?;
    }
    Ok(())
}

/// The standard errors, below the percentiles they are of.
fn errors(out: &mut dyn Write, figures: &Figures) -> io::Result<()> {
    let errors = || {
        figures
            .percentiles
            .iter()
            .map(|percentile| percentile.error_ns)
    };
    if errors().all(|error| error.is_none()) {
        return Ok(());
    }
    write!(out, "{:<15}{:>13}", "", "±")?;
    for error in errors() {
        let error = error.map(|ns| ns.round() as u64);
        write!(out, "{:>COLUMN$}", error.map_or_else(String::new, duration))?;
    }
    writeln!(out)
}

/// Where the percentiles lie, below them, when they go from one host to another.
fn between(out: &mut dyn Write, figures: &Figures) -> io::Result<()> {
    let bounds = || figures.percentiles.iter().map(|of| of.between_ns);
    if bounds().all(|bounds| bounds.is_none()) {
        return Ok(());
    }
    for (nth, name) in ["at least", "at most"].into_iter().enumerate() {
        write!(out, "{:<15}{name:>13}", "")?;
        for bounds in bounds() {
            let bound = bounds.map(|bounds| bounds[nth]);
            write!(out, "{:>COLUMN$}", bound.map_or_else(String::new, duration))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn views(out: &mut dyn Write, views: &[View]) -> io::Result<()> {
    let Some(first) = views.first() else {
        return Ok(());
    };
    heading(out, "total, views", &first.figures)?;
    for view in views {
        row(out, &view.name, &view.figures)?;
        if view.left_out > 0.0 {
            writeln!(
                out,
                "  {} of the samples left out",
                show::share(view.left_out)
            )?;
        }
        if view.ratios.is_empty() {
            continue;
        }
        write!(out, "{:<15}{:>13}", "over the floor", "")?;
        for percentile in &view.figures.percentiles {
            let of = |ratio: &&Ratio| ratio.percent == percentile.percent;
            let ratio = view.ratios.iter().find(of);
            let text = ratio.map_or_else(|| "-".into(), |ratio| times(ratio.median));
            write!(out, "{text:>COLUMN$}")?;
        }
        writeln!(out)?;
        write!(out, "{:<15}{:>13}", "", "quartiles")?;
        for ratio in &view.ratios {
            let [low, high] = ratio.quartiles;
            write!(
                out,
                "{:>COLUMN$}",
                format!("{}-{}", times(low), times(high))
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// A ratio in at most four characters, so that two of them fit a column.
fn times(ratio: f64) -> String {
    match ratio {
        ..9.995 => format!("{ratio:.2}"),
        ..99.95 => format!("{ratio:.1}"),
        _ => format!("{ratio:.0}"),
    }
}

fn platform(out: &mut dyn Write, run: &Run) -> io::Result<()> {
    if run.machine.is_empty() {
        return Ok(());
    }
    writeln!(out, "{BOLD}machine{BOLD:#}")?;
    for setting in &run.machine {
        writeln!(out, "  {:<20}{}", setting.name, setting.value)?;
    }
    for hiccup in &run.platform.hiccups {
        let core = hiccup
            .core
            .map_or_else(|| "any core".into(), |core| format!("core {core}"));
        let percentile = |percent: f64| {
            let of = &hiccup.stalls.percentiles;
            let found = of.iter().find(|percentile| percentile.percent == percent);
            show::duration(found.and_then(|percentile| percentile.ns))
        };
        writeln!(
            out,
            "  {} on {core}: {} stalls, {} of the time, p50 {}, p99 {}, max {}",
            hiccup.thread,
            show::count(hiccup.stalls.samples),
            show::share(hiccup.share),
            percentile(50.0),
            percentile(99.0),
            show::duration(hiccup.stalls.max_ns)
        )?;
    }
    // Most things never happen.
    let has_happened = |counter: &&Setting| !counter.value.split(' ').any(|word| word == "0");
    for counter in run.platform.counters.iter().filter(has_happened) {
        writeln!(out, "  {:<60}{:>14}", counter.name, counter.value)?;
    }
    Ok(())
}

fn exemplars(out: &mut dyn Write, exemplars: &[Exemplar]) -> io::Result<()> {
    if exemplars.is_empty() {
        return Ok(());
    }
    writeln!(out, "{BOLD}slowest ticks{BOLD:#}")?;
    for tick in exemplars.iter().take(SHOWN) {
        let legs: Vec<String> = tick
            .waterfall
            .iter()
            .map(|leg| match u64::try_from(leg.ns) {
                Ok(ns) => format!("{} {}", leg.stage, duration(ns)),
                Err(_) => format!("{} -{}", leg.stage, duration(leg.ns.unsigned_abs())),
            })
            .collect();
        writeln!(
            out,
            "  {:<10}seq {}, instrument {}, by {}: {}",
            duration(tick.total_ns),
            tick.seq,
            tick.instrument,
            tick.provenance,
            legs.join(", ")
        )?;
        for meanwhile in &tick.meanwhile {
            writeln!(out, "            {meanwhile}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// Below the total of two hosts' stamps stands where each percentile lies.
    #[test]
    fn one_way_figures_stand_above_where_they_lie() {
        let run = sample::full();
        let mut text = Vec::new();
        print(&mut text, &run).unwrap();
        let text = String::from_utf8(text).unwrap();
        let total = run.stages.iter().find(|it| it.stage == "total").unwrap();
        let [least, most] = total.parts[0].percentiles[0].between_ns.unwrap();
        assert!(least < most);
        let lines: Vec<&str> = text.lines().collect();
        let row = lines.iter().position(|line| line.starts_with("total  "));
        let first = |name: &str, below: usize| {
            let line = lines[row.unwrap() + below].trim_start();
            let figures = line.strip_prefix(name).unwrap_or_else(|| panic!("{line}"));
            let mut words = figures.split_whitespace();
            [words.next(), words.next()].map(Option::unwrap).join(" ")
        };
        assert_eq!(first("at least", 2), duration(least));
        assert_eq!(first("at most", 3), duration(most));
        // What begins and ends on one host has none.
        let kernel = lines.iter().position(|line| line.starts_with("kernel "));
        assert!(!lines[kernel.unwrap() + 2].contains("at least"), "{text}");
    }

    #[test]
    fn ratios_stay_within_their_column() {
        for (ratio, shown) in [
            (0.0, "0.00"),
            (1.276, "1.28"),
            (9.994, "9.99"),
            (9.996, "10.0"),
            (15.62, "15.6"),
            (99.96, "100"),
            (1_234.5, "1234"),
        ] {
            assert_eq!(times(ratio), shown);
        }
    }
}
