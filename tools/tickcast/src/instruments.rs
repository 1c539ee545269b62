//! What is known of each instrument, and what the board and vwap strategies show of it.

use std::collections::HashMap;
use std::fmt::{self, Display};

use serde::Serialize;
use tickcast_wire::{Body, Quote, Symbol, Tick, UNDEFINED_PRICE};

use crate::show;

/// What is known of an instrument.
#[derive(Debug, Default)]
struct Instrument {
    symbol: Option<Symbol>,
    quote: Option<Quote>,
    volume: u64,
    /// Sum of price × size, in units of 1e-9.
    turnover: i128,
}

/// All instruments by their number.
#[derive(Debug, Default)]
pub struct Instruments(HashMap<u32, Instrument>);

/// Both sides of a quote. Prices are decimal, as people are shown them; missing if undefined.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Sides {
    bid: Option<String>,
    bid_size: u64,
    ask: Option<String>,
    ask_size: u64,
}

/// The best bid and offer of an instrument.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct BoardRow {
    /// Missing if the instrument was never defined.
    symbol: Option<String>,
    instrument: u32,
    #[serde(flatten)]
    sides: Sides,
}

/// The volume-weighted average price of an instrument that was traded.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct VwapRow {
    /// Missing if the instrument was never defined.
    symbol: Option<String>,
    instrument: u32,
    price: String,
    volume: u64,
}

impl Instruments {
    /// The symbol of an instrument, if it was defined.
    pub fn symbol(&self, instrument: u32) -> Option<Symbol> {
        self.0.get(&instrument)?.symbol
    }

    /// The symbols of all instruments that were defined.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol> {
        self.0.values().filter_map(|instrument| instrument.symbol)
    }

    /// Takes in the symbol of a definition.
    pub fn define(&mut self, tick: &Tick) {
        if let Some(definition) = tick.as_definition() {
            self.0.entry(tick.instrument()).or_default().symbol = Some(definition.symbol);
        }
    }

    /// Takes in a quote, trade or clear. A trade that a snapshot brings is not counted: it is
    /// state, and was delivered before or belongs to the time before the start.
    pub fn update(&mut self, tick: &Tick, of_snapshot: bool) {
        let instrument = self.0.entry(tick.instrument()).or_default();
        match tick.body() {
            Body::Quote(quote) => instrument.quote = Some(*quote),
            Body::Clear(_) => instrument.quote = None,
            Body::Trade(trade) if !of_snapshot => {
                instrument.volume += trade.size.get();
                let (price, size) = (i128::from(trade.price.get()), i128::from(trade.size.get()));
                instrument.turnover += price * size;
            }
            _ => {}
        }
    }

    /// Forgets all quotes.
    pub fn forget_quotes(&mut self) {
        for instrument in self.0.values_mut() {
            instrument.quote = None;
        }
    }

    /// The board of the instruments that have a quote, in the order of their names.
    pub fn board(&self) -> Vec<BoardRow> {
        let rows = self.sorted().into_iter();
        rows.filter_map(|(id, instrument)| {
            Some(BoardRow {
                symbol: instrument.symbol.map(|symbol| symbol.to_string()),
                instrument: id,
                sides: Sides::from(&instrument.quote?),
            })
        })
        .collect()
    }

    /// The average prices of the instruments that were traded, in the order of their names.
    pub fn vwap(&self) -> Vec<VwapRow> {
        let traded = self.sorted().into_iter().filter(|(_, i)| i.volume > 0);
        traded
            .map(|(id, instrument)| {
                let price = instrument.turnover / i128::from(instrument.volume);
                VwapRow {
                    symbol: instrument.symbol.map(|symbol| symbol.to_string()),
                    instrument: id,
                    price: show::price(i64::try_from(price).unwrap_or(i64::MAX)),
                    volume: instrument.volume,
                }
            })
            .collect()
    }

    fn sorted(&self) -> Vec<(u32, &Instrument)> {
        let mut all: Vec<_> = self
            .0
            .iter()
            .map(|(&id, instrument)| (id, instrument))
            .collect();
        all.sort_by_cached_key(|(id, instrument)| (name(instrument.symbol, *id), *id));
        all
    }
}

impl From<&Quote> for Sides {
    fn from(quote: &Quote) -> Sides {
        let price = |price| (price != UNDEFINED_PRICE).then(|| show::price(price));
        Sides {
            bid: price(quote.bid.get()),
            bid_size: quote.bid_size.get(),
            ask: price(quote.ask.get()),
            ask_size: quote.ask_size.get(),
        }
    }
}

/// As people know an instrument.
pub fn name(symbol: Option<impl Display>, instrument: u32) -> String {
    symbol.map_or_else(|| format!("#{instrument}"), |symbol| symbol.to_string())
}

impl Display for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let price = |price: &Option<String>| price.clone().unwrap_or_else(|| "-".into());
        let (bid, ask) = (price(&self.bid), price(&self.ask));
        let (bid_size, ask_size) = (show::count(self.bid_size), show::count(self.ask_size));
        write!(f, "{bid_size:>9} @ {bid:<12} {ask:>12} @ {ask_size}")
    }
}

impl Display for BoardRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = name(self.symbol.as_ref(), self.instrument);
        write!(f, "  {name:<16} {}", self.sides)
    }
}

impl Display for VwapRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = name(self.symbol.as_ref(), self.instrument);
        let (price, volume) = (&self.price, show::count(self.volume));
        write!(f, "  {name:<16} {price:>18} over {volume} traded")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickcast_wire::{NANOS_PER_UNIT, Side, Trade};

    fn trade(price: i64, size: u64) -> Tick {
        let price = price * NANOS_PER_UNIT;
        Tick::new(Trade::new(price, size, 1, Side::Buy, [0; 7]), 1_u16, 7, 0)
    }

    #[test]
    fn what_is_undefined_is_null() {
        let mut instruments = Instruments::default();
        let quote = Quote::new(UNDEFINED_PRICE, 0, 5 * NANOS_PER_UNIT, 20);
        instruments.update(&Tick::new(quote, 1_u16, 7, 0), false);
        let board = instruments.board();
        let expected = serde_json::json!([{
            "symbol": null, "instrument": 7,
            "bid": null, "bid_size": 0, "ask": "5.00", "ask_size": 20,
        }]);
        assert_eq!(serde_json::to_value(&board).unwrap(), expected);
        let shown = board[0].to_string();
        let words: Vec<_> = shown.split_whitespace().collect();
        assert_eq!(words, ["#7", "0", "@", "-", "5.00", "@", "20"]);
    }

    #[test]
    fn a_trade_that_a_snapshot_repeats_counts_once() {
        let mut instruments = Instruments::default();
        instruments.update(&trade(10, 100), false);
        instruments.update(&trade(10, 100), true);
        instruments.update(&trade(20, 100), false);
        let vwap = instruments.vwap();
        assert_eq!((vwap[0].price.as_str(), vwap[0].volume), ("15.00", 200));
    }
}
