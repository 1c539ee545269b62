//! A toy market maker: it quotes one instrument around the market's middle, leans against what it
//! holds, and stops quoting when it no longer knows the market. Its orders go nowhere; a trade at
//! its price or through it counts as a fill.
//!
//! `cargo run --release -p tickcast-subscriber --example market_maker`

mod feed;

use std::error::Error;
use std::time::Duration;

use tickcast_publisher::Speed;
use tickcast_subscriber::{Loss, Origin, Provenance, SessionStart, Strategy, SubscriberBuilder};
use tickcast_wire::{Body, NANOS_PER_UNIT, Quote, Tick, Trade, UNDEFINED_PRICE};

/// The one instrument it trades.
const INSTRUMENT: u32 = 1;
/// Shares in a lot, the size of every order.
const LOT: i64 = 100;
/// Most lots held, long or short.
const MOST_LOTS: i64 = 10;
const CENT: i64 = NANOS_PER_UNIT / 100;

#[derive(Default)]
struct MarketMaker {
    /// Our bid and offer, while we dare to quote.
    quoted: Option<(i64, i64)>,
    /// Lots held; negative when short.
    position: i64,
    /// Money made and spent, in units of 1e-9.
    cash: i128,
    middle: i64,
    fills: u64,
    pulled: u64,
}

impl MarketMaker {
    fn requote(&mut self, market: &Quote) {
        let (bid, ask) = (market.bid.get(), market.ask.get());
        if bid == UNDEFINED_PRICE || ask == UNDEFINED_PRICE {
            return self.pull();
        }
        self.middle = bid + (ask - bid) / 2;
        // The more we hold, the lower both prices: selling becomes likelier than buying.
        let lean = self.position * CENT / 2;
        self.quoted = Some((self.middle - CENT - lean, self.middle + CENT - lean));
    }

    fn fill(&mut self, trade: &Trade) {
        let Some((bid, offer)) = self.quoted else {
            return;
        };
        let (price, lots) = if trade.price.get() <= bid && self.position < MOST_LOTS {
            (bid, 1)
        } else if trade.price.get() >= offer && self.position > -MOST_LOTS {
            (offer, -1)
        } else {
            return;
        };
        self.position += lots;
        self.cash -= i128::from(price) * i128::from(lots * LOT);
        self.fills += 1;
        // One fill an order; the next quote of the market brings new orders.
        self.quoted = None;
    }

    fn pull(&mut self) {
        self.pulled += u64::from(self.quoted.take().is_some());
    }

    /// What all would be worth at the middle.
    fn worth(&self) -> i128 {
        self.cash + i128::from(self.position * LOT) * i128::from(self.middle)
    }
}

impl Strategy for MarketMaker {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        if tick.instrument() != INSTRUMENT {
            return;
        }
        match tick.body() {
            Body::Quote(quote) => self.requote(quote),
            // The last trade in a snapshot is no new one.
            Body::Trade(trade) if origin.provenance != Provenance::Snapshot => self.fill(trade),
            Body::Status(_) | Body::Clear(_) => self.pull(),
            _ => {}
        }
    }

    fn on_gap(&mut self, _loss: &Loss) {
        self.pull();
    }

    fn on_session(&mut self, _start: &SessionStart) {
        self.pull();
    }

    fn on_end(&mut self, _session: u64, _last_seq: u64) {
        self.pull();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (_publisher, config) = feed::publish(20, 300_000, Speed::PerSecond(200_000))?;
    let mut builder = SubscriberBuilder::new(config);
    let maker = builder.attach_inline(MarketMaker::default());
    let subscriber = builder.start()?;
    while !subscriber.has_ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&maker).ok_or("the strategy is gone")?;
    let maker = outcome.strategy;
    println!(
        "{} ticks seen, {} lost",
        outcome.account.delivered, outcome.account.lost
    );
    println!(
        "{} fills, quotes pulled {} times",
        maker.fills, maker.pulled
    );
    println!(
        "{} lots held, worth {:.2} in all at the middle of {:.2}",
        maker.position,
        maker.worth() as f64 / NANOS_PER_UNIT as f64,
        feed::price(maker.middle)
    );
    Ok(())
}
