//! A lock-free broadcast ring of 64-byte lines: one producer, many readers, each at its own pace. And
//! [chunks](chunk()) of rows, which one thread appends and others read where they lie.
//!
//! The producer never waits and never knows how many readers there are. A reader that falls behind
//! further than the ring reaches is [`Lapped`]: it is told so, and where to go on is its choice.
//! What a reader returns is never torn, never out of order, never twice. Lines are published in
//! batches, and a batch becomes visible at once.
//!
//! The ring knows only lines of eight 64-bit words, and of these half a word in the first line of a
//! batch is its own: the number of lines. It never allocates after [`ring`], never locks, never
//! blocks, never reads a clock, and uses no `unsafe`. Chunks use some, and keep to the rest.
//!
//! ```
//! use tickcast_queue::{Line, batch_lines, ring};
//!
//! let (mut producer, ring) = ring(1024);
//! let mut reader = ring.reader();
//!
//! let mark: Line = [1, 2, 3, 4, 5, 6, 7, 0];
//! producer.publish(&mark, [[10; 8], [11; 8]]);
//!
//! let mut lines = [Line::default(); 64];
//! assert_eq!(reader.read(&mut lines), Ok(3));
//! assert_eq!(batch_lines(&lines[0]), 3);
//! assert_eq!(lines[0][..7], mark[..7]);
//! assert_eq!(lines[1..3], [[10; 8], [11; 8]]);
//!
//! drop(producer);
//! assert!(reader.is_closed());
//! ```

mod chunk;
mod producer;
mod reader;
mod ring;
mod sync;

pub use chunk::{ChunkReader, ChunkWriter, chunk};
pub use producer::Producer;
pub use reader::{Cursor, Lapped, Reader};
pub use ring::{KEPT_LINES, LINE_WORDS, Line, Ring, batch_lines, ring};
