//! What a seed stands for: sizes, limits, and a mix of fault rates of its own.

use tickcast_protocol::{ArbiterConfig, Line, ResponderLimits, Start};

use crate::random::Random;

/// Microsecond and millisecond in ns.
pub(crate) const US: u64 = 1_000;
pub(crate) const MS: u64 = 1_000_000;

/// The most packets lost in a row.
pub(crate) const BURST_MAX: u64 = 44;

/// How many runs in a hundred are long ones.
const LONG_PERCENT: u32 = 35;

/// What a way of packets does to them. Rates are in parts of a million packets.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PathFaults {
    pub(crate) loss: u32,
    /// Starts of a burst of up to [`BURST_MAX`] losses.
    pub(crate) burst: u32,
    pub(crate) duplicate: u32,
    pub(crate) reorder: u32,
    pub(crate) damage: u32,
}

/// What the recovery channel does. Rates are in parts of a million connections or requests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RecoveryFaults {
    pub(crate) refuse: u32,
    pub(crate) stall: u32,
    pub(crate) die: u32,
    pub(crate) lie: u32,
    pub(crate) busy: u32,
}

/// A time in which something does not work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    /// It begins when so many ticks are published.
    pub(crate) at_tick: u64,
    pub(crate) lasts: u64,
    pub(crate) lines: [bool; 2],
    pub(crate) recovery: bool,
    /// Whom it concerns; `None` = everybody.
    pub(crate) subscriber: Option<usize>,
}

/// A clock that steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockStep {
    /// It happens when so many ticks are published.
    pub(crate) at_tick: u64,
    /// The subscriber whose clock jumps ahead, as after a suspension; `None`: the wall clock of the
    /// publisher steps, either way.
    pub(crate) subscriber: Option<usize>,
    pub(crate) by: i64,
}

/// The publisher stops and starts again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restart {
    /// It happens when so many ticks are published.
    pub(crate) at_tick: u64,
    /// It says that the session ends.
    pub(crate) is_clean: bool,
    /// The new session names the last.
    pub(crate) is_named: bool,
    pub(crate) down: u64,
    /// By how much its clock is off afterwards, ns.
    pub(crate) clock_off: i64,
    /// Packets that the old process still sends beside the new one.
    pub(crate) second_publisher: u64,
}

/// Everything that a seed decides before a run begins.
#[derive(Debug, Clone)]
pub(crate) struct Mix {
    pub(crate) ticks: u64,
    pub(crate) instruments: u64,
    /// The most ticks of one batch.
    pub(crate) batch: u64,
    pub(crate) pause: u64,
    /// Long silences, in parts of a million batches.
    pub(crate) silence: u32,
    pub(crate) recut_b: bool,
    /// How much later than the send the server has the ticks.
    pub(crate) store_lag: u64,
    /// Loss of the same packets on both lines, for everybody.
    pub(crate) common: PathFaults,
    /// Of each line, for everybody.
    pub(crate) lines: [PathFaults; 2],
    /// Of each line on its last piece to one subscriber.
    pub(crate) last_mile: [PathFaults; 2],
    pub(crate) delay: [u64; 2],
    pub(crate) jitter: [u64; 2],
    /// How much later a reordered packet comes at most.
    pub(crate) late: u64,
    pub(crate) recovery: RecoveryFaults,
    pub(crate) round_trip: u64,
    /// Rows that travel together, and the time they take.
    pub(crate) chunk: u64,
    pub(crate) chunk_time: u64,
    /// How long a client waits for a server.
    pub(crate) patience: u64,
    pub(crate) limits: ResponderLimits,
    pub(crate) arbiter: ArbiterConfig,
    /// Where each subscriber starts, and after how many published ticks.
    pub(crate) subscribers: Vec<(u64, Start)>,
    /// Which subscriber starts again, and after how many published ticks.
    pub(crate) subscriber_restarts: Vec<(u64, usize)>,
    pub(crate) restarts: Vec<Restart>,
    pub(crate) outages: Vec<Outage>,
    pub(crate) clock_steps: Vec<ClockStep>,
    /// Nothing is done to this line.
    pub(crate) clean_line: Option<Line>,
    /// Nothing at all is done.
    pub(crate) is_calm: bool,
    /// Nothing is done to the recovery channel, and the server has all there is to ask for.
    pub(crate) is_sound: bool,
}

