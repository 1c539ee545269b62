//! The last ticks of a session, to be sent again.

use std::collections::VecDeque;

use thiserror::Error;
use tickcast_wire::Tick;

/// The default size of a [`Store`] in ticks: 64 MiB of them.
pub const DEFAULT_STORE_TICKS: usize = 1 << 20;

/// The last N ticks of a session, where whoever published them laid them: in chunks, such as
/// vectors of ticks, each of which goes on growing until the next begins.
pub struct Store<C> {
    /// In order. The last may hold more than was added so far.
    chunks: VecDeque<Chunk<C>>,
    ticks: u64,
    next_seq: u64,
}

struct Chunk<C> {
    first_seq: u64,
    rows: C,
    /// So many of the rows were added.
    added: usize,
}

impl<C: AsRef<[Tick]>> Chunk<C> {
    fn ticks(&self) -> &[Tick] {
        &self.rows.as_ref()[..self.added]
    }
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
    /// Its first ticks are no longer kept.
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

impl<C: AsRef<[Tick]>> Store<C> {
    /// A store of the last `ticks` ticks (at least 1), empty.
    #[must_use]
    pub fn new(ticks: usize) -> Store<C> {
        Store {
            chunks: VecDeque::new(),
            ticks: ticks.max(1) as u64,
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
    pub fn oldest(&self) -> u64 {
        self.next_seq.saturating_sub(self.ticks).max(1)
    }

    /// From now on ticks come in this chunk; what the one before has was [added](Store::add), or
    /// never will be. Chunks of which no tick is kept are dropped.
    pub fn begin(&mut self, rows: C) {
        let oldest = self.oldest();
        if self.chunks.back().is_some_and(|last| last.added == 0) {
            self.chunks.pop_back();
        }
        while let Some(second) = self.chunks.get(1)
            && second.first_seq <= oldest
        {
            self.chunks.pop_front();
        }
        self.chunks.push_back(Chunk {
            first_seq: self.next_seq,
            rows,
            added: 0,
        });
    }

    /// Adds what the latest chunk has in its first `rows` rows that was not added yet, and shows it.
    ///
    /// # Errors
    /// [`NotContiguous`] when the first does not carry the next seq; then nothing was added.
    pub fn add(&mut self, rows: usize) -> Result<&[Tick], NotContiguous> {
        let Some(chunk) = self.chunks.back_mut() else {
            return Ok(&[]);
        };
        let there = chunk.rows.as_ref();
        let ticks = there.get(chunk.added..rows.min(there.len()));
        let ticks = ticks.unwrap_or_default();
        let expected = self.next_seq;
        let found = ticks.first().map_or(expected, Tick::seq);
        if found != expected {
            return Err(NotContiguous { expected, found });
        }
        self.next_seq += ticks.len() as u64;
        chunk.added += ticks.len();
        Ok(ticks)
    }

    /// Ticks `first .. first + count` as they lie: a slice of each chunk that has some.
    ///
    /// # Errors
    /// [`RangeError`] when not all of them are there.
    pub fn range(
        &self,
        first: u64,
        count: u64,
    ) -> Result<impl Iterator<Item = &[Tick]>, RangeError> {
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
        let begun = |chunk: &Chunk<C>| chunk.first_seq <= first;
        let at = self.chunks.partition_point(begun).saturating_sub(1);
        let chunks = self.chunks.range(at..);
        let mut from = self
            .chunks
            .get(at)
            .map_or(0, |it| first.saturating_sub(it.first_seq)) as usize;
        from -= usize::from(planted!(StoreServesRowBefore) && from > 0);
        // It lies between oldest and next.
        let mut left = count as usize;
        Ok(chunks.map_while(move |chunk| {
            let rows = &chunk.ticks()[from..];
            let rows = &rows[..rows.len().min(left)];
            (from, left) = (0, left - rows.len());
            (!rows.is_empty()).then_some(rows)
        }))
    }

    /// The chunk in which ticks come.
    #[must_use]
    pub fn latest(&self) -> Option<&C> {
        self.chunks.back().map(|chunk| &chunk.rows)
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

    fn append(store: &mut Store<Vec<Tick>>, ticks: Vec<Tick>) {
        let count = ticks.len();
        store.begin(ticks);
        assert_eq!(store.add(count).map(<[Tick]>::len), Ok(count));
    }

    fn range(
        store: &Store<Vec<Tick>>,
        first: u64,
        count: u64,
    ) -> Result<Vec<Vec<u64>>, RangeError> {
        let seqs = |ticks: &[Tick]| ticks.iter().map(Tick::seq).collect();
        Ok(store.range(first, count)?.map(seqs).collect())
    }

    #[test]
    fn exact_trace_of_a_small_store() {
        let mut store = Store::new(4);
        assert_eq!((store.oldest(), store.next_seq()), (1, 1));
        assert_eq!(range(&store, 1, 1), Err(RangeError::NotYet { next: 1 }));
        assert_eq!(range(&store, 0, 1), Err(RangeError::TooOld { oldest: 1 }));

        append(&mut store, ticks(1, 3));
        assert_eq!(range(&store, 1, 3), Ok(vec![vec![1, 2, 3]]));
        assert_eq!(range(&store, 3, 2), Err(RangeError::NotYet { next: 4 }));

        append(&mut store, ticks(4, 3));
        assert_eq!(store.oldest(), 3);
        assert_eq!(range(&store, 3, 4), Ok(vec![vec![3], vec![4, 5, 6]]));
        assert_eq!(range(&store, 5, 2), Ok(vec![vec![5, 6]]));
        assert_eq!(range(&store, 7, 0), Ok(vec![]));
        assert_eq!(range(&store, 2, 1), Err(RangeError::TooOld { oldest: 3 }));
        assert_eq!(
            range(&store, 6, u64::MAX),
            Err(RangeError::NotYet { next: 7 })
        );

        append(&mut store, ticks(7, 9));
        assert_eq!((store.oldest(), store.next_seq()), (12, 16));
        assert_eq!(range(&store, 12, 4), Ok(vec![vec![12, 13, 14, 15]]));
        append(&mut store, ticks(16, 3));
        assert_eq!(store.chunks.len(), 2, "nothing of the first two is kept");
    }

    #[test]
    fn a_chunk_goes_when_its_last_tick_is_no_longer_kept() {
        let mut store = Store::new(4);
        append(&mut store, ticks(1, 3));
        append(&mut store, ticks(4, 3));
        store.begin(Vec::new());
        assert_eq!((store.oldest(), store.chunks.len()), (3, 3), "of 3 chunks");
        append(&mut store, ticks(7, 1));
        store.begin(Vec::new());
        assert_eq!(
            (store.oldest(), store.chunks.len()),
            (4, 3),
            "the first went"
        );
    }

    #[test]
    fn a_chunk_grows_and_only_what_was_added_is_there() {
        let mut store = Store::new(4);
        assert_eq!(store.add(1), Ok(&[][..]), "there is no chunk yet");
        store.begin(ticks(1, 5));
        assert_eq!(store.add(0), Ok(&[][..]));
        assert_eq!(store.add(2), Ok(&ticks(1, 2)[..]));
        assert_eq!(range(&store, 2, 2), Err(RangeError::NotYet { next: 3 }));
        assert_eq!(store.add(1), Ok(&[][..]), "a chunk does not shrink");
        assert_eq!(store.add(9), Ok(&ticks(3, 3)[..]), "all there are");
        assert_eq!(range(&store, 2, 3), Ok(vec![vec![2, 3, 4]]));
    }

    #[test]
    fn a_hole_or_a_repetition_is_refused() {
        let mut store = Store::new(4);
        append(&mut store, ticks(1, 2));
        for found in [2, 4] {
            store.begin(ticks(found, 1));
            let error = store.add(1).unwrap_err();
            assert_eq!(error, NotContiguous { expected: 3, found });
        }
        assert_eq!((store.next_seq(), store.add(0)), (3, Ok(&[][..])));
        append(&mut store, ticks(3, 2));
        assert_eq!(range(&store, 1, 4), Ok(vec![vec![1, 2], vec![3, 4]]));
    }

    proptest! {
        #[test]
        fn agrees_with_a_vector(
            size in 1usize..40,
            appends in proptest::collection::vec((0u64..60, 0u64..60, 0u64..4), 0..12),
            asks in proptest::collection::vec((0u64..400, 0u64..80), 0..20),
        ) {
            let mut store = Store::new(size);
            let mut model = Vec::new();
            for (count, at_first, left_out) in appends {
                let mut new = ticks(model.len() as u64 + 1, count + left_out);
                store.begin(new.clone());
                for rows in [at_first.min(count), count] {
                    store.add(rows as usize).unwrap();
                }
                new.truncate(count as usize);
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
                let found = store.range(first, count).map(|rows| rows.flatten().copied().collect());
                prop_assert_eq!(found, expected);
            }
        }
    }
}
