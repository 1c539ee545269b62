//! Writing the native file.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use tickcast_wire::{Digest, Tick};
use zerocopy::IntoBytes;

use super::layout::{BlockHeader, EndMark, FULL_BLOCK_ROWS, FileHeader, Said};

/// Why a tick file cannot be written on.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The file cannot be created.
    #[error("cannot create {path}: {source}{}", advice(path, source))]
    Create {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The extension names no format that can be written.
    #[error("cannot tell from the name {path} what to write: end it in .ticks or .csv")]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// A write failed, the disk being full for example. What was written before stays readable.
    #[error("cannot write on after {ticks} ticks: {source}; they stay readable")]
    Write {
        /// Ticks that are safely in the file.
        ticks: u64,
        /// What the operating system says.
        source: io::Error,
    },
    /// A write failed before; nothing is written after that.
    #[error("nothing is written after a failed write; {ticks} ticks stay readable")]
    Failed {
        /// Ticks that are safely in the file.
        ticks: u64,
    },
}

/// What to do when a file cannot be created.
fn advice(path: &Path, error: &io::Error) -> String {
    match (error.kind(), path.parent()) {
        (io::ErrorKind::NotFound, Some(folder)) => {
            format!(
                "; make the folder {} first, or name another",
                folder.display()
            )
        }
        (io::ErrorKind::AlreadyExists, _) => {
            "; an existing file is never overwritten: name another, or remove it".into()
        }
        _ => String::new(),
    }
}

/// What a finished file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Ticks written.
    pub ticks: u64,
    /// Their digest.
    pub digest: Digest,
}

/// Writes a `.ticks` file, a block at a time.
///
/// A file is only ever appended to, so whatever stops the process leaves every block before it
/// readable: at most the last 966 ticks that were not [flushed](TickWriter::flush) are lost.
/// Dropped without [`finish`](TickWriter::finish), the file ends at its last block, without an end
/// mark.
#[must_use = "a file without finish() has no end mark"]
pub struct TickWriter<W: Write = File> {
    out: W,
    rows: Vec<Tick>,
    written: u64,
    digest: Digest,
    /// Of the stream that is recorded.
    said: Said,
    failed: bool,
}

impl TickWriter {
    /// Creates the file, which must not exist yet: a file that is mapped somewhere is never cut
    /// short under its reader.
    ///
    /// # Errors
    /// When it exists or cannot be created, or its header cannot be written.
    pub fn create(path: &Path) -> Result<TickWriter, WriteError> {
        let file = File::create_new(path).map_err(|source| WriteError::Create {
            path: path.into(),
            source,
        })?;
        TickWriter::new(file)
    }
}

impl<W: Write> TickWriter<W> {
    /// Writes to `out`, which gets two writes a block: header and rows.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn new(out: W) -> Result<TickWriter<W>, WriteError> {
        let mut writer = TickWriter {
            out,
            rows: Vec::with_capacity(FULL_BLOCK_ROWS),
            written: 0,
            digest: Digest::default(),
            said: Said::default(),
            failed: false,
        };
        writer.put(&[FileHeader::new().as_bytes()])?;
        Ok(writer)
    }

    /// Takes in the next tick, as it is.
    ///
    /// # Errors
    /// When a block is full and cannot be written.
    #[inline]
    pub fn write(&mut self, tick: &Tick) -> Result<(), WriteError> {
        if self.rows.len() == FULL_BLOCK_ROWS {
            self.flush()?;
        }
        self.rows.push(*tick);
        Ok(())
    }

    /// Takes in the next ticks.
    ///
    /// # Errors
    /// When a block is full and cannot be written.
    pub fn write_all(&mut self, mut ticks: &[Tick]) -> Result<(), WriteError> {
        while !ticks.is_empty() {
            if self.rows.len() == FULL_BLOCK_ROWS {
                self.flush()?;
            }
            let room = FULL_BLOCK_ROWS - self.rows.len();
            let (now, later) = ticks.split_at(room.min(ticks.len()));
            self.rows.extend_from_slice(now);
            ticks = later;
        }
        Ok(())
    }

    /// What is written next is of this session of a recorded stream.
    ///
    /// # Errors
    /// When what was taken in of another session cannot be written.
    pub fn session(&mut self, session: u64) -> Result<(), WriteError> {
        if self.said.session != session {
            self.flush()?;
            self.said = Said {
                session,
                ..Said::default()
            };
        }
        Ok(())
    }

    /// The publisher says that all ticks of the session before `next_seq` have this digest, whether
    /// they are in the file or not. The last word goes into the header of each block and into the
    /// end mark: a reader can hold the rows against it.
    pub fn checkpoint(&mut self, next_seq: u64, digest: Digest) {
        (self.said.next_seq, self.said.digest) = (next_seq, digest);
    }

    /// Writes what was taken in so far as a block, however short. It is in the hands of the
    /// operating system then: it survives the end of the process, not that of the machine.
    ///
    /// # Errors
    /// When it cannot be written; nothing can be written after that.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        if self.failed {
            return Err(WriteError::Failed {
                ticks: self.written,
            });
        }
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let header = BlockHeader::of(&rows, self.written, self.said);
        let mut digest = self.digest;
        digest.update_all(&rows);
        self.put_block(&header, &rows, digest)?;
        self.rows = rows;
        self.rows.clear();
        Ok(())
    }

    /// Takes in blocks that were made before, with `rows` in them and these headers. `digest` is
    /// that of the rows alone.
    pub(crate) fn append(
        &mut self,
        headers: &[BlockHeader],
        rows: &[Tick],
        digest: Digest,
    ) -> Result<(), WriteError> {
        self.flush()?;
        let after = digest.rebased(Digest::default(), self.digest, rows.len() as u64);
        for (header, rows) in headers.iter().zip(rows.chunks(FULL_BLOCK_ROWS)) {
            self.put_block(header, rows, after)?;
        }
        Ok(())
    }

    /// Writes a block, after which (or after those that come with it) the file has this digest.
    fn put_block(
        &mut self,
        header: &BlockHeader,
        rows: &[Tick],
        digest: Digest,
    ) -> Result<(), WriteError> {
        self.put(&[header.as_bytes(), rows.as_bytes()])?;
        self.digest = digest;
        self.written += rows.len() as u64;
        Ok(())
    }

    /// Ticks that are safely in the file.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Ticks taken in so far, in the file or not.
    pub(crate) fn taken(&self) -> u64 {
        self.written + self.rows.len() as u64
    }

    /// Writes what is left, and the end mark.
    ///
    /// # Errors
    /// When it cannot be written; what was written before stays readable.
    pub fn finish(mut self) -> Result<Finished, WriteError> {
        self.flush()?;
        let end = EndMark::new(self.written, self.digest, self.said);
        self.put(&[end.as_bytes()])?;
        Ok(Finished {
            ticks: self.written,
            digest: self.digest,
        })
    }

    /// Writes one record. After a failure half of it may be in the file: whatever came after it
    /// could not be found again, so nothing does.
    fn put(&mut self, parts: &[&[u8]]) -> Result<(), WriteError> {
        let result = parts
            .iter()
            .try_for_each(|part| self.out.write_all(part))
            .and_then(|()| self.out.flush());
        result.map_err(|source| {
            self.failed = true;
            WriteError::Write {
                ticks: self.written,
                source,
            }
        })
    }
}
