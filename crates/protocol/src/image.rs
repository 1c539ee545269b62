//! The latest state of every instrument.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use tickcast_wire::{Body, Flags, Tick};

/// The default of the most instruments in an [`Image`].
pub const DEFAULT_MAX_INSTRUMENTS: usize = 65_536;

/// The latest definition, status, quote and trade of every instrument, as of one seq.
///
/// A Clear wipes quote and trade. A TradeBreak wipes the trade if it takes back just that one.
/// Kinds that this version does not know leave no trace. Memory grows with the instruments seen,
/// up to a bound; ticks of instruments beyond it are counted and leave the image incomplete.
pub struct Image {
    index: HashMap<u32, u32, BuildHasherDefault<InstrumentHasher>>,
    instruments: Vec<Latest>,
    max_instruments: usize,
    next_seq: u64,
    refused: u64,
}

/// The rows of one instrument, in the order of their kinds.
#[derive(Default)]
struct Latest {
    definition: Option<Tick>,
    status: Option<Tick>,
    quote: Option<Tick>,
    trade: Option<Tick>,
}

impl Image {
    /// An image of at most `max_instruments` instruments, empty.
    #[must_use]
    pub fn new(max_instruments: usize) -> Image {
        Image {
            index: HashMap::default(),
            instruments: Vec::new(),
            max_instruments,
            next_seq: 1,
            refused: 0,
        }
    }

    /// Takes in the next tick.
    pub fn apply(&mut self, tick: &Tick) {
        self.next_seq = tick.seq() + 1;
        let body = tick.body();
        if matches!(body, Body::Unknown(..)) {
            return;
        }
        let Some(latest) = self.latest(tick.instrument()) else {
            self.refused += 1;
            return;
        };
        match body {
            Body::Definition(_) => latest.definition = Some(*tick),
            Body::Status(_) => latest.status = Some(*tick),
            Body::Quote(_) => latest.quote = Some(*tick),
            Body::Trade(_) => latest.trade = Some(*tick),
            Body::TradeBreak(broken) => latest.take_back(broken.trade_id.get()),
            Body::Clear(_) if planted!(ClearKeepsTrade) => latest.quote = None,
            Body::Clear(_) => (latest.quote, latest.trade) = (None, None),
            Body::Unknown(..) => {}
        }
    }

    /// The seq of the last tick taken in; 0 before the first.
    #[must_use]
    pub const fn as_of(&self) -> u64 {
        self.next_seq - 1
    }

    /// Ticks not taken in because their instrument was one too many.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether every instrument seen is in it.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.refused == 0
    }

    /// The most rows that [`Image::snapshot`] can have now.
    #[must_use]
    pub const fn most_rows(&self) -> usize {
        self.instruments.len() * 4
    }

    /// All rows, by instrument and then kind, flagged [`Flags::SNAPSHOT`], otherwise as they were
    /// published.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Tick> {
        let mut order: Vec<(u32, u32)> = self.index.iter().map(|(&i, &at)| (i, at)).collect();
        order.sort_unstable();
        let mut rows = Vec::with_capacity(order.len() * 3);
        for (_, at) in order {
            let latest = &self.instruments[at as usize];
            let present = [latest.definition, latest.status, latest.quote, latest.trade];
            let flagged = present.into_iter().flatten();
            rows.extend(flagged.map(|tick| tick.with_flags(Flags::SNAPSHOT)));
        }
        rows
    }

    fn latest(&mut self, instrument: u32) -> Option<&mut Latest> {
        let at = match self.index.get(&instrument) {
            Some(&at) => at as usize,
            None if self.instruments.len() >= self.max_instruments => return None,
            None => {
                let at = self.instruments.len();
                self.index.insert(instrument, at as u32);
                self.instruments.push(Latest::default());
                at
            }
        };
        self.instruments.get_mut(at)
    }
}

impl Latest {
    fn take_back(&mut self, trade_id: u64) {
        let last = self.trade.as_ref().and_then(Tick::as_trade);
        let is_last = last.is_some_and(|trade| trade.trade_id.get() == trade_id);
        if is_last && !planted!(BreakIgnored) {
            self.trade = None;
        }
    }
}

/// Spreads instrument numbers by one multiplication. They come from the publisher's own source,
/// not from clients, so nobody can choose them to collide.
#[derive(Default)]
struct InstrumentHasher(u64);

