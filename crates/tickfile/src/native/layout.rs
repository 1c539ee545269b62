//! The three 64-byte records around the rows. All little-endian, each with a CRC-32C in its last
//! four bytes, so that no bit of a file is without a check.

use tickcast_wire::{Digest, TICK_BYTES, TICKS_PER_PACKET, Tick};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The first eight bytes: not text, and damaged by anything that changes line ends.
pub(crate) const FILE_MAGIC: [u8; 8] = *b"\x89TICKS\r\n";

/// The version this crate reads and writes.
pub(crate) const VERSION: u16 = 1;

/// Most rows in a block, which is then 64 KiB with its header.
pub const BLOCK_ROWS: usize = 1_023;

/// Rows in a block that a writer has filled: those of 46 full packets, which is what a publisher
/// sends at a time, so that it can send a block from where it lies.
pub const FULL_BLOCK_ROWS: usize = 46 * TICKS_PER_PACKET;

/// Size of the file header, of a block header and of the end mark.
pub(crate) const RECORD_BYTES: usize = 64;

/// Size of a full block.
pub(crate) const BLOCK_BYTES: usize = RECORD_BYTES + BLOCK_ROWS * TICK_BYTES;

const BLOCK_MAGIC: [u8; 4] = *b"TBLK";
const END_MAGIC: [u8; 4] = *b"TEND";

/// The first record of a file.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
pub(crate) struct FileHeader {
    pub(crate) magic: [u8; 8],
    pub(crate) version: U16,
    row_bytes: U16,
    block_rows: U32,
    reserved: [u8; 44],
    crc: U32,
}

/// What the publisher of a recorded stream last said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// The session of the rows, those of snapshots aside; 0 if they are no recorded stream.
    pub session: u64,
    /// The place it spoke of: the seq that came next; 0 if nothing was said.
    pub next_seq: u64,
    /// The digest of all ticks of the session before that.
    pub digest: Digest,
}

/// Before the rows of a block. The CRC covers this header and the rows.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
pub(crate) struct BlockHeader {
    magic: [u8; 4],
    count: U32,
    /// Rows in all blocks before.
    pub(crate) rows_before: U64,
    /// `seq` of the first row, as it lies there.
    first_seq: U64,
    session: U64,
    said_next_seq: U64,
    said_digest: U64,
    reserved: [u8; 12],
    crc: U32,
}

/// The last record of a file that was closed.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
pub(crate) struct EndMark {
    magic: [u8; 4],
    reserved: [u8; 4],
    /// Rows in the file.
    pub(crate) rows: U64,
    /// Digest of all rows.
    digest: U64,
    session: U64,
    said_next_seq: U64,
    said_digest: U64,
    reserved_2: [u8; 12],
    crc: U32,
}

const _: () = {
    assert!(size_of::<FileHeader>() == RECORD_BYTES);
    assert!(size_of::<BlockHeader>() == RECORD_BYTES);
    assert!(size_of::<EndMark>() == RECORD_BYTES);
    assert!(BLOCK_BYTES == 65_536);
    assert!(FULL_BLOCK_ROWS <= BLOCK_ROWS);
};

/// Where the CRC lies in each of the three records.
const CRC_AT: usize = RECORD_BYTES - size_of::<u32>();

/// The CRC of a record and of what follows it.
fn crc(record: &[u8], rows: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&record[..CRC_AT]), rows)
}

impl FileHeader {
    pub(crate) fn new() -> FileHeader {
        let mut header = FileHeader {
            magic: FILE_MAGIC,
            version: VERSION.into(),
            row_bytes: (TICK_BYTES as u16).into(),
            block_rows: (BLOCK_ROWS as u32).into(),
            reserved: [0; 44],
            crc: U32::ZERO,
        };
        header.crc = crc(header.as_bytes(), &[]).into();
        header
    }

    /// Whether this is a header of this version, every byte of it.
    pub(crate) fn is_sound(&self) -> bool {
        self.as_bytes() == FileHeader::new().as_bytes()
    }
}

impl BlockHeader {
    /// The header of these rows (at least one, at most [`BLOCK_ROWS`]).
    pub(crate) fn of(rows: &[Tick], rows_before: u64, said: Said) -> BlockHeader {
        let mut header = BlockHeader {
            magic: BLOCK_MAGIC,
            count: (rows.len() as u32).into(),
            rows_before: rows_before.into(),
            first_seq: rows.first().map_or(0, Tick::seq).into(),
            session: said.session.into(),
            said_next_seq: said.next_seq.into(),
            said_digest: said.digest.value().into(),
            reserved: [0; 12],
            crc: U32::ZERO,
        };
        header.crc = crc(header.as_bytes(), rows.as_bytes()).into();
        header
    }

