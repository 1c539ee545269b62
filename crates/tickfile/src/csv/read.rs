//! Reading CSV.

use csv::ByteRecord;
use thiserror::Error;
use tickcast_wire::{
    Clear, Definition, Kind, Quote, Side, Status, Symbol, Tick, TickBody, Trade, TradeBreak,
    TradingState,
};
use zerocopy::transmute;

use super::cell::{SIDES, STATES, bytes, code, hex, number, price};
use super::{COLUMNS, column};
use crate::reader::{CHUNK_TICKS, Notice, ReadError, Tally, TickReader};
use crate::source::{LineLimit, Source};

/// The longest line that is read; the longest that is written has less than 400 bytes.
const LINE_BYTES_MAX: usize = 4_096;

/// How much of a cell an error repeats.
const SHOWN_BYTES: usize = 40;

/// Why a CSV file cannot be read on. Lines count from 1, the header line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CsvError {
    /// A cell does not hold what its column is for.
    #[error("line {line}, column {column}: {found:?} is not {expected}")]
    Cell {
        /// The line.
        line: u64,
        /// The column.
        column: &'static str,
        /// What is in the cell, cut when it is long.
        found: String,
        /// What should be.
        expected: &'static str,
    },
    /// A line has too many or too few cells.
    #[error("line {line} has {found} cells, not {}", COLUMNS.len())]
    Cells {
        /// The line.
        line: u64,
        /// How many cells.
        found: usize,
    },
    /// A line does not end.
    #[error("line {line} is longer than {LINE_BYTES_MAX} bytes")]
    LongLine {
        /// The line.
        line: u64,
    },
}

/// CSV as one of the formats of [`Reader`](crate::Reader).
pub(crate) struct CsvReader {
    rows: csv::Reader<LineLimit>,
    record: ByteRecord,
    /// Lines of the file before the first that is read.
    lines_before: u64,
    kinds: [u64; 256],
}

impl CsvReader {
    /// A source that begins with the header line.
    pub(crate) fn new(source: Source) -> CsvReader {
        CsvReader::over(source, true, 0)
    }

    fn over(source: Source, has_header: bool, lines_before: u64) -> CsvReader {
        CsvReader {
            // Cells that would need quotes are written in hexadecimal, so a line is a row and an
            // unclosed quote cannot swallow the rest of the file.
            rows: csv::ReaderBuilder::new()
                .quoting(false)
                .flexible(true)
                .has_headers(has_header)
                .from_reader(LineLimit::new(source, LINE_BYTES_MAX)),
            record: ByteRecord::new(),
            lines_before,
            kinds: [0; 256],
        }
    }

    /// Cuts what comes into pieces of whole lines. Nothing was read before.
    pub(crate) fn split(&mut self) -> Split<'_> {
        Split {
            source: self.rows.get_mut().source(),
            lines_before: 0,
        }
    }

    fn next(&mut self) -> Result<Option<Tick>, ReadError> {
        let line = self.lines_before + self.rows.position().line();
        match self.rows.read_byte_record(&mut self.record) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(_) => {
                return Err(match self.rows.get_mut().take_error() {
                    Some(error) => error,
                    None => CsvError::LongLine {
                        line: self.lines_before + self.rows.get_ref().lines() + 1,
                    }
                    .into(),
                });
            }
        }
        let begins = self.record.position().map(csv::Position::line);
        let line = begins.map_or(line, |begins| self.lines_before + begins);
        Ok(Some(Row::new(&self.record, line)?.tick()?))
    }
}

impl TickReader for CsvReader {
    fn fill(&mut self, out: &mut Vec<Tick>) -> Result<(), ReadError> {
        for _ in 0..CHUNK_TICKS {
            let Some(tick) = self.next()? else { break };
            self.kinds[usize::from(tick.kind_code())] += 1;
            out.push(tick);
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        Tally::of_kinds(&self.kinds)
    }

    fn position(&self) -> u64 {
        self.rows.get_ref().position()
    }

    fn notice(&self) -> Option<&Notice> {
        None
    }
}

/// About how many bytes a piece of lines has.
const PIECE_BYTES: usize = 256 * 1024;

/// The lines of a CSV file in pieces that can be decoded in several threads; see
/// [`Reader::split`](crate::Reader::split).
pub struct Split<'a> {
    source: &'a mut Source,
    lines_before: u64,
}

