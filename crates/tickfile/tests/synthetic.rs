//! The synthetic market keeps the shape that `docs/synthetic-market.md` states.

use std::collections::BTreeMap;

use tickcast_tickfile::{SYNTHETIC_INSTRUMENTS_MAX, SYNTHETIC_OPEN, Synthetic, SyntheticConfig};
use tickcast_wire::{Body, Digest, Flags, Kind, Tick, TradingState, UNDEFINED_PRICE, Venue};

const TICKS: usize = 1_000_000;
const GRID: i64 = 10_000_000;

fn market() -> Vec<Tick> {
    Synthetic::new(SyntheticConfig::default())
        .take(TICKS)
        .collect()
}

fn digest(config: SyntheticConfig, ticks: usize) -> String {
    let mut digest = Digest::default();
    Synthetic::new(config)
        .take(ticks)
        .for_each(|tick| digest.update(&tick));
    digest.to_string()
}

/// Ticks after the definitions.
fn trading(ticks: &[Tick]) -> &[Tick] {
    &ticks[SyntheticConfig::default().instruments as usize..]
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[track_caller]
fn within(name: &str, value: f64, low: f64, high: f64) {
    println!("{name}: {value:.4}");
    assert!(
        (low..=high).contains(&value),
        "{name} is {value}, not within {low} to {high}"
    );
}

fn count(ticks: &[Tick], kind: Kind) -> usize {
    ticks
        .iter()
        .filter(|tick| tick.kind() == Some(kind))
        .count()
}

/// Times between neighbours that are not 0, in rising order.
fn gaps(ticks: &[Tick]) -> Vec<u64> {
    let mut gaps: Vec<u64> = ticks
        .windows(2)
        .map(|pair| pair[1].ts_event() - pair[0].ts_event())
        .filter(|&gap| gap > 0)
        .collect();
    gaps.sort_unstable();
    gaps
}

#[test]
fn golden_digests() {
    let default = SyntheticConfig::default();
    assert_eq!(digest(default, 100_000), "15be39525cb81d73");
    let other = SyntheticConfig { seed: 2, ..default };
    assert_eq!(digest(other, 100_000), "1c8e80d5ee18d5c1");
    let few = SyntheticConfig {
        seed: 1,
        instruments: 3,
    };
    assert_eq!(digest(few, 100_000), "85b1a72602e7f8d0");
}

#[test]
fn every_number_of_instruments_works() {
    for instruments in [0, 1, 2, 5, 12_345] {
        let market = Synthetic::new(SyntheticConfig {
            seed: 3,
            instruments,
        });
        let most = market.take(50_000).map(|tick| tick.instrument()).max();
        assert_eq!(most, Some(instruments.max(1)));
    }
}

#[test]
fn the_number_of_instruments_is_bounded() {
    let config = SyntheticConfig {
        seed: 3,
        instruments: u32::MAX,
    };
    let defined = Synthetic::new(config)
        .take_while(|tick| tick.kind() == Some(Kind::Definition))
        .count();
    assert_eq!(defined, SYNTHETIC_INSTRUMENTS_MAX as usize);
}

#[test]
fn every_instrument_is_defined_first() {
    let ticks = market();
    let instruments = SyntheticConfig::default().instruments;
    for (number, tick) in (1..=instruments).zip(&ticks) {
        let definition = tick.as_definition().unwrap();
        assert_eq!(definition.symbol.to_string(), format!("SYN{number:04}"));
        assert_eq!(
            (definition.price_increment.get(), definition.lot_size.get()),
            (GRID, 100)
        );
        assert_eq!(
            (tick.instrument(), tick.ts_event()),
            (number, SYNTHETIC_OPEN)
        );
    }
    assert_eq!(count(trading(&ticks), Kind::Definition), 0);
}

#[test]
fn ticks_are_sound() {
    let ticks = market();
    let mut halted = vec![false; 4_001];
    for pair in ticks.windows(2) {
        let (tick, next) = (&pair[0], &pair[1]);
        assert_eq!(
            (tick.venue(), tick.seq(), tick.ts_due()),
            (Venue::SYNTHETIC, 0, 0)
        );
        assert!((1..=4_000).contains(&tick.instrument()));
        assert!(tick.ts_event() <= next.ts_event());
        let is_last = tick.flags() == Flags::LAST_OF_EVENT;
        let is_same_event = tick.ts_event() == next.ts_event() && tick.ts_event() > SYNTHETIC_OPEN;
        assert_eq!(is_last, !is_same_event);
        assert!(!is_same_event || tick.instrument() == next.instrument());
        let is_halted = &mut halted[tick.instrument() as usize];
        match tick.body() {
            Body::Quote(quote) => {
                assert!(!*is_halted);
                check_side(quote.bid.get(), quote.bid_size.get());
                check_side(quote.ask.get(), quote.ask_size.get());
                let is_two_sided = quote.bid_size.get() > 0 && quote.ask_size.get() > 0;
                assert!(!is_two_sided || quote.bid.get() < quote.ask.get());
            }
            Body::Trade(trade) => {
                assert!(!*is_halted);
                check_side(trade.price.get(), trade.size.get());
                assert_ne!(trade.price.get(), UNDEFINED_PRICE);
            }
            Body::Status(status) => {
                *is_halted = !*is_halted;
                let is_trading = status.trading_state() == Some(TradingState::Trading);
                assert_eq!(is_trading, !*is_halted);
            }
            Body::TradeBreak(_) | Body::Definition(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A price on the grid with whole lots, or nothing.
fn check_side(price: i64, size: u64) {
    if price == UNDEFINED_PRICE {
        assert_eq!(size, 0);
    } else {
        assert!(price >= 50 * GRID && price % GRID == 0, "{price}");
        assert!(size >= 100 && size.is_multiple_of(100), "{size}");
    }
}

#[test]
fn kinds_are_mixed_as_in_the_capture() {
    let ticks = market();
    let trading = trading(&ticks);
    let (quotes, trades) = (count(trading, Kind::Quote), count(trading, Kind::Trade));
    within(
        "quotes of quotes and trades",
        share(quotes, quotes + trades),
        0.80,
        0.82,
    );
    let breaks = count(trading, Kind::TradeBreak);
    within("trades to a break", share(trades, breaks), 500.0, 3_000.0);
    let statuses = count(trading, Kind::Status);
    within(
        "statuses of all",
        share(statuses, trading.len()),
        0.000_1,
        0.000_6,
    );
    let shown: Vec<_> = trading.iter().filter_map(Tick::as_quote).collect();
    let one_sided = shown
        .iter()
        .filter(|quote| quote.bid == UNDEFINED_PRICE || quote.ask == UNDEFINED_PRICE)
        .count();
    within(
        "one-sided quotes",
        share(one_sided, shown.len()),
        0.18,
        0.28,
    );
}

#[test]
fn activity_is_as_unequal_as_in_the_capture() {
    let ticks = market();
    let trading = trading(&ticks);
    let mut by_instrument: BTreeMap<u32, usize> = BTreeMap::new();
    for tick in trading {
        *by_instrument.entry(tick.instrument()).or_default() += 1;
    }
    let mut counts: Vec<usize> = by_instrument.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let top = |count: usize| share(counts[..count].iter().sum(), trading.len());
    within("instruments seen", share(counts.len(), 4_000), 0.99, 1.0);
    within("share of the top 1 %", top(40), 0.28, 0.34);
    within("share of the top 10 %", top(400), 0.52, 0.65);
}

#[test]
fn events_come_in_bursts_as_in_the_capture() {
    let ticks = market();
    let trading = trading(&ticks);
    let gaps = gaps(trading);
    let zero = 1.0 - share(gaps.len(), trading.len() - 1);
    within("neighbours at one time", zero, 0.51, 0.56);
    let of_median = |thousandth: usize| {
        share(
            gaps[gaps.len() * thousandth / 1_000] as usize,
            gaps[gaps.len() / 2] as usize,
        )
    };
    within("p10 of gaps to their median", of_median(100), 0.05, 0.4);
    within("p90 of gaps to their median", of_median(900), 3.0, 12.0);
    within("p99 of gaps to their median", of_median(990), 15.0, 80.0);
}

#[test]
fn the_opening_rush_thins_out() {
    let ticks: Vec<Tick> = Synthetic::new(SyntheticConfig::default())
        .take(4 * TICKS)
        .collect();
    let at = |tick: &Tick| (tick.ts_event() - SYNTHETIC_OPEN) / 1_000_000_000;
    let per_second = |from: u64, to: u64| {
        share(
            ticks
                .iter()
                .filter(|tick| (from..to).contains(&at(tick)))
                .count(),
            (to - from) as usize,
        )
    };
    assert!(
        at(ticks.last().unwrap()) >= 200,
        "{}",
        at(ticks.last().unwrap())
    );
    let (rush, later) = (per_second(0, 10), per_second(100, 200));
    within(
        "ticks/s of the first 10 s to those after 100 s",
        rush / later,
        4.0,
        20.0,
    );
}

#[test]
fn spreads_and_sizes_are_as_in_the_capture() {
    let ticks = market();
    let mut spreads: Vec<i64> = Vec::new();
    let mut sizes: Vec<u64> = Vec::new();
    for quote in trading(&ticks).iter().filter_map(Tick::as_quote) {
        if quote.bid != UNDEFINED_PRICE && quote.ask != UNDEFINED_PRICE {
            spreads.push((quote.ask.get() - quote.bid.get()) / GRID);
            sizes.extend([quote.bid_size.get(), quote.ask_size.get()]);
        }
    }
    spreads.sort_unstable();
    sizes.sort_unstable();
    let spread = |percent: usize| spreads[spreads.len() * percent / 100];
    assert_eq!((spread(10), spread(50), spread(90)), (1, 4, 7));
    within("median size", sizes[sizes.len() / 2] as f64, 300.0, 500.0);
    within(
        "p90 of sizes",
        sizes[sizes.len() * 9 / 10] as f64,
        1_000.0,
        1_400.0,
    );
}
