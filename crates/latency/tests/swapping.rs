//! Nothing is lost or counted twice between a recorder and its reporter.

use std::thread;

use proptest::{collection, prelude::any, prop_assert_eq, proptest};
use tickcast_latency::{Histograms, LONGEST_NS, Provenance, Recorder, Stage, stages};

const SAMPLES: u64 = 300_000;

fn record_all(mut recorder: Recorder) {
    for n in 0..SAMPLES {
        recorder.record((Stage::Queue, Provenance::A), 5, 5 + n % 1_000, 1);
        recorder.record((Stage::Total, Provenance::A), n % 7, 3, 2);
        if n % 21 == 0 {
            recorder.poll_swap();
        }
    }
}

/// Two recorders on threads of their own, and a reporter that never stops asking.
#[test]
fn totals_equal_what_was_recorded() {
    let list = [Stage::Queue, Stage::Total];
    let (first, mut from_first) = stages(&list);
    let (second, mut from_second) = stages(&list);
    let threads = [first, second].map(|recorder| thread::spawn(move || record_all(recorder)));

    let mut totals = Histograms::new(&list);
    let mut swaps = 0;
    while threads.iter().any(|thread| !thread.is_finished()) {
        from_first.request();
        from_second.request();
        thread::yield_now();
        swaps += u64::from(from_first.collect(&mut totals));
        swaps += u64::from(from_second.collect(&mut totals));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    swaps += u64::from(from_first.collect(&mut totals));
    swaps += u64::from(from_second.collect(&mut totals));
    assert!(swaps >= 2, "both handed over at the end at least");

    let mut expected = Histograms::new(&list);
    let (recorder, mut reporter) = stages(&list);
    record_all(recorder);
    assert!(reporter.collect(&mut expected));
    for stage in list {
        let (got, once) = (
            totals.part(stage, Provenance::A).unwrap(),
            expected.part(stage, Provenance::A).unwrap(),
        );
        assert_eq!(got.histogram().len(), 2 * once.histogram().len());
        assert_eq!(got.negative(), 2 * once.negative());
        for value in once.histogram().iter_recorded() {
            let at = value.value_iterated_to();
            assert_eq!(got.histogram().count_at(at), 2 * value.count_at_value());
        }
    }
}

#[test]
fn hands_over_only_when_asked_and_when_dropped() {
    let (mut recorder, mut reporter) = stages(&[Stage::Handle]);
    let mut totals = Histograms::new(&[]);
    recorder.record((Stage::Handle, Provenance::A), 0, 10, 1);
    recorder.poll_swap();
    assert!(!reporter.collect(&mut totals), "nobody asked");

    assert!(!reporter.is_waiting());
    reporter.request();
    assert!(
        !reporter.collect(&mut totals),
        "the recorder has not come by"
    );
    assert!(reporter.is_waiting());
    recorder.poll_swap();
    assert!(!reporter.is_waiting());
    recorder.record((Stage::Handle, Provenance::A), 0, 20, 1);
    reporter.request();
    recorder.poll_swap();
    recorder.record((Stage::Handle, Provenance::A), 0, 30, 1);
    assert!(reporter.collect(&mut totals));
    let samples = |totals: &Histograms| {
        totals
            .part(Stage::Handle, Provenance::A)
            .unwrap()
            .histogram()
            .len()
    };
    assert_eq!(
        samples(&totals),
        1,
        "no empty set was there for a second swap"
    );

    recorder.poll_swap();
    assert!(reporter.collect(&mut totals), "the request stands");
    assert_eq!(samples(&totals), 3);

    recorder.record((Stage::Handle, Provenance::A), 0, 40, 1);
    reporter.request();
    drop(recorder);
    assert!(!reporter.is_waiting());
    assert!(reporter.collect(&mut totals));
    assert!(!reporter.collect(&mut totals));
    assert_eq!(samples(&totals), 4);
}

#[test]
#[should_panic(expected = "kernel of A is not what this recorder was made for")]
fn a_stage_not_listed_is_refused() {
    let (mut recorder, _reporter) = stages(&[Stage::Handle]);
    recorder.record((Stage::Kernel, Provenance::A), 0, 1, 1);
}

proptest! {
    /// Whatever the stamps, every sample is in exactly one place.
    #[test]
    fn every_sample_is_counted_once(
        samples in collection::vec((any::<u64>(), any::<u64>(), 0..1_000u64), 1..50)
    ) {
        let (mut recorder, mut reporter) = stages(&[Stage::Total]);
        let (mut negative, mut saturated, mut recorded) = (0, 0, 0);
        for &(from, to, count) in &samples {
            recorder.record((Stage::Total, Provenance::A), from, to, count);
            if to < from {
                negative += count;
            } else {
                recorded += count;
                saturated += if to - from > LONGEST_NS { count } else { 0 };
            }
        }
        drop(recorder);
        let mut totals = Histograms::new(&[]);
        reporter.collect(&mut totals);
        let got = totals.part(Stage::Total, Provenance::A).unwrap();
        prop_assert_eq!(got.negative(), negative);
        prop_assert_eq!(got.saturated(), saturated);
        prop_assert_eq!(got.histogram().len(), recorded);
    }
}
