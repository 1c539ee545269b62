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
    /// The sizes of the near levels, [`NEAR`] of them; none before the first order, and while a
    /// level is larger than fits. With `u64` there would be twice the memory to wait for.
    near: Box<[u32]>,
    /// All other levels, the best last.
    far: Vec<Ranked>,
    /// Changes of far levels since the near ones were chosen.
    misses: u32,
}

const BASE_MAX: i64 = i64::MAX - (NEAR as u64 * STEP) as i64;

impl Levels {
    /// Adds to a level, or takes off it if `more` is negative. Says whether it was the best or is now.
    ///
    /// Sizes cannot overflow: a level holds fewer than 2^32 orders of less than 2^32 each.
    #[inline]
    pub fn change(&mut self, rank: i64, more: i64) -> bool {
        let at = self.steps(rank);
        let Some(size) = self.near.get_mut(at as usize) else {
            return self.change_far(rank, more);
        };
        let Ok(sum) = u32::try_from(i64::from(*size) + more) else {
            return self.outgrow_near(rank, more);
        };
        *size = sum;
        let is_taken = u64::from(sum != 0);
        // By the bits above it, so that the branch need not wait for the size to come from memory.
        let none_is_better_near = self.taken >> at <= 1;
        self.taken = self.taken & !(1 << at) | is_taken << at;
        none_is_better_near && (self.far.is_empty() || self.none_is_better(rank))
    }

    /// The best level; one of size 0 if there is none.
    #[inline]
    pub fn best(&self) -> Ranked {
        let near = self.near_level((self.taken | 1).ilog2());
        if self.far.is_empty() {
            return near;
        }
        self.best_of_all(near)
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

    /// The near level of this bit.
    #[inline]
    fn near_level(&self, at: u32) -> Ranked {
        Ranked {
            rank: self.base + (u64::from(at) * STEP) as i64,
            size: self
                .near
                .get(at as usize)
                .copied()
                .unwrap_or_default()
                .into(),
        }
    }

    fn near_levels(&self) -> impl Iterator<Item = Ranked> {
        let is_taken = |at: &u32| self.taken >> at & 1 == 1;
        (0..u64::BITS)
            .filter(is_taken)
            .map(|at| self.near_level(at))
    }

    /// As [`change`](Levels::change), when the near level becomes larger than fits: all levels are
    /// far ones for as long as one is so large.
    #[cold]
    #[inline(never)]
    fn outgrow_near(&mut self, rank: i64, more: i64) -> bool {
        self.far = self.sorted();
        self.near = Box::default();
        self.taken = 0;
        self.change_far(rank, more)
    }

    #[cold]
    #[inline(never)]
    fn change_far(&mut self, rank: i64, more: i64) -> bool {
        let at = match self.far.binary_search_by_key(&rank, |level| level.rank) {
            Ok(at) => at,
            Err(at) => {
                self.far.insert(at, Ranked { rank, size: 0 });
                at
            }
        };
        let level = &mut self.far[at];
        level.size = level.size.wrapping_add_signed(more);
        if level.size == 0 {
            self.far.remove(at);
        }
        let is_best = self.none_is_better(rank);
        self.miss();
        is_best
    }

    /// The best level when there are far ones, beside the best near one.
    #[cold]
    fn best_of_all(&self, near: Ranked) -> Ranked {
        let far = self.far.last().copied();
        far.filter(|far| near.size == 0 || far.rank > near.rank)
            .unwrap_or(near)
    }

    /// Whether no level is better than this rank.
    #[cold]
    fn none_is_better(&self, rank: i64) -> bool {
        let best = self.best();
        best.size == 0 || best.rank <= rank
    }

    /// Counts a change of a far level; after many, or at the first, chooses the near levels anew.
    fn miss(&mut self) {
        self.misses += 1;
        let is_first = self.near.is_empty() && self.far.len() == 1;
        if is_first || self.misses as usize > MISSES + self.far.len() {
            self.misses = 0;
            let best = self.best();
            if best.size != 0 {
                self.choose_near(best.rank);
            }
        }
    }

    fn choose_near(&mut self, best: i64) {
        let mut all = self.sorted();
        if all.iter().any(|level| level.size > u32::MAX.into()) {
            return;
        }
        self.base = best.saturating_sub((BEST_AT * STEP) as i64).min(BASE_MAX);
        self.taken = 0;
        self.near = Box::new([0; NEAR]);
        all.retain(|level| {
            let at = self.steps(level.rank);
            let Some(size) = self.near.get_mut(at as usize) else {
                return true;
            };
            *size = level.size as u32;
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
                levels.change(rank, 7);
                if cents >= 10 {
                    levels.change(rank - direction * 10 * CENT, -7);
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
        levels.change(0, 1);
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

    /// Levels of more than 2^32 are kept right, and found near again when they are gone.
    #[test]
    fn a_level_may_be_larger_than_a_near_one() {
        const ORDER: i64 = u32::MAX as i64;
        let mut levels = Levels::default();
        let sizes = |levels: &Levels| -> Vec<(i64, u64)> {
            let sorted = levels.sorted().into_iter();
            sorted.map(|level| (level.rank, level.size)).collect()
        };
        assert!(levels.change(CENT, 7));
        assert!(!levels.change(0, ORDER));
        assert!(!levels.change(0, ORDER));
        assert_eq!(sizes(&levels), [(0, 2 * ORDER as u64), (CENT, 7)]);
        assert!(levels.change(2 * CENT, 1));
        assert!(levels.change(2 * CENT, -1));
        for _ in 0..100 {
            assert!(levels.change(CENT, 1));
        }
        assert!(!levels.change(0, -ORDER));
        assert_eq!(sizes(&levels), [(0, ORDER as u64), (CENT, 107)]);
        for _ in 0..100 {
            assert!(levels.change(CENT, -1));
        }
        assert_eq!(levels.far.len(), 0);
        assert_eq!(sizes(&levels), [(0, ORDER as u64), (CENT, 7)]);
        let best = levels.best();
        assert_eq!((best.rank, best.size), (CENT, 7));
    }
}
