//! What an interval says is of that interval alone.

use tickcast_latency::{Histograms, Provenance, Report, Stage, stages_and_groups};

#[test]
fn the_longest_of_an_interval_is_not_that_of_an_earlier_one() {
    let (mut recorder, mut reporter) = stages_and_groups(&[Stage::Total], 1);
    let mut interval = Histograms::new(&[Stage::Total]);
    let mut all = Histograms::new(&[]);
    // Both sets go round, more than once.
    for longest in [9_000, 5_000, 300, 200, 100] {
        interval.clear();
        recorder.record((Stage::Total, Provenance::A), 0, longest, 1);
        recorder.record_group((Stage::Total, 0), 0, longest, 1);
        reporter.request();
        recorder.poll_swap();
        reporter.collect(&mut interval);
        let report = Report::new(&interval);
        let row = report.row(Stage::Total).unwrap();
        all.merge(&interval);
        let group = interval.groups(Stage::Total).next().unwrap();
        for max in [row.max.unwrap(), group.histogram().max()] {
            assert!(
                max.abs_diff(longest) <= longest / 1_000,
                "{max} of {longest}"
            );
        }
    }
    // A sum has them all.
    let group = all.groups(Stage::Total).next().unwrap();
    let whole = all.sum(Stage::Total).unwrap();
    for histogram in [whole.histogram(), group.histogram()] {
        assert_eq!(histogram.len(), 5);
        assert!(histogram.max() >= 9_000);
    }
}
