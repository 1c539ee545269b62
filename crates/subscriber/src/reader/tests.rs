//! A reader at random paces behind the receive thread's output, against what was put out.

use std::sync::Arc;

use proptest::prelude::*;
use tickcast_latency::stages;
use tickcast_protocol::{Cause, Loss, LossReason, Provenance, Sink};
use tickcast_queue::{Ring, ring};
use tickcast_wire::{Digest, PreviousSession, Quote, Tick, Venue};

use super::*;
use crate::event::Stamps;
use crate::receive::{Output, RECEIVE_STAGES, Shared};

/// The shortest ring in which half a ring always holds a mark.
const LINES: usize = 128;

/// Tick `seq` of a session. Every third carries the code of a mark, as a hostile one might.
fn published(session: u64, seq: u64) -> Tick {
    let quote = Quote::new(session as i64, seq * 3, seq as i64, seq ^ session);
    let mut words = Tick::new(quote, Venue::SYNTHETIC, 7, seq * 11)
        .with_seq(seq)
        .to_words();
    if seq.is_multiple_of(3) {
        words[0] = words[0] & !0xff | (0x80 + seq % 6);
    }
    Tick::from_words(words)
}

/// A session as it was put out.
#[derive(Debug)]
struct Written {
    start: SessionStart,
    end: u64,
    losses: Vec<Loss>,
}

/// The receive thread's side, and what it has put out.
struct Writer {
    output: Output,
    ring: Ring,
    written: Vec<Written>,
}

impl Writer {
    fn new() -> Writer {
        let (producer, ring) = ring(LINES);
        let output = Output {
            producer: Some(producer),
            seal: Seal::new(),
            inline: Vec::new(),
            sessions: Arc::new(Sessions::new()),
            shared: Arc::new(Shared::new(1)),
            recorder: stages(&RECEIVE_STAGES).0,
            stamps: Stamps::default(),
            session: 0,
            session_number: 0,
            next: 0,
        };
        Writer {
            output,
            ring,
            written: Vec::new(),
        }
    }

    fn reader(&self) -> (TickReader, Arc<Progress>) {
        let progress = Arc::new(Progress::default());
        let reader = TickReader::new(
            self.ring.reader(),
            self.output.seal,
            Arc::clone(&self.output.sessions),
            Arc::clone(&progress),
        );
        (reader, progress)
    }

    fn session(&mut self, first_seq: u64) {
        let previous = self.written.last().map(|w| PreviousSession {
            session: w.start.session,
            last_seq: w.end - 1,
            digest: Digest::from_value(w.end),
        });
        let session = 1_000 + self.written.len() as u64;
        self.output.session(session, first_seq, previous);
        let start = SessionStart {
            session,
            first_seq,
            previous,
        };
        self.written.push(Written {
            start,
            end: first_seq,
            losses: Vec::new(),
        });
    }

    fn current(&mut self) -> &mut Written {
        if self.written.is_empty() {
            self.session(1);
        }
        self.written.last_mut().unwrap()
    }

    fn ticks(&mut self, count: u64) {
        let written = self.current();
        let (session, first) = (written.start.session, written.end);
        written.end += count;
        let ticks: Vec<Tick> = (first..first + count)
            .map(|seq| published(session, seq))
            .collect();
        self.output.ticks(&ticks, Provenance::A, false);
    }

    fn lost(&mut self, count: u64) {
        let written = self.current();
        let loss = Loss {
            session: written.start.session,
            first_seq: written.end,
            count,
            reason: LossReason::NoRecovery,
            cause: Cause::BothLines,
        };
        written.end += count;
        written.losses.push(loss);
        self.output.lost(&loss);
    }

    fn snapshot(&mut self, rows: u64) {
        let as_of = self.current().end - 1;
        self.output.snapshot(as_of);
        let rows: Vec<Tick> = (0..rows).map(|row| published(0, row)).collect();
        self.output.ticks(&rows, Provenance::Snapshot, false);
    }

    fn checkpoint(&mut self) {
        let written = self.current();
        let checkpoint = Checkpoint {
            session: written.start.session,
            next_seq: written.end,
            digest: Digest::from_value(written.end * 3),
        };
        self.output.checkpoint(&checkpoint);
    }

    fn end(&mut self) {
        let (session, last_seq) = (self.current().start.session, self.current().end - 1);
        self.output.end_of_session(session, last_seq);
    }
}

