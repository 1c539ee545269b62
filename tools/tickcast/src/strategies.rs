//! The strategies that the program brings along.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tickcast_subscriber::{Loss, Origin, Provenance, SessionStart, Strategy};
use tickcast_tickfile::{TickWriter, WriteError};
use tickcast_wire::{Body, Digest, Quote, Symbol, Tick};

use crate::losses::{self, Losses};
use crate::show;

/// What `subscribe` does with the ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// Count them.
    Count,
    /// Print each of them.
    Print,
    /// Keep the best bid and offer of each instrument, and print them at the end.
    Board,
    /// Keep the volume-weighted average price of each instrument, and print them at the end.
    Vwap,
}

/// Takes the digest of everything delivered, and names what is lost.
#[derive(Debug, Default)]
pub struct Checksum {
    digest: Digest,
    losses: Losses,
}

impl Checksum {
    /// The digest of the ticks delivered in the current session, in order.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// What was lost, in all sessions.
    pub const fn losses(&self) -> &Losses {
        &self.losses
    }
}

impl Strategy for Checksum {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        self.on_ticks(std::slice::from_ref(tick), origin);
    }

    fn on_ticks(&mut self, ticks: &[Tick], origin: &Origin) {
        if origin.provenance != Provenance::Snapshot {
            self.digest.update_all(ticks);
        }
    }

    fn on_gap(&mut self, loss: &Loss) {
        self.losses.add(loss);
    }

    fn on_session(&mut self, _start: &SessionStart) {
        self.digest = Digest::default();
    }
}

/// What is known of an instrument.
#[derive(Debug, Default)]
struct Instrument {
    symbol: Option<Symbol>,
    quote: Option<Quote>,
    volume: u64,
    /// Sum of price × size, in units of 1e-9.
    turnover: i128,
}

impl Instrument {
    fn name(&self, id: u32) -> String {
        self.symbol
            .map_or_else(|| format!("#{id}"), |symbol| symbol.to_string())
    }
}

/// Follows chosen instruments and does with them what was asked for.
pub struct Follow {
    choice: Choice,
    /// The symbols to follow; all if empty.
    symbols: HashSet<Symbol>,
    instruments: HashMap<u32, Instrument>,
    checksum: Checksum,
    /// Nobody reads stdout any more.
    deaf: bool,
}

impl Follow {
    /// Follows these symbols, or all if there are none.
    pub fn new(choice: Choice, symbols: &[Symbol]) -> Follow {
        Follow {
            choice,
            symbols: symbols.iter().copied().collect(),
            instruments: HashMap::new(),
            checksum: Checksum::default(),
            deaf: false,
        }
    }

    /// The digest of everything delivered, of all symbols.
    pub const fn digest(&self) -> Digest {
        self.checksum.digest()
    }

    /// What was lost, in all sessions.
    pub const fn losses(&self) -> &Losses {
        self.checksum.losses()
    }

    /// Symbols that were asked for and never defined.
    pub fn unknown_symbols(&self) -> Vec<String> {
        let known: HashSet<_> = self.instruments.values().filter_map(|i| i.symbol).collect();
        let mut unknown: Vec<_> = self
            .symbols
            .difference(&known)
            .map(ToString::to_string)
            .collect();
        unknown.sort();
        unknown
    }

    fn follows(&self, instrument: u32) -> bool {
        self.symbols.is_empty()
            || self
                .instruments
                .get(&instrument)
                .and_then(|i| i.symbol)
                .is_some_and(|symbol| self.symbols.contains(&symbol))
    }

    fn take_in(&mut self, tick: &Tick) {
        if let Some(definition) = tick.as_definition() {
            let instrument = self.instruments.entry(tick.instrument()).or_default();
            instrument.symbol = Some(definition.symbol);
        }
        if self.choice == Choice::Count || !self.follows(tick.instrument()) {
            return;
        }
        let instrument = self.instruments.entry(tick.instrument()).or_default();
        match tick.body() {
            Body::Quote(quote) => instrument.quote = Some(*quote),
            Body::Clear(_) => instrument.quote = None,
            Body::Trade(trade) => {
                instrument.volume += trade.size.get();
                let (price, size) = (i128::from(trade.price.get()), i128::from(trade.size.get()));
                instrument.turnover += price * size;
            }
            _ => {}
        }
        if self.choice == Choice::Print {
            let name = instrument.name(tick.instrument());
            self.print(&line(tick, &name));
        }
    }

    fn print(&mut self, line: &str) {
        if !self.deaf {
            self.deaf = writeln!(io::stdout().lock(), "{line}").is_err();
        }
    }

