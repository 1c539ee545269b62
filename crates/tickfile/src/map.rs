//! A file seen as a slice of bytes.

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;

/// The bytes of a file, as long as it was when it was mapped.
///
/// What is appended later is not seen. A file that something cuts short while it is mapped makes
/// the kernel end the process with SIGBUS at the first touch of a missing page: there is no way
/// to read a memory map that survives this, so files that are being replaced should be replaced
/// by renaming, never by truncating in place.
#[derive(Debug)]
pub(crate) struct Map(Mmap);

impl Map {
    /// Maps the whole of `file`.
    pub(crate) fn of(file: &File) -> io::Result<Map> {
        // SAFETY: a map is unsound only if the bytes behind the slice change while it is borrowed,
        // or if they mean something that not every bit pattern may mean. Files of this crate's
        // own writer are created new, only ever appended to, and never truncated or rewritten, so
        // the bytes below the length fixed here do not change. If a foreign program rewrites the
        // file all the same, readers see other bytes, of which any pattern is a valid `u8` and a
        // valid `Tick` (plain integers, alignment 1), so no invalid value can come of it; if it
        // truncates the file, the process gets SIGBUS and ends, it does not go on with wrong data.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(file)? };
        Ok(Map(map))
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
