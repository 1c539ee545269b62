use super::*;

const STAMPS: Stamps = Stamps {
    sent: 1,
    kernel: 2,
    read: 3,
    push: 0,
    pop: 0,
};

/// What becomes of `count` packets that each hold their number, a µs apart.
fn passed(faults: LineFaults, seed: u64, line: Line, count: u32) -> (Vec<Vec<u8>>, FaultCounters) {
    let mut injector = FaultInjector::new(faults, seed, line);
    let mut got = Vec::new();
    for number in 0..count {
        let now = u64::from(number) * 1_000;
        injector.take(&number.to_le_bytes(), STAMPS, now, &mut |bytes, stamps| {
            assert_eq!(stamps, STAMPS);
            got.push(bytes.to_vec());
        });
        injector.release(now, &mut |bytes, _| got.push(bytes.to_vec()));
    }
    let end = u64::from(count) * 1_000 + 1_000_000_000;
    injector.release(end, &mut |bytes, _| got.push(bytes.to_vec()));
    assert_eq!(injector.next_due(), None);
    (got, injector.counters())
}

fn numbers(packets: &[Vec<u8>]) -> Vec<u32> {
    let number = |bytes: &Vec<u8>| u32::from_le_bytes(bytes[..].try_into().unwrap());
    packets.iter().map(number).collect()
}

#[test]
fn the_same_seed_has_the_same_faults() {
    let faults = LineFaults {
        drop: 0.3,
        burst: 4.0,
        duplicate: 0.1,
        reorder: 0.1,
        delay: Duration::from_micros(5),
        corrupt: 0.1,
    };
    let run = |seed, line| passed(faults, seed, line, 10_000);
    assert_eq!(run(7, Line::A), run(7, Line::A));
    assert_ne!(run(7, Line::A), run(7, Line::B));
    assert_ne!(run(7, Line::A), run(8, Line::A));
}

#[test]
fn without_faults_everything_passes_as_it_came() {
    let (got, counters) = passed(LineFaults::NONE, 1, Line::A, 1_000);
    assert_eq!(numbers(&got), (0..1_000).collect::<Vec<_>>());
    assert_eq!(counters, FaultCounters::default());
    assert!(!FaultInjector::new(LineFaults::NONE, 1, Line::A).is_active());
}

#[test]
fn the_share_is_kept_in_bursts_and_without() {
    for burst in [1.0, 4.0, 44.0] {
        let faults = LineFaults {
            drop: 0.3,
            burst,
            ..LineFaults::NONE
        };
        let (got, counters) = passed(faults, 1, Line::A, 200_000);
        assert_eq!(got.len() as u64 + counters.dropped, 200_000);
        assert!((54_000..66_000).contains(&counters.dropped), "{counters:?}");
        let numbers = numbers(&got);
        let runs = numbers.windows(2).filter(|w| w[1] > w[0] + 1).count() as f64;
        let mean = counters.dropped as f64 / runs;
        let expected = if burst > 1.0 { burst } else { 1.0 / 0.7 };
        assert!((mean / expected - 1.0).abs() < 0.15, "{mean} for {burst}");
    }
    let (got, counters) = passed(LineFaults::drop(1.0), 1, Line::A, 100);
    assert_eq!((got.len(), counters.dropped), (0, 100));
}

#[test]
fn duplicates_come_right_behind() {
    let faults = LineFaults {
        duplicate: 0.2,
        ..LineFaults::NONE
    };
    let (got, counters) = passed(faults, 1, Line::A, 10_000);
    let mut numbers = numbers(&got);
    assert!(numbers.is_sorted());
    assert_eq!(numbers.len() as u64, 10_000 + counters.duplicated);
    assert!((1_700..2_300).contains(&counters.duplicated));
    numbers.dedup();
    assert_eq!(numbers.len(), 10_000);
}

#[test]
fn a_reordered_packet_is_passed_by_a_few_and_none_is_lost() {
    let faults = LineFaults {
        reorder: 0.05,
        ..LineFaults::NONE
    };
    let (got, counters) = passed(faults, 1, Line::A, 10_000);
    let numbers = numbers(&got);
    let late = numbers.windows(2).filter(|w| w[1] < w[0]).count() as u64;
    assert!((350..650).contains(&counters.reordered), "{counters:?}");
    assert!(late > counters.reordered / 2, "{late}");
    for (at, &number) in numbers.iter().enumerate() {
        let off = at as i64 - i64::from(number);
        assert!(off.unsigned_abs() < 16, "{number} at {at}");
    }
    let mut sorted = numbers;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..10_000).collect::<Vec<_>>());
}

#[test]
fn a_delayed_packet_comes_when_it_is_due() {
    let faults = LineFaults {
        delay: Duration::from_millis(1),
        ..LineFaults::NONE
    };
    let mut injector = FaultInjector::new(faults, 1, Line::A);
    let mut got = Vec::new();
    let mut pass = |bytes: &[u8], _| got.push(bytes[0]);
    injector.take(&[1], STAMPS, 0, &mut pass);
    injector.take(&[2], STAMPS, 10, &mut pass);
    assert_eq!(injector.next_due(), Some(1_000_000));
    assert!(!injector.release(999_999, &mut pass));
    assert!(injector.release(1_000_000, &mut pass));
    assert_eq!(injector.next_due(), Some(1_000_010));
    assert!(injector.release(1_000_010, &mut pass));
    assert_eq!(got, [1, 2]);
    assert_eq!(injector.counters().delayed, 2);
}

#[test]
fn a_packet_that_nothing_follows_does_not_wait_for_ever() {
    let faults = LineFaults {
        reorder: 1.0,
        ..LineFaults::NONE
    };
    let mut injector = FaultInjector::new(faults, 1, Line::A);
    let mut got = 0;
    injector.take(&[1], STAMPS, 0, &mut |_, _| got += 1);
    injector.release(0, &mut |_, _| got += 1);
    assert_eq!(got, 0);
    let due = injector.next_due().unwrap();
    injector.release(due, &mut |_, _| got += 1);
    assert_eq!(got, 1);
}

#[test]
fn damage_changes_bytes_and_not_the_length() {
    let faults = LineFaults {
        corrupt: 1.0,
        ..LineFaults::NONE
    };
    let mut injector = FaultInjector::new(faults, 1, Line::A);
    let whole = [7; 1_408];
    for _ in 0..1_000 {
        injector.take(&whole, STAMPS, 0, &mut |bytes, _| {
            assert_eq!(bytes.len(), whole.len());
            let changed = bytes.iter().filter(|&&byte| byte != 7).count();
            assert!(changed <= 4);
        });
    }
    injector.take(&[], STAMPS, 0, &mut |bytes, _| assert!(bytes.is_empty()));
    assert_eq!(injector.counters().corrupted, 1_000);
}

#[test]
fn what_finds_no_room_passes_and_is_counted() {
    let faults = LineFaults {
        delay: Duration::from_secs(1),
        ..LineFaults::NONE
    };
    let mut injector = FaultInjector::new(faults, 1, Line::A);
    let mut got = 0;
    for _ in 0..5_000 {
        injector.take(&[1; 100], STAMPS, 0, &mut |_, _| got += 1);
    }
    injector.take(&[1; 3_000], STAMPS, 0, &mut |_, _| got += 1);
    let counters = injector.counters();
    assert_eq!((counters.delayed, counters.not_held), (4_096, 905));
    assert_eq!(got, 905);
}
