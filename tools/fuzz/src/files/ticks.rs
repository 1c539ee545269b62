//! The native file, of any bytes and of a good file that was damaged.

use tickcast_tickfile::{Format, TickWriter};
use tickcast_wire::{Digest, Quote, TICK_BYTES, Tick, Venue};
use zerocopy::IntoBytes;

use super::scratch::{Outcome, read};
use crate::input::Input;

/// Size of a header, a row, an end mark.
const RECORD: usize = 64;

/// Any bytes as a `.ticks` file: every tick lies in it, in order, once.
pub fn ticks(data: &[u8]) {
    let Ok(outcome) = read(data) else { return };
    if outcome.format != Format::Ticks {
        return;
    }
    outcome.check(data);
    let mut records = data.as_chunks::<TICK_BYTES>().0.iter();
    for tick in &outcome.ticks {
        let found = records.any(|record| record == tick.as_bytes());
        assert!(found, "{tick:?} is not in the file, or not in this order");
    }
    check_recorded(&outcome);
}

fn check_recorded(outcome: &Outcome) {
    if let (Some((rows, _)), None) = (outcome.recorded, &outcome.error) {
        assert_eq!(rows, outcome.ticks.len() as u64);
        assert_eq!(outcome.notice, None);
    }
}

/// A good file of a few blocks, with records moved, taken out or repeated, a bit flipped and the
/// end cut off, as the bytes choose: what is read is the beginning of what was written, and
/// unless that is all of it, it is said that something is missing.
pub fn damage(data: &[u8]) {
    let mut input = Input::new(data);
    let (whole, mut bytes) = good_file(&mut input);
    let intact = bytes.clone();
    for _ in 0..input.below(4) {
        edit(&mut bytes, &mut input);
    }
    if input.flag() && !bytes.is_empty() {
        let at = input.number() as usize % bytes.len();
        bytes[at] ^= 1 << input.below(8);
    }
    if input.flag() {
        bytes.truncate(input.number() as usize % (bytes.len() + 1));
    }
    let Ok(outcome) = read(&bytes) else { return };
    if outcome.format != Format::Ticks {
        return;
    }
    outcome.check(&bytes);
    assert!(whole.starts_with(&outcome.ticks), "not what was written");
    check_recorded(&outcome);
    let is_told = outcome.error.is_some() || outcome.notice.is_some();
    assert!(
        is_told || outcome.ticks == whole,
        "ticks are missing silently"
    );
    if bytes == intact {
        assert_eq!((&outcome.ticks, &outcome.error), (&whole, &None));
    }
    if let (Some((_, digest)), false) = (outcome.recorded, is_told) {
        let mut expected = Digest::default();
        expected.update_all(&whole);
        assert_eq!(digest, expected);
    }
}

fn good_file(input: &mut Input<'_>) -> (Vec<Tick>, Vec<u8>) {
    let (mut ticks, mut bytes) = (Vec::new(), Vec::new());
    let mut writer = TickWriter::new(&mut bytes).expect("memory");
    for _ in 0..input.below(5) {
        for _ in 0..input.below(8) {
            let seq = ticks.len() as u64 + 1;
            let quote = Quote::new(seq as i64, 100, seq as i64 + 1, 200);
            let tick = Tick::new(quote, Venue::SYNTHETIC, 7, 1_000 + seq).with_seq(seq);
            writer.write(&tick).expect("memory");
            ticks.push(tick);
        }
        writer.flush().expect("memory");
    }
    if input.flag() {
        writer.finish().expect("memory");
    }
    (ticks, bytes)
}

/// Takes out, repeats or moves some records.
fn edit(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    let records = bytes.len() / RECORD;
    let from = input.below(records as u64) as usize;
    let count = (1 + input.below(8) as usize).min(records.saturating_sub(from));
    let range = from * RECORD..(from + count) * RECORD;
    match input.below(3) {
        0 => drop(bytes.drain(range)),
        1 => {
            let copied = bytes[range].to_vec();
            insert(bytes, input, copied);
        }
        _ => {
            let moved = bytes.drain(range).collect();
            insert(bytes, input, moved);
        }
    }
}

fn insert(bytes: &mut Vec<u8>, input: &mut Input<'_>, records: Vec<u8>) {
    let places = (bytes.len() / RECORD) as u64 + 1;
    let at = input.below(places) as usize * RECORD;
    bytes.splice(at..at, records);
}
