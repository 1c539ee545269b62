//! The one reader over all formats, and what its parts have in common.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tickcast_wire::{Digest, Kind, Tick};

use crate::chunks::Chunks;
use crate::csv::{CsvError, CsvReader, Split};
use crate::detect::{self, Detected};
use crate::iex::{IexError, IexReader};
use crate::itch::{ItchError, ItchReader};
use crate::map::Map;
use crate::native::{Lent, TicksError, TicksReader};
use crate::source::{Source, Unpacker};

/// How many ticks a part reader is asked for at a time: 64 KiB of them.
pub(crate) const CHUNK_TICKS: usize = 1024;

/// What a tick file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The native file.
    Ticks,
    /// Nasdaq TotalView-ITCH 5.0, BinaryFILE.
    Itch50,
    /// IEX TOPS 1.6 in a pcap or pcapng capture.
    IexTops16,
    /// CSV with the columns of `docs/tick-files.md`.
    Csv,
}

impl Format {
    /// The name used in reports: `ticks`, `itch50`, `iex-tops16`, `csv`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Format::Ticks => "ticks",
            Format::Itch50 => "itch50",
            Format::IexTops16 => "iex-tops16",
            Format::Csv => "csv",
        }
    }

    /// The format to write for a file of this name: `.ticks` or `.csv`, in any case of letters.
    /// Other formats are not written.
    #[must_use]
    pub fn from_extension(path: &Path) -> Option<Format> {
        let extension = path.extension()?.to_str()?;
        [("ticks", Format::Ticks), ("csv", Format::Csv)]
            .into_iter()
            .find_map(|(name, format)| name.eq_ignore_ascii_case(extension).then_some(format))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a reader met so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Messages by their type on the venue's wire (`A`, `Q`, …); rows by their kind in `.ticks`
    /// and CSV files.
    pub messages: BTreeMap<String, u64>,
    /// Messages that should have given a tick and could not, by reason (`unknown_order`, …).
    /// Messages of a type that never gives a tick are not among them.
    pub skipped: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// The tally of rows that are ticks already, by the code of their kind.
    pub(crate) fn of_kinds(kinds: &[u64; 256]) -> Tally {
        let messages = (0..=255u8)
            .zip(kinds)
            .filter(|&(_, &count)| count > 0)
            .map(|(code, &count)| match Kind::from_code(code) {
                Some(kind) => (kind.name().to_string(), count),
                None => (format!("kind {code}"), count),
            })
            .collect();
        Tally {
            messages,
            ..Tally::default()
        }
    }
}

/// Something about the file that its ticks do not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A `.ticks` file without an end mark: its writer was stopped. Everything up to the last
    /// good block was read.
    TornTail {
        /// Where the good part of the file ends.
        offset: u64,
        /// Bytes after it, which were passed over.
        bytes: u64,
        /// Ticks in the good part.
        ticks: u64,
    },
    /// The file ends inside a message or a record of a capture. Everything before it was read.
    CutMessage {
        /// Where the cut message begins, in what the file unpacks to.
        offset: u64,
        /// How many bytes of it are there.
        bytes: u64,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::TornTail {
                offset,
                bytes,
                ticks,
            } => write!(
                f,
                "the file was not closed: recovered {ticks} ticks up to byte {offset}, passed over \
                 {bytes} bytes after it"
            ),
            Notice::CutMessage { offset, bytes } => write!(
                f,
                "the file ends inside a message: passed over its {bytes} bytes at byte {offset}"
            ),
        }
    }
}

/// Why a file cannot be opened as a tick file.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The operating system says no.
    #[error("cannot open {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A directory, a pipe, a device.
    #[error("{path} is {what}; give a regular file")]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// No bytes.
    #[error("{path} is empty; a tick file has at least a header")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The content is none of the formats.
    #[error(
        "{path} is {found}; readable are .ticks, CSV with tickcast's header line, Nasdaq ITCH 5.0 \
         BinaryFILE, and IEX TOPS 1.6 in pcap or pcapng, the last three also gzipped"
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        found: String,
    },
    /// The format is known, the beginning of the file is damaged or of an unreadable sort.
    #[error("{path}: {source}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
}

