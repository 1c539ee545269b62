//! What a file is, by its content.

use crate::csv::is_csv;
use crate::native::FILE_MAGIC;
use crate::reader::{Format, ReadError};
use crate::source::Source;

/// How many bytes are looked at.
const SAMPLE_BYTES: usize = 4096;

/// How many messages at the beginning of an ITCH file must be plausible.
const ITCH_SAMPLE: usize = 8;

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
        if itch_length(kind) != Some(length) {
            return false;
        }
        match rest.get(2 + usize::from(length)..) {
            Some(after) => rest = after,
            None => return true,
        }
    }
    sample.len() >= 3
}

/// Length of an ITCH 5.0 message by its type.
fn itch_length(kind: u8) -> Option<u16> {
    Some(match kind {
        b'S' => 12,
        b'R' => 39,
        b'H' | b'J' | b'U' => {
            if kind == b'H' {
                25
            } else {
                35
            }
        }
        b'Y' | b'N' => 20,
        b'L' => 26,
        b'V' => 35,
        b'W' => 12,
        b'K' => 28,
        b'h' => 21,
        b'A' | b'C' => 36,
        b'F' | b'Q' => 40,
        b'E' => 31,
        b'X' => 23,
        b'D' => 19,
        b'P' => 44,
        b'B' => 19,
        b'I' => 50,
        b'O' => 48,
        _ => return None,
    })
}

/// What an unknown file looks like.
fn describe(sample: &[u8], is_gzip: bool) -> String {
    let what = if sample.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        "a zstd file (unpack it first)".to_string()
    } else if sample.starts_with(b"DBN") {
        "a DBN file".to_string()
    } else {
        let first: Vec<String> = sample
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("of an unknown format (first bytes {})", first.join(" "))
    };
    if is_gzip {
        format!("gzip holding {what}")
    } else {
        what
    }
}
