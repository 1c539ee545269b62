//! Rows that one thread appends, and that others read where they lie.

// The rows are written while others read those before them: no safe cell lends slices of them.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::hint::black_box;
use std::ptr;

use crossbeam_utils::CachePadded;

use crate::sync::{Arc, AtomicU64, AtomicUsize, Ordering, Watch};

/// Makes an empty chunk with room for `rows` rows; `empty` is what lies in them until then.
///
/// All memory (a row and 8 bytes each) is allocated and touched here.
pub fn chunk<T: Copy>(rows: usize, empty: T) -> ChunkWriter<T> {
    ChunkWriter {
        shared: Arc::new(Shared {
            // What the compiler can see to be zero it would not write.
            rows: (0..rows)
                .map(|_| UnsafeCell::new(black_box(empty)))
                .collect(),
            marks: (0..rows).map(|_| AtomicU64::new(black_box(0))).collect(),
            filled: CachePadded::new(AtomicUsize::new(0)),
            watch: Watch::new(rows),
        }),
        filled: 0,
    }
}

struct Shared<T> {
    /// Only the writer touches those from `filled` on, and nobody writes those before it.
    rows: Box<[UnsafeCell<T>]>,
    /// What the writer said of the rows up to the last of an append, beside that.
    marks: Box<[AtomicU64]>,
    filled: CachePadded<AtomicUsize>,
    watch: Watch,
}

// SAFETY: threads that share this read `T` through shared references, and drop it in any of them,
// which `Send` and `Sync` of `T` allow. That no row is written while another thread can read it is
// shown where rows are written and read, in `ChunkWriter::append` and `ChunkReader::filled`.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

/// The one writer of a chunk.
pub struct ChunkWriter<T> {
    shared: Arc<Shared<T>>,
    /// What `shared.filled` holds; only this writer writes it.
    filled: usize,
}

impl<T: Copy> ChunkWriter<T> {
    /// How many rows are free.
    pub fn room(&self) -> usize {
        self.shared.rows.len() - self.filled
    }

    /// Appends rows, part by part: readers see all of them at once. `mark` is a word about all rows
    /// up to these; it is lost when there are none. Never waits.
    ///
    /// # Panics
    /// If there is no room for them. Then readers see none of them.
    #[inline]
    pub fn append<'a>(&mut self, parts: impl IntoIterator<Item = &'a [T]>, mark: u64)
    where
        T: 'a,
    {
        let mut end = self.filled;
        for part in parts {
            let rows = &self.shared.rows[end..end + part.len()];
            self.shared.watch.writes(end..end + part.len());
            // SAFETY: `rows` are as many as `part` has, and an `UnsafeCell<T>` is laid out as the
            // `T` in it, whose bytes may be copied since it is `Copy`. No other thread reads or
            // writes these rows: they lie at or behind `shared.filled`, where readers do not look,
            // and there is one writer, which `&mut self` keeps to one call. `part` is not among
            // them, for whoever lends it reads rows before `shared.filled` only.
            unsafe {
                let rows = UnsafeCell::raw_get(rows.as_ptr());
                ptr::copy_nonoverlapping(part.as_ptr(), rows, part.len());
            }
            end += part.len();
        }
        if end > self.filled {
            self.shared.marks[end - 1].store(mark, Ordering::Relaxed);
            self.filled = end;
            // SYNC POINT filled: pairs with the acquire load in `ChunkReader::filled`. Who sees this
            // number also sees the rows and the mark.
            self.shared.filled.store(end, Ordering::Release);
        }
    }

    /// A reader of this chunk.
    pub fn reader(&self) -> ChunkReader<T> {
        ChunkReader(Arc::clone(&self.shared))
    }

    /// Makes the chunk empty, unless a reader of it is left. Whether it did.
    pub fn clear(&mut self) -> bool {
        // Readers that are gone have read before: that is what `get_mut` is for.
        let Some(shared) = Arc::get_mut(&mut self.shared) else {
            return false;
        };
        self.filled = 0;
        // Readers are made by this thread from here on, and are handed over.
        shared.filled.store(0, Ordering::Relaxed);
        true
    }
}

