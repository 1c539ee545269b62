//! The ticks of a file, numbered, in pieces of one size.

use tickcast_tickfile::{FULL_BLOCK_ROWS, Lines, ReadError, Reader};
use tickcast_wire::Tick;

/// How many ticks are prepared and written at a time: 242 KiB of them, so that handing them from
/// thread to thread costs little.
const PIECE_TICKS: usize = 4 * FULL_BLOCK_ROWS;

/// Ticks as they were decoded.
pub(super) struct Batch {
    ticks: Vec<Tick>,
    /// Bytes of the file that were read for it and what came before.
    position: u64,
    /// What comes after the ticks instead of more.
    error: Option<ReadError>,
}

impl Batch {
    /// The ticks of some lines; or of none, because these could not be read.
    pub(super) fn of_lines(lines: Result<Lines, ReadError>) -> Batch {
        let mut batch = Batch {
            ticks: Vec::new(),
            position: 0,
            error: None,
        };
        match lines {
            Ok(lines) => {
                batch.position = lines.position();
                batch.error = lines.decode(&mut batch.ticks).err();
            }
            Err(error) => batch.error = Some(error),
        }
        batch
    }
}

/// What a reader decodes, in batches that need not be cut.
pub(super) struct Decoded<'a>(pub(super) &'a mut Reader);

impl Iterator for Decoded<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let Decoded(reader) = self;
        let mut ticks = Vec::with_capacity(PIECE_TICKS);
        let mut error = None;
        while ticks.len() < PIECE_TICKS && error.is_none() {
            match reader.peek() {
                Ok([]) => break,
                Ok(next) => {
                    let count = next.len().min(PIECE_TICKS - ticks.len());
                    ticks.extend_from_slice(&next[..count]);
                    reader.consume(count);
                }
                Err(damage) => error = Some(damage),
            }
        }
        let position = Reader::position(reader);
        (!ticks.is_empty() || error.is_some()).then_some(Batch {
            ticks,
            position,
            error,
        })
    }
}

/// A piece of a file: [`PIECE_TICKS`], numbered; fewer at the end.
pub(super) struct Piece {
    pub(super) ticks: Vec<Tick>,
    /// How many ticks come before it.
    pub(super) before: u64,
    /// As that of a batch.
    pub(super) position: u64,
}

/// The input cannot be read on.
pub(super) struct Damaged {
    pub(super) error: ReadError,
    /// How many ticks came before.
    pub(super) ticks: u64,
}

/// Numbers the ticks of batches from 1 and cuts them into pieces.
pub(super) struct Pieces<B> {
    batches: B,
    /// Numbered ticks for the next piece.
    ticks: Vec<Tick>,
    numbered: u64,
    position: u64,
}

impl<B: Iterator<Item = Batch>> Pieces<B> {
    pub(super) fn of(batches: B) -> Pieces<B> {
        Pieces {
            batches,
            ticks: Vec::new(),
            numbered: 0,
            position: 0,
        }
    }

    fn take_in(&mut self, mut batch: Batch) -> Result<(), Damaged> {
        for tick in &mut batch.ticks {
            self.numbered += 1;
            *tick = tick.with_seq(self.numbered);
        }
        if let Some(error) = batch.error {
            let ticks = self.numbered;
            return Err(Damaged { error, ticks });
        }
        self.position = batch.position;
        if self.ticks.is_empty() {
            self.ticks = batch.ticks;
        } else {
            self.ticks.append(&mut batch.ticks);
        }
        Ok(())
    }
}

impl<B: Iterator<Item = Batch>> Iterator for Pieces<B> {
    type Item = Result<Piece, Damaged>;

    fn next(&mut self) -> Option<Result<Piece, Damaged>> {
        while self.ticks.len() < PIECE_TICKS {
            let Some(batch) = self.batches.next() else {
                break;
            };
            if let Err(damaged) = self.take_in(batch) {
                return Some(Err(damaged));
            }
        }
        let before = self.numbered - self.ticks.len() as u64;
        let later = self.ticks.split_off(self.ticks.len().min(PIECE_TICKS));
        let ticks = std::mem::replace(&mut self.ticks, later);
        (!ticks.is_empty()).then_some(Ok(Piece {
            ticks,
            before,
            position: self.position,
        }))
    }
}
