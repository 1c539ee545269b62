//! What is kept of a run while it is measured: windows, turns of the floor, and what the machine
//! did.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget};
use tickcast_latency::{
    Clocks, EXEMPLARS, Histograms, HlogWriter, Series, Stage, StageHistogram, StallLog, Steady,
    Way, Windows, write_hgrm,
};
use tickcast_net::Group;
use tickcast_net::clock::realtime_ns;
use tickcast_subscriber::Stats;

use super::assemble::add_stalls;
use super::clock::ClockWatch;
use super::groups::Groups;
use super::platform::{BufferMarks, Reading};
use super::shown::Shown;
use super::turn::{At, Ends, Window};
use crate::discipline::with_discipline;
use crate::interrupt::Interrupt;
use crate::live::Live;
use crate::system::System;

/// What is figured together: an entry of the timeline, and of the bootstrap. Shorter ones would
/// take more time from the cores that are measured.
const WINDOW: Duration = Duration::from_millis(250);
/// The windows of a warm-up, which nobody is disturbed by.
const WARM_UP_WINDOW: Duration = Duration::from_millis(100);
/// Windows that wait until nothing is measured; with more, they are dealt with meanwhile.
const PENDING: usize = 8;
/// Time without a tick after which it is said that there was none.
const QUIET: Duration = Duration::from_secs(3);

/// A run that is being measured.
pub(super) struct Recording {
    /// Groups of instruments that are told apart.
    pub(super) groups: Groups,
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
    /// How often each line fell silent.
    pub(super) silences: [u64; 2],
    pub(super) stalls: StallLog,
    /// Of ticks that were under way at the same time, the slowest; of these, the slowest, in order.
    pub(super) slowest: Vec<Way>,
    pub(super) machine: Reading,
    pub(super) buffers: BufferMarks,
    pub(super) clock: ClockWatch,
    pub(super) notes: Vec<String>,
    pub(super) clocks: Option<Clocks>,
    shown: Option<Shown>,
    /// Windows that nobody has looked at yet: that takes time, which the cores may not have.
    pending: Vec<Window>,
    /// Empty sets of histograms, all of their memory touched.
    spare: Vec<Histograms>,
    system: System,
    bar: ProgressBar,
}

/// A turn that is being measured.
#[derive(Default)]
struct Turn {
    stalls: StallLog,
    total: Option<StageHistogram>,
}

/// `total` of all ticks of one turn, and of the bare sockets after it.
pub(super) struct TurnTotals {
    pub(super) run: Option<StageHistogram>,
    pub(super) floor: Option<StageHistogram>,
    /// Ticks a second that were measured.
    pub(super) rate: u64,
}

