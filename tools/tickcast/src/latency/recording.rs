//! What is kept of a run while it is measured: windows, turns of the floor, and what the machine
//! did.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget};
use tickcast_latency::{
    Clocks, EXEMPLARS, Histograms, HlogWriter, Series, Stage, StageHistogram, StallLog, Steady,
    Way, Windows, write_hgrm,
};
use tickcast_net::Group;
use tickcast_net::clock::realtime_ns;

use super::assemble::add_stalls;
use super::clock::ClockWatch;
use super::platform::{BufferMarks, Reading};
use super::shown::Shown;
use super::turn::{Ends, Window};
use crate::interrupt::Interrupt;
use crate::live::Live;
use crate::progress;
use crate::system::System;

/// What is figured together: an entry of the timeline, and of the bootstrap.
const WINDOW: Duration = Duration::from_millis(100);

/// Time without a tick after which it is said that there was none.
const QUIET: Duration = Duration::from_secs(3);
const NANOS_PER_MILLI: u64 = 1_000_000;

/// A run that is being measured.
pub(super) struct Recording {
    hlog: Option<HlogWriter<BufWriter<File>>>,
    pub(super) windows: Windows,
    /// The bare sockets.
    pub(super) floor: Series,
    /// When the first window began; 0 before.
    pub(super) began_ns: u64,
    pub(super) measured: Duration,
    pub(super) warm_up: Duration,
    /// Turns that were measured before their figures were steady.
    pub(super) unsteady: u32,
    pub(super) turns: Vec<TurnTotals>,
    pub(super) lost: u64,
    pub(super) dropped: [u64; 2],
    pub(super) stalls: StallLog,
    /// Of ticks that were under way at the same time, the slowest; of these, the slowest, in order.
    pub(super) slowest: Vec<Way>,
    pub(super) machine: Reading,
    pub(super) buffers: BufferMarks,
    pub(super) clock: ClockWatch,
    pub(super) notes: Vec<String>,
    pub(super) clocks: Option<Clocks>,
    shown: Option<Shown>,
    system: System,
    bar: ProgressBar,
}

/// `total` of all ticks of one turn, and of the bare sockets after it.
pub(super) struct TurnTotals {
    pub(super) run: Option<StageHistogram>,
    pub(super) floor: Option<StageHistogram>,
    /// Ticks a second that were measured.
    pub(super) rate: u64,
}

