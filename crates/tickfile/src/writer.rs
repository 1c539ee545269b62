//! The one writer over the formats that can be written.

use std::fs::File;
use std::path::Path;

use tickcast_wire::{Digest, Tick};

use crate::csv::{CsvWriter, put_line};
use crate::native::{BlockHeader, FULL_BLOCK_ROWS, Finished, Said, TickWriter, WriteError};
use crate::reader::Format;

/// Writes ticks in the format that the name of the file asks for.
#[must_use = "finish() writes what is still held back"]
pub enum Writer {
    /// A `.ticks` file.
    Ticks(TickWriter),
    /// A CSV file.
    Csv(Box<CsvWriter>),
}

impl Writer {
    /// Creates the file, which must not exist yet, in the format of its extension.
    ///
    /// # Errors
    /// When the extension names no format that can be written, or the file exists or cannot be
    /// created.
    pub fn create(path: &Path) -> Result<Writer, WriteError> {
        let format = writable(path)?;
        let file = File::create_new(path).map_err(|source| WriteError::Create {
            path: path.into(),
            source,
        })?;
        Writer::over(file, format)
    }

    /// Writes to an empty file that is open already, in the format that `name` asks for.
    ///
    /// # Errors
    /// When the extension of `name` names no format that can be written, or the file cannot be
    /// written to.
    pub fn new(file: File, name: &Path) -> Result<Writer, WriteError> {
        Writer::over(file, writable(name)?)
    }

    fn over(file: File, format: Writable) -> Result<Writer, WriteError> {
        match format {
            Writable::Ticks => TickWriter::new(file).map(Writer::Ticks),
            Writable::Csv => CsvWriter::new(file).map(|writer| Writer::Csv(Box::new(writer))),
        }
    }

    /// Writes the next tick, as it is.
    ///
    /// # Errors
    /// When it cannot be written; what was written before stays readable.
    #[inline]
    pub fn write(&mut self, tick: &Tick) -> Result<(), WriteError> {
        match self {
            Writer::Ticks(writer) => writer.write(tick),
            Writer::Csv(writer) => writer.write(tick),
        }
    }

    /// Prepares parts for [`append`](Writer::append), in as many threads as there are copies of it.
    #[must_use]
    pub fn preparer(&self) -> Preparer {
        Preparer(match self {
            Writer::Ticks(_) => Writable::Ticks,
            Writer::Csv(_) => Writable::Csv,
        })
    }

    /// Writes the ticks of a part, after which the file is as if they had been
    /// [written](Writer::write) one by one, provided that each part but the last has whole blocks
    /// of [`FULL_BLOCK_ROWS`].
    ///
    /// # Errors
    /// When it cannot be written; what was written before stays readable.
    ///
    /// # Panics
    /// When the ticks before it are not as many as the part was prepared for, or that was for a file
    /// of another format.
    pub fn append(&mut self, part: &Part) -> Result<(), WriteError> {
        assert_eq!(part.before, self.taken(), "parts come in their order");
        match (self, &part.form) {
            (Writer::Ticks(writer), Form::Blocks(headers)) => {
                writer.append(headers, &part.ticks, part.digest)
            }
            (Writer::Csv(writer), Form::Lines(lines)) => {
                writer.append(lines, part.ticks.len() as u64, part.digest)
            }
            _ => panic!("the part was prepared for a file of another format"),
        }
    }

    /// Ticks taken in so far.
    fn taken(&self) -> u64 {
        match self {
            Writer::Ticks(writer) => writer.taken(),
            Writer::Csv(writer) => writer.taken(),
        }
    }

    /// Writes what is still held back, and closes the file.
    ///
    /// # Errors
    /// When it cannot be written; what was written before stays readable.
    pub fn finish(self) -> Result<Finished, WriteError> {
        match self {
            Writer::Ticks(writer) => writer.finish(),
            Writer::Csv(writer) => writer.finish(),
        }
    }
}

/// Makes [`Part`]s of a file. It is copied into every thread that prepares some.
#[derive(Debug, Clone, Copy)]
pub struct Preparer(Writable);

impl Preparer {
    /// The part of the file that these ticks will be, with so many ticks before it.
    #[must_use]
    pub fn part(self, ticks: Vec<Tick>, before: u64) -> Part {
        let mut digest = Digest::default();
        digest.update_all(&ticks);
        let form = match self.0 {
            Writable::Ticks => {
                let blocks = ticks.chunks(FULL_BLOCK_ROWS).zip(0..);
                let header = |(rows, at): (&[Tick], u64)| {
                    let before = before + at * FULL_BLOCK_ROWS as u64;
                    BlockHeader::of(rows, before, Said::default())
                };
                Form::Blocks(blocks.map(header).collect())
            }
            Writable::Csv => {
                let mut lines = Vec::new();
                ticks.iter().for_each(|tick| put_line(&mut lines, tick));
                Form::Lines(lines)
            }
        };
        Part {
            ticks,
            before,
            digest,
            form,
        }
    }
}

/// Ticks that are ready to be written: their checks, digest and text are computed.
pub struct Part {
    ticks: Vec<Tick>,
    before: u64,
    /// Of these ticks alone.
    digest: Digest,
    form: Form,
}

impl Part {
    /// Its ticks.
    #[must_use]
    pub fn ticks(&self) -> &[Tick] {
        &self.ticks
    }
}

enum Form {
    /// The headers of blocks of [`FULL_BLOCK_ROWS`], the last with what is left.
    Blocks(Vec<BlockHeader>),
    /// The lines of a CSV file.
    Lines(Vec<u8>),
}

/// The formats that can be written.
#[derive(Debug, Clone, Copy)]
enum Writable {
    Ticks,
    Csv,
}

fn writable(path: &Path) -> Result<Writable, WriteError> {
    match Format::from_extension(path) {
        Some(Format::Ticks) => Ok(Writable::Ticks),
        Some(Format::Csv) => Ok(Writable::Csv),
        _ => Err(WriteError::Extension { path: path.into() }),
    }
}
