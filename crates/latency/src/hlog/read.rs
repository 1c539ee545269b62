//! Reading an interval log: ours, or another program's.

use std::io::{self, BufRead, Read};

use super::payload::{MAX_SAMPLES, PayloadError, decode};
use super::{OURS, VERSION};
use crate::Series;
use crate::series::{Folding, Join};

/// A longer line is not read, but counted.
pub const MAX_LINE_BYTES: usize = 8 << 20;
/// Different tags; lines of further ones are not read, but counted.
pub const MAX_TAGS: usize = 256;
/// The most different values that are kept of a log, all tags and windows together: 256 MiB.
pub const MAX_VALUES: usize = 16 << 20;

/// Longer ago, an interval cannot have been after the start of its log: its time is absolute.
const A_YEAR_S: f64 = 365.0 * 24.0 * 3600.0;
/// Times beyond are nobody's: the year 2262.
const MAX_TIME_S: f64 = 9.2e9;

/// An interval log as it was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// The tags, in the order in which they came.
    pub tags: Vec<Tagged>,
    /// When the log began, ns since the Unix epoch, if it says so.
    pub began_ns: Option<u64>,
    /// Whether this program wrote it, so that its values are known to be nanoseconds.
    pub is_ours: bool,
    /// Lines that should be intervals and cannot be read: what they held is in no figure.
    pub unread: u64,
    /// The first of them by its number, from 1, and why.
    pub first_unread: Option<(u64, LineError)>,
    /// Whether the last line has no end and cannot be read: the log was cut off there.
    pub is_cut: bool,
}

/// The intervals of one tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Tagged {
    /// The tag; none for lines without.
    pub tag: Option<String>,
    /// Its samples, interval by interval.
    pub series: Series,
    pub(crate) spans: Folding<Span>,
    samples: u64,
}

/// An interval, in seconds of the log's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) at_s: f64,
    pub(crate) length_s: f64,
}

impl Join for Span {
    fn join(&mut self, later: Span) {
        self.length_s = (later.at_s + later.length_s - self.at_s).max(self.length_s);
    }
}

/// Why a log is not read at all.
#[derive(Debug, thiserror::Error)]
pub enum HlogReadError {
    /// The file cannot be read.
    #[error("cannot read the interval log: {0}")]
    Io(#[from] io::Error),
    /// Nothing in it looks like one.
    #[error("this is no interval log of HdrHistogram")]
    NotALog,
    /// It is of another version.
    #[error("the interval log is of version {found}; 1.0 to 1.3 are read")]
    Version {
        /// Its version.
        found: String,
    },
    /// It has the form of a log, and no interval.
    #[error("the interval log has no interval")]
    Empty,
    /// None of its intervals can be read.
    #[error("none of the {unread} intervals of the log can be read; line {line}: {error}")]
    NothingRead {
        /// How many there are.
        unread: u64,
        /// The number of the first, from 1.
        line: u64,
        /// Why that one is not read.
        error: LineError,
    },
    /// It has more different values than are kept.
    #[error("the interval log has more than {MAX_VALUES} different values in its intervals")]
    TooLarge,
}

/// Why a line is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is longer than [`MAX_LINE_BYTES`].
    #[error("it is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// It is not text.
    #[error("it is not text")]
    NoText,
    /// It has not the four fields of an interval.
    #[error("it has not the fields of an interval: time, length, maximum, histogram")]
    Fields,
    /// A time is no number, or not a possible one.
    #[error("its time or length is not a possible number")]
    Time,
    /// It has a further tag than the first [`MAX_TAGS`].
    #[error("there are more than {MAX_TAGS} different tags")]
    TooManyTags,
    /// Its histogram cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

impl Log {
    /// Reads a log. What cannot be read of it is counted, and never part of a figure.
    ///
    /// # Errors
    /// [`HlogReadError`] when there is nothing to be had of it.
    pub fn read(mut input: impl BufRead) -> Result<Log, HlogReadError> {
        let mut reading = Reading::default();
        let mut line = Vec::new();
        while let Some(length) = next_line(&mut input, &mut line)? {
            reading.number += 1;
            let read = match length {
                Length::TooLong => Err(LineError::TooLong),
                Length::Whole | Length::Cut => reading.take(&line)?,
            };
            if let Err(error) = read {
                reading.log.is_cut = length == Length::Cut;
                reading.log.unread += 1;
                let first = (reading.number, error);
                reading.log.first_unread.get_or_insert(first);
            }
        }
        reading.finish()
    }

    fn tagged(&mut self, tag: Option<&str>) -> Result<&mut Tagged, LineError> {
        let place = self.tags.iter().position(|it| it.tag.as_deref() == tag);
        let place = match place {
            Some(place) => place,
            None if self.tags.len() == MAX_TAGS => return Err(LineError::TooManyTags),
            None => {
                self.tags.push(Tagged {
                    tag: tag.map(str::to_owned),
                    series: Series::new(),
                    spans: Folding::default(),
                    samples: 0,
                });
                self.tags.len() - 1
            }
        };
        Ok(&mut self.tags[place])
    }
}

/// How a line ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Whole,
    Cut,
    TooLong,
}

