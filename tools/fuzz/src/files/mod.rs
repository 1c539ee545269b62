//! Readers of tick files: never a panic, an end, and nothing that the file does not hold.

mod scratch;
mod ticks;
mod venues;

use tickcast_tickfile::{Format, Writer, open};
use tickcast_wire::Tick;

use self::scratch::read;
pub use self::ticks::{damage, ticks};
pub use self::venues::{capture, every_cut, itch};

/// Any bytes as a file: whatever they are taken for, plain or gzipped.
pub fn file(data: &[u8]) {
    match read(data) {
        Ok(outcome) => outcome.check(data),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A gzipped file that was damaged is told, or reads as it was.
///
/// # Panics
/// If it reads as something else and nothing is said.
pub fn gzipped_or_told(intact: &[u8], damaged: &[u8]) {
    let whole = read(intact).expect("a file that can be opened");
    let Ok(outcome) = read(damaged) else { return };
    if outcome.error.is_none() {
        assert_eq!(outcome, whole, "damaged, and nothing is said");
    }
}

/// The same text gzipped is the same file, and what was read comes back when it is written.
pub fn csv(data: &[u8]) {
    let Some(outcome) = scratch::read_as(data, Format::Csv) else {
        return;
    };
    outcome.check(data);
    assert!(outcome.notice.is_none());
    let lines = data.iter().filter(|&&byte| byte == b'\n').count();
    assert!(outcome.ticks.len() <= lines, "more ticks than lines");
    scratch::check_gzipped(data, &outcome);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("again.csv");
    let mut writer = Writer::create(&path).expect("a file");
    for tick in &outcome.ticks {
        writer.write(tick).expect("a row");
    }
    writer.finish().expect("the end");
    let again = open(&path).expect("what was written");
    let again: Result<Vec<Tick>, _> = again.collect();
    assert_eq!(again.as_ref(), Ok(&outcome.ticks));
}
