//! Where each instrument lies among those seen.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Numbers that the table covers, for each instrument that there may be: sources number their
/// instruments from 0 or 1 up, most without large holes.
const NUMBERS_PER_INSTRUMENT: usize = 4;

/// The table's word for a number that has no place.
const NONE: u32 = u32::MAX;

/// The place of each instrument, by its number: in a table for small numbers, which is one load, in
/// a hash map for others. Both grow with what is inserted; the table to 16 bytes for each
/// instrument that there may be.
pub(super) struct Places {
    table: Vec<u32>,
    most_in_table: usize,
    others: HashMap<u32, u32, BuildHasherDefault<NumberHasher>>,
}

impl Places {
    pub(super) fn new(max_instruments: usize) -> Places {
        Places {
            table: Vec::new(),
            most_in_table: max_instruments.saturating_mul(NUMBERS_PER_INSTRUMENT),
            others: HashMap::default(),
        }
    }

    #[inline]
    pub(super) fn find(&self, number: u32) -> Option<usize> {
        let place = match self.table.get(number as usize) {
            Some(&place) => place,
            None => self.find_other(number),
        };
        (place != NONE).then_some(place as usize)
    }

    #[cold]
    fn find_other(&self, number: u32) -> u32 {
        self.others.get(&number).copied().unwrap_or(NONE)
    }

    /// Gives a number without a place this one.
    pub(super) fn insert(&mut self, number: u32, place: u32) {
        let at = number as usize;
        if at >= self.most_in_table {
            self.others.insert(number, place);
            return;
        }
        if at >= self.table.len() {
            let wanted = (at + 1).next_power_of_two().min(self.most_in_table);
            self.table.resize(wanted, NONE);
        }
        self.table[at] = place;
    }
}

/// Spreads instrument numbers by one multiplication. They come from the publisher's own source,
/// not from clients, so nobody can choose them to collide.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
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
