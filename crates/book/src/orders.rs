//! The resting orders, by their references: a table of buckets of two lines of cache each.
//!
//! Every message of a venue looks up an order. In which slot it is cannot be guessed, so all
//! references of a bucket are compared at once, and nearly every order is in the first bucket that is
//! looked at. Buckets count those that had to go past them, so that a search knows when to go on, and
//! an order that leaves leaves nothing behind.

use std::hash::BuildHasher;
use std::hint::black_box;

use foldhash::fast::RandomState;

use crate::book::Side;
use crate::books::Order;

/// Slots of a bucket: with this many it is 128 bytes.
const SLOTS: usize = 5;

/// How many of them are taken at most on average, before the table doubles: then few buckets are
/// full, and seldom does an order have to go past its own.
const SLOTS_TAKEN: usize = 3;

/// Buckets of an empty table.
const BUCKETS_MIN: usize = 16;

/// Aligned to a pair of lines, which processors fetch together.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(128))]
struct Bucket {
    references: [u64; SLOTS],
    /// A bit for each slot: whether an order rests there.
    taken: u32,
    /// How many orders are in a later bucket since this one was full when they came.
    passed: u32,
    orders: [Resting; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 128);

/// An order that rests, as it lies in its slot.
#[derive(Debug, Clone, Copy)]
struct Resting {
    price: i64,
    size: u32,
    /// Twice the instrument, plus 1 for an ask.
    side: u32,
}

impl Bucket {
    const EMPTY: Bucket = Bucket {
        references: [0; SLOTS],
        taken: 0,
        passed: 0,
        orders: [Resting {
            price: 0,
            size: 0,
            side: 0,
        }; SLOTS],
    };

    /// A bit for each slot: whether the order with this reference rests there.
    #[inline]
    fn slots_of(&self, reference: u64) -> u32 {
        let bits = (0..).zip(&self.references);
        let equal = bits.fold(0, |bits, (bit, &there)| {
            bits | u32::from(there == reference) << bit
        });
        equal & self.taken
    }

    /// A bit for each slot: whether no order rests there.
    #[inline]
    fn free_slots(&self) -> u32 {
        !self.taken & ((1 << SLOTS) - 1)
    }
}

impl From<Order> for Resting {
    #[inline]
    fn from(order: Order) -> Resting {
        Resting {
            price: order.price,
            size: order.size,
            side: order.instrument << 1 | order.side as u32,
        }
    }
}

impl From<Resting> for Order {
    #[inline]
    fn from(order: Resting) -> Order {
        Order {
            price: order.price,
            size: order.size,
            instrument: order.side >> 1,
            side: if order.side & 1 == 0 {
                Side::Bid
            } else {
                Side::Ask
            },
        }
    }
}

/// Where an order rests or goes, as long as none is inserted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    bucket: usize,
    slot: usize,
    /// The first bucket that is looked at for it.
    home: usize,
}

impl Place {
    /// The first of these slots of a bucket.
    #[inline]
    fn first(bucket: usize, slots: u32, home: usize) -> Option<Place> {
        let slot = slots.trailing_zeros() as usize;
        (slot < SLOTS).then_some(Place { bucket, slot, home })
    }
}

/// Orders by reference.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    /// A power of two.
    buckets: Box<[Bucket]>,
    /// 64 less the bits that number a bucket.
    shift: u32,
    count: usize,
    /// Another one in every process, so that no file can be made to be slow.
    seed: u64,
}

