//! The bytes of an opened file in order, unpacked when it is gzipped.

use std::io::{self, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use crate::map::Map;
use crate::reader::ReadError;

/// How much of a gzipped file is unpacked at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// The first two bytes of every gzip stream.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Bytes to read from: look at them with [`peek`](Source::peek), pass over them with
/// [`consume`](Source::consume). `Read` does both.
pub(crate) struct Source {
    input: Input,
    /// Bytes consumed so far, of what the file unpacks to.
    offset: u64,
    /// Size of the file as it lies on disk.
    size: u64,
}

enum Input {
    Plain {
        map: Map,
        at: usize,
    },
    Gzip {
        decoder: Box<MultiGzDecoder<Cursor<Map>>>,
        window: Vec<u8>,
        at: usize,
    },
}

impl Source {
    pub(crate) fn new(map: Map) -> Source {
        let size = map.len() as u64;
        let input = if map.starts_with(&GZIP_MAGIC) {
            Input::Gzip {
                decoder: Box::new(MultiGzDecoder::new(Cursor::new(map))),
                window: Vec::new(),
                at: 0,
            }
        } else {
            Input::Plain { map, at: 0 }
        };
        Source {
            input,
            offset: 0,
            size,
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
            decoder,
            window,
            at,
        } = &mut self.input
            && window.len() - *at < least
        {
            window.drain(..*at);
            *at = 0;
            unpack(decoder, window, least).map_err(|error| ReadError::Gzip {
                offset: self.offset + window.len() as u64,
                message: error.to_string(),
            })?;
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
            Input::Gzip { decoder, .. } => decoder.get_ref().position(),
        }
    }

    /// Size of the file as it lies on disk.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The map of a plain file.
    pub(crate) fn into_map(self) -> Option<Map> {
        match self.input {
            Input::Plain { map, .. } => Some(map),
            Input::Gzip { .. } => None,
        }
    }
}

/// Unpacks until `window` holds `least` bytes or the stream ends, a chunk at a time.
fn unpack(
    decoder: &mut MultiGzDecoder<Cursor<Map>>,
    window: &mut Vec<u8>,
    least: usize,
) -> io::Result<()> {
    while window.len() < least {
        let more = decoder
            .by_ref()
            .take(CHUNK_BYTES as u64)
            .read_to_end(window)?;
        if more == 0 {
            break;
        }
    }
    Ok(())
}

/// Reads a source, but refuses to go on in a line longer than a limit, so that whoever collects
/// whole lines needs no more memory than that.
pub(crate) struct LineLimit {
    source: Source,
    most: usize,
    /// Bytes given since the last end of line.
    line: usize,
    error: Option<ReadError>,
}

impl LineLimit {
    pub(crate) fn new(source: Source, most: usize) -> LineLimit {
        LineLimit {
            source,
            most,
            line: 0,
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
            self.line = if line.ends_with(b"\n") && fits == line.len() {
                0
            } else {
                self.line + fits
            };
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
