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
    bids: Levels<false>,
    asks: Levels<true>,
}

impl Book {
    /// The best level of each side.
    #[must_use]
    pub fn best(&self) -> BestBidOffer {
        BestBidOffer {
            bid: self.bids.best(),
            ask: self.asks.best(),
        }
    }

    /// The levels of a side, the best first.
    pub fn levels(&self, side: Side) -> impl ExactSizeIterator<Item = Level> {
        let levels = match side {
            Side::Bid => &self.bids.0,
            Side::Ask => &self.asks.0,
        };
        levels.iter().rev().copied()
    }

    /// Adds to a level. Says whether the best of the side changed.
    #[inline]
    pub(crate) fn add(&mut self, side: Side, price: i64, size: u32) -> bool {
        match side {
            Side::Bid => self.bids.add(price, size),
            Side::Ask => self.asks.add(price, size),
        }
    }

    /// Takes off a level. Says whether the best of the side changed.
    #[inline]
    pub(crate) fn remove(&mut self, side: Side, price: i64, size: u32) -> bool {
        match side {
            Side::Bid => self.bids.remove(price, size),
            Side::Ask => self.asks.remove(price, size),
        }
    }

    #[inline]
    pub(crate) fn best_of(&self, side: Side) -> Option<Level> {
        match side {
            Side::Bid => self.bids.best(),
            Side::Ask => self.asks.best(),
        }
    }
}

/// Levels with the best at the end, where most changes happen and cost no move of the others.
#[derive(Debug, Clone, Default)]
struct Levels<const LOWEST_IS_BEST: bool>(Vec<Level>);

impl<const LOWEST_IS_BEST: bool> Levels<LOWEST_IS_BEST> {
    /// How many levels are looked at one by one from the best, before a binary search.
    const NEAR: usize = 8;

    #[inline]
    fn best(&self) -> Option<Level> {
        self.0.last().copied()
    }

    #[inline]
    fn is_worse(a: i64, b: i64) -> bool {
        if LOWEST_IS_BEST { a > b } else { a < b }
    }

    /// How many levels are worse than `price`: the index of its level, if it has one.
    #[inline]
    fn worse_than(&self, price: i64) -> usize {
        let far = self.0.len().saturating_sub(Self::NEAR);
        match self.0[far..]
            .iter()
            .rposition(|level| Self::is_worse(level.price, price))
        {
            Some(last_worse) => far + last_worse + 1,
            None => self.0[..far].partition_point(|level| Self::is_worse(level.price, price)),
        }
    }

    /// Sizes cannot overflow: a level holds fewer than 2^32 orders of less than 2^32 each.
    #[inline]
    fn add(&mut self, price: i64, size: u32) -> bool {
        let at = self.worse_than(price);
        match self.0.get_mut(at) {
            Some(level) if level.price == price => level.size += u64::from(size),
            _ => self.0.insert(
                at,
                Level {
                    price,
                    size: u64::from(size),
                },
            ),
        }
        at + 1 == self.0.len()
    }

    #[inline]
    fn remove(&mut self, price: i64, size: u32) -> bool {
        let at = self.worse_than(price);
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
