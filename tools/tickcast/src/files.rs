//! Tick files to read.

use std::io;
use std::path::Path;

use tickcast_net::thread::spawn_named;
use tickcast_tickfile::{OpenError, Reader};

/// Opens a tick file. A gzipped one is unpacked by a thread of its own, `tc-unpack`.
///
/// # Errors
/// When it cannot be opened, or the thread cannot be started.
pub fn open(path: &Path) -> Result<Reader, OpenError> {
    tickcast_tickfile::open_ahead(path, |unpacker| {
        let started = spawn_named("tc-unpack", None, move || unpacker.run());
        started.map(drop).map_err(io::Error::other)
    })
}

#[cfg(test)]
mod tests {
    use tickcast_protocol::TICKS_PER_BATCH;
    use tickcast_tickfile::FULL_BLOCK_ROWS;

    /// A publisher sends a block that lies in a file as it is, all at once.
    #[test]
    fn a_full_block_is_a_full_batch() {
        assert_eq!(FULL_BLOCK_ROWS, TICKS_PER_BATCH);
    }
}