/// Some lines of a CSV file.
pub struct Lines {
    bytes: Vec<u8>,
    lines_before: u64,
    position: u64,
}

impl Iterator for Split<'_> {
    type Item = Result<Lines, ReadError>;

    fn next(&mut self) -> Option<Result<Lines, ReadError>> {
        let window = match self.source.peek(PIECE_BYTES) {
            Ok([]) => return None,
            Ok(window) => &window[..window.len().min(PIECE_BYTES)],
            Err(error) => return Some(Err(error)),
        };
        let ends = window.iter().rposition(|&byte| byte == b'\n');
        let whole = match ends {
            // More comes after it.
            Some(last) if window.len() == PIECE_BYTES => last + 1,
            // The end of the file, or a line far beyond the limit.
            _ => window.len(),
        };
        let bytes = window[..whole].to_vec();
        let lines_before = self.lines_before;
        self.lines_before += bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.source.consume(whole);
        Some(Ok(Lines {
            bytes,
            lines_before,
            position: self.source.position(),
        }))
    }
}

impl Lines {
    /// Bytes of the file, as it lies on the disk, that were read for it and what comes before.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Appends its ticks to `ticks`, those before an error too.
    ///
    /// # Errors
    /// As the reader of the file would give them.
    pub fn decode(self, ticks: &mut Vec<Tick>) -> Result<(), ReadError> {
        let has_header = self.lines_before == 0;
        let source = Source::of_bytes(self.bytes);
        let mut reader = CsvReader::over(source, has_header, self.lines_before);
        while let Some(tick) = reader.next()? {
            ticks.push(tick);
        }
        Ok(())
    }
}

/// The cells of a line.
struct Row<'a> {
    cells: &'a ByteRecord,
    line: u64,
}

