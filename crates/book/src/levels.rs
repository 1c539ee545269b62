//! The price levels of a side, each by its rank: of two levels the better has the higher one.

use std::hint::black_box;

/// What most prices are a multiple of, `× 1e-9`: a cent.
const STEP: u64 = 10_000_000;

/// How many levels near the best are found by counting steps, and which of them the best becomes
/// when they are chosen: better ones are to come.
const NEAR: usize = 64;
const BEST_AT: u64 = 47;

/// Changes of far levels, beside one for each of them, before the near ones are chosen anew: what
/// that takes is little for each change.
const MISSES: usize = 8;

/// A level by its rank.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranked {
    pub rank: i64,
    pub size: u64,
}

/// The levels of a side.
///
/// Most changes are near the best. There a level is found, made and removed without a search, a
/// move or a branch that depends on the price, which cannot be guessed. Levels elsewhere, and those
/// between two steps, are in a sorted list.
#[derive(Debug, Clone, Default)]
#[repr(align(64))]
pub(crate) struct Levels {
    /// The rank of the first near level, the worst; the others are a step apart. At most
    /// [`BASE_MAX`], so that no rank of them overflows.
    base: i64,
    /// A bit for each near level: whether an order rests there.
    taken: u64,
    /// The sizes of the near levels; none before the first order.
    near: Option<Box<[u64; NEAR]>>,
    /// All other levels, the best last.
    far: Vec<Ranked>,
    /// Changes of far levels since the near ones were chosen.
    misses: u32,
}

const BASE_MAX: i64 = i64::MAX - (NEAR as u64 * STEP) as i64;

impl Levels {
    /// Adds to a level. Says whether it is the best.
    ///
    /// Sizes cannot overflow: a level holds fewer than 2^32 orders of less than 2^32 each.
    #[inline]
    pub fn add(&mut self, rank: i64, size: u32) -> bool {
        let at = self.steps(rank);
        let Some(size_there) = self.near_size(at) else {
            return self.add_far(rank, size.into());
        };
        *size_there += u64::from(size);
        self.taken |= 1 << at;
        self.is_best(at, rank)
    }

    /// Takes off a level, which has that much. Says whether it was the best.
    #[inline]
    pub fn remove(&mut self, rank: i64, size: u32) -> bool {
        let at = self.steps(rank);
        let Some(size_there) = self.near_size(at) else {
            return self.remove_far(rank, size.into());
        };
        *size_there -= u64::from(size);
        let is_gone = *size_there == 0;
        let was_best = self.is_best(at, rank);
        self.taken &= !(u64::from(is_gone) << at);
        was_best
    }

    /// The best level.
    #[inline]
    pub fn best(&self) -> Option<Ranked> {
        let near = self.taken.checked_ilog2().map(|at| self.near_level(at));
        match (near, self.far.last()) {
            (Some(near), Some(far)) if near.rank < far.rank => Some(*far),
            (None, Some(far)) => Some(*far),
            _ => near,
        }
    }

    /// All levels, the best last.
    pub fn sorted(&self) -> Vec<Ranked> {
        let mut all = self.far.clone();
        all.extend(self.near_levels());
        all.sort_unstable_by_key(|level| level.rank);
        all
    }

    /// Brings into the cache where levels are found: reads it for nothing.
    #[inline]
    pub fn touch(&self) {
        black_box(self.base);
    }

    /// How many steps a rank is from the first near one; [`NEAR`] or more if it is none of them.
    #[inline]
    fn steps(&self, rank: i64) -> u64 {
        let distance = rank.wrapping_sub(self.base) as u64;
        // A rotation by the zeros at the end of a step and a product with the inverse of the rest
        // of it gives the quotient of multiples, and something larger for all others.
        const INVERSE: u64 = inverse(STEP >> STEP.trailing_zeros());
        distance
            .wrapping_mul(INVERSE)
            .rotate_right(STEP.trailing_zeros())
    }

    /// The size of the near level that is so many steps from the first.
    #[inline]
    fn near_size(&mut self, at: u64) -> Option<&mut u64> {
        let near = self.near.as_mut()?;
        (at < NEAR as u64).then(|| &mut near[at as usize])
    }

