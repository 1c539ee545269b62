//! `tickcast inspect`: what a tick file holds.

mod recording;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use anyhow::Context;
use serde::Serialize;
use tickcast_tickfile::{Format, Reader, Tally};
use tickcast_wire::{Body, Digest, Kind, Quote, Symbol, Tick};
use tracing::info;

use self::recording::Recording;
use crate::cli::InspectArgs;
use crate::interrupt::Interrupt;
use crate::show::BOLD;
use crate::{Outcome, files, progress, show};

/// How many of the most active instruments are shown to people.
const BUSIEST: usize = 5;

/// Everything but the instruments, as `--json` prints it.
#[derive(Serialize)]
struct Report {
    format: &'static str,
    ticks: u64,
    kinds: Kinds,
    instruments: usize,
    first_ts_event: Option<u64>,
    last_ts_event: Option<u64>,
    /// By type on the venue's wire; empty for tickcast's own formats.
    messages: BTreeMap<String, u64>,
    skipped: BTreeMap<&'static str, u64>,
    digest: String,
    /// Of a recorded stream.
    recording: Option<Recording>,
    notices: Vec<String>,
}

/// Ticks by kind.
#[derive(Default, Serialize)]
struct Kinds {
    definition: u64,
    status: u64,
    quote: u64,
    trade: u64,
    trade_break: u64,
    clear: u64,
    /// Of a later version; named only when there are any.
    #[serde(skip_serializing_if = "is_zero")]
    unknown: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// An instrument as the file leaves it.
#[derive(Default)]
struct Instrument {
    symbol: Option<Symbol>,
    ticks: u64,
    quote: Option<Quote>,
}

/// What the ticks say, taken in one by one.
#[derive(Default)]
struct Survey {
    ticks: u64,
    kinds: Kinds,
    instruments: HashMap<u32, Instrument>,
    ts_event: Option<(u64, u64)>,
    digest: Digest,
}

impl Survey {
    fn take_in(&mut self, tick: &Tick) {
        self.ticks += 1;
        self.digest.update(&tick.with_seq(self.ticks));
        let ts_event = tick.ts_event();
        self.ts_event = Some((self.ts_event.map_or(ts_event, |(first, _)| first), ts_event));

        let instrument = self.instruments.entry(tick.instrument()).or_default();
        instrument.ticks += 1;
        match tick.body() {
            Body::Definition(definition) => instrument.symbol = Some(definition.symbol),
            Body::Quote(quote) => instrument.quote = Some(*quote),
            Body::Clear(_) => instrument.quote = None,
            Body::Status(_) | Body::Trade(_) | Body::TradeBreak(_) | Body::Unknown(..) => {}
        }
        let kinds = &mut self.kinds;
        *match tick.kind() {
            Some(Kind::Definition) => &mut kinds.definition,
            Some(Kind::Status) => &mut kinds.status,
            Some(Kind::Quote) => &mut kinds.quote,
            Some(Kind::Trade) => &mut kinds.trade,
            Some(Kind::TradeBreak) => &mut kinds.trade_break,
            Some(Kind::Clear) => &mut kinds.clear,
            None => &mut kinds.unknown,
        } += 1;
    }
}

/// The most active instruments, the busiest first.
fn busiest(instruments: &HashMap<u32, Instrument>) -> Vec<(u32, &Instrument)> {
    let mut all: Vec<_> = instruments.iter().map(|(&id, of)| (id, of)).collect();
    all.sort_by_key(|&(id, of)| (Reverse(of.ticks), id));
    all.truncate(BUSIEST);
    all
}

/// Runs the command.
pub fn run(args: &InspectArgs) -> anyhow::Result<Outcome> {
    let interrupt = Interrupt::watch().context("cannot watch for Ctrl-C")?;
    let mut reader = files::open(&args.file)?;
    info!(
        format = reader.format().name(),
        bytes = reader.size(),
        "opened"
    );
    let survey = survey(&mut reader, &interrupt)
        .with_context(|| format!("cannot read {} to its end", args.file.display()))?;
    let recording = match reader.format() {
        Format::Ticks => recording::read(&args.file, || interrupt.is_set())
            .with_context(|| format!("{} is not sound", args.file.display()))?,
        _ => None,
    };
    if interrupt.is_set() {
        anstream::eprintln!("stopped before the end of {}", args.file.display());
        return Ok(Outcome::Interrupted);
    }
    let Tally { messages, skipped } = reader.tally();
    let is_venue = !matches!(reader.format(), Format::Ticks | Format::Csv);
    let report = Report {
        recording,
        format: reader.format().name(),
        ticks: survey.ticks,
        instruments: survey.instruments.len(),
        first_ts_event: survey.ts_event.map(|(first, _)| first),
        last_ts_event: survey.ts_event.map(|(_, last)| last),
        messages: if is_venue { messages } else { BTreeMap::new() },
        skipped,
        digest: survey.digest.to_string(),
        notices: reader.notice().iter().map(ToString::to_string).collect(),
        kinds: survey.kinds,
    };
    let busiest = busiest(&survey.instruments);
    show::result(&report, args.json, |out, report| {
        writeln!(out, "{BOLD}{}{BOLD:#}", args.file.display())?;
        print(out, report)?;
        print_busiest(out, &busiest)
    })?;
    if !args.json {
        show::notices(&report.notices);
    }
    if let Some(recording) = &report.recording {
        recording.proof.check()?;
    }
    Ok(Outcome::Done)
}

/// Takes in all ticks, or those before somebody asks to stop.
fn survey(reader: &mut Reader, interrupt: &Interrupt) -> anyhow::Result<Survey> {
    let bar = progress::over_bytes("reading", reader.size());
    let mut survey = Survey::default();
    while !interrupt.is_set() {
        let ticks = reader.peek()?;
        let count = ticks.len();
        if count == 0 {
            break;
        }
        ticks.iter().for_each(|tick| survey.take_in(tick));
        reader.consume(count);
        bar.set_position(Reader::position(reader));
    }
    bar.finish_and_clear();
    Ok(survey)
}

fn print(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let mut row = |name: &str, value: &str| writeln!(out, "  {name:<12} {value}");
    row("format", report.format)?;
    row("ticks", &show::count(report.ticks))?;
    row("instruments", &show::count(report.instruments as u64))?;
    if let (Some(first), Some(last)) = (report.first_ts_event, report.last_ts_event) {
        row("first event", &show::time(first))?;
        row("last event", &show::time(last))?;
    }
    row("digest", &report.digest)?;
    if let Some(recording) = &report.recording {
        row("recorded", &recording.proof.to_string())?;
        row("missing", &show::count(recording.missing))?;
    }

    let kinds = &report.kinds;
    let kinds = [
        ("definition", kinds.definition),
        ("status", kinds.status),
        ("quote", kinds.quote),
        ("trade", kinds.trade),
        ("trade_break", kinds.trade_break),
        ("clear", kinds.clear),
        ("unknown", kinds.unknown),
    ];
    print_counts(out, "ticks by kind", kinds)?;
    let messages = report
        .messages
        .iter()
        .map(|(name, &count)| (name.as_str(), count));
    print_counts(out, "messages by type", messages)?;
    print_counts(
        out,
        "messages skipped",
        report.skipped.iter().map(|(&name, &count)| (name, count)),
    )
}

/// A table of the counts above zero; nothing when there are none.
fn print_counts<'a>(
    out: &mut dyn Write,
    heading: &str,
    counts: impl IntoIterator<Item = (&'a str, u64)>,
) -> io::Result<()> {
    let mut counts = counts
        .into_iter()
        .filter(|&(_, count)| count > 0)
        .peekable();
    if counts.peek().is_some() {
        writeln!(out, "  {BOLD}{heading}{BOLD:#}")?;
    }
    counts.try_for_each(|(name, count)| writeln!(out, "    {name:<16} {:>14}", show::count(count)))
}

fn print_busiest(out: &mut dyn Write, busiest: &[(u32, &Instrument)]) -> io::Result<()> {
    if busiest.is_empty() {
        return Ok(());
    }
    let (names, ticks, bid) = ("busiest instruments", "ticks", "last bid");
    writeln!(
        out,
        "  {BOLD}{names:<19} {ticks:>13}      {bid:<20} last ask{BOLD:#}"
    )?;
    for (id, instrument) in busiest {
        let name = match instrument.symbol {
            Some(symbol) => symbol.to_string(),
            None => format!("#{id}"),
        };
        let (bid, ask) = match &instrument.quote {
            Some(quote) => (
                side(quote.bid_size.get(), quote.bid.get()),
                side(quote.ask_size.get(), quote.ask.get()),
            ),
            None => ("-".into(), "-".into()),
        };
        let ticks = show::count(instrument.ticks);
        writeln!(out, "    {name:<16} {ticks:>14}      {bid:<20} {ask}")?;
    }
    Ok(())
}

/// `300 @ 148.91`, or `-` for an empty side.
fn side(size: u64, price: i64) -> String {
    if size == 0 {
        return "-".into();
    }
    format!("{} @ {}", show::count(size), show::price(price))
}