/// Why a file cannot be read on. Offsets count bytes of what the file unpacks to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The gzip stream is damaged or ends early.
    #[error("the gzip stream is damaged or cut, {offset} bytes into what it unpacks to: {message}")]
    Gzip {
        /// Bytes unpacked before.
        offset: u64,
        /// What the decoder says.
        message: String,
    },
    /// A `.ticks` file is damaged.
    #[error(transparent)]
    Ticks(#[from] TicksError),
    /// A CSV file is wrong.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// An ITCH file is damaged.
    #[error(transparent)]
    Itch(#[from] ItchError),
    /// A capture is damaged or is not IEX TOPS.
    #[error(transparent)]
    Iex(#[from] IexError),
}

/// What the reader of a format does whose ticks have to be decoded.
pub(crate) trait TickReader {
    /// Appends the next ticks to `out`: some while there are any, about [`CHUNK_TICKS`] at a time,
    /// none at the end of the file. Ticks appended before an error count; after an error it is
    /// not called again.
    fn fill(&mut self, out: &mut Vec<Tick>) -> Result<(), ReadError>;

    /// What it met so far.
    fn tally(&self) -> Tally;

    /// Bytes consumed of the file as it lies on disk.
    fn position(&self) -> u64;

    /// What is to be said about the file; complete once it was read to its end.
    fn notice(&self) -> Option<&Notice>;
}

/// Opens a tick file; its content decides the format.
///
/// # Errors
/// When it cannot be opened, is not a regular file, or is of no known format.
pub fn open(path: &Path) -> Result<Reader, OpenError> {
    let map = map(path)?;
    let size = map.len() as u64;
    Reader::over(path, size, Source::new(map))
}

/// As [`open`]. If the file is gzipped, what unpacks it ahead of the reader is given to `spawn`,
/// which is to [`run`](Unpacker::run) it in a thread of its own.
///
/// # Errors
/// As those of [`open`], and that of `spawn`.
pub fn open_ahead(
    path: &Path,
    spawn: impl FnOnce(Unpacker) -> io::Result<()>,
) -> Result<Reader, OpenError> {
    let map = map(path)?;
    let size = map.len() as u64;
    let source = Source::ahead(map, spawn).map_err(|source| OpenError::Io {
        path: path.into(),
        source,
    })?;
    Reader::over(path, size, source)
}

/// Maps the file, after a look at what it is: opening a pipe would wait for its other end.
pub(crate) fn map(path: &Path) -> Result<Map, OpenError> {
    let io_error = |source| OpenError::Io {
        path: path.into(),
        source,
    };
    let metadata = path.metadata().map_err(io_error)?;
    if !metadata.is_file() {
        return Err(OpenError::NotAFile {
            path: path.into(),
            what: if metadata.is_dir() {
                "a directory"
            } else {
                "a pipe or device"
            },
        });
    }
    let file = File::open(path).map_err(io_error)?;
    let map = Map::of(&file).map_err(io_error)?;
    if map.is_empty() {
        return Err(OpenError::Empty { path: path.into() });
    }
    Ok(map)
}

fn part_reader(path: &Path, mut source: Source) -> Result<Inner, OpenError> {
    let damaged = |source| OpenError::Damaged {
        path: path.into(),
        source,
    };
    let unknown = |found: &str| OpenError::Unknown {
        path: path.into(),
        found: found.into(),
    };
    Ok(match detect::detect(&mut source).map_err(damaged)? {
        Detected::Known(Format::Itch50) => Inner::Itch(ItchReader::new(source)),
        Detected::Known(Format::IexTops16) => Inner::Iex(IexReader::open(source).map_err(damaged)?),
        Detected::Known(Format::Csv) => Inner::Csv(CsvReader::new(source)),
        Detected::Known(Format::Ticks) => match source.into_map() {
            Some(map) => {
                let reader = TicksReader::new(map).map_err(|error| damaged(error.into()))?;
                Inner::Ticks(reader)
            }
            None => {
                return Err(unknown(
                    "a gzipped .ticks file, which has to be unpacked first",
                ));
            }
        },
        Detected::Unknown(found) => return Err(unknown(&found)),
    })
}

enum Inner {
    Ticks(TicksReader),
    Csv(CsvReader),
    Itch(ItchReader),
    Iex(IexReader),
}

/// Does the same with the reader of whichever format it is.
macro_rules! with {
    ($inner:expr, $reader:ident => $what:expr) => {
        match $inner {
            Inner::Ticks($reader) => $what,
            Inner::Csv($reader) => $what,
            Inner::Itch($reader) => $what,
            Inner::Iex($reader) => $what,
        }
    };
}

/// Reads a tick file: an iterator of its ticks, in the order of the file.
///
/// Ticks of `.ticks` and CSV files are given as they were recorded; those of venue formats have
/// `seq` and `ts_due` 0. After an error the iterator has ended.
///
/// Whoever wants many ticks at a time takes them as slices, with [`peek`](Reader::peek) and
/// [`consume`](Reader::consume); those of a `.ticks` file are not copied then.
pub struct Reader {
    inner: Inner,
    size: u64,
    /// What was decoded last; nothing for a `.ticks` file.
    decoded: Vec<Tick>,
    /// How many ticks of the current chunk were consumed.
    at: usize,
    /// To be given after the current chunk.
    error: Option<ReadError>,
    finished: bool,
}

impl Reader {
    fn over(path: &Path, size: u64, source: Source) -> Result<Reader, OpenError> {
        Ok(Reader {
            inner: part_reader(path, source)?,
            size,
            decoded: Vec::with_capacity(CHUNK_TICKS),
            at: 0,
            error: None,
            finished: false,
        })
    }

    /// What the file is.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.inner {
            Inner::Ticks(_) => Format::Ticks,
            Inner::Csv(_) => Format::Csv,
            Inner::Itch(_) => Format::Itch50,
            Inner::Iex(_) => Format::IexTops16,
        }
    }

    /// The ticks that come next, at least one, or an empty slice at the end. They stay the next
    /// ones until they are [consumed](Reader::consume).
    ///
    /// # Errors
    /// When the file cannot be read on; asked again, it has ended.
    #[inline]
    pub fn peek(&mut self) -> Result<&[Tick], ReadError> {
        if self.at == self.chunk().len() {
            self.refill()?;
        }
        Ok(self.rest())
    }

    /// Passes over the first `count` of the ticks that [`peek`](Reader::peek) showed last.
    ///
    /// # Panics
    /// When there were not so many.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.rest().len(), "consumed more than was there");
        self.at += count;
    }

    /// If lines of the file can be decoded in any order, as those of a CSV file: all of them, in
    /// pieces. Their ticks are not part of the [`tally`](Reader::tally).
    ///
    /// # Panics
    /// When ticks were read before.
    pub fn split(&mut self) -> Option<Split<'_>> {
        let is_new = self.decoded.is_empty() && !self.finished;
        match &mut self.inner {
            Inner::Csv(reader) => {
                assert!(is_new, "a file that was read from is not split");
                Some(reader.split())
            }
            _ => None,
        }
    }

    /// The ticks as chunks that can be handed to another thread; see [`Chunk`](crate::Chunk).
    #[must_use]
    pub fn into_chunks(self) -> Chunks {
        Chunks::new(self)
    }

    /// What was met so far. Made on demand: ask at the end, not for every tick.
    #[must_use]
    pub fn tally(&self) -> Tally {
        with!(&self.inner, reader => reader.tally())
    }

    /// Bytes consumed of the file as it lies on disk; of a gzipped file, what has been unpacked.
    #[must_use]
    pub fn position(&self) -> u64 {
        with!(&self.inner, reader => reader.position())
    }

    /// Size of the file as it lies on disk, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What is to be said about the file beside its ticks; complete once it was read to its end.
    #[must_use]
    pub fn notice(&self) -> Option<&Notice> {
        with!(&self.inner, reader => reader.notice())
    }

    /// Count and digest of the ticks, as the writer of a `.ticks` file recorded them when it
    /// closed the file; `None` for other formats and for files that were not closed.
    #[must_use]
    pub fn recorded(&self) -> Option<(u64, Digest)> {
        match &self.inner {
            Inner::Ticks(reader) => reader.recorded(),
            _ => None,
        }
    }

    /// Appends at most so many of the current chunk's ticks, and passes over them.
    pub(crate) fn copy(&mut self, most: usize, out: &mut Vec<Tick>) {
        let rest = self.rest();
        let count = rest.len().min(most);
        out.extend_from_slice(&rest[..count]);
        self.at += count;
    }

    /// If the ticks that come next lie in the file as they are: these, to be kept.
    pub(crate) fn lend(&self) -> Option<Lent> {
        match &self.inner {
            Inner::Ticks(reader) => Some(reader.lend(self.at)),
            _ => None,
        }
    }

    /// The current chunk, with what was consumed of it.
    #[inline]
    fn chunk(&self) -> &[Tick] {
        match &self.inner {
            Inner::Ticks(reader) => reader.rows(),
            _ => &self.decoded,
        }
    }

    #[inline]
    fn rest(&self) -> &[Tick] {
        &self.chunk()[self.at..]
    }

    /// Gets the next chunk, an empty one at the end, or the error that came after the last tick.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> Result<(), ReadError> {
        if !self.finished && self.error.is_none() {
            self.at = 0;
            self.decoded.clear();
            let filled = match &mut self.inner {
                Inner::Ticks(reader) => reader.advance(),
                Inner::Csv(reader) => reader.fill(&mut self.decoded),
                Inner::Itch(reader) => reader.fill(&mut self.decoded),
                Inner::Iex(reader) => reader.fill(&mut self.decoded),
            };
            self.error = filled.err();
            self.finished = self.chunk().is_empty();
        }
        if self.rest().is_empty()
            && let Some(error) = self.error.take()
        {
            self.finished = true;
            return Err(error);
        }
        Ok(())
    }
}

impl Iterator for Reader {
    type Item = Result<Tick, ReadError>;

    #[inline]
    fn next(&mut self) -> Option<Result<Tick, ReadError>> {
        let tick = match self.peek() {
            Ok(ticks) => *ticks.first()?,
            Err(error) => return Some(Err(error)),
        };
        self.at += 1;
        Some(Ok(tick))
    }

    /// A chunk at a time, without a question after each tick whether the chunk is over.
    fn fold<B, F>(mut self, init: B, mut f: F) -> B
    where
        F: FnMut(B, Result<Tick, ReadError>) -> B,
    {
        let mut folded = init;
        loop {
            match self.peek() {
                Ok([]) => return folded,
                Ok(ticks) => {
                    let count = ticks.len();
                    folded = ticks
                        .iter()
                        .fold(folded, |folded, &tick| f(folded, Ok(tick)));
                    self.consume(count);
                }
                Err(error) => folded = f(folded, Err(error)),
            }
        }
    }
}
