use std::hint::black_box;

use tickcast_wire::{Quote, UNDEFINED_PRICE};

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
#[derive(Debug, Clone, Default)]
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

    /// Brings the middle of each side, where searches begin, into the cache: reads it for nothing.
    #[inline]
    pub(crate) fn touch(&self) {
        for Levels(levels) in &self.sides {
            black_box(levels.get(levels.len() / 2).map(|level| level.rank));
        }
    }

    /// The levels of a side, the best first.
    pub fn levels(&self, side: Side) -> impl ExactSizeIterator<Item = Level> {
        let levels = &self.sides[side as usize].0;
        levels.iter().rev().map(move |level| level.at_price(side))
    }

    /// Adds to a level. Says whether the best of the side changed.
    #[inline]
    pub(crate) fn add(&mut self, side: Side, price: i64, size: u32) -> bool {
        self.sides[side as usize].add(rank(side, price), size)
    }

    /// Takes off a level. Says whether the best of the side changed.
    #[inline]
    pub(crate) fn remove(&mut self, side: Side, price: i64, size: u32) -> bool {
        self.sides[side as usize].remove(rank(side, price), size)
    }

    #[inline]
    pub(crate) fn best_of(&self, side: Side) -> Option<Level> {
        let best = self.sides[side as usize].0.last();
        best.map(|level| level.at_price(side))
    }
}

/// How good a price is: of two prices on a side, the better has the higher rank. The rank of a
/// rank is the price again.
#[inline]
fn rank(side: Side, price: i64) -> i64 {
    // All bits of an ask are turned over.
    price ^ -(side as i64)
}

/// A level by its rank.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    rank: i64,
    size: u64,
}

impl Ranked {
    #[inline]
    fn at_price(self, side: Side) -> Level {
        Level {
            price: rank(side, self.rank),
            size: self.size,
        }
    }
}

/// Levels with the best at the end, where most changes happen and cost no move of the others.
#[derive(Debug, Clone, Default)]
struct Levels(Vec<Ranked>);

impl Levels {
    /// How many levels are worse: the index of the level of this rank, if there is one.
    #[inline]
    fn worse_than(&self, rank: i64) -> usize {
        // No branch depends on what it finds: where a price is cannot be guessed.
        self.0.partition_point(|level| level.rank < rank)
    }

    /// Sizes cannot overflow: a level holds fewer than 2^32 orders of less than 2^32 each.
    #[inline]
    fn add(&mut self, rank: i64, size: u32) -> bool {
        let at = self.worse_than(rank);
        let size = u64::from(size);
        match self.0.get_mut(at) {
            Some(level) if level.rank == rank => level.size += size,
            _ => self.0.insert(at, Ranked { rank, size }),
        }
        at + 1 == self.0.len()
    }

    #[inline]
    fn remove(&mut self, rank: i64, size: u32) -> bool {
        let at = self.worse_than(rank);
        let was_best = at + 1 == self.0.len();
        if let Some(level) = self.0.get_mut(at) {
            level.size -= u64::from(size);
            if level.size == 0 {
                self.0.remove(at);
            }
        }
        was_best
    }
}
