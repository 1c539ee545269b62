//! CSV: one line a tick, exact both ways. `docs/tick-files.md` has the columns.

mod cell;
mod read;
mod write;

pub use read::{CsvError, Lines, Split};
pub use write::CsvWriter;

pub(crate) use read::CsvReader;
pub(crate) use write::put_line;

/// The columns, in order; every file begins with this line.
const COLUMNS: [&str; 23] = [
    "kind",
    "flags",
    "venue",
    "instrument",
    "seq",
    "ts_event",
    "ts_due",
    "symbol",
    "price_increment",
    "lot_size",
    "state",
    "venue_state",
    "reason",
    "bid",
    "bid_size",
    "ask",
    "ask_size",
    "price",
    "size",
    "trade_id",
    "aggressor",
    "conditions",
    "body",
];

/// Where the body begins in a tick.
const BODY_AT: usize = 32;

/// Places of the columns in a line.
mod column {
    pub(super) const KIND: usize = 0;
    pub(super) const FLAGS: usize = 1;
    pub(super) const VENUE: usize = 2;
    pub(super) const INSTRUMENT: usize = 3;
    pub(super) const SEQ: usize = 4;
    pub(super) const TS_EVENT: usize = 5;
    pub(super) const TS_DUE: usize = 6;
    pub(super) const SYMBOL: usize = 7;
    pub(super) const PRICE_INCREMENT: usize = 8;
    pub(super) const LOT_SIZE: usize = 9;
    pub(super) const STATE: usize = 10;
    pub(super) const VENUE_STATE: usize = 11;
    pub(super) const REASON: usize = 12;
    pub(super) const BID: usize = 13;
    pub(super) const BID_SIZE: usize = 14;
    pub(super) const ASK: usize = 15;
    pub(super) const ASK_SIZE: usize = 16;
    pub(super) const PRICE: usize = 17;
    pub(super) const SIZE: usize = 18;
    pub(super) const TRADE_ID: usize = 19;
    pub(super) const AGGRESSOR: usize = 20;
    pub(super) const CONDITIONS: usize = 21;
    pub(super) const BODY: usize = 22;
}

/// Whether a file that begins with these bytes is a CSV file of ours.
pub(crate) fn is_csv(sample: &[u8]) -> bool {
    let line = sample.split(|&byte| byte == b'\n').next().unwrap_or(&[]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line == COLUMNS.join(",").as_bytes()
}