    /// Whether no level is better than this near one, at which orders rest.
    #[inline]
    fn is_best(&self, at: u64, rank: i64) -> bool {
        self.taken.wrapping_shr(at as u32) == 1 && self.far.last().is_none_or(|far| far.rank < rank)
    }

    /// The near level of a bit that is set.
    #[inline]
    fn near_level(&self, at: u32) -> Ranked {
        let near = self.near.as_ref();
        Ranked {
            rank: self.base + (u64::from(at) * STEP) as i64,
            size: near.map_or(0, |near| near[at as usize]),
        }
    }

    fn near_levels(&self) -> impl Iterator<Item = Ranked> {
        let is_taken = |at: &u32| self.taken >> at & 1 == 1;
        (0..u64::BITS)
            .filter(is_taken)
            .map(|at| self.near_level(at))
    }

    #[cold]
    fn add_far(&mut self, rank: i64, size: u64) -> bool {
        match self.far.binary_search_by_key(&rank, |level| level.rank) {
            Ok(at) => self.far[at].size += size,
            Err(at) => self.far.insert(at, Ranked { rank, size }),
        }
        let is_best = self.best().is_some_and(|best| best.rank == rank);
        self.miss();
        is_best
    }

    #[cold]
    fn remove_far(&mut self, rank: i64, size: u64) -> bool {
        let was_best = self.best().is_some_and(|best| best.rank == rank);
        if let Ok(at) = self.far.binary_search_by_key(&rank, |level| level.rank) {
            self.far[at].size -= size;
            if self.far[at].size == 0 {
                self.far.remove(at);
            }
        }
        self.miss();
        was_best
    }

    /// Counts a change of a far level; after many, or at the first, chooses the near levels anew.
    fn miss(&mut self) {
        self.misses += 1;
        if self.near.is_none() || self.misses as usize > MISSES + self.far.len() {
            self.misses = 0;
            if let Some(best) = self.best() {
                self.choose_near(best.rank);
            }
        }
    }

    fn choose_near(&mut self, best: i64) {
        let mut all = self.sorted();
        self.base = best.saturating_sub((BEST_AT * STEP) as i64).min(BASE_MAX);
        self.taken = 0;
        self.near = Some(Box::new([0; NEAR]));
        all.retain(|level| {
            let at = self.steps(level.rank);
            let Some(size) = self.near_size(at) else {
                return true;
            };
            *size = level.size;
            self.taken |= 1 << at;
            false
        });
        self.far = all;
    }
}

/// What an odd number is to be multiplied with for 1, modulo 2^64.
const fn inverse(odd: u64) -> u64 {
    // Right in 3 bits, and in twice as many after each step (Newton).
    let mut inverse = odd;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENT: i64 = STEP as i64;

    /// A market that goes up or down by many cents is still dealt with near its best: what is far
    /// stays few.
    #[test]
    fn the_near_levels_follow_the_best() {
        for direction in [1, -1] {
            let mut levels = Levels::default();
            for cents in 0..10_000 {
                let rank = direction * cents * CENT;
                levels.add(rank, 7);
                if cents >= 10 {
                    levels.remove(rank - direction * 10 * CENT, 7);
                }
                assert_eq!(levels.sorted().len() as i64, 10.min(cents + 1));
                assert!(levels.far.len() <= MISSES + 10);
            }
            assert!(levels.base.abs_diff(direction * 10_000 * CENT) < 2 * NEAR as u64 * STEP);
        }
    }

    #[test]
    fn only_whole_steps_are_near() {
        let mut levels = Levels::default();
        levels.add(0, 1);
        let first = -(BEST_AT as i64);
        let last = first + NEAR as i64 - 1;
        assert_eq!(levels.steps(first * CENT), 0);
        assert_eq!(levels.steps(last * CENT), NEAR as u64 - 1);
        for rank in [
            i64::MIN,
            (first - 1) * CENT,
            1,
            -1,
            CENT / 2,
            (last + 1) * CENT,
            i64::MAX,
        ] {
            assert!(levels.steps(rank) >= NEAR as u64, "{rank}");
        }
    }
}
