//! The native file: a header, blocks of 64-byte rows, an end mark. `docs/tick-files.md` has the
//! byte tables.

mod layout;
mod read;
mod write;

pub use layout::{BLOCK_ROWS, FULL_BLOCK_ROWS, Said};
pub use read::{Blocks, TicksError, TicksFile};
pub use write::{Finished, TickWriter, WriteError};

pub(crate) use layout::{BlockHeader, FILE_MAGIC};
pub(crate) use read::{Lent, TicksReader};
