//! What the benches share: ways that take turns, their ratios and the A/A control, the hiccup
//! meter, and the lines from which `benches/run` makes the tables of `docs/performance.md`.

mod figure;
mod itch;
mod turns;

pub use figure::{Bound, Figure};
pub use itch::write_itch;
pub use tickcast_net::{Hiccups, hiccups};
pub use turns::{Spread, control, in_turns, median, ratio};

/// Whether the bench is to run each case once and measure nothing: `cargo bench -- --test`.
#[must_use]
pub fn is_instant() -> bool {
    std::env::args().any(|argument| argument == "--test" || argument == "--quick")
}
