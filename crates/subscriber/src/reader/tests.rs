//! A reader at random paces behind the receive thread's output, against what was put out.

pub(crate) mod model;
mod overflow;

use proptest::prelude::*;

use self::model::{Seen, Writer};
use super::*;
use crate::event::Incomplete;
use crate::image::{ImageKeeper, NoImage};
use crate::overflow::OverflowPolicy;

#[derive(Debug, Clone)]
enum Step {
    Session(u64),
    Ticks(u64),
    Lost(u64),
    Snapshot(usize),
    Checkpoint,
    End,
    Read(usize),
    /// The thread of the local image gets so far.
    Image(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1u64..50).prop_map(Step::Session),
        8 => (1u64..70).prop_map(Step::Ticks),
        1 => (100u64..400).prop_map(Step::Ticks),
        2 => (1u64..40).prop_map(Step::Lost),
        1 => prop_oneof![Just(usize::MAX), 0usize..10].prop_map(Step::Snapshot),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::End),
        6 => (0usize..12).prop_map(Step::Read),
        6 => prop_oneof![Just(1_000), 0usize..8].prop_map(Step::Image),
    ]
}

fn policy() -> impl Strategy<Value = ReaderConfig> {
    let overflow = prop_oneof![
        Just(OverflowPolicy::DropOldest),
        Just(OverflowPolicy::Lossless { ticks: 32 }),
        prop_oneof![0u64..3, 3u64..200].prop_map(|behind| OverflowPolicy::Latest { behind }),
    ];
    (overflow, any::<bool>()).prop_map(|(overflow, refill)| ReaderConfig { overflow, refill })
}

fn drain(writer: Writer, reader: &mut TickReader, progress: &Progress, seen: &mut Seen) {
    let keeper = writer.keeper();
    drain_with(writer, reader, keeper, progress, seen);
}

/// Reads whatever is left, with the image at work beside it as long as there is anything.
fn drain_with(
    mut writer: Writer,
    reader: &mut TickReader,
    mut keeper: ImageKeeper,
    progress: &Progress,
    seen: &mut Seen,
) {
    let lines = writer.output.producer.take().unwrap().position();
    while seen.read(reader) || keeper.step() {}
    seen.check_state();
    assert!(keeper.is_done());
    drop(keeper);
    while seen.read(reader) {}
    assert!(reader.is_closed());
    assert!(progress.has_read(lines), "all is dealt with");
    assert_eq!(reader.behind(), 0);
    seen.check(&writer.written);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the policy: delivered + conflated + lost is what was promised, every snapshot
    /// joins on, and who is not told otherwise knows what the publisher knows.
    #[test]
    fn every_account_is_exact(
        config in policy(),
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut writer = Writer::new();
        let (mut reader, progress) = writer.reader_with(config);
        let mut keeper = writer.keeper();
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
                    seen.check_state();
                }
                Step::Image(count) => {
                    (0..count).all(|_| keeper.step());
                }
            }
        }
        drain_with(writer, &mut reader, keeper, &progress, &mut seen);
        let refused = seen.incomplete.iter().filter(|why| matches!(why, Incomplete::NotRefilled(_)));
        let (refused, refills) = (refused.count() as u64, reader.refills());
        match config.wants_image() {
            true => prop_assert_eq!(refills + refused, reader.lapped()),
            false => prop_assert_eq!((refills, refused), (0, 0)),
        }
        let told = seen.lapped_notices > 0 || refills > 0 || seen.sessions.len() > 1;
        prop_assert!(told || seen.incomplete.contains(&Incomplete::RowsMissed) || reader.lapped() == 0);
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
    let count = reader.sessions_missed();
    assert_eq!(seen.incomplete, [Incomplete::SessionsMissed { count }]);
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
    // Snapshots again and again: together they are longer than the queue.
    (0..40).for_each(|_| writer.snapshot(usize::MAX));
    drain(writer, &mut reader, &progress, &mut seen);
    assert!(seen.snapshots.len() < 40);
    assert_eq!(seen.incomplete, [Incomplete::RowsMissed]);
    assert!(seen.sessions[0].1.is_empty());
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
