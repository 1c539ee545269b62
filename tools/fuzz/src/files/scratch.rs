//! Bytes as a file that can be opened.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tickcast_tickfile::{Format, Notice, OpenError, ReadError, Tally, open};
use tickcast_wire::{Digest, Tick};

thread_local! {
    /// One file without a name for each thread, written anew for every input.
    static SCRATCH: RefCell<File> = RefCell::new(tempfile::tempfile().expect("a file"));
}

/// All that came of reading a file to its end.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) format: Format,
    pub(super) ticks: Vec<Tick>,
    pub(super) tally: Tally,
    pub(super) notice: Option<Notice>,
    pub(super) recorded: Option<(u64, Digest)>,
    pub(super) error: Option<ReadError>,
}

impl Outcome {
    /// What holds of every file. `data` is what lies on disk.
    pub(super) fn check(&self, data: &[u8]) {
        assert!(!data.is_empty(), "nothing can be read from nothing");
        if let Some(error) = &self.error {
            assert!(!error.to_string().is_empty());
            assert_eq!(self.notice, None, "an error and a notice: {error}");
        }
        if let Some(notice) = &self.notice {
            assert!(!notice.to_string().is_empty());
        }
        let is_native = matches!(self.format, Format::Ticks | Format::Csv);
        let rows: u64 = self.tally.messages.values().sum();
        if is_native {
            assert_eq!(rows, self.ticks.len() as u64);
        } else {
            let raw = |tick: &Tick| (tick.seq(), tick.ts_due()) == (0, 0);
            assert!(self.ticks.iter().all(raw), "the publisher numbers ticks");
        }
    }
}

/// Writes the bytes to this thread's file and calls `f` with a path to it.
pub(super) fn in_scratch<T>(data: &[u8], f: impl FnOnce(&Path) -> T) -> T {
    SCRATCH.with_borrow_mut(|file| {
        file.set_len(0).expect("an empty file");
        file.rewind().expect("its start");
        file.write_all(data).expect("room on disk");
        f(&PathBuf::from(format!(
            "/proc/self/fd/{}",
            file.as_raw_fd()
        )))
    })
}

/// Reads the bytes as a file, to the end.
pub(super) fn read(data: &[u8]) -> Result<Outcome, OpenError> {
    in_scratch(data, |path| {
        let mut reader = open(path)?;
        let (mut ticks, mut error) = (Vec::new(), None);
        for tick in reader.by_ref() {
            assert!(error.is_none(), "more after an error");
            match tick {
                Ok(tick) => ticks.push(tick),
                Err(found) => error = Some(found),
            }
        }
        assert!(reader.next().is_none(), "more after the end");
        assert_eq!(reader.size(), data.len() as u64);
        assert!(reader.position() <= reader.size());
        Ok(Outcome {
            format: reader.format(),
            ticks,
            tally: reader.tally(),
            notice: reader.notice().cloned(),
            recorded: reader.recorded(),
            error,
        })
    })
}

/// Reads the bytes as a plain file, if that is what they are taken for.
pub(super) fn read_as(data: &[u8], format: Format) -> Option<Outcome> {
    let is_gzip = data.starts_with(&[0x1f, 0x8b]);
    let outcome = read(data).ok().filter(|_| !is_gzip)?;
    (outcome.format == format).then_some(outcome)
}

/// A gzipped file, of one member or of two, reads as the plain one.
pub(super) fn check_gzipped(data: &[u8], plain: &Outcome) {
    for cut in [0, data.len() / 2] {
        let members = [&data[..cut], &data[cut..]];
        let packed = members.map(gzip).concat();
        let outcome = read(&packed).expect("the same as plain");
        assert_eq!(outcome, *plain, "gzipped it is another file");
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}
