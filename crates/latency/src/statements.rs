//! What must be known of a run before a figure of it is trusted, in plain words.

use crate::bootstrap::MIN_WINDOWS;
use crate::report::{duration, grouped};
use crate::series::PERCENTILES;
use crate::{LONGEST_NS, Series, Stage, StallLog, Windows};

/// With fewer samples beyond it, a percentile is moved by any one of them.
const FEW: u64 = 10;

impl Windows {
    /// What a reader must know of these figures, each a sentence: where there are too few samples,
    /// and which are in no figure.
    #[must_use]
    pub fn statements(&self, stalls: &StallLog) -> Vec<String> {
        let mut told = Vec::new();
        let total = self.series(Stage::Total);
        match total.map_or(0, |total| total.all().len()) {
            0 => told.push("no tick was delivered: there is no figure".to_owned()),
            samples => told.extend(too_few("total", samples)),
        }
        let windows = total.map_or(0, Series::window_count);
        if windows < MIN_WINDOWS {
            told.push(format!(
                "standard errors need {MIN_WINDOWS} windows: the run has {windows}"
            ));
        }
        for stage in Stage::ALL.into_iter().filter(|it| *it != Stage::Stalled) {
            told.extend(self.series(stage).and_then(|it| negative(stage, it)));
            told.extend(self.series(stage).and_then(|it| saturated(stage, it)));
        }
        told.extend(stalls.threads.iter().filter_map(|thread| {
            let (missed, name) = (thread.missed, &thread.thread);
            (missed > 0).then(|| {
                format!(
                    "{} stalls of {name} are in no figure: they came faster than they were \
                     collected",
                    grouped(missed)
                )
            })
        }));
        told
    }
}

/// Which percentiles of this name are not given for want of samples, and which rest on few.
pub(crate) fn too_few(name: &str, samples: u64) -> impl Iterator<Item = String> {
    let told = [missing_percentiles(samples), few_beyond(samples)];
    let told = told.into_iter().flatten();
    told.map(move |told| format!("{name}: {told}"))
}

fn missing_percentiles(samples: u64) -> Option<String> {
    let mut missing = PERCENTILES.iter().filter(|(_, needed)| samples < *needed);
    let (percent, needed) = missing.next()?;
    let and_beyond = if missing.next().is_some() {
        " and beyond are"
    } else {
        " is"
    };
    Some(format!(
        "p{percent}{and_beyond} not given: {} samples are too few, it needs {}",
        grouped(samples),
        grouped(*needed)
    ))
}

fn few_beyond(samples: u64) -> Option<String> {
    let given = PERCENTILES.iter().filter(|(_, needed)| samples >= *needed);
    let (percent, needed) = given.max_by_key(|(_, needed)| *needed)?;
    let beyond = samples / needed;
    (beyond < FEW && *needed > 2).then(|| {
        let samples = if beyond == 1 { "sample" } else { "samples" };
        format!("p{percent} rests on {beyond} {samples} beyond it: any one of them moves it")
    })
}

fn negative(stage: Stage, series: &Series) -> Option<String> {
    let count = series.negative();
    (count > 0).then(|| {
        format!(
            "{stage}: {} samples ended before they began, by clocks that disagree: they are in no \
             figure",
            grouped(count)
        )
    })
}

fn saturated(stage: Stage, series: &Series) -> Option<String> {
    let (count, longest) = (series.saturated(), duration(LONGEST_NS));
    (count > 0).then(|| {
        format!(
            "{stage}: {} samples took over {longest}, and count as {longest}",
            grouped(count)
        )
    })
}
