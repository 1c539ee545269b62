//! The ticks of a file as pieces that can be handed to another thread.

use tickcast_wire::Tick;

use crate::native::{FULL_BLOCK_ROWS, Lent};
use crate::reader::{ReadError, Reader};

/// How many rows a block must have to be lent, and not copied with its neighbours: short ones,
/// which a recording of a quiet market has, would make very small chunks.
const LEAST_LENT: usize = FULL_BLOCK_ROWS / 2;

/// Some ticks of a file: the rows of a block of a `.ticks` file where they lie, checked before, or
/// ticks that were decoded. At most [`BLOCK_ROWS`](crate::BLOCK_ROWS).
#[derive(Debug)]
pub struct Chunk(Ticks);

#[derive(Debug)]
enum Ticks {
    Lent(Lent),
    Own(Vec<Tick>),
}

impl AsRef<[Tick]> for Chunk {
    #[inline]
    fn as_ref(&self) -> &[Tick] {
        match &self.0 {
            Ticks::Lent(rows) => rows.rows(),
            Ticks::Own(ticks) => ticks,
        }
    }
}

/// The [`Chunk`]s of a file, in order; none is empty. Ends after an error.
///
/// What is not lent comes in chunks of [`FULL_BLOCK_ROWS`], as far as there is so much.
pub struct Chunks {
    reader: Reader,
    /// To be given after the chunk that was given last.
    error: Option<ReadError>,
}

impl Chunks {
    pub(crate) fn new(reader: Reader) -> Chunks {
        Chunks {
            reader,
            error: None,
        }
    }
}

impl Iterator for Chunks {
    type Item = Result<Chunk, ReadError>;

    fn next(&mut self) -> Option<Result<Chunk, ReadError>> {
        let mut own = Vec::new();
        while self.error.is_none() && own.len() < FULL_BLOCK_ROWS {
            let there = match self.reader.peek() {
                Ok([]) => break,
                Ok(ticks) => ticks.len(),
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            };
            if there >= LEAST_LENT
                && let Some(rows) = self.reader.lend()
            {
                if !own.is_empty() {
                    break;
                }
                self.reader.consume(there);
                return Some(Ok(Chunk(Ticks::Lent(rows))));
            }
            self.reader.copy(FULL_BLOCK_ROWS - own.len(), &mut own);
        }
        if own.is_empty() {
            return self.error.take().map(Err);
        }
        Some(Ok(Chunk(Ticks::Own(own))))
    }
}
