use tickcast_latency::{Histograms, Provenance, Stall, StallBoard, stages};

use super::*;

/// `total` of ticks that took so long each.
fn total(took: &[i64]) -> StageHistogram {
    const DUE: u64 = 1 << 60;
    let (mut recorder, mut reporter) = stages(&[Stage::Total]);
    for &ns in took {
        let to = DUE.saturating_add_signed(ns);
        recorder.record((Stage::Total, Provenance::A), DUE, to, 1);
    }
    drop(recorder);
    let mut histograms = Histograms::new(&[]);
    reporter.collect(&mut histograms);
    histograms.sum(Stage::Total).expect("it was recorded")
}

#[test]
fn ratios_are_medians_over_turns() {
    let turn = |run: i64, floor: i64| TurnTotals {
        run: Some(total(&[run; 10])),
        floor: Some(total(&[floor; 10])),
        rate: 10,
    };
    // 2, 3, and one turn that met something: 50.
    let turns = [turn(200, 100), turn(300, 100), turn(5_000, 100)];
    let mut series = Series::new();
    series.add(&total(&[100; 30]));
    let view = floor(&series, &turns).expect("a floor");
    assert_eq!(view.figures.samples, 30);
    let percents: Vec<f64> = view.ratios.iter().map(|ratio| ratio.percent).collect();
    // Ten samples a turn are too few for more.
    assert_eq!(percents, [50.0, 90.0]);
    let near = |one: f64, other: f64| (one / other - 1.0).abs() < 0.01;
    assert!(near(view.ratios[0].median, 3.0), "{view:?}");
    assert!(near(view.ratios[0].quartiles[0], 2.5), "{view:?}");
    assert!(near(view.ratios[0].quartiles[1], 26.5), "{view:?}");
    assert_eq!(floor(&Series::new(), &turns), None);
}

#[test]
fn clocks_that_disagree_are_told() {
    assert_eq!(two_clocks(&total(&[1_000, 2_000])), None);
    let said = two_clocks(&total(&[-5, 1_000, 2_000])).expect("it went back");
    assert!(
        said.starts_with("1 of 3 ticks arrived before they were due"),
        "{said}"
    );
    let said = two_clocks(&total(&[5_000_000_000; 3])).expect("too long");
    assert!(said.contains("disagree by seconds"), "{said}");
}

#[test]
fn what_stood_still_meanwhile_is_told_thread_by_thread() {
    let board = StallBoard::new();
    let mut looks = [
        board.meter("tc-send", None),
        board.meter("tc-receive", Some(1)),
    ];
    for (meter, ends) in looks.iter_mut().zip([&[30_000, 60_000][..], &[1_200_000]]) {
        let mut last = 0;
        for &end in ends {
            meter.look(last, || last);
            meter.look(end, || end);
            meter.work();
            last = end + 1_000;
        }
    }
    let mut log = StallLog::default();
    board.collect(&mut log);
    let way = Way {
        due: 10,
        pop: 2_000_000,
        ..Way::default()
    };
    assert_eq!(
        meanwhile(&way, &log),
        [
            "tc-receive stood still for 1.20 ms on core 1",
            "tc-send stood still 2 times, 59.0 µs in all, at most 30.0 µs"
        ]
    );
    let later = Way {
        due: 3_000_000,
        pop: 4_000_000,
        ..Way::default()
    };
    assert_eq!(meanwhile(&later, &log), [""; 0]);
}

#[test]
fn turns_of_one_thread_are_told_together() {
    let turn = |from_ns: u64| {
        let board = StallBoard::new();
        let mut meter = board.meter("tc-send", Some(0));
        meter.look(from_ns, || from_ns);
        meter.look(from_ns + 20_000, || from_ns + 20_000);
        let mut log = StallLog::default();
        board.collect(&mut log);
        log
    };
    let mut all = StallLog::default();
    add_stalls(&mut all, turn(0));
    add_stalls(&mut all, turn(1_000_000));
    assert_eq!(all.threads.len(), 1);
    let thread = &all.threads[0];
    assert_eq!(
        (thread.stalled_ns, thread.lengths.histogram().len()),
        (40_000, 2)
    );
    let second = Stall {
        from_ns: 1_000_000,
        to_ns: 1_020_000,
    };
    assert_eq!(thread.stalls[1], second);
}