impl Mix {
    pub(crate) fn draw(random: &mut Random) -> Mix {
        // Short runs are the most common: most of what can go wrong needs few ticks.
        let ticks = if random.percent(LONG_PERCENT) {
            random.spread(128, 4_096)
        } else {
            random.spread(16, 512)
        };
        let count = random.pick(&[1, 1, 2, 2, 3, 4]);
        let is_calm = random.percent(3);
        let is_sound = random.percent(10);
        let clean_line = random.percent(12).then(|| random.pick(&[Line::A, Line::B]));
        let mut mix = Mix {
            ticks,
            instruments: random.spread(1, 32),
            batch: random.spread(1, 96),
            pause: random.spread(2 * US, 2 * MS),
            silence: random.rate(80, 60_000),
            recut_b: random.percent(30),
            store_lag: random.pick(&[0, 0, 5 * US, 200 * US]),
            common: PathFaults {
                loss: random.rate(40, 100_000),
                burst: random.rate(30, 20_000),
                ..PathFaults::default()
            },
            lines: [draw_path(random), draw_path(random)],
            last_mile: [draw_path(random), draw_path(random)],
            delay: [random.spread(US, 300 * US), random.spread(US, 300 * US)],
            jitter: [random.spread(1, 50 * US), random.spread(1, 50 * US)],
            late: random.spread(10 * US, 5 * MS),
            recovery: RecoveryFaults {
                refuse: random.rate(40, 600_000),
                stall: random.rate(30, 300_000),
                die: random.rate(40, 400_000),
                lie: random.rate(40, 500_000),
                busy: random.rate(30, 400_000),
            },
            round_trip: random.spread(20 * US, 2 * MS),
            chunk: random.spread(4, 1_024),
            chunk_time: random.spread(5 * US, MS),
            patience: random.pick(&[5, 50, 1_000]) * MS,
            limits: draw_limits(random),
            arbiter: draw_arbiter(random),
            subscribers: (0..count).map(|_| draw_start(random, ticks)).collect(),
            subscriber_restarts: Vec::new(),
            restarts: Vec::new(),
            outages: Vec::new(),
            clock_steps: Vec::new(),
            clean_line,
            is_calm,
            is_sound,
        };
        mix.draw_events(random);
        if mix.limits.max_instruments < mix.instruments as usize && !random.percent(5) {
            mix.limits.max_instruments = mix.instruments as usize;
        }
        if is_sound {
            mix.spare_recovery();
        }
        if let Some(line) = clean_line {
            mix.spare_line(line);
        }
        if is_calm {
            mix.spare_everything();
        }
        mix
    }

    fn draw_events(&mut self, random: &mut Random) {
        for _ in 0..random.pick(&[0, 0, 0, 1, 1, 2]) {
            let restart = Restart {
                at_tick: random.below(self.ticks),
                is_clean: random.percent(30),
                is_named: random.percent(60),
                down: random.spread(1, 20 * MS),
                clock_off: random.pick(&[0, 0, 3_600, -3_600, -43_000]) * 1_000_000_000,
                second_publisher: if random.percent(8) { 1_300 } else { 0 },
            };
            self.restarts.push(restart);
        }
        self.restarts.sort_by_key(|restart| restart.at_tick);
        for _ in 0..random.pick(&[0, 0, 0, 1, 2]) {
            let who = random.below(self.subscribers.len() as u64) as usize;
            let at = random.below(self.ticks);
            self.subscriber_restarts.push((at, who));
        }
        for _ in 0..random.pick(&[0, 0, 1, 1, 2, 3]) {
            let is_partition = random.percent(40);
            let which = random.below(3);
            let who = random.below(self.subscribers.len() as u64) as usize;
            let outage = Outage {
                at_tick: random.below(self.ticks),
                lasts: random.spread(50 * US, 500 * MS),
                lines: [is_partition || which != 1, is_partition || which != 0],
                recovery: is_partition && random.percent(70),
                subscriber: random.percent(60).then_some(who),
            };
            self.outages.push(outage);
        }
        for _ in 0..random.pick(&[0, 0, 0, 0, 1, 2]) {
            let who = random.below(self.subscribers.len() as u64) as usize;
            let subscriber = random.percent(50).then_some(who);
            let by = random.spread(MS, 3_600_000 * MS) as i64;
            self.clock_steps.push(ClockStep {
                at_tick: random.below(self.ticks),
                subscriber,
                by: if subscriber.is_none() && random.percent(50) {
                    -by
                } else {
                    by
                },
            });
        }
        self.clock_steps.sort_by_key(|step| step.at_tick);
    }

