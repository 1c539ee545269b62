//! Many ticks folded into the latest of each instrument and kind.

use std::collections::HashMap;

use tickcast_wire::{Kind, Tick};

use crate::event::Conflated;

/// The most ticks that are kept of what is folded: 16 MiB, enough for the four kinds of state of
/// 65,536 instruments. At that many the fold ends and another one begins.
const KEPT_MAX: usize = 1 << 18;

/// Ticks in a row, of which the latest of each instrument and kind are kept, and all trade breaks.
///
/// Whoever takes in what is kept, in order, knows the same of every instrument as one who took in
/// all: a tick is left out only if a later one of its instrument and kind takes its place.
#[derive(Debug, Default)]
pub(crate) struct Conflation {
    /// Where the latest tick of an instrument and kind lies in `kept`.
    latest: HashMap<(u32, u8), usize>,
    kept: Vec<Tick>,
    session: u64,
    first_seq: u64,
    count: u64,
    /// Trades among what was left out.
    trades: u64,
}

impl Conflation {
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether there is room for so many more ticks.
    pub(crate) fn has_room(&self, ticks: usize) -> bool {
        self.kept.len() + ticks <= KEPT_MAX
    }

    /// Takes in the next ticks of a session.
    pub(crate) fn add(&mut self, session: u64, first_seq: u64, ticks: &[Tick]) {
        if self.is_empty() {
            (self.session, self.first_seq) = (session, first_seq);
        }
        self.count += ticks.len() as u64;
        for tick in ticks {
            self.keep(tick);
        }
    }

    fn keep(&mut self, tick: &Tick) {
        // Each takes back another trade, and none takes the place of another.
        if tick.kind() == Some(Kind::TradeBreak) {
            return self.kept.push(*tick);
        }
        let key = (tick.instrument(), tick.kind_code());
        let at = *self.latest.entry(key).or_insert(self.kept.len());
        if let Some(earlier) = self.kept.get_mut(at) {
            *earlier = *tick;
            self.trades += u64::from(tick.kind() == Some(Kind::Trade));
        } else {
            self.kept.push(*tick);
        }
    }

    /// What was folded, and the ticks kept, in order. It is empty afterwards.
    pub(crate) fn take(&mut self) -> (Conflated, Vec<Tick>) {
        self.latest.clear();
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_unstable_by_key(Tick::seq);
        let conflated = Conflated {
            session: self.session,
            first_seq: self.first_seq,
            count: std::mem::take(&mut self.count),
            left_out: 0,
            trades: std::mem::take(&mut self.trades),
        };
        let left_out = conflated.count - kept.len() as u64;
        (
            Conflated {
                left_out,
                ..conflated
            },
            kept,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tickcast_protocol::Image;
    use tickcast_wire::{
        Clear, Definition, Quote, Side, Status, Symbol, Trade, TradeBreak, TradingState,
    };

    fn tick(kind: Kind, instrument: u32, id: u64, seq: u64) -> Tick {
        let tick = |body| Tick::new(body, 1_u16, instrument, seq);
        match kind {
            Kind::Definition => Tick::new(
                Definition::new(Symbol::new(b"X"), 1, 1),
                1_u16,
                instrument,
                seq,
            ),
            Kind::Status => {
                let status = Status::new(TradingState::Trading, b'T', *b"    ");
                Tick::new(status, 1_u16, instrument, seq)
            }
            Kind::Quote => tick(Quote::new(1, 2, 3, seq)),
            Kind::Trade => Tick::new(
                Trade::new(1, 2, id, Side::Buy, [0; 7]),
                1_u16,
                instrument,
                seq,
            ),
            Kind::TradeBreak => Tick::new(TradeBreak::new(1, 2, id), 1_u16, instrument, seq),
            Kind::Clear => Tick::new(Clear::default(), 1_u16, instrument, seq),
        }
        .with_seq(seq)
    }

    #[test]
    fn exact_trace() {
        let mut conflation = Conflation::default();
        let ticks = [
            tick(Kind::Trade, 1, 7, 5),
            tick(Kind::Quote, 1, 0, 6),
            tick(Kind::TradeBreak, 1, 7, 7),
            tick(Kind::Quote, 2, 0, 8),
            tick(Kind::Trade, 1, 8, 9),
            tick(Kind::Quote, 1, 0, 10),
            tick(Kind::TradeBreak, 1, 6, 11),
        ];
        conflation.add(3, 5, &ticks[..4]);
        conflation.add(3, 9, &ticks[4..]);
        let (conflated, kept) = conflation.take();
        let expected = Conflated {
            session: 3,
            first_seq: 5,
            count: 7,
            left_out: 2,
            trades: 1,
        };
        assert_eq!(conflated, expected);
        assert_eq!(kept, [ticks[2], ticks[3], ticks[4], ticks[5], ticks[6]]);
        assert!(conflation.is_empty());
        // Nothing of before is left in it.
        conflation.add(4, 1, &ticks[..1]);
        let (conflated, kept) = conflation.take();
        assert_eq!(
            (conflated.session, conflated.count, conflated.left_out),
            (4, 1, 0)
        );
        assert_eq!(kept, ticks[..1]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut conflation = Conflation::default();
        let mut seq = 1;
        while conflation.has_room(63) {
            // Half of them take no other's place because they are trade breaks, half because each
            // is of another instrument.
            let kind = [Kind::Quote, Kind::TradeBreak][seq as usize % 2];
            conflation.add(1, seq, &[tick(kind, seq as u32, 0, seq)]);
            seq += 1;
        }
        assert_eq!(conflation.kept.len(), KEPT_MAX - 62);
        conflation.take();
        assert!(conflation.has_room(KEPT_MAX));
    }

    proptest! {
        /// The state after what is kept is the state after all of it, whatever it was before.
        #[test]
        fn what_is_kept_gives_the_same_state(
            before in proptest::collection::vec((0usize..6, 0u32..3, 0u64..3), 0..20),
            range in proptest::collection::vec((0usize..6, 0u32..3, 0u64..3), 1..60),
        ) {
            let all: Vec<Tick> = before
                .iter()
                .chain(&range)
                .zip(1..)
                .map(|(&(kind, instrument, id), seq)| tick(Kind::ALL[kind], instrument, id, seq))
                .collect();
            let (before, range) = all.split_at(before.len());
            let mut conflation = Conflation::default();
            let first_seq = before.len() as u64 + 1;
            conflation.add(1, first_seq, range);
            let (conflated, kept) = conflation.take();

            let state = |ticks: &[&[Tick]]| {
                let mut image = Image::new(10);
                ticks.iter().copied().flatten().for_each(|tick| image.apply(tick));
                image.snapshot()
            };
            prop_assert_eq!(state(&[before, &kept]), state(&[before, range]));
            prop_assert!(kept.is_sorted_by_key(Tick::seq));
            prop_assert!(kept.iter().all(|tick| range.contains(tick)));
            prop_assert_eq!(conflated.count, range.len() as u64);
            prop_assert_eq!(conflated.left_out, (range.len() - kept.len()) as u64);
            let of = |ticks: &[Tick], kind| ticks.iter().filter(|t| t.kind() == Some(kind)).count();
            let trades = of(range, Kind::Trade) - of(&kept, Kind::Trade);
            prop_assert_eq!(conflated.trades, trades as u64);
            prop_assert_eq!(of(&kept, Kind::TradeBreak), of(range, Kind::TradeBreak));
        }
    }
}
