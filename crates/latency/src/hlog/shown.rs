//! A log as a run that can be drawn.

use std::fmt::Write;

use super::read::Tagged;
use super::{GROUP, Log};
use crate::statements::too_few;
use crate::{Figures, Provenance, RUN_VERSION, Run, Series, Stage, StageFigures, View, Window};

/// What lines without a tag are called.
const UNTAGGED: &str = "all";

impl Log {
    /// What the log says of a run, which is to be called so: the figures of each tag, and the
    /// timeline of `total`, or of the first tag where there is none. It knows nothing of settings,
    /// machine, stalls and single ticks.
    #[must_use]
    pub fn run(&self, name: &str) -> Run {
        let total = self.headline();
        let spans = self.tags.iter().flat_map(|tagged| tagged.spans.items());
        let end_s = spans
            .map(|span| span.at_s + span.length_s)
            .fold(0.0, f64::max);
        Run {
            version: RUN_VERSION,
            name: name.to_owned(),
            began_ns: self.began_ns.unwrap_or(0),
            duration_ns: ns(end_s),
            stages: self.stages(),
            views: self.views(total),
            timeline: total.map(timeline).unwrap_or_default(),
            statements: self.statements(),
            ..Run::default()
        }
    }

    /// What a reader must know before trusting a figure of it, each a sentence.
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        let mut told = Vec::new();
        if !self.is_ours {
            told.push(
                "another program wrote this log: the unit of its values is not known, and shown as \
                 nanoseconds"
                    .to_owned(),
            );
        }
        if let Some((line, error)) = &self.first_unread {
            let mut text = format!("{} lines cannot be read and are in no figure", self.unread);
            // Writing to a string does not fail.
            let _ = write!(text, "; line {line}: {error}");
            told.push(text);
        }
        if self.is_cut {
            told.push("the log ends in the middle of a line: it was cut off".to_owned());
        }
        if let Some(headline) = self.headline() {
            let name = headline.tag.as_deref().unwrap_or(UNTAGGED);
            told.extend(too_few(name, headline.series.all().len()));
        }
        told
    }

    /// What the log is judged by: `total`, or the first tag where there is none.
    fn headline(&self) -> Option<&Tagged> {
        self.tag(Stage::Total.name()).or(self.tags.first())
    }

    fn tag(&self, name: &str) -> Option<&Tagged> {
        self.tags.iter().find(|it| it.tag.as_deref() == Some(name))
    }

    /// Each tag is a stage, but for those that are a part of one that is there.
    fn stages(&self) -> Vec<StageFigures> {
        let is_whole = |tagged: &&Tagged| self.part(tagged).or(self.group(tagged)).is_none();
        let stages = self.tags.iter().filter(is_whole).map(|whole| {
            let own = |(tagged, part): (&Tagged, Option<(&str, &str)>)| {
                let (stage, of) = part?;
                (Some(stage) == whole.tag.as_deref()).then(|| tagged.series.figures(of))
            };
            let all = [whole.series.figures("all")].into_iter();
            let parts = self.tags.iter().map(|tagged| (tagged, self.part(tagged)));
            let groups = self.tags.iter().map(|tagged| (tagged, self.group(tagged)));
            StageFigures {
                stage: whole.tag.as_deref().unwrap_or(UNTAGGED).to_owned(),
                parts: all.chain(parts.filter_map(own)).collect(),
                groups: groups.filter_map(own).collect(),
            }
        });
        stages
            .filter(|it| it.stage != Stage::Stalled.name())
            .collect()
    }

    /// The stage and provenance of a tag such as `total.A`, when there is a tag `total`.
    fn part<'a>(&self, tagged: &'a Tagged) -> Option<(&'a str, &'a str)> {
        let (stage, of) = tagged.tag.as_deref()?.rsplit_once('.')?;
        let is_known = Provenance::ALL.into_iter().any(|it| it.name() == of);
        (is_known && self.tag(stage).is_some()).then_some((stage, of))
    }

    /// The stage and group of a tag such as `total@index` of ours, when there is a tag `total`.
    fn group<'a>(&self, tagged: &'a Tagged) -> Option<(&'a str, &'a str)> {
        let (stage, of) = tagged.tag.as_deref()?.split_once(GROUP)?;
        (self.is_ours && self.tag(stage).is_some()).then_some((stage, of))
    }

    fn views(&self, total: Option<&Tagged>) -> Vec<View> {
        let raw = total.map_or_else(Figures::default, |it| it.series.figures("all"));
        let stalled = self.tag(Stage::Stalled.name());
        let without = total.zip(stalled).map(|(total, stalled)| {
            // Their intervals may not be the same, so that there are no windows of it.
            let mut without = Series::new();
            without.push(total.series.samples().without(&stalled.series.samples()));
            let figures = without.figures("all");
            View::without_stalls(&raw, figures)
        });
        [View::raw(raw.clone())]
            .into_iter()
            .chain(without)
            .collect()
    }
}

fn timeline(tagged: &Tagged) -> Vec<Window> {
    let windows = tagged.spans.items().iter().zip(tagged.series.windows());
    windows
        .map(|(span, counts)| Window::of(counts, ns(span.at_s), None))
        .collect()
}

fn ns(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}