impl Recording {
    /// Begins, with these groups of instruments, an interval log if a file is named, and a bar over
    /// the ms to be measured.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn start(
        groups: Groups,
        hlog: Option<&Path>,
        bar: ProgressBar,
    ) -> anyhow::Result<Recording> {
        let names = groups.names();
        let hlog = hlog
            .map(|path| {
                let context = || format!("cannot write the histogram log {}", path.display());
                let file = File::create(path).with_context(context)?;
                let log = HlogWriter::new(BufWriter::new(file), realtime_ns());
                log.map(|log| log.with_groups(names)).with_context(context)
            })
            .transpose()?;
        Ok(Recording {
            hlog,
            windows: Windows::new(&Stage::ALL).with_groups(names),
            groups,
            floor: Series::new(),
            began_ns: 0,
            measured: Duration::ZERO,
            warm_up: Duration::ZERO,
            unsteady: 0,
            turns: Vec::new(),
            lost: 0,
            dropped: [0; 2],
            silences: [0; 2],
            stalls: StallLog::default(),
            slowest: Vec::new(),
            machine: Reading::default(),
            buffers: BufferMarks::default(),
            clock: ClockWatch::default(),
            notes: Vec::new(),
            clocks: None,
            shown: None,
            pending: Vec::new(),
            spare: Vec::new(),
            system: System::here(),
            bar,
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

    /// Measures a turn of the load for so long once it is warm, or after the longest warm-up all
    /// the same, and ends it. False when there is nothing more to come, or somebody asked to stop.
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
        while self.spare.len() <= PENDING.min((length.as_nanos() / WINDOW.as_nanos()) as usize) {
            self.spare.push(self.empty());
        }
        if let Some(shown) = &mut self.shown {
            shown.begin_turn();
        }
        self.say("warming up");
        let began = self.warm_up(&mut ends, longest_warm_up, interrupt);
        let mut turn = Turn::default();
        if interrupt.is_set() {
            ends.finish(began.ns, self.spare(), &mut turn.stalls)?;
            self.state_early_end(interrupt);
            return Ok(false);
        }
        self.say("measuring");
        let (before, lost_before) = (Reading::take(&self.system), ends.lost());
        let stats_before = ends.subscriber.stats();
        let span = (began.ns, length);
        let (end, is_whole) = self.measure(&mut ends, &mut turn, lines, span, interrupt)?;
        self.machine.add(&before, &Reading::take(&self.system));
        let ended = ends.finish(end, self.spare(), &mut turn.stalls)?;
        // From the end of the warm-up on, and until all had arrived: as the samples.
        let measured = ended.rest.to.instant - began.instant;
        self.pending.push(ended.rest);
        self.take_windows(&mut turn)?;

        if self.began_ns == 0 {
            self.began_ns = began.ns;
        }
        self.measured += measured;
        self.lost += ended.lost - lost_before;
        let (after, before) = (&ended.stats, &stats_before);
        for line in [0, 1] {
            let dropped = after.kernel_dropped[line].saturating_sub(before.kernel_dropped[line]);
            self.dropped[line] += dropped;
            let downs = |stats: &Stats| stats.counters.lines[line].downs;
            self.silences[line] += downs(after).saturating_sub(downs(before));
        }
        self.clocks = ended.clocks.map(with_discipline);
        add_stalls(&mut self.stalls, turn.stalls);
        let samples = turn
            .total
            .as_ref()
            .map_or(0, |total| total.histogram().len());
        self.turns.push(TurnTotals {
            rate: (samples as f64 / measured.as_secs_f64().max(1e-3)) as u64,
            run: turn.total,
            floor: None,
        });
        if !is_whole {
            self.state_early_end(interrupt);
        }
        Ok(is_whole)
    }

    fn state_early_end(&mut self, interrupt: &Interrupt) {
        let why = if interrupt.is_set() {
            "stopped early, as was asked for"
        } else {
            "the ticks came to their end"
        };
        self.state(format!("{why}, after {:.1} s", self.measured.as_secs_f64()));
    }

    /// Whether no turn was measured.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Takes windows for so long, or until there is nothing more to come; gives when that was, ns
    /// since the Unix epoch, and whether it was so long.
    fn measure(
        &mut self,
        ends: &mut Ends,
        turn: &mut Turn,
        lines: [Option<Group>; 2],
        (began_ns, length): (u64, Duration),
        interrupt: &Interrupt,
    ) -> anyhow::Result<(u64, bool)> {
        let (mut since, mut measured) = (began_ns, Duration::ZERO);
        self.clock.skip();
        self.clock.look();
        while measured < length && !ends.is_over() && !interrupt.is_set() {
            let left = WINDOW.min(length - measured);
            let started = Instant::now();
            let window = ends.window(since, left, interrupt, self.spare(), &mut turn.stalls);
            self.buffers.look(&self.system, lines);
            self.clock.look();
            self.show(&window, ends);
            since = window.to.ns;
            measured += started.elapsed();
            self.bar.inc(started.elapsed().as_millis() as u64);
            self.pending.push(window);
            if self.pending.len() >= PENDING {
                self.take_windows(turn)?;
            }
        }
        Ok((since, measured >= length))
    }

    /// An empty set of histograms.
    fn spare(&mut self) -> Histograms {
        let spare = self.spare.pop();
        spare.unwrap_or_else(|| self.empty())
    }

    fn empty(&self) -> Histograms {
        let mut empty = Histograms::new(&Stage::ALL);
        empty.make_groups(self.groups.names().len());
        empty
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
    fn warm_up(&mut self, ends: &mut Ends, longest: Duration, interrupt: &Interrupt) -> At {
        let (mut since, mut steady) = (At::now(), Steady::new());
        let (mut waited, mut silent) = (Duration::ZERO, Duration::ZERO);
        let mut stalls = StallLog::default();
        loop {
            let spare = self.spare();
            let started = Instant::now();
            let mut window = ends.window(since.ns, WARM_UP_WINDOW, interrupt, spare, &mut stalls);
            let length = started.elapsed();
            since = window.to;
            self.show(&window, ends);
            let samples = window.histograms.sum(Stage::Total);
            let is_empty = samples.is_none_or(|total| total.is_empty());
            let is_steady = steady.add(&window.histograms);
            window.histograms.clear();
            self.spare.push(window.histograms);
            if interrupt.is_set() || ends.is_over() {
                return since;
            }
            // Before the first tick there is nothing to get warm.
            if waited.is_zero() && is_empty {
                silent += length;
                if silent >= QUIET && silent - length < QUIET {
                    tracing::warn!("no tick so far: does the publisher run, with these lines?");
                }
                continue;
            }
            waited += length;
            self.warm_up += length;
            if is_steady {
                return since;
            }
            if waited >= longest {
                self.unsteady += 1;
                return since;
            }
        }
    }

    /// Deals with the windows that wait.
    fn take_windows(&mut self, turn: &mut Turn) -> anyhow::Result<()> {
        for mut window in std::mem::take(&mut self.pending) {
            if let Some(hlog) = &mut self.hlog {
                hlog.write(window.from_ns, window.to.ns, &window.histograms)?;
            }
            let (from_ns, to_ns) = (window.from_ns, window.to.ns);
            self.windows
                .add(from_ns, to_ns, &window.histograms, &turn.stalls);
            add_total(&mut turn.total, &window.histograms);
            for way in window.histograms.slowest() {
                self.take_slow(way);
            }
            window.histograms.clear();
            self.spare.push(window.histograms);
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
