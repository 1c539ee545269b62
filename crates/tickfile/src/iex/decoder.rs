//! From TOPS messages to ticks.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use tickcast_wire::{
    Definition, Flags, Quote, Side, Status, Symbol, Tick, TickBody, Trade, TradeBreak,
    TradingState, UNDEFINED_PRICE, Venue,
};

use super::message::{
    Directory, Message, MessageError, OperationalHalt, QuoteUpdate, TradeReport, TradingStatus,
};
use crate::reader::Tally;

/// The most symbols that are numbered.
const MAX_INSTRUMENTS: usize = 65_536;

/// Prices on the wire are × 1e-4, those of ticks × 1e-9.
const PRICE_UNIT: i64 = 100_000;

/// What is known of an instrument.
struct Instrument {
    number: u32,
    /// What the last `H` said; trading until then.
    state: TradingState,
    /// What the last `O` said.
    is_halted_by_iex: bool,
}

impl Instrument {
    /// Whether it may trade, everything taken together.
    fn effective_state(&self) -> TradingState {
        if self.is_halted_by_iex {
            TradingState::Halted
        } else {
            self.state
        }
    }
}

/// Turns messages into ticks, one at a time and in order.
pub(super) struct Decoder {
    /// By symbol, taken as a number: that is hashed in one step.
    instruments: HashMap<u64, Instrument, RandomState>,
    /// By message type.
    messages: [u64; 256],
    skipped: BTreeMap<&'static str, u64>,
}

impl Decoder {
    pub fn new() -> Decoder {
        Decoder {
            instruments: HashMap::default(),
            messages: [0; 256],
            skipped: BTreeMap::new(),
        }
    }

    /// Takes the next message, without its length; appends the ticks it gives to `out`.
    pub fn message(&mut self, bytes: &[u8], out: &mut Vec<Tick>) {
        let before = out.len();
        match self.decode(bytes, out) {
            Ok(()) => {
                if let Some(last) = out[before..].last_mut() {
                    *last = last.with_flags(Flags::LAST_OF_EVENT);
                }
            }
            Err(reason) => self.skip(reason, 1),
        }
    }

    /// Counts what was passed over.
    pub fn skip(&mut self, reason: &'static str, count: u64) {
        if count > 0 {
            *self.skipped.entry(reason).or_default() += count;
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

    /// On an error nothing was appended.
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<Tick>) -> Result<(), &'static str> {
        let message = Message::parse(bytes).map_err(|error| match error {
            MessageError::UnknownType => "unknown_type",
            MessageError::TooShort => "wrong_length",
        })?;
        self.messages[usize::from(bytes[0])] += 1;
        match message {
            Message::Quote(m) => self.quote(m, out),
            Message::Trade(m) => self.trade(m, out),
            Message::Break(m) => self.trade_break(m, out),
            Message::Directory(m) => self.directory(m, out),
            Message::TradingStatus(m) => self.trading_status(m, out),
            Message::OperationalHalt(m) => self.operational_halt(m, out),
            Message::Other => Ok(()),
        }
    }

