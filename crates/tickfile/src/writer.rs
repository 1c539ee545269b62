//! The one writer over the formats that can be written.

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
    Csv(CsvWriter),
}

impl Writer {
    /// Creates the file, which must not exist yet, in the format of its extension.
    ///
    /// # Errors
    /// When the extension names no format that can be written, or the file exists or cannot be
    /// created.
    pub fn create(path: &Path) -> Result<Writer, WriteError> {
        match Format::from_extension(path) {
            Some(Format::Ticks) => TickWriter::create(path).map(Writer::Ticks),
            Some(Format::Csv) => CsvWriter::create(path).map(Writer::Csv),
            _ => Err(WriteError::Extension { path: path.into() }),
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
