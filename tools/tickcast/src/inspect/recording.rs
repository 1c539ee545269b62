//! What a recording proves of itself: its rows, held against the digests of the publisher in it.

use std::path::Path;

use anyhow::bail;
use serde::Serialize;
use tickcast_subscriber::{Checkpoint, Verifier};
use tickcast_tickfile::{Said, TicksFile};
use tickcast_wire::{Digest, Flags, Tick};

use crate::progress;
use crate::proof::Shown;

/// A recorded stream.
#[derive(Serialize)]
pub(super) struct Recording {
    /// Seqs between the first and the last that are not there, in all sessions; with those that
    /// the publisher had said to exist when the file was closed.
    pub(super) missing: u64,
    pub(super) proof: Shown,
}

/// Reads the file again; `None` if it holds no recorded stream, or `stop` says so before the end.
///
/// # Errors
/// When it cannot be read, or its rows have not the digest in its end mark.
pub(super) fn read(path: &Path, stop: impl Fn() -> bool) -> anyhow::Result<Option<Recording>> {
    let file = TicksFile::open(path)?;
    let mut reading = Reading::default();
    let mut rows_digest = Digest::default();
    let mut blocks = file.blocks();
    let bar = progress::over_bytes("proving", file.size());
    while let Some(rows) = blocks.next() {
        let rows = rows?;
        rows_digest.update_all(rows);
        reading.take(rows, blocks.said());
        bar.set_position(blocks.position());
        if stop() {
            return Ok(None);
        }
    }
    bar.finish_and_clear();
    if let Some((_, digest)) = file.recorded()
        && digest != rows_digest
    {
        bail!("the rows have digest {rows_digest}, the end mark says {digest}");
    }
    Ok(reading.end(blocks.said()))
}

/// How far a recording has been held against the publisher's words.
#[derive(Default)]
struct Reading {
    verifier: Verifier,
    /// The session; 0 before the first.
    session: u64,
    next: u64,
    missing: u64,
    /// The place that was compared last: the same word stands in block after block.
    compared: u64,
}

impl Reading {
    /// The rows of a block, and the last word of the publisher when it was written.
    fn take(&mut self, rows: &[Tick], said: Said) {
        if said.session == 0 {
            return;
        }
        let events = rows
            .iter()
            .filter(|row| !row.flags().contains(Flags::SNAPSHOT));
        for row in events {
            let seq = row.seq();
            if said.session != self.session {
                (self.session, self.next, self.compared) = (said.session, seq, 0);
                self.verifier.start(self.session, seq);
            } else if seq != self.next {
                self.missing += seq.saturating_sub(self.next);
                self.next = seq;
                // What comes behind a hole is compared on its own.
                self.verifier.start(self.session, seq);
            }
            self.compare(said);
            self.verifier.take(std::slice::from_ref(row));
            self.next = seq.saturating_add(1);
        }
        self.compare(said);
    }

    /// Compares, if the word is of this place and has not been compared.
    fn compare(&mut self, said: Said) {
        if said.session == self.session
            && said.next_seq == self.next
            && said.next_seq > self.compared
        {
            self.compared = said.next_seq;
            self.verifier.check(&Checkpoint {
                session: said.session,
                next_seq: said.next_seq,
                digest: said.digest,
            });
        }
    }

