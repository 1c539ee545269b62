//! From ITCH messages to ticks, through the order books.

use std::collections::BTreeMap;

use tickcast_book::{BookError, Books, Change, Limits, Order, Side};
use tickcast_wire::{
    Definition, Flags, Quote, Side as Aggressor, Status, Symbol, Tick, TickBody, Trade, TradeBreak,
    TradingState, UNDEFINED_PRICE, Venue,
};

use super::message::{Add, Header, Message, MessageError};
use crate::reader::Tally;

/// Prices on the wire are × 1e-4, those of ticks × 1e-9.
const PRICE_UNIT: i64 = 100_000;

/// Turns messages into ticks, one at a time and in order.
pub(super) struct Decoder {
    books: Books,
    /// Whether a definition was given, by stock locate.
    defined: Vec<bool>,
    /// By message type.
    messages: [u64; 256],
    skipped: BTreeMap<&'static str, u64>,
}

impl Decoder {
    pub fn new() -> Decoder {
        Decoder {
            books: Books::new(Limits::default()),
            defined: vec![false; 1 << 16],
            messages: [0; 256],
            skipped: BTreeMap::new(),
        }
    }

    /// Takes the next message, without its length; appends the ticks it gives to `out`.
    #[inline]
    pub fn message(&mut self, bytes: &[u8], out: &mut Vec<Tick>) {
        let before = out.len();
        match self.decode(bytes, out) {
            Ok(()) => {
                if let Some(last) = out[before..].last_mut() {
                    *last = last.with_flags(Flags::LAST_OF_EVENT);
                }
            }
            Err(reason) => self.skip(reason),
        }
    }

    /// What was met so far.
    pub fn tally(&self) -> Tally {
        let messages = (0..=u8::MAX)
            .zip(self.messages)
            .filter(|&(_, count)| count > 0)
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
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<Tick>) -> Result<(), &'static str> {
        let message = Message::parse(bytes).map_err(message_reason)?;
        self.messages[usize::from(bytes[0])] += 1;
        match message {
            Message::Add(m) => self.add(m, out)?,
            Message::AddAttributed(m) => self.add(
                &Add {
                    header: m.header,
                    reference: m.reference,
                    side: m.side,
                    shares: m.shares,
                    symbol: m.symbol,
                    price: m.price,
                },
                out,
            )?,
            Message::Delete(m) => {
                let change = self.books.delete(m.reference.get()).map_err(book_reason)?;
                quote(&m.header, &change, out);
            }
            Message::Cancel(m) => {
                let change = self.reduce(m.reference.get(), m.shares.get())?;
                quote(&m.header, &change, out);
            }
            Message::Replace(m) => {
                let price = price(m.price.get());
                let change = self
                    .books
                    .replace(m.old.get(), m.new.get(), price, m.shares.get())
                    .map_err(book_reason)?;
                quote(&m.header, &change, out);
            }
            Message::Executed(m) => {
                let change = self.reduce(m.reference.get(), m.shares.get())?;
                let trade = Trade::new(
                    change.order.price,
                    u64::from(m.shares.get()),
                    m.match_number.get(),
                    aggressor(change.order.side),
                    [0; 7],
                );
                out.push(tick_of_order(trade, &change.order, &m.header));
                quote(&m.header, &change, out);
            }
            Message::ExecutedAt(m) => {
                let change = self.reduce(m.reference.get(), m.shares.get())?;
                let trade = Trade::new(
                    price(m.price.get()),
                    u64::from(m.shares.get()),
                    m.match_number.get(),
                    aggressor(change.order.side),
                    condition(m.printable),
                );
                out.push(tick_of_order(trade, &change.order, &m.header));
                quote(&m.header, &change, out);
            }
            Message::HiddenTrade(m) => {
                self.imply(&m.header, &m.symbol, out);
                // The side on the wire is always `B`, whoever crossed the spread.
                let trade = Trade::new(
                    price(m.price.get()),
                    u64::from(m.shares.get()),
                    m.match_number.get(),
                    Aggressor::None,
                    [0; 7],
                );
                out.push(tick(trade, &m.header));
            }
            Message::Cross(m) => {
                self.imply(&m.header, &m.symbol, out);
                let trade = Trade::new(
                    price(m.price.get()),
                    m.shares.get(),
                    m.match_number.get(),
                    Aggressor::None,
                    condition(m.cross_type),
                );
                out.push(tick(trade, &m.header));
            }
            Message::Broken(m) => {
                let broken = TradeBreak::new(UNDEFINED_PRICE, 0, m.match_number.get());
                out.push(tick(broken, &m.header));
            }
            Message::TradingAction(m) => {
                let state = trading_state(m.state).ok_or("unknown_trading_state")?;
                self.imply(&m.header, &m.symbol, out);
                out.push(tick(Status::new(state, m.state, m.reason), &m.header));
            }
            Message::Directory(m) => {
                self.defined[usize::from(m.header.locate.get())] = true;
                let symbol = Symbol::new(&m.symbol);
                let definition = Definition::new(symbol, UNDEFINED_PRICE, m.round_lot.get());
                out.push(tick(definition, &m.header));
            }
            Message::Other => {}
        }
        Ok(())
    }

    #[inline]
    fn add(&mut self, m: &Add, out: &mut Vec<Tick>) -> Result<(), &'static str> {
        let order = Order {
            price: price(m.price.get()),
            size: m.shares.get(),
            instrument: u32::from(m.header.locate.get()),
            side: match m.side {
                b'B' => Side::Bid,
                b'S' => Side::Ask,
                _ => return Err("unknown_side"),
            },
        };
        let best = self
            .books
            .add(m.reference.get(), order)
            .map_err(book_reason)?;
        self.imply(&m.header, &m.symbol, out);
        if let Some(best) = best {
            out.push(tick(Quote::from(best), &m.header));
        }
        Ok(())
    }

    #[inline]
    fn reduce(&mut self, reference: u64, shares: u32) -> Result<Change, &'static str> {
        self.books.reduce(reference, shares).map_err(book_reason)
    }

    /// A definition of an instrument that is met before its directory message.
    #[inline]
    fn imply(&mut self, header: &Header, symbol: &[u8; 8], out: &mut Vec<Tick>) {
        let defined = &mut self.defined[usize::from(header.locate.get())];
        if !*defined {
            *defined = true;
            let definition = Definition::new(Symbol::new(symbol), UNDEFINED_PRICE, 0);
            out.push(tick(definition, header).with_flags(Flags::IMPLIED));
        }
    }
}

#[inline]
fn tick<B: TickBody>(body: B, header: &Header) -> Tick {
    let instrument = u32::from(header.locate.get());
    Tick::new(body, Venue::NASDAQ, instrument, header.nanos())
}

/// The instrument is that of the order, whatever the header of a damaged message says.
#[inline]
fn tick_of_order<B: TickBody>(body: B, order: &Order, header: &Header) -> Tick {
    Tick::new(body, Venue::NASDAQ, order.instrument, header.nanos())
}

#[inline]
fn quote(header: &Header, change: &Change, out: &mut Vec<Tick>) {
    if let Some(best) = change.best {
        out.push(tick_of_order(Quote::from(best), &change.order, header));
    }
}

#[inline]
fn price(wire: u32) -> i64 {
    i64::from(wire) * PRICE_UNIT
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

fn message_reason(error: MessageError) -> &'static str {
    match error {
        MessageError::UnknownType => "unknown_type",
        MessageError::WrongLength => "wrong_length",
    }
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
