//! The resting orders, by their references: open addressing with linear probing.
//!
//! Every message of a venue looks up an order, mostly one that is in no near cache. A slot holds
//! reference and order together in 24 bytes, so that a look-up waits for one line of memory; an
//! order that leaves lets those after it move up, so that there are no tombstones to pass over.

use std::hash::BuildHasher;
use std::hint::black_box;

use foldhash::fast::RandomState;

use crate::book::Side;
use crate::books::Order;

/// How many slots an empty table gets with its first order.
const SLOTS_MIN: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Slot {
    reference: u64,
    price: i64,
    /// 0 in a free slot: no order of size 0 rests.
    size: u32,
    /// Twice the instrument, plus 1 for an ask.
    place: u32,
}

const FREE: Slot = Slot {
    reference: 0,
    price: 0,
    size: 0,
    place: 0,
};

impl Slot {
    #[inline]
    fn order(&self) -> Order {
        Order {
            price: self.price,
            size: self.size,
            instrument: self.place >> 1,
            side: if self.place & 1 == 0 {
                Side::Bid
            } else {
                Side::Ask
            },
        }
    }
}

/// Where an order rests, as long as none is inserted or removed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(usize);

/// Orders by reference; at most half of the slots are taken.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    /// A power of two.
    slots: Box<[Slot]>,
    /// 64 less the bits that number a slot.
    shift: u32,
    count: usize,
    /// Another one in every process, so that no file can be made to be slow.
    seed: u64,
}

impl Orders {
    pub fn new() -> Orders {
        Orders {
            slots: vec![FREE; SLOTS_MIN].into(),
            shift: u64::BITS - SLOTS_MIN.ilog2(),
            count: 0,
            seed: RandomState::default().hash_one(0),
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub fn find(&self, reference: u64) -> Option<Place> {
        let at = self.search(reference);
        (self.slots[at].size != 0).then_some(Place(at))
    }

    /// Brings the order's slot into the cache: reads it for nothing.
    #[inline]
    pub fn touch(&self, reference: u64) {
        black_box(self.slots[self.home(reference)].size);
    }

    #[inline]
    pub fn order(&self, at: Place) -> Order {
        self.slots[at.0].order()
    }

    /// Sets what is left of an order, which is not 0.
    #[inline]
    pub fn resize(&mut self, at: Place, size: u32) {
        self.slots[at.0].size = size;
    }

    /// Inserts an order of a size that is not 0, unless one with this reference rests.
    #[inline]
    #[must_use]
    pub fn insert(&mut self, reference: u64, order: Order) -> bool {
        let at = self.search(reference);
        if self.slots[at].size != 0 {
            return false;
        }
        self.slots[at] = Slot {
            reference,
            price: order.price,
            size: order.size,
            place: order.instrument << 1 | u32::from(order.side == Side::Ask),
        };
        self.count += 1;
        if 2 * self.count > self.slots.len() {
            self.grow();
        }
        true
    }

    /// Removes an order. Those that had to give way to it or to others move up.
    #[inline]
    pub fn remove(&mut self, at: Place) {
        let mask = self.slots.len() - 1;
        let mut hole = at.0;
        let mut next = (hole + 1) & mask;
        while self.slots[next].size != 0 {
            let away = next.wrapping_sub(self.home(self.slots[next].reference)) & mask;
            if away >= next.wrapping_sub(hole) & mask {
                self.slots[hole] = self.slots[next];
                hole = next;
            }
            next = (next + 1) & mask;
        }
        self.slots[hole] = FREE;
        self.count -= 1;
    }

    /// The slot of the order with this reference, or the free one where it would go.
    #[inline(always)]
    fn search(&self, reference: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = self.home(reference);
        loop {
            let slot = &self.slots[at];
            if slot.reference == reference || slot.size == 0 {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    /// Where an order goes if it need not give way. Venues number orders one after the other, and
    /// numbers that follow each other come far apart and evenly spread (Fibonacci hashing).
    #[inline]
    fn home(&self, reference: u64) -> usize {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        ((reference ^ self.seed).wrapping_mul(GOLDEN) >> self.shift) as usize
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let more = vec![FREE; 2 * self.slots.len()].into();
        self.shift -= 1;
        let before = std::mem::replace(&mut self.slots, more);
        for slot in before.iter().filter(|slot| slot.size != 0) {
            let at = self.search(slot.reference);
            self.slots[at] = *slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(size: u32) -> Order {
        Order {
            price: -7,
            size,
            instrument: u32::MAX >> 1,
            side: Side::Ask,
        }
    }

    /// Many more orders come and go than there are slots, in an order in which the table fills
    /// and empties; none is lost, none stays.
    #[test]
    fn orders_come_and_go() {
        let mut orders = Orders::new();
        for reference in 0..10_000u64 {
            assert!(orders.insert(reference, order(reference as u32 + 1)));
            assert!(!orders.insert(reference, order(1)));
            if reference % 3 == 0 {
                let at = orders.find(reference / 3).unwrap();
                orders.remove(at);
            }
        }
        assert_eq!(orders.len(), 10_000 - 3_334);
        for reference in 0..10_000 {
            let found = orders.find(reference).map(|at| orders.order(at));
            let expected = (reference >= 3_334).then(|| order(reference as u32 + 1));
            assert_eq!(found, expected);
        }
        for reference in 3_334..10_000 {
            let at = orders.find(reference).unwrap();
            orders.remove(at);
        }
        assert!(orders.slots.iter().all(|slot| slot.size == 0));
        assert_eq!((orders.len(), orders.slots.len()), (0, 16_384));
    }
}
