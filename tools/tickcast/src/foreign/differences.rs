//! Differences of stamps, recorded as those of ticks are.

use tickcast_latency::{
    Figures, Histograms, Provenance, Recorder, Reporter, Series, Stage, StageHistogram, stages,
};

/// Under which names a recorder of stages takes differences.
pub const STAGES: [Stage; 2] = [Stage::Network, Stage::Total];

/// Takes differences in, and gives what has come since the last look.
pub struct Differences {
    recorder: Recorder,
    reporter: Reporter,
    taken: Histograms,
}

impl Differences {
    pub fn new() -> Differences {
        let (recorder, reporter) = stages(&STAGES);
        Differences {
            recorder,
            reporter,
            taken: Histograms::new(&STAGES),
        }
    }

    /// Takes in the time from one stamp to another.
    pub fn add(&mut self, stage: Stage, of: Provenance, from_ns: u64, to_ns: u64) {
        self.recorder.record((stage, of), from_ns, to_ns, 1);
    }

    /// What was taken in since the last call.
    pub fn take(&mut self) -> &Histograms {
        self.taken.clear();
        self.reporter.request();
        self.recorder.poll_swap();
        self.reporter.collect(&mut self.taken);
        &self.taken
    }
}

/// The figures of one histogram.
pub fn figures(of: Provenance, histogram: Option<&StageHistogram>) -> Figures {
    let mut series = Series::new();
    histogram.into_iter().for_each(|it| series.add(it));
    series.figures(of.name())
}
