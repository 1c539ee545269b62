//! The one writer over the formats that can be written.

use std::fs::File;
use std::path::Path;

use tickcast_wire::Tick;

use crate::csv::CsvWriter;
use crate::native::{Finished, TickWriter, WriteError};
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

/// The formats that can be written.
#[derive(Clone, Copy)]
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
