//! The atomics, in one place, so that loom and shuttle can take their part in models.

use std::ops::Range;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

/// Tells loom of accesses to memory that it cannot see, which must not race. Nothing otherwise.
pub(crate) struct Watch {
    #[cfg(loom)]
    rows: Box<[loom::cell::UnsafeCell<()>]>,
}

impl Watch {
    #[allow(unused_variables, reason = "they are loom's")]
    pub(crate) fn new(rows: usize) -> Self {
        Watch {
            #[cfg(loom)]
            rows: (0..rows).map(|_| loom::cell::UnsafeCell::new(())).collect(),
        }
    }

    #[allow(unused_variables, reason = "they are loom's")]
    pub(crate) fn writes(&self, rows: Range<usize>) {
        #[cfg(loom)]
        self.rows[rows].iter().for_each(|row| row.with_mut(|_| ()));
    }

    #[allow(unused_variables, reason = "they are loom's")]
    pub(crate) fn reads(&self, rows: Range<usize>) {
        #[cfg(loom)]
        self.rows[rows].iter().for_each(|row| row.with(|_| ()));
    }
}
