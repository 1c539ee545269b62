//! Real captures with known answers, found through the environment variable `TICKCAST_DATA`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tickcast_tickfile::{Format, Found, IexError, OpenError, ReadError, Reader, open};
use tickcast_wire::{Flags, Kind, Quote, Tick, UNDEFINED_PRICE, Venue};

/// A file of the data folder; `None`, and a word about it, if there is no such folder.
fn capture(name: &str) -> Option<PathBuf> {
    match std::env::var_os("TICKCAST_DATA") {
        Some(folder) => Some(PathBuf::from(folder).join(name)),
        None => {
            eprintln!("skipped: TICKCAST_DATA names no folder with {name}");
            None
        }
    }
}

fn read(reader: &mut Reader) -> Vec<Tick> {
    reader
        .map(|tick| tick.expect("the capture is whole"))
        .collect()
}

fn count(ticks: &[Tick], kind: Kind) -> usize {
    ticks
        .iter()
        .filter(|tick| tick.kind() == Some(kind))
        .count()
}

fn last_quotes(ticks: &[Tick]) -> BTreeMap<u32, Quote> {
    ticks
        .iter()
        .filter_map(|tick| Some((tick.instrument(), *tick.as_quote()?)))
        .collect()
}

fn counts<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected
        .map(|(name, count)| (name.to_owned(), count))
        .into()
}

/// A price in units of the venue's wire, 1e-4.
fn price(units: i64) -> i64 {
    units * 100_000
}

#[test]
fn itch_known_answers() {
    let Some(path) = capture("itch50-20191230-open.itch") else {
        return;
    };
    let mut reader = open(&path).unwrap();
    let ticks = read(&mut reader);
    let tally = reader.tally();

    assert_eq!(reader.format(), Format::Itch50);
    assert_eq!(reader.notice(), None);
    let expected = [
        ("A", 367),
        ("F", 193),
        ("U", 225),
        ("D", 167),
        ("E", 28),
        ("X", 6),
        ("I", 4),
        ("P", 4),
        ("Q", 4),
        ("C", 1),
        ("S", 1),
    ];
    assert_eq!(tally.messages, counts(expected));
    assert_eq!(tally.skipped, BTreeMap::from([("unknown_order", 399)]));

    assert_eq!(count(&ticks, Kind::Quote), 384);
    let quotes = last_quotes(&ticks);
    assert_eq!(quotes.len(), 185);
    let (psq, vici, ziv) = (quotes[&6425], quotes[&8360], quotes[&8873]);
    assert_eq!(psq, Quote::new(price(243_000), 100, price(246_000), 100));
    assert_eq!(vici, Quote::new(price(200_000), 1_500, price(302_400), 500));
    assert_eq!(ziv, Quote::new(price(714_500), 100, price(724_900), 200));

    assert_eq!(count(&ticks, Kind::Trade), 8);
    let symbols: BTreeMap<u32, String> = ticks
        .iter()
        .filter_map(|tick| Some((tick.instrument(), tick.as_definition()?.symbol.to_string())))
        .collect();
    assert_eq!(symbols[&6425], "PSQ");
    assert_eq!(symbols.len(), count(&ticks, Kind::Definition));
    assert!(ticks.iter().all(|tick| tick.venue() == Venue::NASDAQ));
}

#[test]
fn iex_known_answers() {
    let Some(path) = capture("iex-tops16-20170710.pcapng.gz") else {
        return;
    };
    let mut reader = open(&path).unwrap();
    let ticks = read(&mut reader);
    let tally = reader.tally();

    assert_eq!(reader.format(), Format::IexTops16);
    assert_eq!(reader.notice(), None);
    let expected = [
        ("S", 6),
        ("D", 10),
        ("P", 7_802),
        ("O", 7_801),
        ("H", 7_803),
        ("Q", 27_217),
        ("T", 6_390),
        ("A", 642),
        ("B", 3),
    ];
    assert_eq!(tally.messages, counts(expected));
    assert_eq!(tally.skipped, BTreeMap::new());

    assert_eq!(count(&ticks, Kind::Quote), 27_217);
    assert_eq!(count(&ticks, Kind::Trade), 6_390);
    assert_eq!(count(&ticks, Kind::TradeBreak), 3);
    // Every H, and the two O that halt KOOL and let it trade again.
    assert_eq!(count(&ticks, Kind::Status), 7_803 + 2);
    let volume: u64 = ticks
        .iter()
        .filter_map(Tick::as_trade)
        .map(|t| t.size.get())
        .sum();
    assert_eq!(volume, 1_427_907);

    let quotes = last_quotes(&ticks);
    assert_eq!(quotes.len(), 7_799);
    let cleared = Quote::new(UNDEFINED_PRICE, 0, UNDEFINED_PRICE, 0);
    assert!(quotes.values().all(|quote| *quote == cleared));

    let instrument = |symbol: &str| {
        ticks
            .iter()
            .find(|tick| {
                tick.as_definition()
                    .is_some_and(|d| d.symbol.to_string() == symbol)
            })
            .map(Tick::instrument)
            .unwrap()
    };
    let aapl = instrument("AAPL");
    let trade = ticks
        .iter()
        .position(|tick| {
            tick.as_trade()
                .is_some_and(|trade| trade.trade_id.get() == 128_140)
        })
        .unwrap();
    let (size, at) = ticks[trade]
        .as_trade()
        .map(|t| (t.size.get(), t.price.get()))
        .unwrap();
    assert_eq!(
        (ticks[trade].instrument(), size, at),
        (aapl, 283, price(1_489_100))
    );
    let quote = ticks[..trade]
        .iter()
        .rfind(|tick| tick.instrument() == aapl && tick.as_quote().is_some())
        .and_then(Tick::as_quote)
        .unwrap();
    assert_eq!(
        *quote,
        Quote::new(UNDEFINED_PRICE, 0, price(1_489_100), 871)
    );

    let amzn = instrument("AMZN");
    let quote = ticks
        .iter()
        .filter(|tick| tick.instrument() == amzn)
        .filter_map(Tick::as_quote)
        .rfind(|quote| **quote != cleared)
        .unwrap();
    assert_eq!(
        *quote,
        Quote::new(price(3_649_500), 300, price(3_649_700), 704)
    );

    let of_directory =
        |tick: &&Tick| tick.as_definition().is_some() && !tick.flags().contains(Flags::IMPLIED);
    assert_eq!(ticks.iter().filter(of_directory).count(), 10);
    // The last time of all messages, 1499697531866064457, is that of a system event.
    let times = ticks.iter().map(Tick::ts_event);
    assert_eq!(times.clone().min(), Some(1_499_697_155_788_781_087));
    assert_eq!(times.max(), Some(1_499_697_521_351_187_893));
}

#[test]
fn captures_of_other_protocols_are_named() {
    for (name, what) in [
        ("moldudp64-itch50-20230822-open.pcap", Found::MoldUdp64),
        ("cme-mdp3-volume-ab-20160927.pcap", Found::CmeMdp3),
    ] {
        let Some(path) = capture(name) else {
            return;
        };
        let Err(OpenError::Damaged { source, .. }) = open(&path) else {
            panic!("{name} was opened");
        };
        assert_eq!(source, ReadError::Iex(IexError::NotTops { found: what }));
    }
}
