//! A `.ticks` file cut at every byte and flipped at every bit is never silently wrong.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tempfile::TempDir;
use tickcast_tickfile::{Notice, OpenError, ReadError, TickWriter, TicksError, open};
use tickcast_wire::{Quote, Tick, Venue};

/// Rows of the three blocks of the file.
const BLOCKS: [usize; 3] = [3, 1, 2];

fn ticks() -> Vec<Tick> {
    (1..=BLOCKS.iter().sum::<usize>() as u64)
        .map(|seq| {
            let quote = Quote::new(seq as i64, 100, seq as i64 + 1, 200);
            Tick::new(quote, Venue::IEX, 7, 1_000 + seq)
                .with_seq(seq)
                .with_ts_due(seq)
        })
        .collect()
}

/// A file of three blocks, closed or as a writer leaves it that is stopped.
fn file(is_closed: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = TickWriter::new(&mut bytes).unwrap();
    let mut ticks = &ticks()[..];
    for rows in BLOCKS {
        writer.write_all(&ticks[..rows]).unwrap();
        writer.flush().unwrap();
        ticks = &ticks[rows..];
    }
    if is_closed {
        writer.finish().unwrap();
    }
    bytes
}

/// Where the header, the blocks and the end mark end, and how many ticks come before.
fn bounds() -> Vec<(usize, usize)> {
    let mut bounds = vec![(64, 0)];
    for rows in BLOCKS {
        let (end, ticks) = bounds[bounds.len() - 1];
        bounds.push((end + 64 + rows * 64, ticks + rows));
    }
    bounds
}

#[derive(Debug)]
struct Outcome {
    ticks: Vec<Tick>,
    notice: Option<Notice>,
    error: Option<ReadError>,
}

fn read(path: &Path, bytes: &[u8]) -> Result<Outcome, OpenError> {
    // The file is not mapped while it is rewritten.
    std::fs::write(path, bytes).unwrap();
    read_again(path)
}

fn read_again(path: &Path) -> Result<Outcome, OpenError> {
    let mut reader = open(path)?;
    let mut outcome = Outcome {
        ticks: Vec::new(),
        notice: None,
        error: None,
    };
    for tick in reader.by_ref() {
        match tick {
            Ok(tick) => outcome.ticks.push(tick),
            Err(error) => outcome.error = Some(error),
        }
    }
    outcome.notice = reader.notice().cloned();
    Ok(outcome)
}

fn folder() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.ticks");
    (folder, path)
}

#[test]
fn cut_at_every_byte() {
    let (_folder, path) = folder();
    let (whole, all) = (file(true), ticks());
    for cut in 0..whole.len() {
        match read(&path, &whole[..cut]) {
            Err(OpenError::Empty { .. }) => assert_eq!(cut, 0),
            Err(OpenError::Unknown { .. }) => assert!((1..8).contains(&cut), "{cut}"),
            Err(error) => {
                assert!((8..64).contains(&cut), "{cut}: {error}");
                let expected = ReadError::Ticks(TicksError::CutHeader { bytes: cut });
                assert!(matches!(error, OpenError::Damaged { source, .. } if source == expected));
            }
            Ok(outcome) => {
                let &(end, good) = bounds().iter().rfind(|bound| bound.0 <= cut).unwrap();
                assert_eq!(outcome.ticks, all[..good], "{cut}");
                assert_eq!(outcome.error, None);
                let notice = Notice::TornTail {
                    offset: end as u64,
                    bytes: (cut - end) as u64,
                    ticks: good as u64,
                };
                assert_eq!(outcome.notice, Some(notice), "{cut}");
            }
        }
    }
    let outcome = read(&path, &whole).unwrap();
    assert_eq!(
        (outcome.ticks, outcome.notice, outcome.error),
        (all, None, None)
    );
}

/// What reading must give when a byte at `at` is damaged: an error, and before it the ticks of
/// the blocks before; or, where nothing good follows, a notice that says the same.
fn check_flip(path: &Path, at: usize, tail: usize) {
    let outcome = match read_again(path) {
        Err(_) => {
            assert!(at < 64, "byte {at}: refused at once");
            return;
        }
        Ok(outcome) => outcome,
    };
    assert!(at >= 64, "byte {at}: damage of the header not seen");
    let &(end, good) = bounds().iter().rfind(|bound| bound.0 <= at).unwrap();
    assert_eq!(outcome.ticks, ticks()[..good], "byte {at}");
    if at < tail {
        let expected = TicksError::Block {
            offset: end as u64,
            ticks: good as u64,
        };
        assert_eq!(outcome.error, Some(expected.into()), "byte {at}");
        assert_eq!(outcome.notice, None);
    } else {
        let expected = Notice::TornTail {
            offset: end as u64,
            bytes: path.metadata().unwrap().len() - end as u64,
            ticks: good as u64,
        };
        assert_eq!(outcome.error, None, "byte {at}");
        assert_eq!(outcome.notice, Some(expected), "byte {at}");
    }
}

