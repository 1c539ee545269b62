//! What several tests need.

use tickcast_latency::{Histograms, Recorder, Reporter, Stage, stages};

/// A second in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

/// Records set after set.
pub struct Feeder {
    recorder: Recorder,
    reporter: Reporter,
    set: Histograms,
}

impl Feeder {
    /// Of these stages.
    pub fn new(list: &[Stage]) -> Feeder {
        let (recorder, reporter) = stages(list);
        Feeder {
            recorder,
            reporter,
            set: Histograms::new(list),
        }
    }

    /// What is recorded now.
    pub fn set(&mut self, record: impl FnOnce(&mut Recorder)) -> &Histograms {
        record(&mut self.recorder);
        self.reporter.request();
        self.recorder.poll_swap();
        self.set.clear();
        assert!(self.reporter.collect(&mut self.set));
        &self.set
    }
}