    /// Prints what was kept.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_result(&self, out: &mut dyn Write) -> io::Result<()> {
        let sorted: BTreeMap<_, _> = self
            .instruments
            .iter()
            .filter(|(id, _)| self.follows(**id))
            .map(|(id, instrument)| ((instrument.name(*id), *id), instrument))
            .collect();
        for ((name, _), instrument) in sorted {
            match self.choice {
                Choice::Board => {
                    let Some(quote) = instrument.quote else {
                        continue;
                    };
                    writeln!(out, "  {name:<16} {}", two_sides(&quote))?;
                }
                Choice::Vwap if instrument.volume > 0 => {
                    let vwap = instrument.turnover / i128::from(instrument.volume);
                    let vwap = show::price(i64::try_from(vwap).unwrap_or(i64::MAX));
                    let volume = show::count(instrument.volume);
                    writeln!(out, "  {name:<16} {vwap:>18} over {volume} traded")?;
                }
                Choice::Count | Choice::Print | Choice::Vwap => {}
            }
        }
        Ok(())
    }
}

impl Strategy for Follow {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        self.take_in(tick);
    }

    fn on_ticks(&mut self, ticks: &[Tick], origin: &Origin) {
        self.checksum.on_ticks(ticks, origin);
        for tick in ticks {
            self.take_in(tick);
        }
    }

    fn on_gap(&mut self, loss: &Loss) {
        self.checksum.on_gap(loss);
        if self.choice == Choice::Print {
            let (first, last) = (loss.first_seq, loss.first_seq + (loss.count - 1));
            let why = losses::name(loss.cause);
            self.print(&format!("lost {first}..={last}: {why}"));
        }
    }

    fn on_session(&mut self, start: &SessionStart) {
        self.checksum.on_session(start);
        if self.choice == Choice::Print {
            let SessionStart {
                session, first_seq, ..
            } = start;
            let after = start
                .previous
                .map_or_else(String::new, |(previous, last_seq)| {
                    format!(", after session {previous}, which ended with {last_seq}")
                });
            self.print(&format!("session {session} from seq {first_seq}{after}"));
        }
    }

    fn on_snapshot(&mut self, as_of: u64) {
        // The snapshot replaces all state, and brings the definitions again.
        for instrument in self.instruments.values_mut() {
            instrument.quote = None;
        }
        if self.choice == Choice::Print {
            self.print(&format!("snapshot as of seq {as_of}"));
        }
    }
}

fn two_sides(quote: &Quote) -> String {
    let (bid, ask) = (show::price(quote.bid.get()), show::price(quote.ask.get()));
    let (bid_size, ask_size) = (
        show::count(quote.bid_size.get()),
        show::count(quote.ask_size.get()),
    );
    format!("{bid_size:>9} @ {bid:<12} {ask:>12} @ {ask_size}")
}

fn line(tick: &Tick, name: &str) -> String {
    let (seq, time) = (tick.seq(), show::time(tick.ts_event()));
    let what = match tick.body() {
        Body::Definition(definition) => format!("definition {}", definition.symbol),
        Body::Status(status) => match status.trading_state() {
            Some(state) => format!("status {state:?}"),
            None => format!("status {}", status.state),
        },
        Body::Quote(quote) => format!("quote {}", two_sides(quote)),
        Body::Trade(trade) => {
            let (price, size) = (
                show::price(trade.price.get()),
                show::count(trade.size.get()),
            );
            format!("trade {size} @ {price}")
        }
        Body::TradeBreak(broken) => format!("trade break of {}", broken.trade_id),
        Body::Clear(_) => "clear".into(),
        Body::Unknown(kind, _) => format!("unknown kind {kind}"),
    };
    format!("{seq:>10} {time} {name:<16} {what}")
}

/// How long recorded ticks wait at most before they are in the file.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Writes every tick to a `.ticks` file.
pub struct Record {
    writer: Option<TickWriter<File>>,
    error: Option<WriteError>,
    flushed: Instant,
    lost: u64,
}

impl Record {
    /// Writes with this writer.
    pub fn new(writer: TickWriter<File>) -> Record {
        Record {
            writer: Some(writer),
            error: None,
            flushed: Instant::now(),
            lost: 0,
        }
    }

    /// Ends the file, and gives how many ticks it holds and how many are missing in it.
    ///
    /// # Errors
    /// The first error there was; what was written before it can be read.
    pub fn finish(self) -> Result<(u64, u64), WriteError> {
        match (self.error, self.writer) {
            (Some(error), _) => Err(error),
            (None, Some(writer)) => Ok((writer.finish()?.ticks, self.lost)),
            (None, None) => Ok((0, self.lost)),
        }
    }
}

impl Strategy for Record {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        self.on_ticks(std::slice::from_ref(tick), origin);
    }

    fn on_ticks(&mut self, ticks: &[Tick], _origin: &Origin) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        let mut written = writer.write_all(ticks);
        if written.is_ok() && self.flushed.elapsed() >= FLUSH_EVERY {
            written = writer.flush();
            self.flushed = Instant::now();
        }
        if let Err(error) = written {
            // What is in the file stays readable; nothing is written behind a failure.
            tracing::error!(%error, "recording stopped");
            self.error = Some(error);
            self.writer = None;
        }
    }

    fn on_gap(&mut self, loss: &Loss) {
        self.lost += loss.count;
        tracing::error!(first_seq = loss.first_seq, count = loss.count, cause = ?loss.cause,
            "the recording lacks ticks");
    }
}
