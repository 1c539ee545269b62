//! Volume-weighted average prices, by a strategy that the receive thread calls itself: the
//! shortest way from the network, for code that is quick.
//!
//! `cargo run --release -p tickcast-subscriber --example vwap`

mod feed;

use std::error::Error;
use std::time::Duration;

use tickcast_publisher::Speed;
use tickcast_subscriber::{Origin, Provenance, Strategy, SubscriberBuilder};
use tickcast_wire::{Body, Tick};

const INSTRUMENTS: u32 = 200;

#[derive(Clone, Copy, Default)]
struct Traded {
    volume: u64,
    /// Sum of price × size, in units of 1e-9.
    turnover: i128,
}

/// Its memory is taken at the start, so that the receive thread never waits for any.
struct Vwap(Vec<Traded>);

impl Strategy for Vwap {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        // A trade in a snapshot was counted when it happened, or before this program was there.
        if origin.provenance == Provenance::Snapshot {
            return;
        }
        let (Body::Trade(trade), Some(traded)) =
            (tick.body(), self.0.get_mut(tick.instrument() as usize))
        else {
            return;
        };
        traded.volume += trade.size.get();
        traded.turnover += i128::from(trade.price.get()) * i128::from(trade.size.get());
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (_publisher, config) = feed::publish(INSTRUMENTS, 300_000, Speed::PerSecond(200_000))?;
    let mut builder = SubscriberBuilder::new(config);
    // Instruments of the synthetic market are numbered from 1.
    let vwap = builder.attach_inline(Vwap(vec![Traded::default(); INSTRUMENTS as usize + 1]));
    let subscriber = builder.start()?;
    while !subscriber.has_ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&vwap).ok_or("the strategy is gone")?;

    let mut traded: Vec<_> = outcome.strategy.0.iter().enumerate().collect();
    traded.sort_by_key(|(_, traded)| std::cmp::Reverse(traded.volume));
    println!("{:>10} {:>12} {:>12}", "instrument", "volume", "vwap");
    for (instrument, Traded { volume, turnover }) in traded.into_iter().take(10) {
        let average = i64::try_from(turnover / i128::from((*volume).max(1)))?;
        println!(
            "{instrument:>10} {volume:>12} {:>12.4}",
            feed::price(average)
        );
    }
    println!(
        "{} ticks, {} lost",
        outcome.account.delivered, outcome.account.lost
    );
    Ok(())
}
