//! Reading the native file, in place.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;
use tickcast_wire::{Digest, TICK_BYTES, Tick};
use zerocopy::FromBytes;

use super::layout::{
    BLOCK_BYTES, BlockHeader, EndMark, FILE_MAGIC, FileHeader, RECORD_BYTES, Said, VERSION,
};
use crate::map::Map;
use crate::reader::{self, Notice, OpenError, ReadError, Tally};

/// A writer that is stopped leaves at most one block unfinished, a machine that goes down perhaps
/// a few. More bytes than this after the last good block are damage, not a torn tail.
const TORN_BYTES_MAX: usize = 16 * BLOCK_BYTES;

/// Why a `.ticks` file cannot be read on. Offsets are in bytes from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TicksError {
    /// It begins with something else.
    #[error("this is no .ticks file: it begins with other bytes than \\x89TICKS\\r\\n")]
    Magic,
    /// It ends before the header does.
    #[error(".ticks file cut inside its header: {bytes} of 64 bytes are there")]
    CutHeader {
        /// Bytes there.
        bytes: usize,
    },
    /// A later version wrote it.
    #[error(".ticks version {version} is newer than {VERSION}, the newest this program reads")]
    NewerVersion {
        /// Its version.
        version: u16,
    },
    /// The header does not agree with its checksum.
    #[error(".ticks header damaged: its checksum or a fixed field is wrong")]
    Header,
    /// A block does not agree with its checksum, and it is not the torn tail of a file that was
    /// not closed.
    #[error(
        ".ticks block at byte {offset} damaged: {ticks} ticks before it are good, what comes \
         after it is not read"
    )]
    Block {
        /// Where the block begins.
        offset: u64,
        /// Good ticks before it.
        ticks: u64,
    },
    /// Sound blocks do not follow each other: some were taken out or put in.
    #[error(
        ".ticks block or end mark at byte {offset} says {said} ticks come before it, but there \
         are {ticks}: parts of the file are missing or out of place"
    )]
    Order {
        /// Where the block or end mark begins.
        offset: u64,
        /// What it says.
        said: u64,
        /// What was read.
        ticks: u64,
    },
    /// Something follows the end mark.
    #[error(".ticks file goes on for {bytes} bytes after its end mark at byte {offset}")]
    AfterEnd {
        /// Where the end mark begins.
        offset: u64,
        /// Bytes after it.
        bytes: u64,
    },
}

/// An opened `.ticks` file, for reading its rows where they lie.
///
/// ```no_run
/// # use tickcast_tickfile::TicksFile;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let file = TicksFile::open("market.ticks".as_ref())?;
/// for rows in file.blocks() {
///     println!("{} ticks", rows?.len());
/// }
/// # Ok(())
/// # }
/// ```
pub struct TicksFile {
    map: Arc<Map>,
}

impl TicksFile {
    /// Opens a file and checks its header. It is seen as long as it is now.
    ///
    /// # Errors
    /// When it cannot be opened, is not a regular file, or its header is not sound.
    pub fn open(path: &Path) -> Result<TicksFile, OpenError> {
        TicksFile::new(reader::map(path)?).map_err(|error| OpenError::Damaged {
            path: path.into(),
            source: error.into(),
        })
    }

    pub(crate) fn new(map: Map) -> Result<TicksFile, TicksError> {
        check_header(&map)?;
        Ok(TicksFile { map: Arc::new(map) })
    }

    /// The rows, block by block, each checked before it is given. Ends after an error.
    #[must_use]
    pub fn blocks(&self) -> Blocks<'_> {
        Blocks {
            bytes: &self.map,
            walk: Walk::default(),
        }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.map.len() as u64
    }

    /// Count and digest of the ticks, as the writer recorded them when it closed the file; `None`
    /// when it did not.
    #[must_use]
    pub fn recorded(&self) -> Option<(u64, Digest)> {
        end_mark(&self.map).map(|end| (end.rows.get(), end.digest()))
    }
}

fn check_header(bytes: &[u8]) -> Result<(), TicksError> {
    let magic = &bytes[..bytes.len().min(FILE_MAGIC.len())];
    if magic != &FILE_MAGIC[..magic.len()] {
        return Err(TicksError::Magic);
    }
    let Ok((header, _)) = FileHeader::ref_from_prefix(bytes) else {
        return Err(TicksError::CutHeader { bytes: bytes.len() });
    };
    let version = header.version.get();
    if version > VERSION {
        return Err(TicksError::NewerVersion { version });
    }
    if !header.is_sound() {
        return Err(TicksError::Header);
    }
    Ok(())
}

/// The end mark, if the file ends with a sound one.
fn end_mark(bytes: &[u8]) -> Option<&EndMark> {
    let at = bytes.len().checked_sub(RECORD_BYTES)?;
    EndMark::parse(&bytes[at..])
}

/// Where the rows of a sound block lie in a file, in bytes.
pub(crate) type Place = Range<usize>;

/// The rows at a place, which a [`Walk`] over these bytes gave.
#[inline]
pub(crate) fn rows(bytes: &[u8], place: Place) -> &[Tick] {
    <[Tick]>::ref_from_bytes(&bytes[place]).expect("a place is one of whole rows")
}

/// The blocks of a file: slices of its rows.
pub struct Blocks<'a> {
    bytes: &'a [u8],
    walk: Walk,
}

impl Blocks<'_> {
    /// What is to be said about the file; complete once all blocks were read.
    #[must_use]
    pub fn notice(&self) -> Option<&Notice> {
        self.walk.notice.as_ref()
    }

    /// Bytes of the file that the rows given so far and what comes before them take.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.walk.offset as u64
    }

    /// What the publisher of a recorded stream had said last when the rows given last were
    /// written; after the end, when the file was closed.
    #[must_use]
    pub const fn said(&self) -> Said {
        self.walk.said
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<&'a [Tick], TicksError>;

    fn next(&mut self) -> Option<Result<&'a [Tick], TicksError>> {
        let place = self.walk.step(self.bytes).transpose()?;
        Some(place.map(|place| rows(self.bytes, place)))
    }
}

