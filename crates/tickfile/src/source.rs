//! The bytes of an opened file in order, unpacked when it is gzipped.

use std::io::{self, Cursor, Read};
use std::sync::mpsc::{self, Receiver, SyncSender};

use flate2::bufread::MultiGzDecoder;

use crate::map::Map;
use crate::reader::ReadError;

/// How much of a gzipped file is unpacked at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// The first two bytes of every gzip stream.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How many chunks may be unpacked ahead of whoever reads them.
const CHUNKS_AHEAD: usize = 4;

/// Bytes to read from: look at them with [`peek`](Source::peek), pass over them with
/// [`consume`](Source::consume). `Read` does both.
pub(crate) struct Source {
    input: Input,
    /// Bytes consumed so far, of what the file unpacks to.
    offset: u64,
}

enum Input {
    Plain {
        map: Map,
        at: usize,
    },
    Gzip {
        chunks: Chunks,
        window: Vec<u8>,
        at: usize,
        /// Bytes of the file that `window` and what came before was unpacked from.
        position: u64,
    },
}

/// Where the chunks of a gzipped file come from.
enum Chunks {
    /// Unpacked when they are asked for.
    Here(Box<Unpacker>),
    /// Unpacked ahead in another thread.
    Ahead(Receiver<Chunk>),
    /// There are no more.
    Ended,
}

/// What was unpacked at a time: nothing at the end of the file.
struct Chunk {
    bytes: Vec<u8>,
    /// Bytes of the file that were needed for it and what came before.
    position: u64,
    /// Why unpacking ended after these bytes, which are not to be used then.
    error: Option<io::Error>,
}

/// Unpacks a gzipped file ahead of its [`Reader`](crate::Reader); see
/// [`open_ahead`](crate::open_ahead).
pub struct Unpacker {
    decoder: MultiGzDecoder<Cursor<Map>>,
    /// Where the chunks go when they are unpacked ahead.
    to: Option<SyncSender<Chunk>>,
}

impl Unpacker {
    fn new(map: Map) -> Unpacker {
        Unpacker {
            decoder: MultiGzDecoder::new(Cursor::new(map)),
            to: None,
        }
    }

    /// Unpacks the file to its end, as fast as the reader reads, and no more than a MiB ahead.
    /// Returns as well when the reader is gone.
    pub fn run(mut self) {
        let Some(to) = self.to.take() else { return };
        let mut is_last = false;
        while !is_last {
            let chunk = self.chunk();
            is_last = chunk.bytes.is_empty() || chunk.error.is_some();
            if to.send(chunk).is_err() {
                return;
            }
        }
    }

    fn chunk(&mut self) -> Chunk {
        let mut bytes = Vec::with_capacity(CHUNK_BYTES);
        let most = CHUNK_BYTES as u64;
        let result = self.decoder.by_ref().take(most).read_to_end(&mut bytes);
        Chunk {
            bytes,
            position: self.decoder.get_ref().position(),
            error: result.err(),
        }
    }
}

impl Chunks {
    /// The next chunk, `None` at the end.
    fn next(&mut self) -> Option<Chunk> {
        let chunk = match self {
            Chunks::Here(unpacker) => unpacker.chunk(),
            Chunks::Ahead(chunks) => chunks.recv().unwrap_or_else(|_| Chunk {
                bytes: Vec::new(),
                position: 0,
                error: Some(io::Error::other("the thread that unpacks it ended early")),
            }),
            Chunks::Ended => return None,
        };
        if chunk.bytes.is_empty() && chunk.error.is_none() {
            *self = Chunks::Ended;
            return None;
        }
        Some(chunk)
    }
}

impl Source {
    /// The bytes of a file, unpacked as they are read.
    pub(crate) fn new(map: Map) -> Source {
        if map.starts_with(&GZIP_MAGIC) {
            Source::gzip(Chunks::Here(Box::new(Unpacker::new(map))))
        } else {
            Source::plain(map)
        }
    }

    /// As [`new`](Source::new), but what unpacks a gzipped file is given to `spawn`.
    pub(crate) fn ahead(
        map: Map,
        spawn: impl FnOnce(Unpacker) -> io::Result<()>,
    ) -> io::Result<Source> {
        if !map.starts_with(&GZIP_MAGIC) {
            return Ok(Source::plain(map));
        }
        let (to, chunks) = mpsc::sync_channel(CHUNKS_AHEAD);
        spawn(Unpacker {
            to: Some(to),
            ..Unpacker::new(map)
        })?;
        Ok(Source::gzip(Chunks::Ahead(chunks)))
    }

    /// Bytes in memory, as if they had been unpacked.
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Source {
        Source {
            input: Input::Gzip {
                chunks: Chunks::Ended,
                window: bytes,
                at: 0,
                position: 0,
            },
            offset: 0,
        }
    }

