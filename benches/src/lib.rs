//! What the benches share: ways that take turns, their ratios and the A/A control, the hiccup
//! meter, and the lines from which `benches/run` makes the tables of `docs/performance.md`; the
//! floor they are compared with, and what is sent and read.

pub mod bare;
mod cores;
mod figure;
mod itch;
mod market;
pub mod orders;
pub mod role;
mod turns;

pub use cores::{cache_line_hops, last_cores, ns_each, on_two_cores, spin_until};
pub use figure::{Bound, Figure};
pub use itch::write_itch;
pub use market::{market, packets};
pub use tickcast_net::{Hiccups, hiccups};
pub use turns::{Spread, control, in_turns, median, ratio};

/// Whether the bench is to run each case once and measure nothing: `cargo bench -- --test`.
#[must_use]
pub fn is_instant() -> bool {
    std::env::args().any(|argument| argument == "--test" || argument == "--quick")
}
