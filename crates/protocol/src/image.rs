//! The latest state of every instrument.

mod places;

use tickcast_wire::{Body, Flags, Kind, Tick};

use self::places::Places;

/// The default of the most instruments in an [`Image`].
pub const DEFAULT_MAX_INSTRUMENTS: usize = 65_536;

/// The latest definition, status, quote and trade of every instrument, as of one seq.
///
/// A Clear wipes quote and trade. A TradeBreak wipes the trade if it takes back just that one.
/// Kinds that this version does not know leave no trace. Memory grows with the instruments seen,
/// up to a bound; ticks of instruments beyond it are counted and leave the image incomplete.
pub struct Image {
    /// Where each instrument lies.
    places: Places,
    instruments: Vec<Latest>,
    /// The instrument at each place.
    numbers: Vec<u32>,
    max_instruments: usize,
    next_seq: u64,
    refused: u64,
}

/// The rows of one instrument, in the order of their kinds: those that only replace what was there.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Latest([Tick; ROWS]);

const ROWS: usize = 4;

/// The row of a kind: one of [`ROWS`], or no row for kinds that change others.
#[inline]
const fn row_of(kind: Kind) -> usize {
    kind as usize - 1
}

/// No kind has code 0: where this lies, there is no row.
const NO_ROW: Tick = Tick::from_words([0; 8]);

impl Image {
    /// An image of at most `max_instruments` instruments, empty.
    #[must_use]
    pub fn new(max_instruments: usize) -> Image {
        Image {
            places: Places::new(max_instruments),
            instruments: Vec::new(),
            numbers: Vec::new(),
            max_instruments,
            next_seq: 1,
            refused: 0,
        }
    }

    /// Takes in the next tick.
    #[inline]
    pub fn apply(&mut self, tick: &Tick) {
        self.next_seq = tick.seq() + 1;
        let Some(kind) = tick.kind() else { return };
        let Some(latest) = self.latest(tick.instrument()) else {
            self.refused += 1;
            return;
        };
        // Nearly all ticks, so that they do not go through a table of jumps.
        if let Some(row) = latest.0.get_mut(row_of(kind)) {
            *row = *tick;
        } else if kind == Kind::Clear {
            latest.clear();
        } else {
            latest.take_back(tick);
        }
    }

    /// Takes in the next ticks.
    pub fn apply_all(&mut self, ticks: &[Tick]) {
        for tick in ticks {
            self.apply(tick);
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
        self.instruments.len() * ROWS
    }

    /// All rows, by instrument and then kind, flagged [`Flags::SNAPSHOT`], otherwise as they were
    /// published.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Tick> {
        let mut order: Vec<_> = self.numbers.iter().zip(&self.instruments).collect();
        order.sort_unstable_by_key(|&(number, _)| number);
        let rows = order.into_iter().flat_map(|(_, latest)| &latest.0);
        rows.filter(|row| row.kind().is_some())
            .map(|row| row.with_flags(Flags::SNAPSHOT))
            .collect()
    }

    #[inline]
    fn latest(&mut self, instrument: u32) -> Option<&mut Latest> {
        let place = match self.places.find(instrument) {
            Some(place) => place,
            None => self.add(instrument)?,
        };
        self.instruments.get_mut(place)
    }

    /// The place of a new instrument, if there is room for it.
    #[cold]
    fn add(&mut self, instrument: u32) -> Option<usize> {
        let place = self.instruments.len();
        if place >= self.max_instruments {
            return None;
        }
        self.places.insert(instrument, place as u32);
        self.instruments.push(Latest([NO_ROW; ROWS]));
        self.numbers.push(instrument);
        Some(place)
    }
}

impl Latest {
    fn take_back(&mut self, broken: &Tick) {
        let Body::TradeBreak(broken) = broken.body() else {
            return;
        };
        let trade = &mut self.0[row_of(Kind::Trade)];
        let last = trade.as_trade().map(|trade| trade.trade_id);
        if last == Some(broken.trade_id) && !planted!(BreakIgnored) {
            *trade = NO_ROW;
        }
    }

    fn clear(&mut self) {
        self.0[row_of(Kind::Quote)] = NO_ROW;
        if !planted!(ClearKeepsTrade) {
            self.0[row_of(Kind::Trade)] = NO_ROW;
        }
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

    #[test]
    fn instruments_of_any_number_have_their_own_rows() {
        let numbers = [0, 1, 39, 40, 41, 1 << 20, u32::MAX - 1, u32::MAX];
        let mut image = Image::new(10);
        for (seq, instrument) in (1..).zip(numbers.into_iter().rev().chain(numbers)) {
            image.apply(&tick(Kind::Quote, instrument, seq));
        }
        let expected = numbers.map(|number| (number, Kind::Quote));
        let seqs = numbers.len() as u64 + 1..;
        let expected = expected.into_iter().zip(seqs);
        let expected: Vec<_> = expected
            .map(|((number, kind), seq)| (number, kind, seq))
            .collect();
        assert_eq!((rows(&image), image.refused()), (expected, 0));
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
