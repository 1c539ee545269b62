//! The last ticks of a session, to be sent again.

use thiserror::Error;
use tickcast_wire::Tick;
use zerocopy::{IntoBytes, transmute_ref};

/// The default size of a [`Store`] in ticks: 64 MiB of them.
pub const DEFAULT_STORE_TICKS: usize = 1 << 20;

/// The last N ticks of a session: tick `seq` lies at row `(seq - 1) % N`.
///
/// All memory is taken when it is made.
pub struct Store {
    /// Ticks as words, so that whoever brings them as words can write them where they stay.
    rows: Box<[[u64; 8]]>,
    oldest: u64,
    next_seq: u64,
}

/// Why ticks do not continue a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("ticks continue at seq {found}, expected {expected}: some were left out or repeated")]
pub struct NotContiguous {
    /// The seq that was to come.
    pub expected: u64,
    /// The seq that came.
    pub found: u64,
}

/// Why a store cannot give a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RangeError {
    /// Its first ticks are already overwritten.
    #[error("too old: the oldest tick kept is {oldest}")]
    TooOld {
        /// The seq of the oldest tick kept.
        oldest: u64,
    },
    /// Its last ticks are not there yet.
    #[error("not yet published: the next tick is {next}")]
    NotYet {
        /// The seq of the next tick.
        next: u64,
    },
}

impl Store {
    /// A store of the last `ticks` ticks (at least 1), empty.
    #[must_use]
    pub fn new(ticks: usize) -> Store {
        Store {
            rows: vec![[0; 8]; ticks.max(1)].into_boxed_slice(),
            oldest: 1,
            next_seq: 1,
        }
    }

    /// The seq of the tick to come.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The seq of the oldest tick kept; when there is none yet, 1.
    #[must_use]
    pub const fn oldest(&self) -> u64 {
        self.oldest
    }

    /// Adds the next ticks; the oldest make room.
    ///
    /// # Errors
    /// [`NotContiguous`] when the first does not carry the next seq; then nothing was added.
    pub fn append(&mut self, mut ticks: &[Tick]) -> Result<(), NotContiguous> {
        self.expect(ticks.first().map_or(self.next_seq, Tick::seq))?;
        while !ticks.is_empty() {
            let rows = self.make_room(ticks.len());
            let added = rows.len();
            rows.as_mut_bytes()
                .copy_from_slice(ticks[..added].as_bytes());
            self.add(added);
            ticks = &ticks[added..];
        }
        Ok(())
    }

    /// Whether the ticks to come may begin with this seq.
    pub(crate) const fn expect(&self, found: u64) -> Result<(), NotContiguous> {
        let expected = self.next_seq;
        if found == expected {
            Ok(())
        } else {
            Err(NotContiguous { expected, found })
        }
    }

    /// The rows of the next ticks, at least one and at most `most`, for the caller to write. The
    /// ticks that lay there are no longer kept; the new ones are once they were [added](Store::add).
    pub(crate) fn make_room(&mut self, most: usize) -> &mut [[u64; 8]] {
        let row = self.row(self.next_seq);
        let count = most.min(self.rows.len() - row);
        let end = self.next_seq + count as u64;
        let kept_from = end.saturating_sub(self.rows.len() as u64);
        self.oldest = self.oldest.max(kept_from);
        &mut self.rows[row..row + count]
    }

    /// Adds the ticks written to the first `count` rows that [`Store::make_room`] gave, and shows
    /// them.
    pub(crate) fn add(&mut self, count: usize) -> &[Tick] {
        let row = self.row(self.next_seq);
        self.next_seq += count as u64;
        let rows = &mut self.rows[row..row + count];
        if planted!(StoreChangesTick) {
            rows[0] = Tick::from_words(rows[0]).with_ts_due(1).to_words();
        }
        transmute_ref!(rows)
    }

