use tickcast_wire::{Quote, UNDEFINED_PRICE};

use crate::levels::{Levels, Ranked};

/// A side of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Orders to buy; the highest price is best.
    Bid,
    /// Orders to sell; the lowest price is best.
    Ask,
}

/// A price and the size of all orders that rest at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Price, `× 1e-9`.
    pub price: i64,
    /// Sum of the orders, in units of the instrument; never 0.
    pub size: u64,
}

/// The best level of each side, `None` for a side without orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BestBidOffer {
    /// The highest bid.
    pub bid: Option<Level>,
    /// The lowest ask.
    pub ask: Option<Level>,
}

impl From<BestBidOffer> for Quote {
    fn from(best: BestBidOffer) -> Quote {
        const NONE: Level = Level {
            price: UNDEFINED_PRICE,
            size: 0,
        };
        let bid = best.bid.unwrap_or(NONE);
        let ask = best.ask.unwrap_or(NONE);
        Quote::new(bid.price, bid.size, ask.price, ask.size)
    }
}

/// The price levels of one instrument.
// Aligned to a pair of lines of the cache, which processors fetch together.
#[derive(Debug, Clone, Default)]
#[repr(align(128))]
pub struct Book {
    /// By side; not a field for each, so that there is no branch on it.
    sides: [Levels; 2],
}

impl Book {
    /// The best level of each side.
    #[must_use]
    #[inline]
    pub fn best(&self) -> BestBidOffer {
        BestBidOffer {
            bid: self.best_of(Side::Bid),
            ask: self.best_of(Side::Ask),
        }
    }

    /// The levels of a side, the best first.
    pub fn levels(&self, side: Side) -> impl ExactSizeIterator<Item = Level> + use<> {
        let levels = self.sides[side as usize].sorted();
        levels
            .into_iter()
            .rev()
            .map(move |level| at_price(level, side))
    }

    /// Brings into the cache where the levels of both sides are found.
    #[inline]
    pub(crate) fn touch(&self) {
        self.sides.iter().for_each(Levels::touch);
    }

    /// Adds to a level, or takes off it if `more` is negative. Says whether it was the best of its side or is now.
    #[inline]
    pub(crate) fn change(&mut self, side: Side, price: i64, more: i64) -> bool {
        self.sides[side as usize].change(rank(side, price), more)
    }

    #[inline]
    pub(crate) fn best_of(&self, side: Side) -> Option<Level> {
        let best = self.sides[side as usize].best();
        (best.size != 0).then_some(at_price(best, side))
    }
}

/// How good a price is: of two prices on a side, the better has the higher rank. The rank of a
/// rank is the price again.
#[inline]
fn rank(side: Side, price: i64) -> i64 {
    // All bits of an ask are turned over.
    price ^ -(side as i64)
}

#[inline]
fn at_price(level: Ranked, side: Side) -> Level {
    Level {
        price: rank(side, level.rank),
        size: level.size,
    }
}