impl Row<'_> {
    fn new(cells: &ByteRecord, line: u64) -> Result<Row<'_>, CsvError> {
        if cells.len() == COLUMNS.len() {
            Ok(Row { cells, line })
        } else {
            Err(CsvError::Cells {
                line,
                found: cells.len(),
            })
        }
    }

    fn tick(&self) -> Result<Tick, CsvError> {
        let kind = self.kind()?;
        let body = match Kind::from_code(kind) {
            _ if !self.cells[column::BODY].is_empty() => {
                self.only(&[column::BODY])?;
                self.cell(column::BODY, "64 hexadecimal digits", hex)?
            }
            Some(Kind::Definition) => self.definition()?,
            Some(Kind::Status) => self.status()?,
            Some(Kind::Quote) => self.quote()?,
            Some(Kind::Trade) => self.trade()?,
            Some(Kind::TradeBreak) => self.trade_break()?,
            Some(Kind::Clear) => {
                self.only(&[])?;
                Clear::default().into_body()
            }
            None => self.cell(column::BODY, "64 hexadecimal digits", hex)?,
        };
        self.assemble(kind, body)
    }

    fn assemble(&self, kind: u8, body: [u8; 32]) -> Result<Tick, CsvError> {
        let venue: u16 = self.integer(column::VENUE)?;
        let instrument: u32 = self.integer(column::INSTRUMENT)?;
        let mut bytes = [0; 64];
        bytes[0] = kind;
        bytes[1] = self.integer(column::FLAGS)?;
        bytes[2..4].copy_from_slice(&venue.to_le_bytes());
        bytes[4..8].copy_from_slice(&instrument.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.integer::<u64>(column::SEQ)?.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.integer::<u64>(column::TS_EVENT)?.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.integer::<u64>(column::TS_DUE)?.to_le_bytes());
        bytes[32..].copy_from_slice(&body);
        Ok(transmute!(bytes))
    }

    fn kind(&self) -> Result<u8, CsvError> {
        let expected = "definition, status, quote, trade, trade_break, clear, or a number to 255";
        self.cell(column::KIND, expected, |cell| {
            let named = Kind::ALL
                .into_iter()
                .find(|kind| kind.name().as_bytes() == cell);
            match named {
                Some(kind) => Some(kind as u8),
                None => number(cell)?.try_into().ok(),
            }
        })
    }

    fn definition(&self) -> Result<[u8; 32], CsvError> {
        self.only(&[column::SYMBOL, column::PRICE_INCREMENT, column::LOT_SIZE])?;
        let expected = "a symbol of at most 16 bytes, or 0x and 32 hexadecimal digits";
        let symbol: [u8; 16] = self.cell(column::SYMBOL, expected, |cell| bytes(cell, b' '))?;
        let symbol: Symbol = transmute!(symbol);
        let increment = self.price(column::PRICE_INCREMENT)?;
        Ok(Definition::new(symbol, increment, self.integer(column::LOT_SIZE)?).into_body())
    }

    fn status(&self) -> Result<[u8; 32], CsvError> {
        self.only(&[column::STATE, column::VENUE_STATE, column::REASON])?;
        let expected = "halted, quote_only, paused, trading, or a number to 255";
        let state = self.cell(column::STATE, expected, |cell| code(cell, &STATES))?;
        let expected = "a reason of at most 4 bytes, or 0x and 8 hexadecimal digits";
        let reason = self.cell(column::REASON, expected, |cell| bytes(cell, b' '))?;
        let venue_state = self.integer(column::VENUE_STATE)?;
        let mut status = Status::new(TradingState::Trading, venue_state, reason);
        status.state = state;
        Ok(status.into_body())
    }

    fn quote(&self) -> Result<[u8; 32], CsvError> {
        self.only(&[column::BID, column::BID_SIZE, column::ASK, column::ASK_SIZE])?;
        Ok(Quote::new(
            self.price(column::BID)?,
            self.integer(column::BID_SIZE)?,
            self.price(column::ASK)?,
            self.integer(column::ASK_SIZE)?,
        )
        .into_body())
    }

    fn trade(&self) -> Result<[u8; 32], CsvError> {
        self.only(&[
            column::PRICE,
            column::SIZE,
            column::TRADE_ID,
            column::AGGRESSOR,
            column::CONDITIONS,
        ])?;
        let expected = "none, buy, sell, or a number to 255";
        let aggressor = self.cell(column::AGGRESSOR, expected, |cell| code(cell, &SIDES))?;
        let expected = "at most 7 bytes, or 0x and 14 hexadecimal digits";
        let conditions = self.cell(column::CONDITIONS, expected, |cell| bytes(cell, 0))?;
        let trade = Trade::new(
            self.price(column::PRICE)?,
            self.integer(column::SIZE)?,
            self.integer(column::TRADE_ID)?,
            Side::None,
            conditions,
        );
        Ok(Trade { aggressor, ..trade }.into_body())
    }

    fn trade_break(&self) -> Result<[u8; 32], CsvError> {
        self.only(&[column::PRICE, column::SIZE, column::TRADE_ID])?;
        Ok(TradeBreak::new(
            self.price(column::PRICE)?,
            self.integer(column::SIZE)?,
            self.integer(column::TRADE_ID)?,
        )
        .into_body())
    }

    /// Of the body columns, only these may be filled.
    fn only(&self, allowed: &[usize]) -> Result<(), CsvError> {
        (column::SYMBOL..COLUMNS.len())
            .filter(|at| !allowed.contains(at))
            .try_for_each(|at| {
                let expected = "empty, as it has to be for this kind";
                self.cell(at, expected, |cell| cell.is_empty().then_some(()))
            })
    }

    fn price(&self, at: usize) -> Result<i64, CsvError> {
        self.cell(at, "a price with at most 9 digits after the point", price)
    }

    fn integer<T: TryFrom<u64>>(&self, at: usize) -> Result<T, CsvError> {
        self.cell(at, "a whole number that fits", |cell| {
            number(cell)?.try_into().ok()
        })
    }

    fn cell<T>(
        &self,
        at: usize,
        expected: &'static str,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, CsvError> {
        let cell = &self.cells[at];
        parse(cell).ok_or_else(|| CsvError::Cell {
            line: self.line,
            column: COLUMNS[at],
            found: String::from_utf8_lossy(&cell[..cell.len().min(SHOWN_BYTES)]).into_owned(),
            expected,
        })
    }
}