    /// Ticks `first .. first + count` as they lie: one slice, or two where the ring wraps (the
    /// second is empty otherwise).
    ///
    /// # Errors
    /// [`RangeError`] when not all of them are there.
    pub fn range(&self, first: u64, count: u64) -> Result<(&[Tick], &[Tick]), RangeError> {
        if first + u64::from(planted!(StoreOneLong)) < self.oldest() {
            let oldest = self.oldest() + u64::from(planted!(OldestOneMore));
            return Err(RangeError::TooOld { oldest });
        }
        let end = first.checked_add(count);
        let next_seq = self.next_seq + u64::from(planted!(ServesUnpublished));
        if end.is_none_or(|end| end > next_seq) {
            return Err(RangeError::NotYet {
                next: self.next_seq,
            });
        }
        // It lies between oldest and next, so it is no longer than the ring.
        let count = count as usize;
        let row = self.row(first);
        let head = count.min(self.rows.len() - row);
        let (head, wrapped) = (&self.rows[row..row + head], &self.rows[..count - head]);
        Ok((transmute_ref!(head), transmute_ref!(wrapped)))
    }

    const fn row(&self, seq: u64) -> usize {
        ((seq - 1) % self.rows.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tickcast_wire::Clear;

    fn ticks(first: u64, count: u64) -> Vec<Tick> {
        (first..first + count)
            .map(|seq| Tick::new(Clear::default(), 1u16, 2, seq * 3).with_seq(seq))
            .collect()
    }

    fn seqs(range: (&[Tick], &[Tick])) -> (Vec<u64>, Vec<u64>) {
        let seqs = |ticks: &[Tick]| ticks.iter().map(Tick::seq).collect();
        (seqs(range.0), seqs(range.1))
    }

    #[test]
    fn exact_trace_of_a_small_ring() {
        let mut store = Store::new(4);
        assert_eq!((store.oldest(), store.next_seq()), (1, 1));
        assert_eq!(store.range(1, 1), Err(RangeError::NotYet { next: 1 }));
        assert_eq!(store.range(0, 1), Err(RangeError::TooOld { oldest: 1 }));

        store.append(&ticks(1, 3)).unwrap();
        assert_eq!(seqs(store.range(1, 3).unwrap()), (vec![1, 2, 3], vec![]));
        assert_eq!(store.range(3, 2), Err(RangeError::NotYet { next: 4 }));

        store.append(&ticks(4, 3)).unwrap();
        assert_eq!(store.oldest(), 3);
        assert_eq!(seqs(store.range(3, 4).unwrap()), (vec![3, 4], vec![5, 6]));
        assert_eq!(seqs(store.range(5, 2).unwrap()), (vec![5, 6], vec![]));
        assert_eq!(seqs(store.range(7, 0).unwrap()), (vec![], vec![]));
        assert_eq!(store.range(2, 1), Err(RangeError::TooOld { oldest: 3 }));
        assert_eq!(
            store.range(6, u64::MAX),
            Err(RangeError::NotYet { next: 7 })
        );

        store.append(&ticks(7, 9)).unwrap();
        assert_eq!((store.oldest(), store.next_seq()), (12, 16));
        let (head, tail) = store.range(12, 4).unwrap();
        assert_eq!([head, tail].concat(), ticks(12, 4));
    }

    #[test]
    fn a_hole_or_a_repetition_is_refused() {
        let mut store = Store::new(4);
        store.append(&ticks(1, 2)).unwrap();
        for found in [2, 4] {
            let error = store.append(&ticks(found, 1)).unwrap_err();
            assert_eq!(error, NotContiguous { expected: 3, found });
        }
        assert_eq!((store.next_seq(), store.append(&[])), (3, Ok(())));
    }

    proptest! {
        #[test]
        fn agrees_with_a_vector(
            size in 1usize..40,
            appends in proptest::collection::vec(0u64..60, 0..12),
            asks in proptest::collection::vec((0u64..400, 0u64..80), 0..20),
        ) {
            let mut store = Store::new(size);
            let mut model = Vec::new();
            for count in appends {
                let new = ticks(model.len() as u64 + 1, count);
                store.append(&new).unwrap();
                model.extend(new);
            }
            let next = model.len() as u64 + 1;
            let oldest = next.saturating_sub(size as u64).max(1);
            for (first, count) in asks {
                let expected = if first < oldest {
                    Err(RangeError::TooOld { oldest })
                } else if first + count > next {
                    Err(RangeError::NotYet { next })
                } else {
                    Ok(model[first as usize - 1..(first + count) as usize - 1].to_vec())
                };
                let found = store.range(first, count).map(|(head, tail)| [head, tail].concat());
                prop_assert_eq!(found, expected);
            }
        }
    }
}
