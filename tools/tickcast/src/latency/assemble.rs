//! Makes a [`Run`] of what was recorded.

use tickcast_latency::{
    Clocks, Exemplar, Histograms, PERCENTILES, Platform, RUN_VERSION, Ratio, Run, STALLS_KEPT,
    Series, Setting, Stage, StageHistogram, StallLog, Ticks, View, Way, duration,
};

use super::platform::setting;
use super::recording::{Recording, TurnTotals};
use crate::show;

impl Recording {
    /// The run of this name, as far as it was recorded.
    pub(super) fn finish(
        mut self,
        name: String,
        settings: Vec<Setting>,
        machine: Vec<Setting>,
    ) -> Run {
        self.clear_screen();
        let delivered = self.delivered();
        let mut views = self.windows.views();
        if self.stalls.threads.is_empty() {
            // Nobody looked for stalls, so nothing is known to be without any.
            views.truncate(1);
        }
        views.extend(floor(&self.floor, &self.turns));
        let mut run = Run {
            version: RUN_VERSION,
            name,
            command: std::env::args().collect::<Vec<_>>().join(" "),
            began_ns: self.began_ns,
            duration_ns: self.measured.as_nanos() as u64,
            warm_up_ns: self.warm_up.as_nanos() as u64,
            settings,
            machine,
            ticks: Ticks {
                published: delivered + self.lost,
                delivered,
                lost: self.lost,
            },
            stages: self.windows.stages(),
            views,
            timeline: self.windows.timeline(),
            platform: self.platform(),
            exemplars: self.exemplars(),
            clocks: None,
            statements: self.statements(),
        };
        if let Some(clocks) = self.clocks {
            clocks.bound(&mut run);
        }
        run
    }

    /// Ticks that were delivered while it was measured.
    fn delivered(&self) -> u64 {
        let total = self.windows.totals().sum(Stage::Total);
        total.map_or(0, |total| total.histogram().len() + total.negative())
    }

    fn platform(&self) -> Platform {
        let mut counters = self.machine.counters();
        counters.extend(self.buffers.counters());
        for (line, dropped) in ["A", "B"].into_iter().zip(self.dropped) {
            let name = format!("dropped by the kernel, line {line}");
            counters.push(setting(&name, dropped, "packets"));
        }
        let measured_ns = self.measured.as_nanos() as u64;
        let threads = self.stalls.threads.iter();
        Platform {
            hiccups: threads.map(|thread| thread.hiccup(measured_ns)).collect(),
            counters,
        }
    }

    fn exemplars(&self) -> Vec<Exemplar> {
        let exemplar = |way: &Way| {
            let mut exemplar = way.exemplar(&self.stalls);
            // An inline strategy takes nothing out of a queue.
            if way.push == way.pop {
                exemplar.waterfall.retain(|leg| leg.stage != "queue");
            }
            exemplar.meanwhile = meanwhile(way, &self.stalls);
            exemplar
        };
        self.slowest.iter().map(exemplar).collect()
    }

    /// What a reader must know before trusting a figure.
    fn statements(&self) -> Vec<String> {
        let mut statements = self.notes.clone();
        statements.extend(self.clock.statement());
        let total = self.windows.totals().sum(Stage::Total);
        statements.extend(total.as_ref().and_then(two_clocks));
        statements.extend(self.clocks.iter().flat_map(Clocks::statements));
        if self.unsteady > 0 {
            let which = match self.turns.len() {
                1 => "the run".to_owned(),
                turns => format!("{} of {turns} turns", self.unsteady),
            };
            statements.push(format!(
                "{which} never got steady, measured nonetheless: no three windows in a row agreed; the \
                 machine is busy, or the rate is more than it takes",
            ));
        }
        if self.stalls.threads.is_empty() {
            statements.push(
                "no thread spins, so none sees when the machine takes its core away: `--idle spin` \
                 gives each a hiccup meter, and the view without stalls"
                    .into(),
            );
        }
        let dropped: u64 = self.dropped.iter().sum();
        if dropped > 0 {
            statements.push(format!(
                "packets dropped by the kernel because a receive buffer was full: {}; what they carried \
                 came by the other line, or later",
                show::count(dropped)
            ));
        }
        for (line, silences) in ["A", "B"].into_iter().zip(self.silences) {
            if silences > 0 {
                statements.push(format!(
                    "line {line} fell silent while it was measured (times: {}): what was not sent \
                     then is in no figure",
                    show::count(silences)
                ));
            }
        }
        if self.lost > 0 {
            statements.push(format!(
                "ticks lost: {}; what was not delivered has no latency",
                show::count(self.lost)
            ));
        }
        statements.extend(in_total_only(self.windows.totals()));
        let groups = self.windows.totals().groups(Stage::Total);
        let ticks: Vec<u64> = groups.map(|group| group.histogram().len()).collect();
        statements.extend(self.groups.statements(&ticks));
        statements.extend(self.windows.statements(&self.stalls));
        statements
    }
}