/// The next line without its end, or `None` at the end of the input.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<Length>> {
    line.clear();
    let most = MAX_LINE_BYTES as u64 + 1;
    if input.by_ref().take(most).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.pop_if(|last| *last == b'\n').is_some() {
        line.pop_if(|last| *last == b'\r');
        return Ok(Some(Length::Whole));
    }
    if line.len() as u64 == most {
        input.skip_until(b'\n')?;
        return Ok(Some(Length::TooLong));
    }
    Ok(Some(Length::Cut))
}

#[derive(Default)]
struct Reading {
    log: Log,
    number: u64,
    /// A line that only a log has.
    has_form: bool,
    start_s: Option<f64>,
    base_s: Option<f64>,
    /// At most so many different values are kept.
    values: usize,
}

impl Reading {
    /// The outer error is one of the whole log.
    fn take(&mut self, line: &[u8]) -> Result<Result<(), LineError>, HlogReadError> {
        let Ok(line) = std::str::from_utf8(line) else {
            return Ok(Err(LineError::NoText));
        };
        if let Some(comment) = line.strip_prefix('#') {
            self.take_comment(comment)?;
            return Ok(Ok(()));
        }
        if line.starts_with("\"StartTimestamp\"") {
            self.has_form = true;
            return Ok(Ok(()));
        }
        if line.trim().is_empty() {
            return Ok(Ok(()));
        }
        let read = self.take_interval(line);
        if self.values > MAX_VALUES {
            // Windows that became one share values.
            let tags = self.log.tags.iter();
            self.values = tags.map(|tagged| tagged.series.value_count()).sum();
        }
        if self.values > MAX_VALUES {
            return Err(HlogReadError::TooLarge);
        }
        Ok(read)
    }

    fn take_comment(&mut self, comment: &str) -> Result<(), HlogReadError> {
        let said = |name: &str| {
            let value = comment.strip_prefix(name)?.trim_start();
            value.split([' ', ']']).next()
        };
        self.log.is_ours |= comment == OURS;
        let numbered = VERSION.trim_end_matches(|last: char| last != ' ');
        if let Some(found) = said(numbered) {
            self.has_form = true;
            if !matches!(found, "1.0" | "1.1" | "1.2" | "1.3") {
                let found = found.chars().take(20).collect();
                return Err(HlogReadError::Version { found });
            }
        }
        let time = |name| said(name).and_then(|text| text.parse().ok().filter(is_time));
        self.start_s = time("[StartTime:").or(self.start_s);
        self.base_s = time("[BaseTime:").or(self.base_s);
        Ok(())
    }

    fn take_interval(&mut self, line: &str) -> Result<(), LineError> {
        let (tag, fields) = match line.strip_prefix("Tag=") {
            Some(tagged) => {
                let (tag, fields) = tagged.split_once(',').ok_or(LineError::Fields)?;
                (Some(tag), fields)
            }
            None => (None, line),
        };
        let mut fields = fields.splitn(4, ',');
        let mut field = || fields.next().ok_or(LineError::Fields);
        let (at, length, _max, histogram) = (field()?, field()?, field()?, field()?);
        let time = |text: &str| text.parse().ok().filter(is_time).ok_or(LineError::Time);
        let (at_s, length_s) = (time(at)?, time(length)?);
        let decoded = decode(histogram.trim_end())?;
        // From here on it is a log for sure.
        self.has_form = true;
        let at_s = self.since_start(at_s);
        let tagged = self.log.tagged(tag)?;
        let samples = tagged.samples + decoded.counts.len();
        if samples > MAX_SAMPLES {
            return Err(PayloadError::TooLarge.into());
        }
        tagged.samples = samples;
        self.values += decoded.counts.values().len();
        tagged.series.push(decoded);
        tagged.spans.push(Span { at_s, length_s });
        Ok(())
    }

    /// Times count from the base time if there is one. Without, they are absolute, unless that
    /// would be long before the start: then they count from there.
    fn since_start(&mut self, at_s: f64) -> f64 {
        let start_s = *self.start_s.get_or_insert(at_s);
        let deduced = if at_s < start_s - A_YEAR_S {
            start_s
        } else {
            0.0
        };
        let base_s = *self.base_s.get_or_insert(deduced);
        at_s + (base_s - start_s)
    }

    fn finish(mut self) -> Result<Log, HlogReadError> {
        let log = &mut self.log;
        log.began_ns = self
            .start_s
            .map(|seconds| (seconds * 1e3).round() as u64 * 1_000_000);
        if !log.tags.is_empty() {
            return Ok(self.log);
        }
        match log.first_unread.take() {
            _ if !self.has_form => Err(HlogReadError::NotALog),
            None => Err(HlogReadError::Empty),
            Some((line, error)) => Err(HlogReadError::NothingRead {
                unread: log.unread,
                line,
                error,
            }),
        }
    }
}

fn is_time(seconds: &f64) -> bool {
    (0.0..MAX_TIME_S).contains(seconds)
}