impl Orders {
    pub fn new() -> Orders {
        Orders {
            buckets: vec![Bucket::EMPTY; BUCKETS_MIN].into(),
            shift: u64::BITS - BUCKETS_MIN.ilog2(),
            count: 0,
            seed: RandomState::default().hash_one(0),
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// Where the order with this reference rests.
    #[inline]
    pub fn find(&self, reference: u64) -> Option<Place> {
        let home = self.home(reference);
        let here = &self.buckets[home];
        let there = here.slots_of(reference);
        let (bucket, slots) = if there == 0 && here.passed != 0 {
            self.find_far(home, reference)
        } else {
            (home, there)
        };
        Place::first(bucket, slots, home)
    }

    /// Where an order with this reference goes; `None` if one rests.
    #[inline]
    pub fn find_free(&self, reference: u64) -> Option<Place> {
        let home = self.home(reference);
        let here = &self.buckets[home];
        let there = here.slots_of(reference);
        if there != 0 || here.passed != 0 && self.find_far(home, reference).1 != 0 {
            return None;
        }
        let free = here.free_slots();
        let (bucket, slots) = if free == 0 {
            self.find_free_far(home)
        } else {
            (home, free)
        };
        Place::first(bucket, slots, home)
    }

    /// Brings the order's bucket into the cache: reads it for nothing.
    #[inline]
    pub fn touch(&self, reference: u64) {
        let bucket = &self.buckets[self.home(reference)];
        black_box(bucket.taken);
        black_box(bucket.orders[SLOTS - 1].size);
    }

    /// The order that rests there.
    #[inline]
    pub fn order(&self, at: Place) -> Order {
        self.buckets[at.bucket].orders[at.slot].into()
    }

    /// Sets what is left of an order, which is not 0.
    #[inline]
    pub fn resize(&mut self, at: Place, size: u32) {
        self.buckets[at.bucket].orders[at.slot].size = size;
    }

    /// Inserts an order where [`find_free`](Orders::find_free) says.
    #[inline]
    pub fn insert(&mut self, at: Place, reference: u64, order: Order) {
        let here = &mut self.buckets[at.bucket];
        here.references[at.slot] = reference;
        here.orders[at.slot] = order.into();
        here.taken |= 1 << at.slot;
        self.count += 1;
        if at.bucket != at.home {
            self.pass(at, 1);
        }
        if self.count > SLOTS_TAKEN * self.buckets.len() {
            self.grow();
        }
    }

    /// Removes the order that rests there.
    #[inline]
    pub fn remove(&mut self, at: Place) {
        self.buckets[at.bucket].taken &= !(1 << at.slot);
        self.count -= 1;
        if at.bucket != at.home {
            self.pass(at, -1);
        }
    }

    /// The bucket and slots of the order with this reference, which is in none or in a later bucket.
    #[cold]
    #[inline(never)]
    fn find_far(&self, home: usize, reference: u64) -> (usize, u32) {
        let mut bucket = home;
        loop {
            let here = &self.buckets[bucket];
            let there = here.slots_of(reference);
            if there != 0 || here.passed == 0 {
                return (bucket, there);
            }
            bucket = self.after(bucket);
        }
    }

    /// The first bucket that is not full, and its free slots.
    #[cold]
    #[inline(never)]
    fn find_free_far(&self, home: usize) -> (usize, u32) {
        let mut bucket = home;
        while self.buckets[bucket].free_slots() == 0 {
            bucket = self.after(bucket);
        }
        (bucket, self.buckets[bucket].free_slots())
    }

    /// Notes that one order more or less is in a bucket and not in an earlier one.
    #[cold]
    #[inline(never)]
    fn pass(&mut self, at: Place, more: i32) {
        let mut passed = at.home;
        while passed != at.bucket {
            let here = &mut self.buckets[passed];
            here.passed = here.passed.wrapping_add_signed(more);
            passed = self.after(passed);
        }
    }

    #[inline]
    fn after(&self, bucket: usize) -> usize {
        (bucket + 1) & (self.buckets.len() - 1)
    }

    /// The bucket that an order goes to if it is not full. Venues number orders one after the
    /// other, and numbers that follow each other come far apart and evenly spread (Fibonacci
    /// hashing).
    #[inline]
    fn home(&self, reference: u64) -> usize {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        ((reference ^ self.seed).wrapping_mul(GOLDEN) >> self.shift) as usize
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let more = vec![Bucket::EMPTY; 2 * self.buckets.len()].into();
        self.shift -= 1;
        self.count = 0;
        for bucket in std::mem::replace(&mut self.buckets, more) {
            for slot in 0..SLOTS {
                let reference = bucket.references[slot];
                if bucket.taken >> slot & 1 == 1
                    && let Some(at) = self.find_free(reference)
                {
                    self.insert(at, reference, bucket.orders[slot].into());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn order(size: u32) -> Order {
        Order {
            price: -7,
            size,
            instrument: u32::MAX >> 1,
            side: Side::Ask,
        }
    }

    fn insert(orders: &mut Orders, reference: u64, size: u32) {
        assert!(orders.find(reference).is_none());
        let at = orders.find_free(reference).unwrap();
        orders.insert(at, reference, order(size));
        assert!(orders.find_free(reference).is_none());
    }

    fn remove(orders: &mut Orders, reference: u64) {
        let at = orders.find(reference).unwrap();
        orders.remove(at);
    }

    fn is_as_new(orders: &Orders) -> bool {
        let mut buckets = orders.buckets.iter();
        orders.count == 0 && buckets.all(|bucket| (bucket.taken, bucket.passed) == (0, 0))
    }

    /// Many more orders come and go than there are slots, in an order in which the table fills
    /// and empties; none is lost, none stays.
    #[test]
    fn orders_come_and_go() {
        let mut orders = Orders::new();
        for reference in 0..10_000u64 {
            insert(&mut orders, reference, reference as u32 + 1);
            if reference % 3 == 0 {
                remove(&mut orders, reference / 3);
            }
        }
        assert_eq!(orders.len(), 10_000 - 3_334);
        for reference in 0..10_000 {
            let found = orders.find(reference).map(|at| orders.order(at));
            let expected = (reference >= 3_334).then(|| order(reference as u32 + 1));
            assert_eq!(found, expected);
        }
        for reference in 3_334..10_000 {
            remove(&mut orders, reference);
        }
        assert!(is_as_new(&orders));
        assert_eq!(orders.buckets.len(), 4_096);
    }

    proptest! {
        /// Orders of one bucket, many more than its slots, and orders of all buckets.
        #[test]
        fn agrees_with_a_map_when_buckets_overflow(
            steps in proptest::collection::vec((0..60usize, 1..4u32), 0..400),
        ) {
            let mut orders = Orders::new();
            let of_one_bucket = (0..).filter(|&reference| orders.home(reference) == 3).take(40);
            let references: Vec<u64> = of_one_bucket.chain(1 << 40..).take(60).collect();
            let mut model = HashMap::new();
            for (at, size) in steps {
                let reference = references[at];
                if model.remove(&reference).is_some() {
                    prop_assert!(orders.find_free(reference).is_none());
                    remove(&mut orders, reference);
                } else {
                    insert(&mut orders, reference, size);
                    model.insert(reference, size);
                }
                prop_assert_eq!(orders.len(), model.len());
                for &reference in &references {
                    let found = orders.find(reference).map(|at| orders.order(at).size);
                    prop_assert_eq!(found, model.get(&reference).copied());
                }
            }
            for &reference in model.keys() {
                remove(&mut orders, reference);
            }
            prop_assert!(is_as_new(&orders));
        }
    }
}