/// How far the blocks of a file have been read.
struct Walk {
    offset: usize,
    ticks: u64,
    notice: Option<Notice>,
    said: Said,
    finished: bool,
}

impl Default for Walk {
    fn default() -> Walk {
        Walk {
            offset: RECORD_BYTES,
            ticks: 0,
            notice: None,
            said: Said::default(),
            finished: false,
        }
    }
}

impl Walk {
    /// Checks the next block and says where its rows lie; `None` at the end.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<Place>, TicksError> {
        if self.finished {
            return Ok(None);
        }
        let rest = &bytes[self.offset..];
        if let Some((header, rows)) = BlockHeader::parse(rest) {
            self.check_order(header.rows_before.get())?;
            let start = self.offset + RECORD_BYTES;
            self.offset = start + size_of_val(rows);
            self.ticks += rows.len() as u64;
            self.said = header.said();
            return Ok(Some(start..self.offset));
        }
        self.finished = true;
        self.said = Said::default();
        match EndMark::parse(rest) {
            Some(end) => self.close(end, rest)?,
            None => self.recover(rest)?,
        }
        Ok(None)
    }

    fn check_order(&mut self, said: u64) -> Result<(), TicksError> {
        if said == self.ticks {
            return Ok(());
        }
        self.finished = true;
        Err(TicksError::Order {
            offset: self.offset as u64,
            said,
            ticks: self.ticks,
        })
    }

    fn close(&mut self, end: &EndMark, rest: &[u8]) -> Result<(), TicksError> {
        self.check_order(end.rows.get())?;
        if rest.len() > RECORD_BYTES {
            return Err(TicksError::AfterEnd {
                offset: self.offset as u64,
                bytes: (rest.len() - RECORD_BYTES) as u64,
            });
        }
        self.offset += RECORD_BYTES;
        self.said = end.said();
        Ok(())
    }

    /// What follows the last good block is a torn tail if nothing good comes after it; otherwise
    /// the file is damaged in its middle. An end mark at the end may stand out of step, if bytes
    /// were put in or taken out before it.
    fn recover(&mut self, rest: &[u8]) -> Result<(), TicksError> {
        let is_torn = rest.len() <= TORN_BYTES_MAX
            && end_mark(rest).is_none()
            && (0..rest.len())
                .step_by(RECORD_BYTES)
                .map(|at| &rest[at..])
                .all(|rest| BlockHeader::parse(rest).is_none() && EndMark::parse(rest).is_none());
        if !is_torn {
            return Err(TicksError::Block {
                offset: self.offset as u64,
                ticks: self.ticks,
            });
        }
        self.notice = Some(Notice::TornTail {
            offset: self.offset as u64,
            bytes: rest.len() as u64,
            ticks: self.ticks,
        });
        Ok(())
    }
}

/// The native file as one of the formats of [`Reader`](crate::Reader): its rows are not decoded
/// but shown where they lie.
pub(crate) struct TicksReader {
    file: TicksFile,
    walk: Walk,
    /// Where the rows of the current block lie.
    place: Place,
    /// By kind, in lanes that do not wait for each other.
    kinds: Box<[[u64; 256]; LANES]>,
}

/// How many rows are counted side by side: neighbours are mostly of one kind, and a count has to
/// wait until the one before it is written.
const LANES: usize = 4;

impl TicksReader {
    pub(crate) fn new(map: Map) -> Result<TicksReader, TicksError> {
        Ok(TicksReader {
            file: TicksFile::new(map)?,
            walk: Walk::default(),
            place: 0..0,
            kinds: Box::new([[0; 256]; LANES]),
        })
    }

    /// Goes on to the next block; after the last one there are no rows.
    pub(crate) fn advance(&mut self) -> Result<(), ReadError> {
        // Should the block be damaged, there are none either.
        self.place = 0..0;
        self.place = self.walk.step(&self.file.map)?.unwrap_or(0..0);
        for some in rows(&self.file.map, self.place.clone()).chunks(LANES) {
            for (row, kinds) in some.iter().zip(self.kinds.iter_mut()) {
                kinds[usize::from(row.kind_code())] += 1;
            }
        }
        Ok(())
    }

    /// The rows of the current block.
    #[inline]
    pub(crate) fn rows(&self) -> &[Tick] {
        rows(&self.file.map, self.place.clone())
    }

    /// The rows of the current block from `first` on, kept mapped for as long as they are wanted.
    pub(crate) fn lend(&self, first: usize) -> Lent {
        Lent {
            map: Arc::clone(&self.file.map),
            place: self.place.start + first * TICK_BYTES..self.place.end,
        }
    }

    pub(crate) fn recorded(&self) -> Option<(u64, Digest)> {
        self.file.recorded()
    }

    pub(crate) fn tally(&self) -> Tally {
        let kinds = std::array::from_fn(|kind| self.kinds.iter().map(|lane| lane[kind]).sum());
        Tally::of_kinds(&kinds)
    }

    pub(crate) fn position(&self) -> u64 {
        self.walk.offset as u64
    }

    pub(crate) fn notice(&self) -> Option<&Notice> {
        self.walk.notice.as_ref()
    }
}

/// Rows of a block where they lie in the mapped file.
#[derive(Debug)]
pub(crate) struct Lent {
    map: Arc<Map>,
    place: Place,
}

impl Lent {
    #[inline]
    pub(crate) fn rows(&self) -> &[Tick] {
        rows(&self.map, self.place.clone())
    }
}