/// What each thread met while this tick was under way, the worst first.
fn meanwhile(way: &Way, stalls: &StallLog) -> Vec<String> {
    let mut threads: Vec<(&str, Option<usize>, Vec<u64>)> = Vec::new();
    for (thread, stall) in stalls.overlapping(way.due, way.pop.max(way.done)) {
        match threads.last_mut() {
            Some((name, _, lengths)) if *name == thread.thread => lengths.push(stall.length_ns()),
            _ => threads.push((&thread.thread, thread.core, vec![stall.length_ns()])),
        }
    }
    threads.sort_by_key(|(.., lengths)| std::cmp::Reverse(lengths.iter().max().copied()));
    let say = |(name, core, lengths): (&str, Option<usize>, Vec<u64>)| {
        let on = core
            .map(|core| format!(" on core {core}"))
            .unwrap_or_default();
        let longest = duration(lengths.iter().max().copied().unwrap_or(0));
        match lengths.len() {
            1 => format!("{name} stood still for {longest}{on}"),
            times => format!(
                "{name} stood still {times} times{on}, {} in all, at most {longest}",
                duration(lengths.iter().sum())
            ),
        }
    };
    threads.into_iter().map(say).collect()
}

/// Adds the stalls of one turn, whose threads have the names of those before.
pub(super) fn add_stalls(to: &mut StallLog, turn: StallLog) {
    for thread in turn.threads {
        let known = to.threads.iter_mut().find(|it| it.thread == thread.thread);
        let Some(known) = known else {
            to.threads.push(thread);
            continue;
        };
        known.lengths.merge(&thread.lengths);
        known.stalled_ns += thread.stalled_ns;
        known.missed += thread.missed;
        let room = STALLS_KEPT.saturating_sub(known.stalls.len());
        known.stalls.extend(thread.stalls.into_iter().take(room));
    }
}

/// Ticks that have no stages, since they waited for others.
fn in_total_only(totals: &Histograms) -> Option<String> {
    let samples = |stage| {
        let sum = totals.sum(stage);
        sum.map_or(0, |sum| sum.histogram().len() + sum.negative())
    };
    let (total, service) = (samples(Stage::Total), samples(Stage::Service));
    let only = total.checked_sub(service).filter(|only| *only > 0)?;
    Some(format!(
        "{} of {} ticks were held until those before them came, or came by recovery: with all that \
         they waited they are in `total`, and in no stage before it",
        show::count(only),
        show::count(total)
    ))
}

/// One of the two clocks is wrong, or one clock stepped.
fn two_clocks(total: &StageHistogram) -> Option<String> {
    let negative = total.negative();
    if negative > 0 {
        return Some(format!(
            "{} of {} ticks arrived before they were due: the clocks of the two ends disagree, or \
             one stepped, and every figure from one end to the other is wrong by as much",
            show::count(negative),
            show::count(negative + total.histogram().len())
        ));
    }
    const SECOND_NS: u64 = 1_000_000_000;
    let median = total.histogram().value_at_quantile(0.5);
    (median >= SECOND_NS).then(|| {
        format!(
            "half of all ticks took more than {}: either the load is more than is taken, or the \
             clocks of two hosts disagree by seconds, and then no figure from one end to the other \
             means anything; set them by PTP or NTP",
            duration(median)
        )
    })
}

/// The bare sockets, and the run over them.
fn floor(series: &Series, turns: &[TurnTotals]) -> Option<View> {
    let figures = series.figures("all");
    (figures.samples > 0).then_some(())?;
    let ratios = PERCENTILES.iter().filter_map(|&(percent, least)| {
        let value = |histogram: &StageHistogram| {
            let histogram = histogram.histogram();
            (histogram.len() >= least).then(|| histogram.value_at_quantile(percent / 100.0))
        };
        let over = |turn: &TurnTotals| {
            let (run, floor) = (value(turn.run.as_ref()?)?, value(turn.floor.as_ref()?)?);
            Some(run as f64 / floor.max(1) as f64)
        };
        let mut ratios: Vec<f64> = turns.iter().filter_map(over).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * ratios.len().checked_sub(1)? as f64;
            let (low, high) = (ratios[place as usize], ratios[place.ceil() as usize]);
            Some(low + (high - low) * place.fract())
        };
        Some(Ratio {
            percent,
            median: at(0.5)?,
            quartiles: [at(0.25)?, at(0.75)?],
        })
    });
    Some(View {
        name: "floor".into(),
        left_out: 0.0,
        ratios: ratios.collect(),
        figures,
    })
}

#[cfg(test)]
mod tests;
