//! Recording and swapping allocate nothing.

use allocation_counter::measure;
use tickcast_latency::{Histograms, LONGEST_NS, Stage, stages};

#[test]
fn recording_and_swapping_allocate_nothing() {
    let (mut recorder, mut reporter) = stages(&Stage::ALL);
    let mut totals = Histograms::new(&Stage::ALL);
    let used = measure(|| {
        for round in 0..100u64 {
            reporter.request();
            for stage in Stage::ALL {
                recorder.record(stage, 0, round * round * 1_000, 21);
                recorder.record(stage, 1, 0, 1);
                recorder.record(stage, 0, LONGEST_NS + round + 1, 1);
            }
            recorder.poll_swap();
            recorder.poll_swap();
            assert!(reporter.collect(&mut totals));
        }
        drop(recorder);
    });
    assert_eq!(used.count_total, 0, "{used:?}");
    assert!(reporter.collect(&mut totals));
    assert!(
        measure(|| drop(stages(&[Stage::Queue]))).count_total > 0,
        "the counter counts"
    );
}
