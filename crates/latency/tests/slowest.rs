//! The slowest ticks are kept, with all their stamps, through every swap and sum.

use proptest::{collection, prop_assert_eq, proptest};
use tickcast_latency::{
    EXEMPLARS, Histograms, Provenance, STALL_NS, Stage, StallBoard, StallLog, Way, stages,
};

const DUE: u64 = 1_700_000_000_000_000_000;

fn way(seq: u64, total_ns: u64) -> Way {
    Way {
        seq,
        due: DUE + seq,
        pop: DUE + seq + total_ns,
        ..Way::default()
    }
}

proptest! {
    #[test]
    fn the_slowest_of_all_sets_are_kept(
        totals in collection::vec(0..1_000_u64, 0..200),
        swap_every in 1..40_usize,
    ) {
        let (mut recorder, mut reporter) = stages(&[]);
        let mut sum = Histograms::new(&[]);
        for (nth, &total) in totals.iter().enumerate() {
            if recorder.is_among_slowest(total) {
                recorder.keep(&way(nth as u64, total));
            }
            if nth % swap_every == 0 {
                reporter.request();
                recorder.poll_swap();
                reporter.collect(&mut sum);
            }
        }
        drop(recorder);
        reporter.collect(&mut sum);
        let kept: Vec<u64> = sum.slowest().iter().map(Way::total_ns).collect();
        // A tick that took no time at all is not slow.
        let mut expected: Vec<u64> = totals.into_iter().filter(|total| *total > 0).collect();
        expected.sort_unstable_by(|a, b| b.cmp(a));
        expected.truncate(EXEMPLARS);
        prop_assert_eq!(kept, expected);
    }
}

#[test]
fn a_way_tells_its_stages_and_what_the_machine_did() {
    let board = StallBoard::new();
    let mut log = StallLog::default();
    for (thread, from, to) in [
        ("tc-send", DUE - 2_000_000, DUE + 300_000),
        ("tc-receive", DUE + 500_000, DUE + 700_000),
        // Over before it was due, and begun after it was done.
        ("tc-receive", DUE - 90_000, DUE - 70_000),
        ("tc-receive", DUE + 900_000, DUE + 950_000),
    ] {
        let mut meter = board.meter(thread, None);
        meter.look(from, || 0);
        meter.look(to, || to);
    }
    board.collect(&mut log);
    let way = Way {
        seq: 42,
        instrument: 7,
        provenance: Provenance::B,
        due: DUE,
        sent: DUE + 301_000,
        // The kernel's clock stepped back.
        kernel: DUE + 300_000,
        read: DUE + 310_000,
        push: 0,
        pop: DUE + 800_000,
        done: DUE + 801_000,
    };
    let exemplar = way.exemplar(&log);
    assert_eq!(
        (exemplar.seq, exemplar.instrument, &*exemplar.provenance),
        (42, 7, "B")
    );
    assert_eq!((exemplar.due_ns, exemplar.total_ns), (DUE, 800_000));
    let legs: Vec<_> = exemplar
        .waterfall
        .iter()
        .map(|leg| (&*leg.stage, leg.ns))
        .collect();
    let name = Stage::name;
    let expected = [
        (name(Stage::Publish), 301_000),
        (name(Stage::Network), -1_000),
        (name(Stage::Kernel), 10_000),
        (name(Stage::Strategy), 1_000),
    ];
    assert_eq!(legs, expected);
    assert_eq!(
        exemplar.meanwhile,
        [
            "tc-send stood still for 2.30 ms, beginning 2.00 ms before it was due",
            "tc-receive stood still for 200 µs, beginning 500 µs after it was due"
        ]
    );
}

#[test]
fn a_gap_is_a_stall_only_if_nothing_was_done() {
    let board = StallBoard::new();
    let mut meter = board.meter("spinning", Some(3));
    assert!(meter.is_on() && !tickcast_latency::StallMeter::off().is_on());
    let mut log = StallLog::default();
    let mut stalls = |at: u64, work: bool| {
        meter.look(at, || DUE + at);
        if work {
            meter.work();
        }
        board.collect(&mut log);
        log.threads[0].stalls.clone()
    };
    let most = STALL_NS;
    assert_eq!(stalls(7, false), []);
    assert_eq!(stalls(7 + most, false), [], "not longer than the threshold");
    assert_eq!(stalls(7 + 2 * most, true), []);
    assert_eq!(stalls(7 + 9 * most, false), [], "it had work");
    let found = stalls(8 + 10 * most, true);
    let to = DUE + 8 + 10 * most;
    assert_eq!((found[0].from_ns, found[0].to_ns), (to - most - 1, to));
    assert!(found[0].overlaps(to - 1, to + 5) && found[0].overlaps(0, u64::MAX));
    assert!(!found[0].overlaps(to, to + 5) && !found[0].overlaps(0, found[0].from_ns));
    // A clock that goes back makes no stall.
    assert_eq!(stalls(3, false).len(), 1);
    assert_eq!(board.latest_end_ns(), to);
}
