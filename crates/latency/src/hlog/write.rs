//! Writing an interval log.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogWriterBuilder, IntervalLogWriterError, Tag,
};

use super::{GROUP, OURS, VERSION};
use crate::Histograms;

/// Writes an interval log that HdrHistogram's own tools read. Values are in nanoseconds, the
/// maximum beside each histogram too. A line is tagged with [`Stage::name`](crate::Stage::name)
/// when it holds all ticks of the stage, such as `total`, and with a provenance behind that when
/// it holds a part of them, such as `total.A`; or with `@` and the name of a group of instruments, as
/// in `total@index`. Parts and groups are in the sum already, but for `total.snapshot`, which is in
/// none.
#[derive(Debug)]
pub struct HlogWriter<W: Write> {
    out: W,
    start_ns: u64,
    groups: Vec<String>,
}

/// Why an interval log could not be written.
#[derive(Debug, thiserror::Error)]
pub enum HlogError {
    /// The file could not be written.
    #[error("cannot write the interval log: {0}")]
    Io(#[from] io::Error),
    /// A histogram could not be encoded.
    #[error("cannot encode a histogram for the interval log: {0}")]
    Encode(String),
}

impl<W: Write> HlogWriter<W> {
    /// Starts a log of a run that began at `start_ns`, in nanoseconds since the Unix epoch.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn new(mut out: W, start_ns: u64) -> Result<Self, HlogError> {
        IntervalLogWriterBuilder::new()
            .add_comment(VERSION)
            .add_comment(OURS)
            .with_start_time(UNIX_EPOCH + Duration::from_nanos(start_ns))
            .begin_log_with(&mut out, &mut V2DeflateSerializer::new())?;
        let legend = "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\
                      \"Interval_Compressed_Histogram\"";
        writeln!(out, "{legend}")?;
        Ok(HlogWriter {
            out,
            start_ns,
            groups: Vec::new(),
        })
    }

    /// With groups of instruments of these names.
    #[must_use]
    pub fn with_groups(mut self, names: &[String]) -> Self {
        self.groups = names.to_vec();
        self
    }

    /// Writes what was recorded from `from_ns` to `to_ns` (nanoseconds since the Unix epoch), and
    /// flushes. Stages without samples are left out, as are negative samples, which no histogram
    /// can hold.
    ///
    /// # Errors
    /// When writing or encoding fails.
    pub fn write(
        &mut self,
        from_ns: u64,
        to_ns: u64,
        histograms: &Histograms,
    ) -> Result<(), HlogError> {
        let start = Duration::from_nanos(from_ns.saturating_sub(self.start_ns));
        let length = Duration::from_nanos(to_ns.saturating_sub(from_ns));
        let mut serializer = V2DeflateSerializer::new();
        // A builder without comments or times writes no header: this goes on with the log.
        let mut writer =
            IntervalLogWriterBuilder::new().begin_log_with(&mut self.out, &mut serializer)?;
        for stage in histograms.stages() {
            let sum = histograms.sum(stage);
            let sum = sum.as_ref().map(|sum| (stage.name().to_owned(), sum));
            let parts = histograms
                .parts(stage)
                .map(|(of, part)| (format!("{stage}.{of}"), part));
            let groups = self.groups.iter().zip(histograms.groups(stage));
            let groups = groups.map(|(name, group)| (format!("{stage}{GROUP}{name}"), group));
            for (tag, counts) in sum.into_iter().chain(parts).chain(groups) {
                if !counts.histogram().is_empty() {
                    writer.write_histogram(counts.histogram(), start, length, Tag::new(&tag))?;
                }
            }
        }
        Ok(self.out.flush()?)
    }
}

impl<E: std::fmt::Display> From<IntervalLogWriterError<E>> for HlogError {
    fn from(error: IntervalLogWriterError<E>) -> Self {
        match error {
            IntervalLogWriterError::IoError(error) => HlogError::Io(error),
            IntervalLogWriterError::SerializeError(error) => HlogError::Encode(error.to_string()),
        }
    }
}
