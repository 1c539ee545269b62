//! From ITCH messages to ticks, through the order books.

use std::collections::BTreeMap;
use std::hint::select_unpredictable;

use tickcast_book::{BookError, Books, Change, Limits, Order, Side};
use tickcast_wire::{
    Definition, Flags, Quote, Side as Aggressor, Status, Symbol, Tick, TickBody, Trade, TradeBreak,
    TradingState, UNDEFINED_PRICE, Venue,
};

use super::message::{ItchMessage, length_of};
use crate::reader::Tally;

/// Prices on the wire are × 1e-4, those of ticks × 1e-9.
const PRICE_UNIT: i64 = 100_000;

/// Turns messages into ticks, one at a time and in order.
pub(super) struct Decoder {
    books: Books,
    /// Whether a definition was given, by stock locate.
    defined: Box<[bool; 1 << 16]>,
    /// By message type.
    messages: [u64; 256],
    skipped: BTreeMap<&'static str, u64>,
}

impl Decoder {
    pub fn new() -> Decoder {
        Decoder {
            books: Books::new(Limits::default()),
            defined: Box::new([false; 1 << 16]),
            messages: [0; 256],
            skipped: BTreeMap::new(),
        }
    }

    /// Says that a message will come soon.
    #[inline]
    pub fn touch(&self, message: &ItchMessage) {
        self.books
            .touch(message.reference(), message.locate().into());
    }

    /// Takes the next message; appends the ticks it gives to `out`.
    #[inline]
    pub fn message(&mut self, message: &ItchMessage, out: &mut Vec<Tick>) {
        if let Err(reason) = self.decode(message, out) {
            self.skip(reason);
        }
    }

    /// What was met so far.
    pub fn tally(&self) -> Tally {
        let messages = (0..=u8::MAX)
            .zip(self.messages)
            .filter(|&(kind, count)| count > 0 && length_of(kind).is_some())
            .map(|(kind, count)| (char::from(kind).to_string(), count))
            .collect();
        Tally {
            messages,
            skipped: self.skipped.clone(),
        }
    }

    #[cfg(test)]
    pub fn books(&self) -> &Books {
        &self.books
    }

    #[cold]
    fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// On an error nothing was appended and no order was touched.
    #[inline]
    fn decode(&mut self, m: &ItchMessage, out: &mut Vec<Tick>) -> Result<(), &'static str> {
        let kind = m.kind();
        self.messages[usize::from(kind)] += 1;
        match kind {
            b'A' | b'F' => self.add(m, out)?,
            b'D' => {
                let change = self.books.delete(m.reference()).map_err(book_reason)?;
                quote(m, &change, out);
            }
            b'X' => {
                let change = self.reduce(m)?;
                quote(m, &change, out);
            }
            b'U' => {
                let change = self
                    .books
                    .replace(m.reference(), m.second(), price(m), m.shares())
                    .map_err(book_reason)?;
                quote(m, &change, out);
            }
            b'E' => {
                let change = self.reduce(m)?;
                execution(m, &change, change.order.price, [0; 7], out);
            }
            b'C' => {
                let change = self.reduce(m)?;
                execution(m, &change, price(m), condition(m.code()), out);
            }
            b'P' => {
                self.imply(m, out);
                // The side on the wire is always `B`, whoever crossed the spread.
                out.push(trade(m, m.shares().into(), [0; 7]));
            }
            b'Q' => {
                self.imply(m, out);
                out.push(trade(m, m.reference(), condition(m.code())));
            }
            b'B' => {
                let broken = TradeBreak::new(UNDEFINED_PRICE, 0, m.reference());
                out.push(last_tick(broken, m.locate().into(), m));
            }
            b'H' => {
                let state = trading_state(m.code()).ok_or("unknown_trading_state")?;
                self.imply(m, out);
                let status = Status::new(state, m.code(), m.reason());
                out.push(last_tick(status, m.locate().into(), m));
            }
            b'R' => {
                self.defined[usize::from(m.locate())] = true;
                let symbol = Symbol::new(&m.symbol());
                let definition = Definition::new(symbol, UNDEFINED_PRICE, m.shares());
                out.push(last_tick(definition, m.locate().into(), m));
            }
            ItchMessage::UNKNOWN_TYPE => return Err("unknown_type"),
            ItchMessage::WRONG_LENGTH => return Err("wrong_length"),
            _ => {}
        }
        Ok(())
    }

    #[inline]
    fn add(&mut self, m: &ItchMessage, out: &mut Vec<Tick>) -> Result<(), &'static str> {
        // No branch depends on which of the two it is.
        let code = m.code();
        let is_ask = code & 1 == 1;
        if code != [b'B', b'S'][usize::from(is_ask)] {
            return Err("unknown_side");
        }
        let order = Order {
            price: price(m),
            size: m.shares(),
            instrument: m.locate().into(),
            side: select_unpredictable(is_ask, Side::Ask, Side::Bid),
        };
        let best = self.books.add(m.reference(), order).map_err(book_reason)?;
        // Not the last tick: the first order of an instrument is the best.
        self.imply(m, out);
        if let Some(best) = best {
            out.push(last_tick(Quote::from(best), m.locate().into(), m));
        }
        Ok(())
    }

    #[inline]
    fn reduce(&mut self, m: &ItchMessage) -> Result<Change, &'static str> {
        self.books
            .reduce(m.reference(), m.shares())
            .map_err(book_reason)
    }

    /// A definition of an instrument that is met before its directory message.
    #[inline]
    fn imply(&mut self, m: &ItchMessage, out: &mut Vec<Tick>) {
        let defined = &mut self.defined[usize::from(m.locate())];
        if !*defined {
            *defined = true;
            let definition = Definition::new(Symbol::new(&m.symbol()), UNDEFINED_PRICE, 0);
            out.push(tick(definition, m.locate().into(), m).with_flags(Flags::IMPLIED));
        }
    }
}