    fn end(mut self, said: Said) -> Option<Recording> {
        self.compare(said);
        if said.session == self.session {
            self.missing += said.next_seq.saturating_sub(self.next);
        }
        (self.session > 0).then(|| Recording {
            missing: self.missing,
            proof: self.verifier.proof().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickcast_tickfile::TickWriter;
    use tickcast_wire::{Quote, Venue};

    const SESSION: u64 = 7;

    fn tick(seq: u64) -> Tick {
        Tick::new(Quote::new(seq as i64, 1, 9, 2), Venue::SYNTHETIC, 3, seq).with_seq(seq)
    }

    fn digest(count: u64) -> Digest {
        let mut digest = Digest::default();
        (1..=count).for_each(|seq| digest.update(&tick(seq)));
        digest
    }

    /// What is read of a recording that is made so.
    fn recorded(record: impl FnOnce(&mut TickWriter), is_closed: bool) -> Recording {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording.ticks");
        let mut writer = TickWriter::create(&path).unwrap();
        writer.session(SESSION).unwrap();
        record(&mut writer);
        if is_closed {
            writer.finish().unwrap();
        } else {
            writer.flush().unwrap();
        }
        read(&path, || false).unwrap().expect("a recorded stream")
    }

    fn write(writer: &mut TickWriter, seqs: std::ops::RangeInclusive<u64>) {
        seqs.for_each(|seq| writer.write(&tick(seq)).unwrap());
    }

    fn proof(recording: &Recording) -> serde_json::Value {
        serde_json::to_value(&recording.proof).unwrap()
    }

    #[test]
    fn a_whole_recording_is_proved_to_its_end() {
        let recording = recorded(
            |writer| {
                for first in [1, 1_001, 2_001] {
                    write(writer, first..=first + 999);
                    writer.checkpoint(first + 1_000, digest(first + 999));
                }
            },
            true,
        );
        let proof = proof(&recording);
        assert_eq!(recording.missing, 0);
        assert_eq!(
            (&proof["from_seq"], &proof["proven_to"]),
            (&1.into(), &3_000.into())
        );
        assert_eq!(proof["checked"], 3);
        recording.proof.check().unwrap();
    }

    #[test]
    fn without_its_end_it_is_proved_to_the_last_word_in_a_block() {
        let recording = recorded(
            |writer| {
                write(writer, 1..=10);
                writer.checkpoint(11, digest(10));
                write(writer, 11..=15);
            },
            false,
        );
        assert_eq!(proof(&recording)["proven_to"], 10);
        assert_eq!(recording.missing, 0);
    }

    #[test]
    fn behind_a_hole_it_is_proved_from_the_next_word_on() {
        let recording = recorded(
            |writer| {
                write(writer, 1..=10);
                writer.checkpoint(11, digest(10));
                write(writer, 15..=16);
                writer.flush().unwrap();
                writer.checkpoint(17, digest(16));
                write(writer, 17..=20);
                writer.flush().unwrap();
                writer.checkpoint(21, digest(20));
            },
            true,
        );
        let proof = proof(&recording);
        assert_eq!(recording.missing, 4);
        assert_eq!(
            (&proof["from_seq"], &proof["proven_to"]),
            (&17.into(), &20.into())
        );
    }

    #[test]
    fn what_is_not_the_publishers_is_found() {
        let recording = recorded(
            |writer| {
                write(writer, 1..=4);
                writer.write(&tick(99).with_seq(5)).unwrap();
                writer.checkpoint(6, digest(5));
            },
            true,
        );
        assert!(recording.proof.check().is_err());
    }

    #[test]
    fn what_had_been_published_and_is_not_there_is_missing() {
        let recording = recorded(
            |writer| {
                write(writer, 1..=4);
                writer.checkpoint(9, digest(8));
            },
            true,
        );
        assert_eq!(recording.missing, 4);
    }

    #[test]
    fn rows_of_a_snapshot_are_no_part_of_the_stream() {
        let recording = recorded(
            |writer| {
                let row = tick(3).with_flags(Flags::SNAPSHOT);
                writer.write(&row).unwrap();
                writer.checkpoint(11, digest(10));
                write(writer, 11..=20);
                writer.flush().unwrap();
                writer.checkpoint(21, digest(20));
            },
            true,
        );
        let proof = proof(&recording);
        assert_eq!(
            (&proof["from_seq"], &proof["proven_to"]),
            (&11.into(), &20.into())
        );
        assert_eq!(recording.missing, 0);
    }

    #[test]
    fn other_files_are_no_recording() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.ticks");
        let mut writer = TickWriter::create(&path).unwrap();
        write(&mut writer, 1..=10);
        writer.finish().unwrap();
        assert!(read(&path, || false).unwrap().is_none());
    }
}
