//! The strategies that the program brings along.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tickcast_subscriber::{
    Checkpoint, Conflated, Incomplete, Loss, Origin, Proof, Provenance, SessionStart, Strategy,
    Verdict, Verifier,
};
use tickcast_tickfile::{TickWriter, WriteError};
use tickcast_wire::{Body, Digest, Symbol, Tick};

use crate::causes;
use crate::instruments::{BoardRow, Instruments, Sides, VwapRow, name};
use crate::live::Activity;
use crate::losses::{self, Losses};
use crate::proof::Alert;
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

/// Takes the digest of everything delivered, holds it against the publisher's, and names what is
/// lost.
#[derive(Debug, Default)]
pub struct Checksum {
    verifier: Verifier,
    differs: bool,
    alert: Alert,
    losses: Losses,
}

impl Checksum {
    /// Raises this alert when the digests do not agree.
    pub fn new(alert: Alert) -> Checksum {
        Checksum {
            alert,
            ..Checksum::default()
        }
    }

    /// The digest of the ticks delivered in the current session, in order.
    pub const fn digest(&self) -> Digest {
        self.verifier.delivered()
    }

    /// What is proven of the stream.
    pub fn proof(&self) -> Proof {
        self.verifier.proof()
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
            self.verifier.take(ticks);
        }
    }

    fn on_gap(&mut self, loss: &Loss) {
        self.verifier.lose(loss);
        self.losses.add(loss);
    }

    fn on_conflated(&mut self, conflated: &Conflated) {
        self.verifier.skip_to(conflated.first_seq + conflated.count);
    }

    fn on_session(&mut self, start: &SessionStart) {
        self.verifier.start(start.session, start.first_seq);
    }

    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) {
        let differed = self.differs;
        self.differs = self.verifier.check(checkpoint) == Verdict::Differs;
        if self.differs && !differed {
            self.alert.raise(checkpoint.next_seq - 1);
        }
    }
}

/// Follows chosen instruments and does with them what was asked for.
pub struct Follow {
    choice: Choice,
    /// The symbols to follow; all if empty.
    symbols: HashSet<Symbol>,
    instruments: Instruments,
    snapshot_as_of: Option<u64>,
    checksum: Checksum,
    /// What live views show of it, if there are any.
    activity: Option<Arc<Activity>>,
    /// Nobody reads stdout any more.
    deaf: bool,
}

impl Follow {
    /// Follows these symbols, or all if there are none, and tells live views of it.
    pub fn new(
        choice: Choice,
        symbols: &[Symbol],
        alert: Alert,
        activity: Option<Arc<Activity>>,
    ) -> Follow {
        Follow {
            choice,
            symbols: symbols.iter().copied().collect(),
            instruments: Instruments::default(),
            snapshot_as_of: None,
            checksum: Checksum::new(alert),
            activity,
            deaf: false,
        }
    }

    /// The digest of everything delivered, of all symbols.
    pub const fn digest(&self) -> Digest {
        self.checksum.digest()
    }

    /// What is proven of the stream.
    pub fn proof(&self) -> Proof {
        self.checksum.proof()
    }

    /// What was lost, in all sessions.
    pub const fn losses(&self) -> &Losses {
        self.checksum.losses()
    }

    /// The seq that the last snapshot was as of, if there was one.
    pub const fn snapshot_as_of(&self) -> Option<u64> {
        self.snapshot_as_of
    }

    /// Symbols that were asked for and never defined.
    pub fn unknown_symbols(&self) -> Vec<String> {
        let known: HashSet<_> = self.instruments.symbols().collect();
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
                .symbol(instrument)
                .is_some_and(|symbol| self.symbols.contains(&symbol))
    }

    fn take_in(&mut self, tick: &Tick, origin: &Origin) {
        self.instruments.define(tick);
        if self.choice == Choice::Count || !self.follows(tick.instrument()) {
            return;
        }
        let of_snapshot = origin.provenance == Provenance::Snapshot;
        self.instruments.update(tick, of_snapshot);
        if self.choice == Choice::Print {
            let symbol = self.instruments.symbol(tick.instrument());
            let name = name(symbol, tick.instrument());
            self.print(&line(tick, &name, of_snapshot));
        }
    }

    fn print(&mut self, line: &str) {
        if !self.deaf {
            self.deaf = writeln!(io::stdout().lock(), "{line}").is_err();
        }
    }

    /// The board, if that was asked for.
    pub fn board(&self) -> Option<Vec<BoardRow>> {
        (self.choice == Choice::Board).then(|| self.instruments.board())
    }

    /// The average prices, if they were asked for.
    pub fn vwap(&self) -> Option<Vec<VwapRow>> {
        (self.choice == Choice::Vwap).then(|| self.instruments.vwap())
    }
}

