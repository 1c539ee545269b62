//! The policies one by one: where each begins, and what is told.

use tickcast_protocol::LossReason;

use super::*;
use crate::event::Conflated;
use crate::overflow::queue_lines;

fn latest(behind: u64) -> OverflowPolicy {
    OverflowPolicy::Latest { behind }
}

const REFILL: ReaderConfig = ReaderConfig {
    overflow: OverflowPolicy::DropOldest,
    refill: true,
};

#[test]
fn nothing_is_lost_until_so_many_wait() {
    let ticks = 480;
    let config = ReaderConfig::from(OverflowPolicy::Lossless { ticks });
    let lines = queue_lines(0, [config].into_iter()).unwrap();
    let mut writer = Writer::with_queue(lines);
    let (mut reader, progress) = writer.reader_with(config);
    let mut seen = Seen::default();
    writer.session(1);
    // The worst packing: a mark for each tick.
    (1..ticks).for_each(|_| writer.ticks(1));
    while seen.read(&mut reader) {}
    assert_eq!((seen.delivered, reader.lapped()), (ticks - 1, 0));
    // So many again wait while a batch is being written.
    (0..ticks).for_each(|_| writer.ticks(1));
    writer.ticks(63);
    while seen.read(&mut reader) {}
    assert_eq!((seen.delivered, reader.lapped()), (2 * ticks + 62, 0));
    // Beyond what the queue holds there is an exact notice.
    (0..lines as u64).for_each(|_| writer.ticks(1));
    drain(writer, &mut reader, &progress, &mut seen);
    assert_eq!((seen.lapped_notices, reader.lapped()), (1, 1));
}

#[test]
fn latest_begins_when_more_wait_than_declared() {
    let mut writer = Writer::with_queue(1_024);
    let (mut reader, progress) = writer.reader_with(latest(50));
    let mut seen = Seen::default();
    writer.session(1);
    assert!(seen.read(&mut reader));
    (0..50).for_each(|_| writer.ticks(1));
    assert!(seen.read(&mut reader));
    assert_eq!(
        (seen.delivered, seen.ranges.len()),
        (1, 0),
        "50 are not more than 50"
    );
    writer.ticks(2);
    assert!(seen.read(&mut reader));
    let [
        Conflated {
            first_seq, count, ..
        },
    ] = seen.ranges[..]
    else {
        panic!("nothing conflated")
    };
    assert_eq!((first_seq, count), (2, 51));
    drain(writer, &mut reader, &progress, &mut seen);
    assert!(seen.conflated > 0 && seen.lost == 0 && seen.knows_all());
    assert_eq!(
        (seen.delivered + seen.conflated, seen.ranges.len()),
        (52, 1)
    );
}

#[test]
fn latest_ends_at_whatever_is_no_tick() {
    let mut writer = Writer::with_queue(4_096);
    let (mut reader, progress) = writer.reader_with(latest(10));
    let mut seen = Seen::default();
    writer.session(1);
    writer.ticks(100);
    writer.lost(7);
    writer.ticks(100);
    writer.snapshot(usize::MAX);
    writer.ticks(100);
    writer.end();
    writer.session(1);
    writer.ticks(100);
    drain(writer, &mut reader, &progress, &mut seen);
    let ranges: Vec<_> = seen
        .ranges
        .iter()
        .map(|range| (range.first_seq, range.count))
        .collect();
    assert_eq!(ranges, [(1, 100), (108, 100), (208, 100), (1, 100)]);
    assert_eq!(
        (seen.lost, seen.snapshots.len(), seen.ends.len()),
        (7, 1, 1)
    );
    assert!(seen.knows_all() && reader.lapped() == 0);
}

/// While it is given what was conflated, what comes meanwhile is conflated too: the queue does not
/// run over.
#[test]
fn latest_is_not_lapped_as_long_as_it_reads() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader_with(latest(20));
    let mut seen = Seen::default();
    writer.session(1);
    for _ in 0..500 {
        writer.ticks(40);
        writer.ticks(40);
        seen.read(&mut reader);
        seen.check_state();
    }
    drain(writer, &mut reader, &progress, &mut seen);
    assert_eq!((reader.lapped(), seen.lost), (0, 0));
    assert!(seen.knows_all() && seen.conflated > 20_000);
}