impl Hasher for InstrumentHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        let mixed = (self.0 ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The table takes its bits from both ends of the hash.
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tickcast_wire::{
        Clear, Definition, Kind, Quote, Side, Status, Symbol, Trade, TradeBreak, TradingState,
    };
    use zerocopy::{FromBytes, IntoBytes};

    fn tick(kind: Kind, instrument: u32, seq: u64) -> Tick {
        let at = seq * 10;
        let tick = match kind {
            Kind::Definition => Tick::new(
                Definition::new(Symbol::new(b"X"), 1, 1),
                1u16,
                instrument,
                at,
            ),
            Kind::Status => Tick::new(
                Status::new(TradingState::Trading, b'T', *b"    "),
                1u16,
                instrument,
                at,
            ),
            Kind::Quote => Tick::new(Quote::new(1, 2, 3, seq), 1u16, instrument, at),
            Kind::Trade => {
                let trade = Trade::new(1, 2, seq % 4, Side::Buy, [0; 7]);
                Tick::new(trade, 1u16, instrument, at)
            }
            Kind::TradeBreak => Tick::new(TradeBreak::new(1, 2, seq % 4), 1u16, instrument, at),
            Kind::Clear => Tick::new(Clear::default(), 1u16, instrument, at),
        };
        tick.with_seq(seq).with_ts_due(at + 1)
    }

    fn rows(image: &Image) -> Vec<(u32, Kind, u64)> {
        let rows = image.snapshot();
        assert!(rows.iter().all(|row| row.flags().contains(Flags::SNAPSHOT)));
        rows.iter()
            .map(|row| (row.instrument(), row.kind().unwrap(), row.seq()))
            .collect()
    }

    #[test]
    fn exact_trace() {
        let mut image = Image::new(10);
        assert_eq!((image.as_of(), image.snapshot()), (0, vec![]));
        image.apply(&tick(Kind::Trade, 9, 1));
        image.apply(&tick(Kind::Definition, 9, 2));
        image.apply(&tick(Kind::Quote, 4, 3));
        image.apply(&tick(Kind::Quote, 4, 4));
        image.apply(&tick(Kind::Status, 4, 5));
        let expected = [
            (4, Kind::Status, 5),
            (4, Kind::Quote, 4),
            (9, Kind::Definition, 2),
            (9, Kind::Trade, 1),
        ];
        assert_eq!((rows(&image), image.as_of()), (expected.to_vec(), 5));
        let quote = tick(Kind::Quote, 4, 4).with_flags(Flags::SNAPSHOT);
        assert_eq!(image.snapshot()[1], quote);

        image.apply(&tick(Kind::TradeBreak, 9, 6));
        assert_eq!(rows(&image).len(), 4, "another trade was taken back");
        image.apply(&tick(Kind::Clear, 4, 7));
        image.apply(&tick(Kind::TradeBreak, 9, 9));
        let expected = [(4, Kind::Status, 5), (9, Kind::Definition, 2)];
        assert_eq!((rows(&image), image.as_of()), (expected.to_vec(), 9));
    }

    #[test]
    fn unknown_kinds_leave_no_trace_but_count() {
        let mut bytes: [u8; 64] = tick(Kind::Quote, 1, 1).as_bytes().try_into().unwrap();
        bytes[0] = 99;
        let mut image = Image::new(0);
        image.apply(&Tick::read_from_bytes(&bytes).unwrap());
        assert_eq!((image.as_of(), image.refused()), (1, 0));
    }

    #[test]
    fn instruments_beyond_the_bound_are_counted() {
        let mut image = Image::new(2);
        for (seq, instrument) in [(1, 7), (2, 8), (3, 9), (4, 7), (5, 10)] {
            image.apply(&tick(Kind::Quote, instrument, seq));
        }
        assert_eq!(rows(&image), [(7, Kind::Quote, 4), (8, Kind::Quote, 2)]);
        assert_eq!((image.refused(), image.is_complete()), (2, false));
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(
            events in proptest::collection::vec((0usize..6, 0u32..5), 0..80),
        ) {
            let mut image = Image::new(5);
            let mut model: BTreeMap<(u32, u8), Tick> = BTreeMap::new();
            for (seq, (kind, instrument)) in (1..).zip(events) {
                let kind = Kind::ALL[kind];
                let tick = tick(kind, instrument, seq);
                image.apply(&tick);
                let trade = (instrument, Kind::Trade as u8);
                match kind {
                    Kind::Clear => {
                        model.remove(&trade);
                        model.remove(&(instrument, Kind::Quote as u8));
                    }
                    Kind::TradeBreak => {
                        let id = |t: &Tick| t.as_trade().unwrap().trade_id.get();
                        if model.get(&trade).is_some_and(|last| id(last) == seq % 4) {
                            model.remove(&trade);
                        }
                    }
                    _ => {
                        model.insert((instrument, kind as u8), tick);
                    }
                }
            }
            let flagged = model.into_values().map(|tick| tick.with_flags(Flags::SNAPSHOT));
            prop_assert_eq!(image.snapshot(), flagged.collect::<Vec<_>>());
        }
    }
}
