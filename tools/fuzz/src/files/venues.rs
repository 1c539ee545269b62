//! Venue formats: what is read does not depend on how the file lies on disk, nor on what follows.

use std::path::Path;

use tickcast_tickfile::{Datagrams, Feed, Format};

use super::scratch::{Outcome, check_gzipped, in_scratch, read, read_as};

/// Any bytes as an ITCH file.
pub fn itch(data: &[u8]) {
    check(data, Format::Itch50);
}

/// Any bytes as a capture: pcap or pcapng.
pub fn capture(data: &[u8]) {
    check(data, Format::IexTops16);
    if !data.is_empty() {
        in_scratch(data, read_datagrams);
    }
}

/// What its datagrams carry has a place of which all numbers are numbers, or none.
fn read_datagrams(path: &Path) {
    let Ok(mut datagrams) = Datagrams::open(path) else {
        return;
    };
    while let Ok(Some(datagram)) = datagrams.next() {
        let Some(feed) = Feed::of(datagram.payload) else {
            continue;
        };
        let place = feed.place(datagram.payload);
        let place = place.expect("the feed that it was told to be of");
        assert!(place.first_seq.checked_add(place.count).is_some());
    }
}

fn check(data: &[u8], format: Format) {
    let Some(whole) = read_as(data, format) else {
        return;
    };
    whole.check(data);
    check_gzipped(data, &whole);
    let quarters = [data.len() / 4, data.len() / 2, data.len() - 1];
    check_cuts(data, &whole, quarters);
}

/// A file that was cut at any byte gives a beginning of what the whole file gives. Gives the
/// number of cuts.
///
/// # Panics
/// If it does not, or if the whole file cannot be opened.
pub fn every_cut(data: &[u8]) -> usize {
    let whole = read(data).expect("a file that can be opened");
    check_cuts(data, &whole, 0..data.len());
    data.len()
}

fn check_cuts(data: &[u8], whole: &Outcome, cuts: impl IntoIterator<Item = usize>) {
    for cut in cuts {
        if let Ok(part) = read(&data[..cut])
            && part.format == whole.format
        {
            part.check(&data[..cut]);
            assert!(whole.ticks.starts_with(&part.ticks), "cut at {cut}");
        }
    }
}
