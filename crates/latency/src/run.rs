//! A measured run as data: what `--json` prints, what reports draw, what two runs are compared by.

use serde::{Deserialize, Serialize};

/// The layout of [`Run`]; a reader refuses others.
pub const RUN_VERSION: u32 = 1;

/// A measured run. All times are nanoseconds; instants are ns since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`RUN_VERSION`].
    pub version: u32,
    /// What the run is called where it stands beside others.
    pub name: String,
    /// The command, as it was typed.
    pub command: String,
    /// When the measured part began.
    pub began_ns: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// How long was run before it, without being counted, until the figures were steady.
    pub warm_up_ns: u64,
    /// How the run was set up: rate, packet size, lines, cores, …
    pub settings: Vec<Setting>,
    /// What it ran on: processor, kernel, clock source, …
    pub machine: Vec<Setting>,
    /// Ticks by what became of them.
    pub ticks: Ticks,
    /// Every stage, in the order a tick passes them; the first part of each is all of it.
    pub stages: Vec<StageFigures>,
    /// The stage `total` in other views.
    pub views: Vec<View>,
    /// Window by window.
    pub timeline: Vec<Window>,
    /// What the machine did meanwhile, a meter each.
    pub platform: Platform,
    /// The slowest ticks, the slowest first.
    pub exemplars: Vec<Exemplar>,
    /// Clocks of two hosts; none when there is one clock.
    pub clocks: Option<Clocks>,
    /// What a reader must know before trusting a figure, each a sentence.
    pub statements: Vec<String>,
}

/// A name and what it is set to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The name.
    pub name: String,
    /// The value, with its unit.
    pub value: String,
}

/// Ticks by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticks {
    /// Published in the measured part.
    pub published: u64,
    /// Delivered, in order.
    pub delivered: u64,
    /// Lost, by notice.
    pub lost: u64,
}

/// One stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageFigures {
    /// [`Stage::name`](crate::Stage::name).
    pub stage: String,
    /// All samples, then those of each provenance that has any.
    pub parts: Vec<Figures>,
    /// Those of each group of instruments that has any, where groups are told apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Figures>,
}

/// The figures of some samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// `all`, or a provenance: `A`, `B`, `retransmit`, `snapshot`; or a group of instruments.
    pub of: String,
    /// How many samples.
    pub samples: u64,
    /// Samples that ended before they started, by clocks that disagree: in no figure.
    pub negative: u64,
    /// Samples longer than [`LONGEST_NS`](crate::LONGEST_NS), which count as that.
    pub saturated: u64,
    /// Their mean.
    pub mean_ns: Option<f64>,
    /// p50, p90, p99, p99.9, p99.99 and p99.999.
    pub percentiles: Vec<Percentile>,
    /// The longest.
    pub max_ns: Option<u64>,
    /// The curve, with rising `quantile`; fine enough to be drawn.
    pub curve: Vec<Point>,
}

/// One percentile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentile {
    /// As a number from 0 to 100: 99.9.
    pub percent: f64,
    /// Its value; none when no sample lies beyond it.
    pub ns: Option<u64>,
    /// The standard error of the value, by bootstrap over windows; none with too few windows.
    pub error_ns: Option<f64>,
    /// Where the true value lies, by what is known of the clocks of two hosts; none for a stage
    /// within one host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between_ns: Option<[u64; 2]>,
}

/// A point of a percentile curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// From 0 to 1.
    pub quantile: f64,
    /// The value that this share of the samples does not exceed.
    pub ns: u64,
    /// How many samples do not exceed it.
    pub count: u64,
}

/// The stage `total`, seen in another way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// `raw`, `without stalls`, or `floor`: bare sockets, run in turns with the run.
    pub name: String,
    /// Which share of the samples is left out, from 0 to 1.
    pub left_out: f64,
    /// Its figures.
    pub figures: Figures,
    /// The values of the run over those of this view, a percentile each; of `floor` only.
    pub ratios: Vec<Ratio>,
}

/// A percentile of the run over the same of the floor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// As a number from 0 to 100.
    pub percent: f64,
    /// The median over the turns.
    pub median: f64,
    /// The quartiles over the turns.
    pub quartiles: [f64; 2],
}

/// One window of the timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// From the start of the measured part.
    pub at_ns: u64,
    /// Samples of `total`.
    pub samples: u64,
    /// Of `total`.
    pub p50_ns: Option<u64>,
    /// Of `total`.
    pub p99_ns: Option<u64>,
    /// Of `total`.
    pub max_ns: Option<u64>,
    /// The longest stall of the machine that any meter saw.
    pub stall_max_ns: Option<u64>,
}

/// What the machine did during the measured part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    /// A hiccup meter a pinned thread.
    pub hiccups: Vec<Hiccup>,
    /// Context switches, page faults, steal time, frequency, dropped packets, high-water marks of
    /// socket buffers: a name and a value with its unit each.
    pub counters: Vec<Setting>,
}

/// What one hiccup meter saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hiccup {
    /// The thread that met them.
    pub thread: String,
    /// Its core, when it is pinned.
    pub core: Option<usize>,
    /// Gaps longer than the meter's threshold.
    pub stalls: Figures,
    /// The share of the time that they took, from 0 to 1.
    pub share: f64,
}

/// A slow tick and its whole way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exemplar {
    /// Its seq.
    pub seq: u64,
    /// Its instrument.
    pub instrument: u32,
    /// What brought it: `A`, `B`, `retransmit`, `snapshot`.
    pub provenance: String,
    /// When it was due.
    pub due_ns: u64,
    /// The whole time.
    pub total_ns: u64,
    /// Its way: a stage and how long it took, in order. A stage whose stamps are not known is
    /// missing.
    pub waterfall: Vec<Leg>,
    /// What the machine did meanwhile, each a sentence: the stalls that overlap its way.
    pub meanwhile: Vec<String>,
}

/// A part of a way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// [`Stage::name`](crate::Stage::name).
    pub stage: String,
    /// How long it took; negative when two clocks disagree.
    pub ns: i64,
}

/// How the clocks of two hosts differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clocks {
    /// Publisher's clock minus subscriber's: the middle of what is known.
    pub offset_ns: i64,
    /// The true offset is at most this far from it.
    pub uncertainty_ns: u64,
    /// Exchanges that it stands on.
    pub exchanges: u64,
    /// How fast the offset changes, in parts per billion; none with too few exchanges.
    pub drift_ppb: Option<f64>,
    /// Instants at which one of the clocks stepped.
    pub steps: u64,
    /// What PTP or chrony says of this host's clock, when one is there.
    pub discipline: Option<String>,
}