    /// The header and rows of the sound block that `bytes` begin with.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(&BlockHeader, &[Tick])> {
        let (header, rest) = BlockHeader::ref_from_prefix(bytes).ok()?;
        let count = header.count.get() as usize;
        if header.magic != BLOCK_MAGIC || count == 0 || count > BLOCK_ROWS {
            return None;
        }
        let (rows, _) = <[Tick]>::ref_from_prefix_with_elems(rest, count).ok()?;
        let is_sound = header.crc.get() == crc(header.as_bytes(), rows.as_bytes())
            && header.reserved == [0; 12]
            && header.first_seq.get() == rows[0].seq();
        is_sound.then_some((header, rows))
    }

    /// What had been said last when the block was written.
    pub(crate) fn said(&self) -> Said {
        Said {
            session: self.session.get(),
            next_seq: self.said_next_seq.get(),
            digest: Digest::from_value(self.said_digest.get()),
        }
    }
}

impl EndMark {
    /// `said` is what was said last.
    pub(crate) fn new(rows: u64, digest: Digest, said: Said) -> EndMark {
        let mut end = EndMark {
            magic: END_MAGIC,
            reserved: [0; 4],
            rows: rows.into(),
            digest: digest.value().into(),
            session: said.session.into(),
            said_next_seq: said.next_seq.into(),
            said_digest: said.digest.value().into(),
            reserved_2: [0; 12],
            crc: U32::ZERO,
        };
        end.crc = crc(end.as_bytes(), &[]).into();
        end
    }

    /// The sound end mark that `bytes` begin with.
    pub(crate) fn parse(bytes: &[u8]) -> Option<&EndMark> {
        let (end, _) = EndMark::ref_from_prefix(bytes).ok()?;
        let expected = EndMark::new(end.rows.get(), end.digest(), end.said());
        (end.as_bytes() == expected.as_bytes()).then_some(end)
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::from_value(self.digest.get())
    }

    /// What was said last.
    pub(crate) fn said(&self) -> Said {
        Said {
            session: self.session.get(),
            next_seq: self.said_next_seq.get(),
            digest: Digest::from_value(self.said_digest.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickcast_wire::{Quote, Venue};

    fn tick() -> Tick {
        Tick::new(Quote::new(1, 2, 3, 4), Venue::IEX, 17, 5).with_seq(258)
    }

    #[test]
    fn golden_file_header() {
        let mut expected = [0u8; 64];
        expected[..16].copy_from_slice(b"\x89TICKS\r\n\x01\0\x40\0\xff\x03\0\0");
        expected[60..].copy_from_slice(&[0x5d, 0xda, 0xed, 0x2c]);
        assert_eq!(FileHeader::new().as_bytes(), expected);
        assert!(FileHeader::ref_from_bytes(&expected).unwrap().is_sound());
    }

    #[test]
    fn golden_block_header() {
        let mut expected = [0u8; 64];
        expected[..8].copy_from_slice(b"TBLK\x01\0\0\0");
        expected[8] = 7;
        expected[16..18].copy_from_slice(&[2, 1]);
        expected[60..].copy_from_slice(&[0xdc, 0xcd, 0x6c, 0xba]);
        let mut bytes = Vec::from(BlockHeader::of(&[tick()], 7, Said::default()).as_bytes());
        assert_eq!(bytes, expected);
        bytes.extend_from_slice(tick().as_bytes());
        let (header, rows) = BlockHeader::parse(&bytes).unwrap();
        assert_eq!((header.rows_before.get(), rows), (7, &[tick()][..]));
    }

    #[test]
    fn golden_words_of_the_publisher() {
        let said = Said {
            session: 0x0102,
            next_seq: 0x0506,
            digest: Digest::from_value(0x0304),
        };
        let mut block = Vec::from(BlockHeader::of(&[tick()], 7, said).as_bytes());
        let mut words = [0u8; 36];
        words[..2].copy_from_slice(&[2, 1]);
        words[8..10].copy_from_slice(&[6, 5]);
        words[16..18].copy_from_slice(&[4, 3]);
        assert_eq!(block[24..60], words);
        block.extend_from_slice(tick().as_bytes());
        assert_eq!(BlockHeader::parse(&block).unwrap().0.said(), said);

        let end = EndMark::new(9, Digest::from_value(258), said);
        assert_eq!(end.as_bytes()[24..60], words);
        assert_eq!(EndMark::parse(end.as_bytes()).unwrap().said(), said);
    }

    #[test]
    fn golden_end_mark() {
        let mut expected = [0u8; 64];
        expected[..4].copy_from_slice(b"TEND");
        expected[8] = 9;
        expected[16..18].copy_from_slice(&[2, 1]);
        expected[60..].copy_from_slice(&[0x6f, 0x9d, 0x66, 0xda]);
        let end = EndMark::new(9, Digest::from_value(258), Said::default());
        assert_eq!(end.as_bytes(), expected);
        let end = EndMark::parse(&expected).unwrap();
        assert_eq!((end.rows.get(), end.digest().value()), (9, 258));
    }

    #[test]
    fn a_count_that_does_not_fit_is_no_block() {
        let rows = vec![tick(); BLOCK_ROWS + 1];
        let mut bytes = Vec::from(BlockHeader::of(&rows, 0, Said::default()).as_bytes());
        bytes.extend_from_slice(rows.as_bytes());
        assert!(BlockHeader::parse(&bytes).is_none());
        let empty = BlockHeader::of(&[], 0, Said::default());
        assert!(BlockHeader::parse(empty.as_bytes()).is_none());
    }
}