#[test]
fn latest_that_is_lapped_is_refilled() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader_with(latest(20));
    let mut keeper = writer.keeper();
    let mut seen = Seen::default();
    writer.session(1);
    for _ in 0..20 {
        writer.ticks(60);
        while keeper.step() {}
    }
    drain_with(writer, &mut reader, keeper, &progress, &mut seen);
    assert_eq!((reader.lapped(), reader.refills()), (1, 1));
    assert!(seen.knows_all());
}

#[test]
fn a_refill_joins_on() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader_with(REFILL);
    let mut keeper = writer.keeper();
    let mut seen = Seen::default();
    writer.session(1);
    writer.ticks(30);
    assert!(seen.read(&mut reader) && seen.read(&mut reader));
    for _ in 0..10 {
        writer.ticks(50);
        while keeper.step() {}
    }
    // The image is at 530, and what follows is in the queue.
    writer.ticks(20);
    drain_with(writer, &mut reader, keeper, &progress, &mut seen);
    assert_eq!(
        (seen.delivered, seen.lost, seen.lapped_notices),
        (50, 500, 1)
    );
    assert_eq!(seen.snapshots, [530]);
    assert!(seen.knows_all() && seen.incomplete.is_empty());
    assert_eq!((reader.lapped(), reader.refills()), (1, 1));
}

#[test]
fn a_refill_waits_for_an_image_that_is_behind() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader_with(REFILL);
    let mut keeper = writer.keeper();
    let mut seen = Seen::default();
    writer.session(1);
    writer.ticks(50);
    assert!(keeper.step() && keeper.step());
    for ticks in [50, 50, 50, 18] {
        writer.ticks(ticks);
    }
    let producer = writer.output.producer.as_ref().unwrap();
    assert_eq!(producer.position(), producer.capacity() as u64);
    // The image is at line 52. The reader, at 0, is lapped; the image is not.
    writer.ticks(40);
    assert!(!seen.read(&mut reader) && !reader.is_closed());
    assert_eq!((reader.lapped(), reader.refills()), (1, 0));
    while keeper.step() {}
    assert!(seen.read(&mut reader));
    assert_eq!(reader.refills(), 1);
    drain_with(writer, &mut reader, keeper, &progress, &mut seen);
    assert_eq!((seen.delivered, seen.lost), (0, 258));
    assert!(seen.knows_all());
}

#[test]
fn a_refill_across_sessions_tells_each_of_them_and_the_end() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader_with(REFILL);
    let mut keeper = writer.keeper();
    let mut seen = Seen::default();
    for _ in 0..5 {
        writer.session(1);
        writer.ticks(63);
        writer.end();
        while keeper.step() {}
    }
    drain_with(writer, &mut reader, keeper, &progress, &mut seen);
    assert_eq!(
        (seen.sessions.len(), seen.lost, seen.delivered),
        (5, 5 * 63, 0)
    );
    assert_eq!(
        (&seen.snapshots[..], &seen.ends[..]),
        (&[63][..], &[(1_004, 63)][..])
    );
    assert!(seen.knows_all());
}

/// What a lapped reader is told when these things have happened to everybody.
fn not_refilled(happened: impl Fn(&mut Writer)) -> Vec<Incomplete> {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader_with(REFILL);
    let mut keeper = writer.keeper();
    let mut seen = Seen::default();
    happened(&mut writer);
    while keeper.step() {}
    for _ in 0..10 {
        writer.ticks(50);
        while keeper.step() {}
    }
    drain_with(writer, &mut reader, keeper, &progress, &mut seen);
    assert_eq!((reader.lapped(), reader.refills()), (1, 0));
    assert!(!seen.knows_all() && seen.delivered > 0);
    seen.incomplete
}

#[test]
fn what_the_image_does_not_know_is_not_given() {
    let joined_late = |writer: &mut Writer| writer.session(9);
    assert_eq!(
        not_refilled(joined_late),
        [Incomplete::NotRefilled(NoImage::NoSnapshot)]
    );
    let joined_with_a_part = |writer: &mut Writer| {
        writer.session(50);
        writer.snapshot(2);
    };
    assert_eq!(
        not_refilled(joined_with_a_part),
        [Incomplete::NotRefilled(NoImage::NoSnapshot)]
    );
    let lost = |writer: &mut Writer| {
        writer.ticks(5);
        writer.lost(1);
    };
    let why = NoImage::Loss(LossReason::NoRecovery);
    assert_eq!(not_refilled(lost), [Incomplete::NotRefilled(why)]);
    let image_lapped = |writer: &mut Writer| (0..9).for_each(|_| writer.ticks(50));
    assert_eq!(
        not_refilled(image_lapped),
        [Incomplete::NotRefilled(NoImage::Lapped)]
    );
}

