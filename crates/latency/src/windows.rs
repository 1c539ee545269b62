//! A run, window by window: its figures, how far they can be trusted, and its timeline.

use crate::counts::{Counts, Samples};
use crate::series::{Folding, Join};
use crate::{Figures, Histograms, Provenance, Series, Stage, StageFigures, StallLog, View, Window};

/// A measured run, window by window. Windows should be of about one length, between 100 ms and a
/// few seconds; memory is bounded by [`WINDOWS_KEPT`](crate::WINDOWS_KEPT).
#[derive(Clone, Debug)]
pub struct Windows {
    totals: Histograms,
    stages: Vec<StageSeries>,
    without_stalls: Series,
    spans: Folding<Span>,
    began_ns: Option<u64>,
}

/// All of a stage, its parts, and its groups by their names.
#[derive(Clone, Debug)]
struct StageSeries {
    stage: Stage,
    all: Series,
    parts: Vec<(Provenance, Series)>,
    groups: Vec<(String, Series)>,
}

/// One window of the timeline.
#[derive(Clone, Copy, Debug)]
struct Span {
    from_ns: u64,
    to_ns: u64,
    stall_max_ns: Option<u64>,
}

impl Join for Span {
    fn join(&mut self, later: Span) {
        self.to_ns = later.to_ns;
        self.stall_max_ns = self.stall_max_ns.max(later.stall_max_ns);
    }
}

impl Windows {
    /// A run of these stages, without windows yet.
    #[must_use]
    pub fn new(stages: &[Stage]) -> Windows {
        let listed = Stage::ALL.into_iter().filter(|it| stages.contains(it));
        Windows {
            totals: Histograms::new(stages),
            stages: listed.map(StageSeries::new).collect(),
            without_stalls: Series::new(),
            spans: Folding::default(),
            began_ns: None,
        }
    }

    /// With groups of instruments of these names.
    #[must_use]
    pub fn with_groups(mut self, names: &[String]) -> Windows {
        let groups = || names.iter().map(|name| (name.clone(), Series::new()));
        for it in self.stages.iter_mut().filter(|it| it.stage.has_groups()) {
            it.groups = groups().collect();
        }
        self
    }

    /// Adds the window from `from_ns` to `to_ns`, with what was recorded in it, and what the meters
    /// have seen so far. Without meters, `stalls` is empty.
    pub fn add(&mut self, from_ns: u64, to_ns: u64, recorded: &Histograms, stalls: &StallLog) {
        self.began_ns.get_or_insert(from_ns);
        self.totals.merge(recorded);
        let (mut total, mut stalled) = (None, None);
        for stage in &mut self.stages {
            let all = stage.add(recorded);
            match stage.stage {
                Stage::Total => total = Some(all),
                Stage::Stalled => stalled = Some(all),
                _ => {}
            }
        }
        // Without a board nothing was told apart.
        let is_told_apart = recorded.parts(Stage::Stalled).next().is_some();
        if let (Some(total), Some(stalled), true) = (total, stalled, is_told_apart) {
            self.without_stalls.push(total.without(&stalled));
        }
        self.spans.push(Span {
            from_ns,
            to_ns,
            stall_max_ns: stalls.longest_ns(from_ns, to_ns),
        });
    }

    /// All windows together, and the slowest ticks.
    #[must_use]
    pub fn totals(&self) -> &Histograms {
        &self.totals
    }

    /// The figures of every stage that has samples, in the order a tick passes them, first of all
    /// ticks, then of each provenance that has any, then of each group. `stalled` is not among them:
    /// it is a part of `total`, see [`Windows::views`].
    #[must_use]
    pub fn stages(&self) -> Vec<StageFigures> {
        let stages = self.stages.iter();
        stages
            .filter(|it| it.stage != Stage::Stalled)
            .filter_map(StageSeries::figures)
            .collect()
    }

    /// `total` as it is, and without those ticks that met a stall: the second only if they were
    /// told apart.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        let total = self.series(Stage::Total);
        let raw = total.map_or_else(Figures::default, |it| it.figures("all"));
        let without = (self.without_stalls.window_count() > 0)
            .then(|| View::without_stalls(&raw, self.without_stalls.figures("all")));
        [View::raw(raw.clone())]
            .into_iter()
            .chain(without)
            .collect()
    }

    /// `total`, window by window.
    #[must_use]
    pub fn timeline(&self) -> Vec<Window> {
        let counts = self.series(Stage::Total).map_or(&[][..], Series::windows);
        let began_ns = self.began_ns.unwrap_or(0);
        let windows = self.spans.items().iter().zip(counts);
        windows
            .map(|(span, counts)| {
                let at_ns = span.from_ns.saturating_sub(began_ns);
                Window::of(counts, at_ns, span.stall_max_ns)
            })
            .collect()
    }

    /// All of a stage.
    pub(crate) fn series(&self, stage: Stage) -> Option<&Series> {
        let found = self.stages.iter().find(|it| it.stage == stage);
        found.map(|it| &it.all)
    }
}

impl StageSeries {
    fn new(stage: Stage) -> StageSeries {
        let parts = stage.provenances().iter();
        StageSeries {
            stage,
            all: Series::new(),
            parts: parts.map(|&of| (of, Series::new())).collect(),
            groups: Vec::new(),
        }
    }

    /// Gives all of the window.
    fn add(&mut self, recorded: &Histograms) -> Samples {
        let mut all = Samples::default();
        for (of, part) in &mut self.parts {
            let samples = recorded.part(self.stage, *of).map(Samples::of);
            let samples = samples.unwrap_or_default();
            if of.is_summed() {
                all.add(&samples);
            }
            part.push(samples);
        }
        self.all.push(all.clone());
        let mut recorded = recorded.groups(self.stage);
        for (_, group) in &mut self.groups {
            let samples = recorded.next().map(Samples::of);
            group.push(samples.unwrap_or_default());
        }
        all
    }

    /// `None` without samples.
    fn figures(&self) -> Option<StageFigures> {
        let parts = self.parts.iter().filter(|(_, part)| !part.is_empty());
        let mut parts: Vec<Figures> = parts.map(|(of, part)| part.figures(of.name())).collect();
        if parts.is_empty() {
            return None;
        }
        parts.insert(0, self.all.figures("all"));
        let groups = self.groups.iter().filter(|(_, group)| !group.is_empty());
        Some(StageFigures {
            stage: self.stage.name().to_owned(),
            parts,
            groups: groups.map(|(name, group)| group.figures(name)).collect(),
        })
    }
}

impl View {
    pub(crate) fn raw(figures: Figures) -> View {
        View {
            name: "raw".to_owned(),
            left_out: 0.0,
            figures,
            ratios: Vec::new(),
        }
    }

    pub(crate) fn without_stalls(raw: &Figures, figures: Figures) -> View {
        let left_out = raw.samples.saturating_sub(figures.samples);
        View {
            name: "without stalls".to_owned(),
            left_out: left_out as f64 / raw.samples.max(1) as f64,
            figures,
            ratios: Vec::new(),
        }
    }
}

impl Window {
    /// A window that began so long after the run.
    pub(crate) fn of(counts: &Counts, at_ns: u64, stall_max_ns: Option<u64>) -> Window {
        Window {
            at_ns,
            samples: counts.len(),
            p50_ns: counts.percentile(2),
            p99_ns: counts.percentile(100),
            max_ns: counts.max(),
            stall_max_ns,
        }
    }
}
