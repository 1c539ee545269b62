//! One instrument: its best bid and offer, and what happens to them.

use rand_xoshiro::rand_core::Rng;
use tickcast_wire::{Quote, Side, Status, Trade, TradeBreak, TradingState, UNDEFINED_PRICE};

use super::quantiles::Quantiles;
use super::shape::{ONE_SIDED, PRICE_CHANGES, PRICES, QUOTE_LOTS, SPREADS, TRADE_LOTS};

/// The price grid: 0.01.
pub(super) const GRID: i64 = 10_000_000;

/// Units in a lot.
pub(super) const LOT: u64 = 100;

/// No bid falls below this, in steps of the grid.
const BID_MIN: u32 = 100;

/// No ask rises above this, in steps of the grid.
const ASK_MAX: u32 = 1_000_000;

static ASK: Quantiles = Quantiles::new(&PRICES);
static SPREAD: Quantiles = Quantiles::new(&SPREADS);
static QUOTED: Quantiles = Quantiles::new(&QUOTE_LOTS);
static TRADED: Quantiles = Quantiles::new(&TRADE_LOTS);

/// Prices in steps of the grid, sizes in lots.
pub(super) struct Instrument {
    bid: u32,
    ask: u32,
    bid_lots: u32,
    ask_lots: u32,
    last_trade: Option<LastTrade>,
    trades: u32,
    is_halted: bool,
}

#[derive(Clone, Copy)]
struct LastTrade {
    price: u32,
    lots: u32,
}

/// The side that this bit means.
pub(super) fn side(bit: u64) -> Side {
    if bit == 0 { Side::Buy } else { Side::Sell }
}

/// The halves of a roll.
fn halves(roll: u64) -> (u32, u32) {
    ((roll >> 32) as u32, roll as u32)
}

fn price(steps: u32) -> i64 {
    i64::from(steps) * GRID
}

fn size(lots: u32) -> u64 {
    u64::from(lots) * LOT
}

impl Instrument {
    pub(super) fn new(random: &mut impl Rng) -> Instrument {
        let (first, second) = halves(random.next_u64());
        let (third, fourth) = halves(random.next_u64());
        let ask = ASK.at(first);
        Instrument {
            bid: ask - SPREAD.at(second),
            ask,
            bid_lots: QUOTED.at(third),
            ask_lots: QUOTED.at(fourth),
            last_trade: None,
            trades: 0,
            is_halted: false,
        }
    }

    pub(super) fn is_halted(&self) -> bool {
        self.is_halted
    }

    /// Halts trading, or lets it go on.
    pub(super) fn toggle_halt(&mut self) -> Status {
        self.is_halted = !self.is_halted;
        if self.is_halted {
            Status::new(TradingState::Halted, b'H', *b"T1  ")
        } else {
            Status::new(TradingState::Trading, b'T', *b"    ")
        }
    }

    /// Takes back the last trade, once.
    pub(super) fn take_back(&mut self) -> Option<TradeBreak> {
        let last = self.last_trade.take()?;
        Some(TradeBreak::new(
            price(last.price),
            size(last.lots),
            u64::from(self.trades),
        ))
    }

    /// A change of one side: a new price and size, or a new size. Now and then a side is not
    /// shown.
    pub(super) fn quote(&mut self, random: &mut impl Rng) -> Quote {
        let roll = random.next_u64();
        let side = side(roll >> 63);
        if roll & 255 < PRICE_CHANGES {
            self.reprice(side, SPREAD.at((roll >> 20) as u32));
        }
        self.resize(side, random);
        if roll >> 8 & 255 < ONE_SIDED {
            self.one_side(side)
        } else {
            self.both_sides()
        }
    }

    /// A trade at the price of the other side.
    pub(super) fn trade(&mut self, side: Side, random: &mut impl Rng) -> Trade {
        let lots = TRADED.at((random.next_u64() >> 32) as u32);
        let steps = match side {
            Side::Sell => self.bid,
            Side::Buy | Side::None => self.ask,
        };
        self.trades += 1;
        self.last_trade = Some(LastTrade { price: steps, lots });
        Trade::new(
            price(steps),
            size(lots),
            u64::from(self.trades),
            side,
            [0; 7],
        )
    }

    /// The quote after trades of this side: what they took is gone, the price moves away.
    pub(super) fn requote(&mut self, side: Side, random: &mut impl Rng) -> Quote {
        let taken = match side {
            Side::Sell => Side::Sell,
            Side::Buy | Side::None => Side::Buy,
        };
        self.reprice(taken, SPREAD.at((random.next_u64() >> 32) as u32));
        self.resize(taken, random);
        self.both_sides()
    }

    /// Moves the ask (for a buy) or the bid (for a sell) so that the spread is this wide; the
    /// other one where it would leave the range of prices.
    fn reprice(&mut self, side: Side, spread: u32) {
        let is_bid = match side {
            Side::Sell => self.ask >= BID_MIN + spread,
            Side::Buy | Side::None => self.bid + spread > ASK_MAX,
        };
        if is_bid {
            self.bid = self.ask - spread;
        } else {
            self.ask = self.bid + spread;
        }
    }

    fn resize(&mut self, side: Side, random: &mut impl Rng) {
        let lots = QUOTED.at((random.next_u64() >> 32) as u32);
        match side {
            Side::Sell => self.bid_lots = lots,
            Side::Buy | Side::None => self.ask_lots = lots,
        }
    }

    fn both_sides(&self) -> Quote {
        Quote::new(
            price(self.bid),
            size(self.bid_lots),
            price(self.ask),
            size(self.ask_lots),
        )
    }

    fn one_side(&self, hidden: Side) -> Quote {
        match hidden {
            Side::Sell => Quote::new(UNDEFINED_PRICE, 0, price(self.ask), size(self.ask_lots)),
            Side::Buy | Side::None => {
                Quote::new(price(self.bid), size(self.bid_lots), UNDEFINED_PRICE, 0)
            }
        }
    }
}
