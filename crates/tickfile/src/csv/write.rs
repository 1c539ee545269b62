//! Writing CSV.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use tickcast_wire::{
    Body, Clear, Definition, Digest, Quote, Side, Status, Tick, TickBody, Trade, TradeBreak,
    TradingState,
};
use zerocopy::IntoBytes;

use super::cell::{SIDES, STATES, put, put_bytes, put_code, put_hex, put_price};
use super::{BODY_AT, COLUMNS, column};
use crate::native::{Finished, WriteError};

/// Writes ticks as CSV, every one of them exactly.
#[must_use = "finish() writes what is still held back"]
pub struct CsvWriter<W: Write = File> {
    out: csv::Writer<W>,
    /// The cells of one line, kept for their memory.
    cells: [Vec<u8>; COLUMNS.len()],
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
            out: csv::WriterBuilder::new()
                .quote_style(csv::QuoteStyle::Never)
                .from_writer(out),
            cells: Default::default(),
            ticks: 0,
            digest: Digest::default(),
        };
        let result = writer.out.write_record(COLUMNS);
        writer.checked(result)?;
        Ok(writer)
    }

    /// Writes the next tick, as it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, tick: &Tick) -> Result<(), WriteError> {
        self.cells.iter_mut().for_each(Vec::clear);
        put_head(&mut self.cells, tick);
        put_body(&mut self.cells, tick);
        let result = self.out.write_record(&self.cells);
        self.checked(result)?;
        self.ticks += 1;
        self.digest.update(tick);
        Ok(())
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<Finished, WriteError> {
        let result = self.out.flush().map_err(csv::Error::from);
        self.checked(result)?;
        Ok(Finished {
            ticks: self.ticks,
            digest: self.digest,
        })
    }

    fn checked(&self, result: csv::Result<()>) -> Result<(), WriteError> {
        result.map_err(|error| WriteError::Write {
            ticks: self.ticks,
            source: io::Error::from(error),
        })
    }
}

fn put_head(cells: &mut [Vec<u8>; COLUMNS.len()], tick: &Tick) {
    match tick.kind() {
        Some(kind) => put(&mut cells[column::KIND], kind.name()),
        None => put(&mut cells[column::KIND], tick.kind_code()),
    }
    put(&mut cells[column::FLAGS], tick.flags().0);
    put(&mut cells[column::VENUE], tick.venue().0);
    put(&mut cells[column::INSTRUMENT], tick.instrument());
    put(&mut cells[column::SEQ], tick.seq());
    put(&mut cells[column::TS_EVENT], tick.ts_event());
    put(&mut cells[column::TS_DUE], tick.ts_due());
}

fn put_body(cells: &mut [Vec<u8>; COLUMNS.len()], tick: &Tick) {
    let body = &tick.as_bytes()[BODY_AT..];
    if plain(tick).is_none_or(|plain| plain != body) {
        put_hex(&mut cells[column::BODY], body);
        return;
    }
    match tick.body() {
        Body::Definition(definition) => {
            put_bytes(
                &mut cells[column::SYMBOL],
                IntoBytes::as_bytes(&definition.symbol),
                b' ',
            );
            put_price(
                &mut cells[column::PRICE_INCREMENT],
                definition.price_increment.get(),
            );
            put(&mut cells[column::LOT_SIZE], definition.lot_size);
        }
        Body::Status(status) => {
            put_code(&mut cells[column::STATE], &STATES, status.state);
            put(&mut cells[column::VENUE_STATE], status.venue_state);
            put_bytes(&mut cells[column::REASON], &status.reason, b' ');
        }
        Body::Quote(quote) => {
            put_price(&mut cells[column::BID], quote.bid.get());
            put(&mut cells[column::BID_SIZE], quote.bid_size);
            put_price(&mut cells[column::ASK], quote.ask.get());
            put(&mut cells[column::ASK_SIZE], quote.ask_size);
        }
        Body::Trade(trade) => {
            put_price(&mut cells[column::PRICE], trade.price.get());
            put(&mut cells[column::SIZE], trade.size);
            put(&mut cells[column::TRADE_ID], trade.trade_id);
            put_code(&mut cells[column::AGGRESSOR], &SIDES, trade.aggressor);
            put_bytes(&mut cells[column::CONDITIONS], &trade.conditions, 0);
        }
        Body::TradeBreak(broken) => {
            put_price(&mut cells[column::PRICE], broken.price.get());
            put(&mut cells[column::SIZE], broken.size);
            put(&mut cells[column::TRADE_ID], broken.trade_id);
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