    fn quote(&mut self, m: &QuoteUpdate, out: &mut Vec<Tick>) -> Result<(), &'static str> {
        let (bid, bid_size) = side(m.bid_price.get(), m.bid_size.get())?;
        let (ask, ask_size) = side(m.ask_price.get(), m.ask_size.get())?;
        let instrument = self.instrument(&m.symbol, m.timestamp.get(), out)?.number;
        let quote = Quote::new(bid, bid_size, ask, ask_size);
        out.push(tick(quote, instrument, m.timestamp.get()));
        Ok(())
    }

    fn trade(&mut self, m: &TradeReport, out: &mut Vec<Tick>) -> Result<(), &'static str> {
        let price = price(m.price.get())?;
        let instrument = self.instrument(&m.symbol, m.timestamp.get(), out)?.number;
        let conditions = [m.sale_condition, 0, 0, 0, 0, 0, 0];
        let size = u64::from(m.size.get());
        let trade = Trade::new(price, size, m.trade_id.get(), Side::None, conditions);
        out.push(tick(trade, instrument, m.timestamp.get()));
        Ok(())
    }

    fn trade_break(&mut self, m: &TradeReport, out: &mut Vec<Tick>) -> Result<(), &'static str> {
        let price = price(m.price.get())?;
        let instrument = self.instrument(&m.symbol, m.timestamp.get(), out)?.number;
        let broken = TradeBreak::new(price, u64::from(m.size.get()), m.trade_id.get());
        out.push(tick(broken, instrument, m.timestamp.get()));
        Ok(())
    }

    fn directory(&mut self, m: &Directory, out: &mut Vec<Tick>) -> Result<(), &'static str> {
        let (instrument, _) = self.number(&m.symbol)?;
        let instrument = instrument.number;
        let symbol = Symbol::new(&m.symbol);
        let definition = Definition::new(symbol, UNDEFINED_PRICE, m.round_lot.get());
        out.push(tick(definition, instrument, m.timestamp.get()));
        Ok(())
    }

    fn trading_status(
        &mut self,
        m: &TradingStatus,
        out: &mut Vec<Tick>,
    ) -> Result<(), &'static str> {
        let state = match m.status {
            b'H' => TradingState::Halted,
            b'O' | b'P' => TradingState::Paused,
            b'T' => TradingState::Trading,
            _ => return Err("unknown_trading_state"),
        };
        let instrument = self.instrument(&m.symbol, m.timestamp.get(), out)?;
        instrument.state = state;
        let status = Status::new(instrument.effective_state(), m.status, m.reason);
        out.push(tick(status, instrument.number, m.timestamp.get()));
        Ok(())
    }

    /// Gives a status only if the state changes: at the start of the day IEX says of every
    /// instrument that it is not halted.
    fn operational_halt(
        &mut self,
        m: &OperationalHalt,
        out: &mut Vec<Tick>,
    ) -> Result<(), &'static str> {
        let is_halted_by_iex = match m.status {
            b'O' => true,
            b'N' => false,
            _ => return Err("unknown_trading_state"),
        };
        if !is_halted_by_iex && !self.instruments.contains_key(&key(&m.symbol)) {
            return Ok(());
        }
        let instrument = self.instrument(&m.symbol, m.timestamp.get(), out)?;
        let before = instrument.effective_state();
        instrument.is_halted_by_iex = is_halted_by_iex;
        let after = instrument.effective_state();
        if after != before {
            let status = Status::new(after, m.status, *b"    ");
            out.push(tick(status, instrument.number, m.timestamp.get()));
        }
        Ok(())
    }

    /// The instrument with this symbol. At its first sight its definition is appended.
    fn instrument(
        &mut self,
        symbol: &[u8; 8],
        timestamp: u64,
        out: &mut Vec<Tick>,
    ) -> Result<&mut Instrument, &'static str> {
        let (instrument, is_new) = self.number(symbol)?;
        if is_new {
            let definition = Definition::new(Symbol::new(symbol), UNDEFINED_PRICE, 0);
            out.push(tick(definition, instrument.number, timestamp).with_flags(Flags::IMPLIED));
        }
        Ok(instrument)
    }

    /// The instrument with this symbol, and whether this is its first sight; then it gets the next
    /// number.
    fn number(&mut self, symbol: &[u8; 8]) -> Result<(&mut Instrument, bool), &'static str> {
        let seen = self.instruments.len();
        match self.instruments.entry(key(symbol)) {
            Entry::Occupied(entry) => Ok((entry.into_mut(), false)),
            Entry::Vacant(_) if seen == MAX_INSTRUMENTS => Err("too_many_instruments"),
            Entry::Vacant(entry) => {
                let instrument = entry.insert(Instrument {
                    number: seen as u32 + 1,
                    state: TradingState::Trading,
                    is_halted_by_iex: false,
                });
                Ok((instrument, true))
            }
        }
    }
}

fn key(symbol: &[u8; 8]) -> u64 {
    u64::from_ne_bytes(*symbol)
}

fn tick<B: TickBody>(body: B, instrument: u32, timestamp: u64) -> Tick {
    Tick::new(body, Venue::IEX, instrument, timestamp)
}

/// Price and size of a side of a quote. IEX says 0 for a side that is empty.
fn side(wire_price: i64, size: u32) -> Result<(i64, u64), &'static str> {
    if wire_price == 0 || size == 0 {
        return Ok((UNDEFINED_PRICE, 0));
    }
    Ok((price(wire_price)?, u64::from(size)))
}

fn price(wire: i64) -> Result<i64, &'static str> {
    wire.checked_mul(PRICE_UNIT).ok_or("price_out_of_range")
}