    fn plain(map: Map) -> Source {
        Source {
            input: Input::Plain { map, at: 0 },
            offset: 0,
        }
    }

    fn gzip(chunks: Chunks) -> Source {
        Source {
            input: Input::Gzip {
                chunks,
                window: Vec::new(),
                at: 0,
                position: 0,
            },
            offset: 0,
        }
    }

    /// Whether the file on disk is gzipped.
    pub(crate) fn is_gzip(&self) -> bool {
        matches!(self.input, Input::Gzip { .. })
    }

    /// What comes next: at least `least` bytes, or all that is left when the file ends before
    /// (an empty slice at its end). A plain file is seen whole; of a gzipped one, ask for no more
    /// than a message needs, since that much is held in memory.
    #[inline]
    pub(crate) fn peek(&mut self, least: usize) -> Result<&[u8], ReadError> {
        if let Input::Gzip {
            chunks,
            window,
            at,
            position,
        } = &mut self.input
            && window.len() - *at < least
        {
            window.drain(..*at);
            *at = 0;
            while window.len() < least {
                let Some(chunk) = chunks.next() else { break };
                let offset = self.offset + (window.len() + chunk.bytes.len()) as u64;
                if let Some(error) = chunk.error {
                    return Err(ReadError::Gzip {
                        offset,
                        message: error.to_string(),
                    });
                }
                window.extend_from_slice(&chunk.bytes);
                *position = chunk.position;
            }
        }
        Ok(match &self.input {
            Input::Plain { map, at } => &map[*at..],
            Input::Gzip { window, at, .. } => &window[*at..],
        })
    }

    /// Passes over `count` bytes that were peeked at.
    ///
    /// # Panics
    /// When fewer than `count` bytes were there to be peeked at.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        let (len, at) = match &mut self.input {
            Input::Plain { map, at } => (map.len(), at),
            Input::Gzip { window, at, .. } => (window.len(), at),
        };
        assert!(count <= len - *at, "consumed more than was there");
        *at += count;
        self.offset += count as u64;
    }

    /// Bytes consumed so far, of what the file unpacks to.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes consumed so far, of the file as it lies on disk; of a gzipped file, what has been
    /// unpacked.
    pub(crate) fn position(&self) -> u64 {
        match &self.input {
            Input::Plain { at, .. } => *at as u64,
            Input::Gzip { position, .. } => *position,
        }
    }

    /// The map of a plain file.
    pub(crate) fn into_map(self) -> Option<Map> {
        match self.input {
            Input::Plain { map, .. } => Some(map),
            Input::Gzip { .. } => None,
        }
    }
}

/// Reads a source, but refuses to go on in a line longer than a limit, so that whoever collects
/// whole lines needs no more memory than that.
pub(crate) struct LineLimit {
    source: Source,
    most: usize,
    /// Bytes given since the last end of line.
    line: usize,
    /// Ends of line given.
    lines: u64,
    error: Option<ReadError>,
}

impl LineLimit {
    pub(crate) fn new(source: Source, most: usize) -> LineLimit {
        LineLimit {
            source,
            most,
            line: 0,
            lines: 0,
            error: None,
        }
    }

    /// The error of the source that made a read fail; `None` when it was the limit.
    pub(crate) fn take_error(&mut self) -> Option<ReadError> {
        self.error.take()
    }

    pub(crate) fn position(&self) -> u64 {
        self.source.position()
    }

    /// How many lines were given whole: the one at the limit comes after them.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    pub(crate) fn source(&mut self) -> &mut Source {
        &mut self.source
    }
}

impl Read for LineLimit {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let window = match self.source.peek(1) {
            Ok(window) => window,
            Err(error) => {
                let message = io::Error::other(error.to_string());
                self.error = Some(error);
                return Err(message);
            }
        };
        let mut count = 0;
        for line in window[..window.len().min(into.len())].split_inclusive(|&byte| byte == b'\n') {
            let fits = line.len().min(self.most - self.line);
            count += fits;
            if line.ends_with(b"\n") && fits == line.len() {
                self.line = 0;
                self.lines += 1;
            } else {
                self.line += fits;
            }
            if fits < line.len() {
                break;
            }
        }
        if count == 0 && !window.is_empty() {
            return Err(io::Error::other("line too long"));
        }
        into[..count].copy_from_slice(&window[..count]);
        self.source.consume(count);
        Ok(count)
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let window = self.peek(1).map_err(io::Error::other)?;
        let count = window.len().min(into.len());
        into[..count].copy_from_slice(&window[..count]);
        self.consume(count);
        Ok(count)
    }
}