    /// What a subscriber's clock says is all that it can go by: a jump makes it give up.
    fn spare_clocks(&mut self) {
        self.clock_steps.retain(|step| step.subscriber.is_none());
    }

    fn spare_line(&mut self, line: Line) {
        self.spare_clocks();
        self.lines[line as usize] = PathFaults::default();
        self.last_mile[line as usize] = PathFaults::default();
        self.common = PathFaults::default();
        for outage in &mut self.outages {
            outage.lines[line as usize] = false;
        }
        self.arbiter.line_b = true;
        self.arbiter.line_patience = self.arbiter.line_patience.max(10 * MS);
        // Longer than the longest silence between heartbeats: else a silent line passes for dead.
        self.arbiter.line_down_after = 3_000 * MS;
    }

    fn spare_recovery(&mut self) {
        self.spare_clocks();
        self.recovery = RecoveryFaults::default();
        self.restarts.clear();
        for outage in &mut self.outages {
            outage.recovery = false;
        }
        self.round_trip = self.round_trip.min(200 * US);
        self.chunk = self.chunk.max(64);
        self.chunk_time = self.chunk_time.min(20 * US);
        self.patience = 1_000 * MS;
        self.limits.store_ticks = self.ticks as usize;
        self.limits.max_instruments = self.instruments as usize;
        self.arbiter.recovery = true;
        self.arbiter.tries = 6;
        self.arbiter.recovery_deadline = 2_000 * MS;
    }

    fn spare_everything(&mut self) {
        self.spare_line(Line::A);
        self.spare_line(Line::B);
        self.recovery = RecoveryFaults::default();
        self.restarts.clear();
        self.outages.clear();
        self.subscriber_restarts.clear();
        for (at, start) in &mut self.subscribers {
            (*at, *start) = (0, Start::Seq(1));
        }
    }
}

fn draw_path(random: &mut Random) -> PathFaults {
    PathFaults {
        loss: random.rate(50, 300_000),
        burst: random.rate(30, 30_000),
        duplicate: random.rate(40, 100_000),
        reorder: random.rate(40, 200_000),
        damage: random.rate(40, 50_000),
    }
}

fn draw_limits(random: &mut Random) -> ResponderLimits {
    ResponderLimits {
        store_ticks: random.spread(8, 4_096) as usize,
        max_instruments: random.spread(1, 64) as usize,
        ticks_per_request: random.spread(8, 1_024),
        snapshot_reuse_ns: random.pick(&[0, MS, 50 * MS]),
        snapshots_alive: random.between(1, 3) as usize,
        busy_retry_ns: random.spread(MS, 100 * MS),
    }
}

fn draw_arbiter(random: &mut Random) -> ArbiterConfig {
    ArbiterConfig {
        line_b: !random.percent(10),
        recovery: !random.percent(10),
        hold_ticks: random.spread(4, 2_048) as usize,
        reorder_window: random.spread(US, 200 * US),
        jitter: random.pick(&[0, 20 * US]),
        line_patience: random.spread(200 * US, 100 * MS),
        line_down_after: random.spread(5 * MS, 3_000 * MS),
        retransmit_ticks: random.spread(8, 1_024),
        tries: random.between(1, 6) as u32,
        retry_delay: random.spread(100 * US, 2 * MS),
        recovery_deadline: random.spread(5 * MS, 2_000 * MS),
        ..ArbiterConfig::default()
    }
}

fn draw_start(random: &mut Random, ticks: u64) -> (u64, Start) {
    let at = if random.percent(50) {
        0
    } else {
        random.below(ticks)
    };
    let start = if random.percent(50) {
        Start::Live
    } else {
        Start::Seq(1)
    };
    (at, start)
}