/// Reads a chunk, from any thread. While it lives the rows stay where they are.
pub struct ChunkReader<T>(Arc<Shared<T>>);

impl<T> ChunkReader<T> {
    /// The rows that are there by now, and the mark that came with the last of them; 0 when there
    /// are none.
    #[inline]
    pub fn filled(&self) -> (&[T], u64) {
        // SYNC POINT filled: pairs with the release store in `ChunkWriter::append`.
        let filled = self.0.filled.load(Ordering::Acquire);
        let (rows, marks) = (&self.0.rows[..filled], &self.0.marks[..filled]);
        self.0.watch.reads(0..filled);
        // SAFETY: these rows were initialised when the chunk was made, and an `UnsafeCell<T>` is laid
        // out as the `T` in it. Nobody writes them while the slice lives: all were written before
        // the store whose value was loaded above, the writer only writes rows behind it, and
        // `clear` begins anew only when no reader is left, while this one outlives the slice.
        let rows = unsafe { std::slice::from_raw_parts(rows.as_ptr().cast::<T>(), rows.len()) };
        let mark = marks.last().map_or(0, |mark| mark.load(Ordering::Relaxed));
        (rows, mark)
    }
}

impl<T> AsRef<[T]> for ChunkReader<T> {
    fn as_ref(&self) -> &[T] {
        self.filled().0
    }
}

impl<T> fmt::Debug for ChunkWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.shared.rows.len();
        write!(f, "ChunkWriter({} of {rows} rows)", self.filled)
    }
}

impl<T> fmt::Debug for ChunkReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (filled, rows) = (self.filled().0.len(), self.0.rows.len());
        write!(f, "ChunkReader({filled} of {rows} rows)")
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn rows_are_seen_an_append_at_a_time_with_its_mark() {
        let mut writer = chunk(8, 0_u32);
        let reader = writer.reader();
        assert_eq!((reader.filled(), writer.room()), ((&[][..], 0), 8));
        writer.append([&[1, 2][..], &[], &[3]], 7);
        assert_eq!((reader.filled(), writer.room()), ((&[1, 2, 3][..], 7), 5));
        writer.append([], 8);
        assert_eq!(reader.filled(), (&[1, 2, 3][..], 7), "nothing was appended");
        writer.append([&[4, 5, 6, 7, 8][..]], 9);
        assert_eq!((reader.as_ref().len(), reader.filled().1), (8, 9));
    }

    #[test]
    fn too_many_rows_are_refused_whole() {
        let mut writer = chunk(3, 0_u8);
        let reader = writer.reader();
        let append = std::panic::AssertUnwindSafe(|| writer.append([&[1, 2][..], &[3, 4]], 1));
        assert!(std::panic::catch_unwind(append).is_err());
        assert_eq!(reader.filled(), (&[][..], 0));
        writer.append([&[5, 6, 7][..]], 2);
        assert_eq!(reader.filled(), (&[5, 6, 7][..], 2));
    }

    #[test]
    fn a_chunk_is_cleared_only_when_nobody_reads_it() {
        let mut writer = chunk(4, 0_u64);
        writer.append([&[1, 2][..]], 3);
        let reader = writer.reader();
        assert!(!writer.clear());
        assert_eq!(reader.filled(), (&[1, 2][..], 3));
        drop(reader);
        assert!(writer.clear());
        let reader = writer.reader();
        assert_eq!((reader.filled(), writer.room()), ((&[][..], 0), 4));
        writer.append([&[9][..]], 1);
        assert_eq!(reader.filled(), (&[9][..], 1));
    }

    #[test]
    fn a_reader_outlives_its_writer() {
        let mut writer = chunk(2, 0_u8);
        writer.append([&[1][..]], 2);
        let reader = writer.reader();
        drop(writer);
        assert_eq!(reader.filled(), (&[1][..], 2));
    }
}