/// Flips every bit; damage at or after `tail` cannot be told from a torn tail.
fn flip_every_bit(bytes: &[u8], tail: usize) {
    let (_folder, path) = folder();
    std::fs::write(&path, bytes).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    for (at, &byte) in bytes.iter().enumerate() {
        for bit in 0..8 {
            file.write_all_at(&[byte ^ (1 << bit)], at as u64).unwrap();
            check_flip(&path, at, tail);
        }
        file.write_all_at(&[byte], at as u64).unwrap();
    }
}

#[test]
fn every_bit_of_a_closed_file_flipped() {
    let (end, _) = bounds()[BLOCKS.len()];
    flip_every_bit(&file(true), end);
}

#[test]
fn every_bit_of_an_unclosed_file_flipped() {
    let (last_block, _) = bounds()[BLOCKS.len() - 1];
    flip_every_bit(&file(false), last_block);
}

#[test]
fn blocks_taken_out_swapped_or_repeated() {
    let (_folder, path) = folder();
    let (whole, all, bounds) = (file(true), ticks(), bounds());
    let part = |block: usize| &whole[bounds[block].0..bounds[block + 1].0];
    let (header, end) = (&whole[..64], &whole[bounds[3].0..]);
    for (blocks, good, said) in [
        (vec![part(0), part(2)], 3, 4),
        (vec![part(1), part(0), part(2)], 0, 3),
        (vec![part(0), part(0), part(1), part(2)], 3, 0),
        (vec![part(0), part(1)], 4, 6),
    ] {
        let bytes = [header, &blocks.concat(), end].concat();
        let outcome = read(&path, &bytes).unwrap();
        assert_eq!(outcome.ticks, all[..good]);
        let Some(ReadError::Ticks(TicksError::Order {
            said: found, ticks, ..
        })) = outcome.error
        else {
            panic!("{outcome:?}");
        };
        assert_eq!((found, ticks), (said, good as u64));
    }
}

#[test]
fn bytes_after_the_end_mark() {
    let (_folder, path) = folder();
    let mut bytes = file(true);
    let end = bytes.len() as u64 - 64;
    bytes.push(0);
    let outcome = read(&path, &bytes).unwrap();
    let expected = TicksError::AfterEnd {
        offset: end,
        bytes: 1,
    };
    assert_eq!(outcome.error, Some(expected.into()));
    assert_eq!(outcome.ticks, ticks());
}

/// Everything after such a place is out of step, the end mark too: the file was closed all the same.
#[test]
fn a_byte_put_in_or_taken_out_anywhere() {
    let (_folder, path) = folder();
    let (whole, end) = (file(true), bounds()[BLOCKS.len()].0);
    for at in 64..end {
        let (before, after) = whole.split_at(at);
        let put_in = [before, &[0xa5], after].concat();
        let taken_out = [before, &after[1..]].concat();
        for bytes in [put_in, taken_out] {
            let outcome = read(&path, &bytes).unwrap();
            let &(offset, good) = bounds().iter().rfind(|bound| bound.0 <= at).unwrap();
            let expected = TicksError::Block {
                offset: offset as u64,
                ticks: good as u64,
            };
            assert_eq!(outcome.ticks, ticks()[..good], "byte {at}");
            assert_eq!(outcome.error, Some(expected.into()), "byte {at}");
            assert_eq!(outcome.notice, None, "byte {at}");
        }
    }
}

#[test]
fn much_damage_is_no_torn_tail() {
    let (_folder, path) = folder();
    let mut bytes = file(false);
    let end = bytes.len();
    bytes.resize(end + 16 * 65_536, 0);
    assert!(read(&path, &bytes).unwrap().notice.is_some());
    bytes.push(0);
    let outcome = read(&path, &bytes).unwrap();
    let expected = TicksError::Block {
        offset: end as u64,
        ticks: 6,
    };
    assert_eq!(
        (outcome.error, outcome.notice),
        (Some(expected.into()), None)
    );
}
