//! What a file is, by its content.

use crate::csv::is_csv;
use crate::itch;
use crate::native::FILE_MAGIC;
use crate::reader::{Format, ReadError};
use crate::source::Source;

/// How many bytes are looked at.
const SAMPLE_BYTES: usize = 4096;

/// How many messages at the beginning of an ITCH file must be plausible.
const ITCH_SAMPLE: usize = 8;

/// How many bytes of an unknown file an error repeats.
const SHOWN_BYTES: usize = 16;

/// What the content says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Detected {
    /// One of the formats.
    Known(Format),
    /// None of them, but this.
    Unknown(String),
}

/// Looks at the first bytes of what the file unpacks to.
pub(crate) fn detect(source: &mut Source) -> Result<Detected, ReadError> {
    let is_gzip = source.is_gzip();
    let sample = source.peek(SAMPLE_BYTES)?;
    let sample = &sample[..sample.len().min(SAMPLE_BYTES)];
    Ok(match known(sample) {
        Some(format) => Detected::Known(format),
        None => Detected::Unknown(describe(sample, is_gzip)),
    })
}

fn known(sample: &[u8]) -> Option<Format> {
    if sample.starts_with(&FILE_MAGIC) {
        Some(Format::Ticks)
    } else if is_csv(sample) {
        Some(Format::Csv)
    } else if is_capture(sample) {
        Some(Format::IexTops16)
    } else if is_itch(sample) {
        Some(Format::Itch50)
    } else {
        None
    }
}

/// pcap with µs or ns stamps in either byte order, or pcapng.
fn is_capture(sample: &[u8]) -> bool {
    const MAGICS: [[u8; 4]; 5] = [
        [0xd4, 0xc3, 0xb2, 0xa1],
        [0x4d, 0x3c, 0xb2, 0xa1],
        [0xa1, 0xb2, 0xc3, 0xd4],
        [0xa1, 0xb2, 0x3c, 0x4d],
        [0x0a, 0x0d, 0x0d, 0x0a],
    ];
    MAGICS.iter().any(|magic| sample.starts_with(magic))
}

/// Whether the sample begins with messages whose lengths fit their types. The sample may end
/// inside one.
fn is_itch(sample: &[u8]) -> bool {
    let mut rest = sample;
    for _ in 0..ITCH_SAMPLE {
        let [high, low, kind, ..] = *rest else { break };
        let length = u16::from_be_bytes([high, low]);
        if itch::length_of(kind) != Some(length) {
            return false;
        }
        match rest.get(2 + usize::from(length)..) {
            Some(after) => rest = after,
            None => return true,
        }
    }
    sample.len() >= 3
}

/// What an unknown file looks like.
fn describe(sample: &[u8], is_gzip: bool) -> String {
    let what = if sample.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        "a zstd file (unpack it first)".to_string()
    } else if sample.starts_with(b"DBN") {
        "a DBN file".to_string()
    } else if sample.starts_with(b"kind,") {
        "a CSV file with other columns".to_string()
    } else {
        let first = &sample[..sample.len().min(SHOWN_BYTES)];
        let kind = if is_text(first) { "text" } else { "bytes" };
        format!(
            "of an unknown format, {kind} that begins with {}",
            show(first)
        )
    };
    if is_gzip {
        format!("gzip holding what is {what}")
    } else {
        what
    }
}

fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

fn show(bytes: &[u8]) -> String {
    if is_text(bytes) {
        return format!("{:?}", String::from_utf8_lossy(bytes));
    }
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn itch(messages: &[(u8, u16)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &(kind, length) in messages {
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.push(kind);
            bytes.resize(bytes.len() + usize::from(length) - 1, 0);
        }
        bytes
    }

    #[test]
    fn captures_are_known_in_both_byte_orders() {
        for magic in [
            b"\xd4\xc3\xb2\xa1",
            b"\x4d\x3c\xb2\xa1",
            b"\xa1\xb2\xc3\xd4",
            b"\xa1\xb2\x3c\x4d",
            b"\x0a\x0d\x0d\x0a",
        ] {
            assert_eq!(known(magic), Some(Format::IexTops16));
            assert_eq!(known(&magic[..3]), None);
        }
    }

    #[test]
    fn itch_is_known_by_a_chain_of_lengths() {
        let bytes = itch(&[(b'S', 12), (b'R', 39), (b'A', 36)]);
        assert_eq!(known(&bytes), Some(Format::Itch50));
        for cut in 3..bytes.len() {
            assert_eq!(known(&bytes[..cut]), Some(Format::Itch50), "cut at {cut}");
        }
        assert_eq!(known(&bytes[..2]), None);
        assert_eq!(known(&itch(&[(b'S', 12), (b'R', 38)])), None);
        assert_eq!(known(&itch(&[(b'S', 12), (b'z', 12)])), None);
        assert_eq!(known(&[0, 0]), None);
    }

    #[test]
    fn our_own_formats_are_known_by_their_first_bytes() {
        assert_eq!(known(b"\x89TICKS\r\n"), Some(Format::Ticks));
        assert_eq!(known(b"\x89TICKS\n"), None);
        assert_eq!(known(b"kind,flags\n"), None);
    }
}