impl Recording {
    /// Begins, with an interval log if a file is named; `duration` is what will be measured.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn start(hlog: Option<&Path>, duration: Duration) -> anyhow::Result<Recording> {
        let hlog = hlog
            .map(|path| {
                let context = || format!("cannot write the histogram log {}", path.display());
                let file = File::create(path).with_context(context)?;
                HlogWriter::new(BufWriter::new(file), realtime_ns()).with_context(context)
            })
            .transpose()?;
        Ok(Recording {
            hlog,
            windows: Windows::new(&Stage::ALL),
            floor: Series::new(),
            began_ns: 0,
            measured: Duration::ZERO,
            warm_up: Duration::ZERO,
            unsteady: 0,
            turns: Vec::new(),
            lost: 0,
            dropped: [0; 2],
            stalls: StallLog::default(),
            slowest: Vec::new(),
            machine: Reading::default(),
            buffers: BufferMarks::default(),
            clock: ClockWatch::default(),
            notes: Vec::new(),
            clocks: None,
            shown: None,
            system: System::here(),
            bar: progress::over_time("measuring", duration),
        })
    }

    /// Ticks a second in the last turn.
    pub(super) fn last_rate(&self) -> u64 {
        self.turns.last().map_or(0, |turn| turn.rate)
    }

    /// `total` of all ticks of the last turn; `None` without samples.
    pub(super) fn last_total(&self) -> Option<StageHistogram> {
        let total = self.turns.last()?.run.clone();
        total.filter(|total| !total.histogram().is_empty())
    }

    /// Writes the distribution of `total`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write_hgrm(&self, path: &Path) -> anyhow::Result<()> {
        let context = || format!("cannot write the distribution {}", path.display());
        let file = File::create(path).with_context(context)?;
        let total = self.windows.totals().sum(Stage::Total);
        let total = total.context("no tick was measured")?;
        write_hgrm(BufWriter::new(file), &total).with_context(context)
    }

    /// Nothing more will be measured: the terminal is as before.
    pub(super) fn clear_screen(&mut self) {
        self.bar.finish_and_clear();
        self.shown = None;
    }

    /// Says what is being done.
    pub(super) fn say(&self, what: &'static str) {
        tracing::info!("{what}");
        self.bar.set_message(what);
    }

    /// Shows what comes in, and no bar, while the views have the terminal.
    pub(super) fn show_live(&mut self, live: Live, has_terminal: bool) {
        self.shown = Some(Shown::new(live));
        if has_terminal {
            self.bar.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    fn show(&mut self, window: &Window, ends: &mut Ends) {
        if let Some(shown) = &mut self.shown {
            shown.add(&window.histograms, &mut ends.subscriber);
        }
    }

    /// Adds what a reader must know.
    pub(super) fn state(&mut self, statement: String) {
        self.notes.push(statement);
    }

    /// Measures a turn of the load for so long once it is warm, or after the longest warm-up all the
    /// same, and ends it. False when there is
    /// nothing more to come, or somebody asked to stop.
    ///
    /// # Errors
    /// When an end failed or ticks are missing without notice, or the log cannot be written.
    pub(super) fn take_turn(
        &mut self,
        mut ends: Ends,
        lines: [Option<Group>; 2],
        longest_warm_up: Duration,
        length: Duration,
        interrupt: &Interrupt,
    ) -> anyhow::Result<bool> {
        self.say("warming up");
        let mut since = self.warm_up(&mut ends, longest_warm_up, interrupt);
        self.say("measuring");
        let (before, lost_before) = (Reading::take(&self.system), ends.lost());
        let dropped_before = ends.subscriber.stats().kernel_dropped;
        let (began, mut stalls, mut total) = (since, StallLog::default(), None);
        if self.began_ns == 0 {
            self.began_ns = began;
        }
        self.clock.skip();
        let length_ns = length.as_nanos() as u64;
        while since - began < length_ns && !ends.is_over() && !interrupt.is_set() {
            let left = Duration::from_nanos(length_ns - (since - began));
            let (buffers, clock, system) = (&mut self.buffers, &mut self.clock, &self.system);
            let window = ends.window(since, WINDOW.min(left), interrupt, &mut stalls, || {
                buffers.look(system, lines);
            });
            clock.look();
            self.show(&window, &mut ends);
            since = window.to_ns;
            self.bar
                .inc((window.to_ns - window.from_ns) / NANOS_PER_MILLI);
            self.take_window(&window, &stalls, &mut total)?;
        }
        self.machine.add(&before, &Reading::take(&self.system));
        let is_whole = since - began >= length_ns;
        if !is_whole {
            let why = if interrupt.is_set() {
                "stopped early, as was asked for"
            } else {
                "the ticks came to their end"
            };
            let measured = self.measured + Duration::from_nanos(since - began);
            self.state(format!("{why}, after {:.1} s", measured.as_secs_f64()));
        }
        let ended = ends.finish(since, &mut stalls)?;
        self.take_window(&ended.rest, &stalls, &mut total)?;
        let measured = Duration::from_nanos(since - began);
        self.measured += measured;
        self.lost += ended.lost - lost_before;
        let dropped = ended.stats.kernel_dropped.iter().zip(dropped_before);
        for (sum, (after, before)) in self.dropped.iter_mut().zip(dropped) {
            *sum += after.saturating_sub(before);
        }
        self.clocks = ended.clocks;
        add_stalls(&mut self.stalls, stalls);
        let samples = total.as_ref().map_or(0, |total| total.histogram().len());
        self.turns.push(TurnTotals {
            rate: (samples as f64 / measured.as_secs_f64().max(1e-3)) as u64,
            run: total,
            floor: None,
        });
        Ok(is_whole)
    }

    /// Takes the floor beside the last turn, window by window.
    pub(super) fn take_floor(&mut self, windows: &[Histograms]) {
        let Some(turn) = self.turns.last_mut() else {
            return;
        };
        for window in windows {
            if let Some(sum) = window.sum(Stage::Total) {
                self.floor.add(&sum);
            }
            add_total(&mut turn.floor, window);
        }
    }

    /// Lets a turn run, uncounted, until its figures are steady; gives when that was.
    fn warm_up(&mut self, ends: &mut Ends, longest: Duration, interrupt: &Interrupt) -> u64 {
        let (mut since, mut steady) = (realtime_ns(), Steady::new());
        let (mut waited, mut silent) = (Duration::ZERO, Duration::ZERO);
        let mut stalls = StallLog::default();
        loop {
            let window = ends.window(since, WINDOW, interrupt, &mut stalls, || ());
            let length = Duration::from_nanos(window.to_ns - since);
            since = window.to_ns;
            self.show(&window, ends);
            if interrupt.is_set() || ends.is_over() {
                return since;
            }
            // Before the first tick there is nothing to get warm.
            let total = window.histograms.sum(Stage::Total);
            if waited.is_zero() && total.is_none_or(|total| total.is_empty()) {
                silent += length;
                if silent >= QUIET && silent - length < QUIET {
                    tracing::warn!("no tick so far: does the publisher run, with these lines?");
                }
                continue;
            }
            waited += length;
            self.warm_up += length;
            if steady.add(&window.histograms) {
                return since;
            }
            if waited >= longest {
                self.unsteady += 1;
                return since;
            }
        }
    }

    fn take_window(
        &mut self,
        window: &Window,
        stalls: &StallLog,
        total: &mut Option<StageHistogram>,
    ) -> anyhow::Result<()> {
        if let Some(hlog) = &mut self.hlog {
            hlog.write(window.from_ns, window.to_ns, &window.histograms)?;
        }
        self.windows
            .add(window.from_ns, window.to_ns, &window.histograms, stalls);
        add_total(total, &window.histograms);
        for way in window.histograms.slowest() {
            self.take_slow(way);
        }
        Ok(())
    }

    /// What delays a tick often delays its neighbours too: one of them is enough.
    fn take_slow(&mut self, way: Way) {
        let meets = |other: &Way| other.due < way.pop && way.due < other.pop;
        if self
            .slowest
            .iter()
            .any(|other| meets(other) && other.total_ns() >= way.total_ns())
        {
            return;
        }
        self.slowest.retain(|other| !meets(other));
        self.slowest.push(way);
        self.slowest
            .sort_by_key(|way| std::cmp::Reverse(way.total_ns()));
        self.slowest.truncate(EXEMPLARS);
    }
}

/// Adds `total` of all ticks.
fn add_total(to: &mut Option<StageHistogram>, window: &Histograms) {
    match (to.as_mut(), window.sum(Stage::Total)) {
        (Some(to), Some(sum)) => to.merge(&sum),
        (None, sum) => *to = sum,
        (Some(_), None) => {}
    }
}
