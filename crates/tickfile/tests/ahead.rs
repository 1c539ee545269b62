//! Gzipped files that another thread unpacks ahead of the reader.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::{JoinHandle, spawn};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use tickcast_tickfile::{
    OpenError, ReadError, Reader, Synthetic, SyntheticConfig, Unpacker, Writer, open, open_ahead,
};
use tickcast_wire::Tick;

/// Ticks of the file: several MiB of CSV, more than are unpacked ahead.
const TICKS: usize = 50_000;

/// A CSV file and the same gzipped, in a folder of their own.
fn files() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("market.csv");
    let mut writer = Writer::create(&plain).unwrap();
    for tick in Synthetic::new(SyntheticConfig::default()).take(TICKS) {
        writer.write(&tick).unwrap();
    }
    writer.finish().unwrap();
    let gzipped = folder.path().join("market.csv.gz");
    let mut encoder = GzEncoder::new(File::create(&gzipped).unwrap(), Compression::fast());
    encoder.write_all(&std::fs::read(&plain).unwrap()).unwrap();
    encoder.finish().unwrap();
    (folder, plain, gzipped)
}

/// Opens a gzipped file, with the thread that unpacks it.
fn ahead(path: &Path) -> (Reader, JoinHandle<()>) {
    let mut thread = None;
    let reader = open_ahead(path, |unpacker: Unpacker| {
        thread = Some(spawn(move || unpacker.run()));
        Ok(())
    });
    (reader.unwrap(), thread.expect("a gzipped file is unpacked"))
}

fn results(reader: Reader) -> Vec<Result<Tick, ReadError>> {
    reader.collect()
}

#[test]
fn what_is_unpacked_ahead_is_the_same() {
    let (_folder, plain, gzipped) = files();
    let ticks = results(open(&plain).unwrap());
    assert_eq!(ticks.len(), TICKS);
    assert!(results(open(&gzipped).unwrap()) == ticks);
    let (mut reader, thread) = ahead(&gzipped);
    assert!(reader.by_ref().collect::<Vec<_>>() == ticks);
    assert_eq!(Reader::position(&reader), reader.size());
    assert_eq!(reader.size(), gzipped.metadata().unwrap().len());
    // It has ended for good.
    assert_eq!(reader.peek(), Ok(&[][..]));
    thread.join().unwrap();
}

#[test]
fn a_cut_stream_gives_the_same_ticks_and_error() {
    let (_folder, _, gzipped) = files();
    let bytes = std::fs::read(&gzipped).unwrap();
    let cut = gzipped.with_file_name("cut.gz");
    for length in [bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&cut, &bytes[..length]).unwrap();
        let here = results(open(&cut).unwrap());
        assert!(matches!(here.last(), Some(Err(ReadError::Gzip { .. }))));
        let (reader, thread) = ahead(&cut);
        assert!(results(reader) == here);
        thread.join().unwrap();
    }
}

#[test]
fn the_thread_ends_with_its_reader() {
    let (_folder, _, gzipped) = files();
    let (mut reader, thread) = ahead(&gzipped);
    assert!(reader.next().is_some());
    drop(reader);
    thread.join().unwrap();
}

#[test]
fn a_thread_that_ends_early_is_an_error() {
    let (_folder, _, gzipped) = files();
    let opened = open_ahead(&gzipped, |unpacker| {
        drop(unpacker);
        Ok(())
    });
    let Err(OpenError::Damaged { source, .. }) = opened else {
        panic!("it was opened");
    };
    assert!(source.to_string().contains("ended early"), "{source}");
}

#[test]
fn a_plain_file_needs_no_thread() {
    let (_folder, plain, gzipped) = files();
    let none = |_| panic!("there is nothing to unpack");
    assert_eq!(open_ahead(&plain, none).unwrap().count(), TICKS);

    let refused = |_| Err(io::Error::other("no thread left"));
    let error = open_ahead(&gzipped, refused).err().unwrap();
    assert!(error.to_string().contains("no thread left"), "{error}");
}
