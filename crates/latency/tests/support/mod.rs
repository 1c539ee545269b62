//! What several tests need.

use tickcast_latency::{Histograms, Recorder, Reporter, Stage, stages_and_groups};

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
        Feeder::with_groups(list, 0)
    }

    /// Of these stages, and of so many groups.
    pub fn with_groups(list: &[Stage], groups: usize) -> Feeder {
        let (recorder, reporter) = stages_and_groups(list, groups);
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
