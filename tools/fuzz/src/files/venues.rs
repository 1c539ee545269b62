//! Venue formats: what is read does not depend on how the file lies on disk, nor on what follows.

use tickcast_tickfile::Format;

use super::scratch::{check_gzipped, read, read_as};

/// Any bytes as an ITCH file.
pub fn itch(data: &[u8]) {
    check(data, Format::Itch50);
}

/// Any bytes as a capture: pcap or pcapng.
pub fn capture(data: &[u8]) {
    check(data, Format::IexTops16);
}

fn check(data: &[u8], format: Format) {
    let Some(whole) = read_as(data, format) else {
        return;
    };
    whole.check(data);
    check_gzipped(data, &whole);
    // A file that was cut gives the beginning of what the whole file gives.
    for cut in [data.len() / 4, data.len() / 2, data.len() - 1] {
        if let Ok(part) = read(&data[..cut])
            && part.format == format
        {
            assert!(whole.ticks.starts_with(&part.ticks), "cut at {cut}");
        }
    }
}
