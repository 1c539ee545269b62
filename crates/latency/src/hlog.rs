//! The interval log of HdrHistogram: one line for each tag and interval.

mod payload;
mod read;
mod shown;
mod write;

pub use payload::PayloadError;
pub use read::{HlogReadError, LineError, Log, MAX_LINE_BYTES, MAX_TAGS, MAX_VALUES, Tagged};
pub use write::{HlogError, HlogWriter};

/// The version that is written. Readers accept 1.0 to 1.3, which differ in nothing that they read.
const VERSION: &str = "[Histogram log format version 1.3]";

/// What tells our logs from those of others, whose unit nobody knows.
const OURS: &str =
    "[tickcast: values in ns; a tag is a stage, or a part of it: stage.provenance or stage@group]";

/// What stands between a stage and a group of instruments in a tag.
const GROUP: char = '@';