/// What a reader was given, as long as it makes sense by itself.
#[derive(Default)]
struct Seen {
    /// Each session with the ranges delivered and the notices, and the seq after them.
    sessions: Vec<(SessionStart, Vec<Loss>, u64)>,
    delivered: u64,
    lapped_notices: u64,
    rows: u64,
    rows_wanted: bool,
    rows_missed: bool,
}

impl Seen {
    /// Takes in one event; false if there was none.
    fn read(&mut self, reader: &mut TickReader) -> bool {
        match reader.read() {
            None => return false,
            Some(Event::Session(start)) => {
                self.sessions.push((start, Vec::new(), start.first_seq));
            }
            Some(Event::Ticks(rows, origin)) if origin.provenance == Provenance::Snapshot => {
                self.rows += rows.len() as u64;
            }
            Some(Event::Ticks(ticks, origin)) => {
                let (start, _, next) = self.sessions.last_mut().expect("a session first");
                assert_eq!(origin.session, start.session);
                for tick in ticks {
                    assert_eq!(
                        *tick,
                        published(start.session, *next),
                        "torn or out of order"
                    );
                    *next += 1;
                }
                self.delivered += ticks.len() as u64;
            }
            Some(Event::Lost(loss)) => {
                self.lapped_notices += u64::from(loss.reason == LossReason::Lapped);
                let (start, losses, next) = self.sessions.last_mut().expect("a session first");
                assert_eq!((loss.session, loss.first_seq), (start.session, *next));
                assert!(loss.count > 0, "a loss of nothing");
                *next += loss.count;
                losses.push(loss);
            }
            Some(Event::RowsMissed) => self.rows_missed = true,
            Some(Event::Snapshot { .. }) => self.rows_wanted = true,
            Some(Event::Checkpoint(checkpoint)) => {
                let (start, _, next) = self.sessions.last().expect("a session first");
                let expected = Checkpoint {
                    session: start.session,
                    next_seq: *next,
                    digest: Digest::from_value(next * 3),
                };
                assert_eq!(checkpoint, expected, "a checkpoint out of place");
            }
            Some(Event::End { session, last_seq }) => {
                let (start, _, next) = self.sessions.last().expect("a session first");
                assert_eq!((session, last_seq + 1), (start.session, *next));
            }
        }
        true
    }

    /// Delivered and lost is exactly what was promised, session by session.
    fn check(&self, written: &[Written]) {
        assert_eq!(self.sessions.len(), written.len(), "every session is told");
        for ((start, losses, next), written) in self.sessions.iter().zip(written) {
            assert_eq!(*start, written.start);
            assert_eq!(*next, written.end, "session {}", start.session);
            for loss in losses
                .iter()
                .filter(|loss| loss.reason != LossReason::Lapped)
            {
                assert!(written.losses.contains(loss), "invented {loss:?}");
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Session(u64),
    Ticks(u64),
    Lost(u64),
    Snapshot(u64),
    Checkpoint,
    End,
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1u64..50).prop_map(Step::Session),
        8 => (1u64..70).prop_map(Step::Ticks),
        1 => (100u64..400).prop_map(Step::Ticks),
        2 => (1u64..40).prop_map(Step::Lost),
        1 => (0u64..200).prop_map(Step::Snapshot),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::End),
        6 => (0usize..12).prop_map(Step::Read),
    ]
}

fn drain(mut writer: Writer, reader: &mut TickReader, progress: &Progress, seen: &mut Seen) {
    let lines = writer.output.producer.take().unwrap().position();
    while seen.read(reader) {}
    assert!(reader.is_closed());
    assert!(progress.has_read(lines), "all is dealt with");
    assert_eq!(reader.behind(), 0);
    seen.check(&writer.written);
}

proptest! {
    #[test]
    fn delivered_and_lost_is_what_was_promised(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut writer = Writer::new();
        let (mut reader, progress) = writer.reader();
        let mut seen = Seen::default();
        for step in steps {
            match step {
                Step::Session(first) => writer.session(first),
                Step::Ticks(count) => writer.ticks(count),
                Step::Lost(count) => writer.lost(count),
                Step::Snapshot(rows) => writer.snapshot(rows),
                Step::Checkpoint => writer.checkpoint(),
                Step::End => writer.end(),
                Step::Read(count) => {
                    (0..count).all(|_| seen.read(&mut reader));
                }
            }
        }
        drain(writer, &mut reader, &progress, &mut seen);
        let told = seen.lapped_notices > 0 || seen.rows_missed || seen.sessions.len() > 1;
        prop_assert!(told || reader.lapped() == 0);
    }
}

