//! A board of best bids and offers: a strategy with a thread of its own keeps the latest quote of
//! every instrument.
//!
//! `cargo run --release -p tickcast-subscriber --example best_bid_offer`

mod feed;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use tickcast_publisher::Speed;
use tickcast_subscriber::{Loss, Origin, Strategy, SubscriberBuilder};
use tickcast_wire::{Body, Quote, Symbol, Tick, UNDEFINED_PRICE};

#[derive(Default)]
struct Board {
    symbols: BTreeMap<u32, Symbol>,
    quotes: BTreeMap<u32, (u64, Quote)>,
}

impl Strategy for Board {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        let instrument = tick.instrument();
        match tick.body() {
            Body::Definition(definition) => {
                self.symbols.insert(instrument, definition.symbol);
            }
            Body::Quote(quote) => {
                let (updates, latest) = self.quotes.entry(instrument).or_insert((0, *quote));
                (*updates, *latest) = (*updates + 1, *quote);
            }
            Body::Clear(_) => {
                self.quotes.remove(&instrument);
            }
            _ => {}
        }
    }

    fn on_gap(&mut self, loss: &Loss) {
        // What was lost may have been the latest quote of any instrument.
        println!("lost {} ticks from seq {}", loss.count, loss.first_seq);
        self.quotes.clear();
    }

    fn on_snapshot(&mut self, _as_of: u64) {
        self.quotes.clear();
    }
}

impl Board {
    fn print(&self) {
        println!(
            "{:10} {:>8} {:>18} {:>18}",
            "symbol", "updates", "bid", "offer"
        );
        let mut busiest: Vec<_> = self.quotes.iter().collect();
        busiest.sort_by_key(|(_, (updates, _))| std::cmp::Reverse(*updates));
        for (instrument, (updates, quote)) in busiest.into_iter().take(10) {
            let symbol = self.symbols.get(instrument).map(ToString::to_string);
            let bid = side(quote.bid_size.get(), quote.bid.get());
            let offer = side(quote.ask_size.get(), quote.ask.get());
            println!(
                "{:10} {updates:>8} {bid:>18} {offer:>18}",
                symbol.unwrap_or_default()
            );
        }
    }
}

fn side(size: u64, price: i64) -> String {
    if price == UNDEFINED_PRICE {
        return "-".into();
    }
    format!("{size} @ {:.2}", feed::price(price))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (publisher, config) = feed::publish(500, 200_000, Speed::PerSecond(100_000))?;
    let mut builder = SubscriberBuilder::new(config);
    let board = builder.attach(Board::default(), &feed::thread("board"))?;
    let subscriber = builder.start()?;
    while !subscriber.has_ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut stopped = subscriber.stop();
    let board = stopped.take(&board).ok_or("the board's thread is gone")?;
    board.strategy.print();
    println!(
        "{} published = {} delivered + {} lost",
        publisher.published(),
        board.account.delivered,
        board.account.lost
    );
    Ok(())
}
