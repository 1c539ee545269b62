//! Recording and swapping allocate nothing.

use allocation_counter::measure;
use tickcast_latency::{
    EXEMPLARS, Histograms, LONGEST_NS, STALL_NS, Stage, StallBoard, StallLog, Way, stages,
    stages_and_groups,
};

#[test]
fn recording_and_swapping_allocate_nothing() {
    let (mut recorder, mut reporter) = stages_and_groups(&Stage::ALL, 2);
    let mut totals = Histograms::new(&Stage::ALL);
    totals.make_groups(2);
    let used = measure(|| {
        for round in 0..100u64 {
            reporter.request();
            for stage in Stage::ALL {
                for &provenance in stage.provenances() {
                    let of = (stage, provenance);
                    recorder.record(of, 0, round * round * 1_000, 21);
                    recorder.record(of, 1, 0, 1);
                    recorder.record(of, 0, LONGEST_NS + round + 1, 1);
                }
            }
            for stage in Stage::ALL.into_iter().filter(|it| it.has_groups()) {
                recorder.record_group((stage, 1), 0, round * round * 1_000, 1);
            }
            for due in 0..2 * EXEMPLARS as u64 {
                let pop = due + round * 1_000;
                let way = Way {
                    due,
                    pop,
                    ..Way::default()
                };
                recorder.keep(&way);
            }
            recorder.poll_swap();
            recorder.poll_swap();
            assert!(reporter.collect(&mut totals));
        }
        drop(recorder);
    });
    assert_eq!(used.count_total, 0, "{used:?}");
    assert!(reporter.collect(&mut totals));
    assert_eq!(totals.slowest().len(), EXEMPLARS);
    assert!(
        measure(|| drop(stages(&[Stage::Queue]))).count_total > 0,
        "the counter counts"
    );
}

#[test]
fn a_meter_allocates_nothing_even_when_nobody_collects() {
    let board = StallBoard::new();
    let mut meter = board.meter("spinning", None);
    let stalls = 10_000;
    let used = measure(|| {
        for stall in 1..=stalls {
            meter.look(stall * 2 * STALL_NS, || stall * 2 * STALL_NS);
            meter.look(stall * 2 * STALL_NS + 1, || 0);
        }
    });
    assert_eq!(used.count_total, 0, "{used:?}");
    let mut log = StallLog::default();
    board.collect(&mut log);
    let kept = log.threads[0].stalls.len() as u64;
    assert_eq!(kept + log.threads[0].missed, stalls - 1);
    assert!(kept > 0 && log.threads[0].missed > 0);
}
