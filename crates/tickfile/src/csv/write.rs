//! Writing CSV.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use tickcast_wire::{
    Body, Clear, Definition, Digest, Quote, Side, Status, Tick, TickBody, Trade, TradeBreak,
    TradingState,
};
use zerocopy::IntoBytes;

use super::cell::{SIDES, STATES, put_bytes, put_code, put_hex, put_number, put_price};
use super::{BODY_AT, COLUMNS, column};
use crate::native::{Finished, WriteError};

/// How many bytes of lines are held back to be written together.
const HELD_BYTES: usize = 64 * 1024;

/// Writes ticks as CSV, every one of them exactly.
#[must_use = "finish() writes what is still held back"]
pub struct CsvWriter<W: Write = File> {
    out: W,
    /// Lines that are still to be written.
    held: Vec<u8>,
    ticks: u64,
    digest: Digest,
}

impl CsvWriter {
    /// Creates the file, which must not exist yet.
    ///
    /// # Errors
    /// When it exists or cannot be created.
    pub fn create(path: &Path) -> Result<CsvWriter, WriteError> {
        let file = File::create_new(path).map_err(|source| WriteError::Create {
            path: path.into(),
            source,
        })?;
        CsvWriter::new(file)
    }
}

impl<W: Write> CsvWriter<W> {
    /// Writes to `out`, in large pieces.
    ///
    /// # Errors
    /// When the header line cannot be written.
    pub fn new(out: W) -> Result<CsvWriter<W>, WriteError> {
        let mut writer = CsvWriter {
            out,
            held: Vec::with_capacity(HELD_BYTES),
            ticks: 0,
            digest: Digest::default(),
        };
        writer.put(format!("{}\n", COLUMNS.join(",")).as_bytes())?;
        Ok(writer)
    }

    /// Writes the next tick, as it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, tick: &Tick) -> Result<(), WriteError> {
        put_line(&mut self.held, tick);
        self.ticks += 1;
        self.digest.update(tick);
        if self.held.len() >= HELD_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Takes in the lines of so many ticks, which have this digest alone.
    pub(crate) fn append(
        &mut self,
        lines: &[u8],
        ticks: u64,
        digest: Digest,
    ) -> Result<(), WriteError> {
        self.flush()?;
        self.put(lines)?;
        self.ticks += ticks;
        self.digest = digest.rebased(Digest::default(), self.digest, ticks);
        Ok(())
    }

    /// Ticks taken in so far.
    pub(crate) fn taken(&self) -> u64 {
        self.ticks
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<Finished, WriteError> {
        self.flush()?;
        Ok(Finished {
            ticks: self.ticks,
            digest: self.digest,
        })
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        let held = std::mem::take(&mut self.held);
        self.put(&held)?;
        self.held = held;
        self.held.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let result = self.out.write_all(bytes).and_then(|()| self.out.flush());
        result.map_err(|source| WriteError::Write {
            ticks: self.ticks,
            source,
        })
    }
}

/// Appends the line of a tick.
pub(crate) fn put_line(out: &mut Vec<u8>, tick: &Tick) {
    let mut line = Line { out, column: 0 };
    put_head(&mut line, tick);
    put_body(&mut line, tick);
    line.cell(COLUMNS.len() - 1);
    out.push(b'\n');
}

/// The cells of a line, filled from the left.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    /// The column that `out` ends in.
    column: usize,
}

impl Line<'_> {
    /// Goes on to a column, over empty cells; what is appended to the result stands in it.
    #[inline]
    fn cell(&mut self, column: usize) -> &mut Vec<u8> {
        while self.column < column {
            self.out.push(b',');
            self.column += 1;
        }
        self.out
    }

    #[inline]
    fn number(&mut self, column: usize, number: impl Into<u64>) {
        put_number(self.cell(column), number.into());
    }

    #[inline]
    fn price(&mut self, column: usize, price: i64) {
        put_price(self.cell(column), price);
    }
}

fn put_head(line: &mut Line<'_>, tick: &Tick) {
    match tick.kind() {
        Some(kind) => line
            .cell(column::KIND)
            .extend_from_slice(kind.name().as_bytes()),
        None => line.number(column::KIND, tick.kind_code()),
    }
    line.number(column::FLAGS, tick.flags().0);
    line.number(column::VENUE, tick.venue().0);
    line.number(column::INSTRUMENT, tick.instrument());
    line.number(column::SEQ, tick.seq());
    line.number(column::TS_EVENT, tick.ts_event());
    line.number(column::TS_DUE, tick.ts_due());
}

fn put_body(line: &mut Line<'_>, tick: &Tick) {
    let body = &tick.as_bytes()[BODY_AT..];
    if plain(tick).is_none_or(|plain| plain != body) {
        put_hex(line.cell(column::BODY), body);
        return;
    }
    match tick.body() {
        Body::Definition(definition) => {
            let symbol = IntoBytes::as_bytes(&definition.symbol);
            put_bytes(line.cell(column::SYMBOL), symbol, b' ');
            line.price(column::PRICE_INCREMENT, definition.price_increment.get());
            line.number(column::LOT_SIZE, definition.lot_size);
        }
        Body::Status(status) => {
            put_code(line.cell(column::STATE), &STATES, status.state);
            line.number(column::VENUE_STATE, status.venue_state);
            put_bytes(line.cell(column::REASON), &status.reason, b' ');
        }
        Body::Quote(quote) => {
            line.price(column::BID, quote.bid.get());
            line.number(column::BID_SIZE, quote.bid_size);
            line.price(column::ASK, quote.ask.get());
            line.number(column::ASK_SIZE, quote.ask_size);
        }
        Body::Trade(trade) => {
            line.price(column::PRICE, trade.price.get());
            line.number(column::SIZE, trade.size);
            line.number(column::TRADE_ID, trade.trade_id);
            put_code(line.cell(column::AGGRESSOR), &SIDES, trade.aggressor);
            put_bytes(line.cell(column::CONDITIONS), &trade.conditions, 0);
        }
        Body::TradeBreak(broken) => {
            line.price(column::PRICE, broken.price.get());
            line.number(column::SIZE, broken.size);
            line.number(column::TRADE_ID, broken.trade_id);
        }
        Body::Clear(_) | Body::Unknown(..) => {}
    }
}

/// The body with its reserved bytes 0, which is what the columns can carry; `None` for a kind
/// without columns.
fn plain(tick: &Tick) -> Option<[u8; 32]> {
    Some(match tick.body() {
        Body::Definition(d) => {
            Definition::new(d.symbol, d.price_increment.get(), d.lot_size.get()).into_body()
        }
        Body::Status(s) => {
            let mut status = Status::new(TradingState::Trading, s.venue_state, s.reason);
            status.state = s.state;
            status.into_body()
        }
        Body::Quote(q) => {
            Quote::new(q.bid.get(), q.bid_size.get(), q.ask.get(), q.ask_size.get()).into_body()
        }
        Body::Trade(t) => Trade {
            aggressor: t.aggressor,
            ..Trade::new(
                t.price.get(),
                t.size.get(),
                t.trade_id.get(),
                Side::None,
                t.conditions,
            )
        }
        .into_body(),
        Body::TradeBreak(b) => {
            TradeBreak::new(b.price.get(), b.size.get(), b.trade_id.get()).into_body()
        }
        Body::Clear(_) => Clear::default().into_body(),
        Body::Unknown(..) => return None,
    })
}