impl Strategy for Follow {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        self.on_ticks(std::slice::from_ref(tick), origin);
    }

    fn on_ticks(&mut self, ticks: &[Tick], origin: &Origin) {
        self.checksum.on_ticks(ticks, origin);
        if let Some(activity) = &self.activity {
            activity.take(ticks, origin.provenance);
        }
        for tick in ticks {
            self.take_in(tick, origin);
        }
    }

    fn on_gap(&mut self, loss: &Loss) {
        self.checksum.on_gap(loss);
        if self.choice == Choice::Print {
            let (first, last) = (loss.first_seq, loss.first_seq + (loss.count - 1));
            let (cause, reason) = (causes::name(loss.cause), losses::name(loss.reason));
            self.print(&format!("lost {first}..={last}: {cause}; {reason}"));
        }
    }

    fn on_session(&mut self, start: &SessionStart) {
        self.checksum.on_session(start);
        if self.choice == Choice::Print {
            let SessionStart {
                session, first_seq, ..
            } = start;
            let after = start.previous.map_or_else(String::new, |previous| {
                let (session, last_seq) = (previous.session, previous.last_seq);
                let digest = match previous.digest {
                    unknown if unknown == Digest::default() => String::new(),
                    digest => format!(" and digest {digest}"),
                };
                format!(", after session {session}, which ended with {last_seq}{digest}")
            });
            self.print(&format!("session {session} from seq {first_seq}{after}"));
        }
    }

    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.checksum.on_checkpoint(checkpoint);
        if let Some(activity) = &self.activity {
            activity.prove(self.checksum.proof());
        }
    }

    fn on_end(&mut self, session: u64, last_seq: u64) {
        if self.choice == Choice::Print {
            self.print(&format!("end of session {session} with seq {last_seq}"));
        }
    }

    fn on_conflated(&mut self, conflated: &Conflated) {
        self.checksum.on_conflated(conflated);
        if self.choice == Choice::Print {
            let (first, count) = (conflated.first_seq, conflated.count);
            let (last, left_out, trades) =
                (first + (count - 1), conflated.left_out, conflated.trades);
            self.print(&format!(
                "conflated {first}..={last}: {left_out} left out, {trades} of them trades"
            ));
        }
    }

    fn on_incomplete(&mut self, why: &Incomplete) {
        if self.choice == Choice::Print {
            self.print(&format!(
                "the state may not be complete: {}",
                incomplete(*why)
            ));
        }
    }

    fn on_snapshot(&mut self, as_of: u64) {
        // The snapshot replaces all state, and brings the definitions again.
        self.instruments.forget_quotes();
        self.snapshot_as_of = Some(as_of);
        if self.choice == Choice::Print {
            self.print(&format!("snapshot as of seq {as_of}"));
        }
    }
}

fn line(tick: &Tick, name: &str, of_snapshot: bool) -> String {
    let (seq, time) = (tick.seq(), show::time(tick.ts_event()));
    let mark = if of_snapshot { "snapshot " } else { "" };
    let what = match tick.body() {
        Body::Definition(definition) => format!("definition {}", definition.symbol),
        Body::Status(status) => match status.trading_state() {
            Some(state) => format!("status {state:?}"),
            None => format!("status {}", status.state),
        },
        Body::Quote(quote) => format!("quote {}", Sides::from(quote)),
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
    format!("{seq:>10} {time} {name:<16} {mark}{what}")
}

/// Why the state may not be complete, in words.
fn incomplete(why: Incomplete) -> String {
    match why {
        Incomplete::JoinedWithoutSnapshot { first_seq } => {
            format!("no snapshot came, nothing is known from before seq {first_seq}")
        }
        Incomplete::RowsMissed => "rows of a snapshot were missed".into(),
        Incomplete::SessionsMissed { count } => format!("{count} sessions were missed"),
        Incomplete::NotRefilled(why) => format!("it cannot be refilled, {why}"),
    }
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

    fn write(&mut self, write: impl FnOnce(&mut TickWriter<File>) -> Result<(), WriteError>) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        if let Err(error) = write(writer) {
            // What is in the file stays readable; nothing is written behind a failure.
            tracing::error!(%error, "recording stopped");
            self.error = Some(error);
            self.writer = None;
        }
    }
}

impl Strategy for Record {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        self.on_ticks(std::slice::from_ref(tick), origin);
    }

    fn on_ticks(&mut self, ticks: &[Tick], _origin: &Origin) {
        let is_due = self.flushed.elapsed() >= FLUSH_EVERY;
        if is_due {
            self.flushed = Instant::now();
        }
        self.write(|writer| {
            writer.write_all(ticks)?;
            if is_due { writer.flush() } else { Ok(()) }
        });
    }

    fn on_session(&mut self, start: &SessionStart) {
        self.write(|writer| writer.session(start.session));
    }

    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.write(|writer| {
            writer.checkpoint(checkpoint.next_seq, checkpoint.digest);
            Ok(())
        });
    }

    fn on_gap(&mut self, loss: &Loss) {
        self.lost += loss.count;
        tracing::error!(first_seq = loss.first_seq, count = loss.count, reason = ?loss.reason, cause = ?loss.cause,
            "the recording lacks ticks");
    }
}
