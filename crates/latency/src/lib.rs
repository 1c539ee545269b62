//! How long ticks take, stage by stage: histograms recorded without a lock or an allocation,
//! reported as a table, as JSON, or as an interval log for HdrHistogram's own tools.
//!
//! A [`Recorder`] belongs to the thread that measures. It only counts, hands what it has counted to
//! its [`Reporter`] when asked, at a moment of its own choosing, and goes on with an empty set. The
//! reporter makes histograms of it: the same as if every sample had been recorded into them.
//!
//! This crate has no clock: times are arguments, in nanoseconds since the Unix epoch. It never
//! clips or corrects: a negative difference and one over [`LONGEST_NS`] are counted by name.
//!
//! ```
//! use tickcast_latency::{Histograms, Provenance, Report, Stage, stages};
//!
//! let (mut recorder, mut reporter) = stages(&[Stage::Queue, Stage::Total]);
//! let mut totals = Histograms::new(&Stage::ALL);
//!
//! // On the measuring thread, for a packet of 21 ticks:
//! recorder.record((Stage::Queue, Provenance::A), 1_000, 1_450, 21);
//! recorder.poll_swap();
//!
//! // On the reporting thread: ask, and collect a little later.
//! reporter.request();
//! recorder.poll_swap();
//! reporter.collect(&mut totals);
//!
//! let report = Report::new(&totals);
//! assert_eq!(report.row(Stage::Queue).unwrap().samples, 21);
//! println!("{report}");
//! ```

mod bootstrap;
mod counts;
mod hgrm;
mod histograms;
mod hlog;
mod offset;
mod provenance;
mod recorder;
mod report;
mod run;
mod series;
mod slowest;
mod stage;
mod stalls;
mod statements;
mod steady;
mod tallies;
mod windows;

pub use bootstrap::MIN_WINDOWS;
pub use hgrm::{HgrmReadError, read_hgrm, write_hgrm};
pub use histograms::{Histograms, LONGEST_NS, SIGNIFICANT_DIGITS, StageHistogram};
pub use hlog::{
    HlogError, HlogReadError, HlogWriter, LineError, Log, MAX_LINE_BYTES, MAX_TAGS, MAX_VALUES,
    PayloadError, Tagged,
};
pub use offset::{ClockOffset, DRIFT_PPM, Exchange, Interval};
pub use provenance::Provenance;
pub use recorder::{Recorder, Reporter, stages, stages_and_groups};
pub use report::{Report, Row, StageRows, duration, grouped, three_digits};
pub use run::{
    Clocks, Exemplar, Figures, Hiccup, Leg, Percentile, Platform, Point, RUN_VERSION, Ratio, Run,
    Setting, StageFigures, Ticks, View, Window,
};
pub use series::{CURVE_POINTS, PERCENTILES, Series, WINDOWS_KEPT};
pub use slowest::{EXEMPLARS, Way};
pub use stage::Stage;
pub use stalls::{STALL_NS, STALLS_KEPT, Stall, StallBoard, StallLog, StallMeter, ThreadStalls};
pub use steady::Steady;
pub use windows::Windows;