#[test]
fn a_snapshot_makes_the_image_whole_again() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader_with(REFILL);
    let mut keeper = writer.keeper();
    let image = writer.image();
    let mut seen = Seen::default();
    writer.session(9);
    writer.lost(3);
    while keeper.step() {}
    assert_eq!(
        image.stats().whole,
        Err(NoImage::Loss(LossReason::NoRecovery))
    );
    writer.snapshot(usize::MAX);
    for _ in 0..10 {
        writer.ticks(50);
        while keeper.step() {}
    }
    assert_eq!((image.stats().as_of, image.stats().whole), (511, Ok(())));
    drain_with(writer, &mut reader, keeper, &progress, &mut seen);
    assert_eq!((reader.lapped(), reader.refills()), (1, 1));
    assert!(seen.knows_all() && seen.incomplete.is_empty());
}

/// That a snapshot is complete is known when something follows it; until then a lapped reader has
/// nothing else to read.
#[test]
fn a_snapshot_that_nothing_follows_is_waited_for() {
    let mut writer = Writer::new();
    let (mut reader, progress) = writer.reader_with(REFILL);
    let mut keeper = writer.keeper();
    let mut seen = Seen::default();
    writer.session(40);
    for _ in 0..30 {
        writer.snapshot(usize::MAX);
        while keeper.step() {}
    }
    assert!(!seen.read(&mut reader) && !seen.read(&mut reader));
    assert_eq!((reader.lapped(), reader.refills()), (1, 0));
    writer.ticks(1);
    while keeper.step() {}
    drain_with(writer, &mut reader, keeper, &progress, &mut seen);
    assert_eq!((reader.refills(), &seen.snapshots[..]), (1, &[40][..]));
    assert!(seen.knows_all() && seen.incomplete.is_empty());
}

#[test]
fn an_image_that_is_gone_is_told() {
    let mut writer = Writer::new();
    let (mut reader, _) = writer.reader_with(REFILL);
    let mut seen = Seen::default();
    drop(writer.keeper());
    writer.session(1);
    (0..10).for_each(|_| writer.ticks(50));
    while seen.read(&mut reader) {}
    assert_eq!(seen.incomplete, [Incomplete::NotRefilled(NoImage::Gone)]);
    assert!(seen.delivered > 0);
}

/// All policies behind one writer, each in a thread of its own, with the image beside them.
#[test]
fn threads_at_their_own_pace() {
    let mut writer = Writer::with_queue(1_024);
    let policies = [
        ReaderConfig::from(OverflowPolicy::DropOldest),
        REFILL,
        latest(100).into(),
        latest(0).into(),
    ];
    let mut keeper = writer.keeper();
    let keeping = std::thread::spawn(move || {
        while !keeper.is_done() {
            if !keeper.step() {
                std::thread::yield_now();
            }
        }
    });
    let reading = policies.map(|config| {
        let (mut reader, _) = writer.reader_with(config);
        std::thread::spawn(move || {
            let mut seen = Seen::default();
            let mut events = 0u64;
            while !reader.is_closed() {
                events += u64::from(seen.read(&mut reader));
                if events.is_multiple_of(97) {
                    std::thread::yield_now();
                }
            }
            (seen, reader.lapped(), reader.refills())
        })
    });
    for round in 0..20_000u64 {
        match round % 1_000 {
            0 => writer.session(1),
            500 => writer.lost(3),
            501 => writer.snapshot(usize::MAX),
            _ => writer.ticks(1 + round % 63),
        }
        if round.is_multiple_of(64) {
            std::thread::yield_now();
        }
    }
    drop(writer.output.producer.take());
    keeping.join().unwrap();
    for (reading, config) in reading.into_iter().zip(policies) {
        let (seen, lapped, refills) = reading.join().unwrap();
        seen.check(&writer.written);
        assert!(refills <= lapped);
        let conflates = matches!(config.overflow, OverflowPolicy::Latest { .. });
        assert_eq!(seen.conflated > 0, conflates, "{config:?}");
    }
}