#[test]
fn lapped_before_it_saw_anything() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader();
    writer.session(5);
    writer.ticks(1_000);
    let mut seen = Seen::default();
    drain(writer, &mut reader, &progress, &mut seen);
    assert_eq!((reader.lapped(), seen.sessions[0].1.len()), (1, 1));
    assert!(seen.delivered > 0, "half the ring is still there");
    assert_eq!(seen.delivered + seen.sessions[0].1[0].count, 1_000);
}

#[test]
fn lapped_in_the_middle_of_a_batch() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader();
    let mut seen = Seen::default();
    writer.session(1);
    writer.ticks(40);
    // Session and batch are taken together; the next batch is taken in part only.
    assert!(seen.read(&mut reader));
    for _ in 0..5 {
        writer.ticks(63);
    }
    assert!(seen.read(&mut reader));
    assert_eq!(seen.delivered, 40);
    drain(writer, &mut reader, &progress, &mut seen);
    assert_eq!(reader.lapped(), 1);
}

#[test]
fn lapped_across_the_starts_of_sessions() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader();
    let mut seen = Seen::default();
    writer.session(1);
    writer.ticks(10);
    assert!(seen.read(&mut reader) && seen.read(&mut reader));
    for session in 0..20 {
        writer.ticks(30 + session);
        writer.session(1 + session);
    }
    drain(writer, &mut reader, &progress, &mut seen);
    assert_eq!((reader.lapped(), reader.sessions_missed()), (1, 0));
    assert_eq!(seen.sessions.len(), 21);
}

#[test]
fn more_sessions_than_are_remembered_are_counted() {
    let mut writer = Writer::new();
    let (mut reader, _) = writer.reader();
    let mut seen = Seen::default();
    writer.session(1);
    assert!(seen.read(&mut reader));
    for _ in 0..300 {
        writer.ticks(3);
        writer.session(1);
    }
    while seen.read(&mut reader) {}
    let told = seen.sessions.len() as u64;
    // Of the first session the start was told, but not what it lost.
    assert_eq!(told + reader.sessions_missed(), 302);
    assert_eq!(seen.sessions.last().unwrap().0, writer.written[300].start);
}

#[test]
fn missed_rows_of_a_snapshot_are_told() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader();
    let mut seen = Seen::default();
    writer.session(8);
    assert!(seen.read(&mut reader));
    writer.snapshot(500);
    drain(writer, &mut reader, &progress, &mut seen);
    assert!(!seen.rows_wanted && seen.rows < 500);
    assert!(seen.rows_missed && seen.sessions[0].1.is_empty());
}

#[test]
fn progress_is_what_was_dealt_with() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader();
    let mut seen = Seen::default();
    writer.session(1);
    writer.ticks(5);
    assert!(seen.read(&mut reader) && seen.read(&mut reader));
    assert_eq!(
        progress.next_seq(),
        Some(1),
        "the ticks are still being dealt with"
    );
    assert!(progress.has_read(1) && !progress.has_read(7));
    assert!(!seen.read(&mut reader));
    assert_eq!(progress.next_seq(), Some(6));
    assert!(progress.has_read(7) && !progress.has_read(8));
    assert!(!reader.is_closed());
    drop(writer);
    assert!(reader.is_closed());
    drop(reader);
    assert_eq!(progress.next_seq(), None);
    assert!(
        progress.has_read(u64::MAX),
        "nobody waits for a reader that is gone"
    );
}

#[test]
fn two_threads_lap_each_other() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader();
    let writing = std::thread::spawn(move || {
        for round in 0..20_000u64 {
            match round % 500 {
                0 => writer.session(1 + round % 7),
                1 => writer.lost(3),
                _ => writer.ticks(1 + round % 63),
            }
            if round.is_multiple_of(64) {
                std::thread::yield_now();
            }
        }
        writer
    });
    let mut seen = Seen::default();
    let mut events = 0u64;
    while !writing.is_finished() {
        events += u64::from(seen.read(&mut reader));
        if events.is_multiple_of(97) {
            std::thread::yield_now();
        }
    }
    drain(writing.join().unwrap(), &mut reader, &progress, &mut seen);
    assert_eq!(reader.sessions_missed(), 0);
}
