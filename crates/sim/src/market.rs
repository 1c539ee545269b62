//! Ticks to publish: few instruments, every kind, no two alike.

use tickcast_wire::{
    Clear, Definition, Quote, Side, Status, Symbol, Tick, TickBody, Trade, TradeBreak,
    TradingState, Venue,
};
use zerocopy::IntoBytes;

use crate::random::Random;

/// The code of a kind that this version does not know.
const LATER_KIND: u8 = 77;

/// Makes ticks.
pub(crate) struct Market {
    random: Random,
    instruments: u64,
    made: u64,
}

impl Market {
    pub(crate) fn new(random: Random, instruments: u64) -> Market {
        Market {
            random,
            instruments,
            made: 0,
        }
    }

    /// The next tick, as a source gives it: without seq and due time.
    pub(crate) fn tick(&mut self) -> Tick {
        self.made += 1;
        let (price, size) = (self.random.below(1 << 40) as i64, self.random.below(1_000));
        // Trades few enough that a break often hits the last one.
        let trade_id = self.made / 8;
        match self.random.below(16) {
            0 => {
                let symbol = Symbol::new(self.made.to_string().as_bytes());
                self.of(Definition::new(symbol, price, size as u32))
            }
            1 => self.of(Status::new(TradingState::Halted, size as u8, *b"NEWS")),
            2..=4 => self.of(Trade::new(price, size, trade_id, Side::Buy, [0; 7])),
            5 => self.of(TradeBreak::new(price, size, trade_id)),
            6 => self.of(Clear::default()),
            7 => {
                let mut tick = self.of(Clear::default());
                tick.as_mut_bytes()[0] = LATER_KIND;
                tick
            }
            _ => self.of(Quote::new(price, size, price + 1, self.made)),
        }
    }

    fn of(&mut self, body: impl TickBody) -> Tick {
        let instrument = self.random.below(self.instruments) as u32;
        Tick::new(body, Venue::SYNTHETIC, instrument, self.made)
    }
}
