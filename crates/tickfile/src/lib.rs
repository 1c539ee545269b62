//! Tick files, in and out. [`open`] looks at the content of a file, never at its name, and gives a
//! [`Reader`]: an iterator of ticks, whatever the format.
//!
//! | format | read | written |
//! |---|---|---|
//! | `.ticks`, the native file | memory-mapped, rows borrowed in place | [`TickWriter`] |
//! | CSV with the columns of `docs/tick-files.md` | yes | [`CsvWriter`] |
//! | Nasdaq ITCH 5.0 BinaryFILE, gzipped or not | yes | no |
//! | IEX TOPS 1.6 in pcap or pcapng, gzipped or not | yes | no |
//!
//! [`Datagrams`] are those of any capture, with their times; [`Feed`] knows where in a stream they
//! belong.
//!
//! [`Synthetic`] is a market made from a seed, for when there is no file.
//!
//! A damaged file gives a typed error with its offset, a file that only ends early gives what is
//! whole and a [`Notice`]; neither is ever passed over silently. This crate never opens a socket,
//! reads a clock or starts a thread; what may run in threads of its own is handed out for it:
//! [`Unpacker`], [`Lines`], [`Preparer`], [`Chunk`].
//!
//! ```
//! use tickcast_tickfile::{Format, Synthetic, SyntheticConfig, TickWriter, open};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("market.ticks");
//! let mut writer = TickWriter::create(&path)?;
//! for tick in Synthetic::new(SyntheticConfig::default()).take(10_000) {
//!     writer.write(&tick)?;
//! }
//! writer.finish()?;
//!
//! let mut reader = open(&path)?;
//! assert_eq!(reader.format(), Format::Ticks);
//! assert_eq!(reader.by_ref().filter_map(Result::ok).count(), 10_000);
//! assert!(reader.notice().is_none());
//! # Ok(())
//! # }
//! ```

mod chunks;
mod csv;
mod datagrams;
mod detect;
mod feed;
mod iex;
mod itch;
mod map;
mod native;
mod pcap;
mod reader;
mod source;
mod synthetic;
mod writer;

pub use chunks::{Chunk, Chunks};
pub use csv::{CsvError, CsvWriter, Lines, Split};
pub use datagrams::{Datagram, Datagrams};
pub use feed::{Feed, Place};
pub use iex::{Found, IexError};
pub use itch::{ItchError, ItchMessage, ItchMessages};
pub use native::{
    BLOCK_ROWS, Blocks, FULL_BLOCK_ROWS, Finished, Said, TickWriter, TicksError, TicksFile,
    WriteError,
};
pub use pcap::PcapError;
pub use reader::{Format, Notice, OpenError, ReadError, Reader, Tally, open, open_ahead};
pub use source::Unpacker;
pub use synthetic::{SYNTHETIC_INSTRUMENTS_MAX, SYNTHETIC_OPEN, Synthetic, SyntheticConfig};
pub use writer::{Part, Preparer, Writer};