#[inline]
fn tick<B: TickBody>(body: B, instrument: u32, m: &ItchMessage) -> Tick {
    Tick::new(body, Venue::NASDAQ, instrument, m.nanos())
}

#[inline]
fn last_tick<B: TickBody>(body: B, instrument: u32, m: &ItchMessage) -> Tick {
    tick(body, instrument, m).with_flags(Flags::LAST_OF_EVENT)
}

/// The quote after a message about an order, if it changed.
///
/// The instrument is that of the order, whatever the header of a damaged message says.
#[inline]
fn quote(m: &ItchMessage, change: &Change, out: &mut Vec<Tick>) {
    if let Some(best) = change.best {
        out.push(last_tick(Quote::from(best), change.order.instrument, m));
    }
}

/// The trade of an order that rested, and the quote after it.
#[inline]
fn execution(
    m: &ItchMessage,
    change: &Change,
    price: i64,
    conditions: [u8; 7],
    out: &mut Vec<Tick>,
) {
    let aggressor = aggressor(change.order.side);
    let trade = Trade::new(price, m.shares().into(), m.second(), aggressor, conditions);
    let trade = match change.best {
        Some(_) => tick(trade, change.order.instrument, m),
        None => last_tick(trade, change.order.instrument, m),
    };
    out.push(trade);
    quote(m, change, out);
}

/// A trade outside the book.
fn trade(m: &ItchMessage, size: u64, conditions: [u8; 7]) -> Tick {
    let trade = Trade::new(price(m), size, m.second(), Aggressor::None, conditions);
    last_tick(trade, m.locate().into(), m)
}

#[inline]
fn price(m: &ItchMessage) -> i64 {
    i64::from(m.price()) * PRICE_UNIT
}

fn condition(code: u8) -> [u8; 7] {
    [code, 0, 0, 0, 0, 0, 0]
}

/// Who crosses the spread is on the other side than the order that rests.
fn aggressor(resting: Side) -> Aggressor {
    match resting {
        Side::Bid => Aggressor::Sell,
        Side::Ask => Aggressor::Buy,
    }
}

fn trading_state(code: u8) -> Option<TradingState> {
    Some(match code {
        b'H' => TradingState::Halted,
        b'P' => TradingState::Paused,
        b'Q' => TradingState::QuoteOnly,
        b'T' => TradingState::Trading,
        _ => return None,
    })
}

fn book_reason(error: BookError) -> &'static str {
    match error {
        BookError::UnknownOrder { .. } => "unknown_order",
        BookError::DuplicateOrder { .. } => "duplicate_order",
        BookError::ZeroSize { .. } => "zero_size",
        BookError::ExceedsOrder { .. } => "exceeds_order",
        BookError::TooManyOrders { .. } => "too_many_orders",
        BookError::InstrumentOutOfRange { .. } => "too_many_instruments",
    }
}
