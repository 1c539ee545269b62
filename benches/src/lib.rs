//! What the benches share: ways that take turns, their ratios and the A/A control, the hiccup
//! meter, and the lines from which `benches/run` makes the tables of `docs/performance.md`; the
//! floor they are compared with, and what is sent and read.

pub mod bare;
mod cores;
pub mod feed;
mod figure;
mod itch;
mod market;
pub mod orders;
pub mod role;
mod turns;

pub use cores::{cache_line_hops, last_cores, ns_each, on_two_cores, spin_until};
pub use figure::{Bound, Figure};
pub use itch::{Shuffled, write_itch};
pub use market::{market, packets};
pub use tickcast_net::{Hiccups, hiccups};
pub use turns::{Spread, control, in_turns, median, ratio, try_in_turns};

use tickcast_net::thread::available_cores;

/// Cores and kernel, as `2 cores, Linux 6.18.0`.
#[must_use]
pub fn machine() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} cores, Linux {}", available_cores().len(), kernel.trim())
}

/// A part of a bench, and the argument that names it.
pub type Part<'a, E, F> = (&'a str, fn(&E) -> Result<(), F>);

/// Runs those parts of a bench that arguments name; all, when none is named.
///
/// # Errors
/// The first failure of a part.
pub fn run_parts<E, F>(effort: &E, parts: &[Part<'_, E, F>]) -> Result<(), F> {
    let is_named = |name: &str| std::env::args().any(|argument| argument == name);
    let all = !parts.iter().any(|(name, _)| is_named(name));
    for (name, run) in parts {
        if all || is_named(name) {
            run(effort)?;
        }
    }
    Ok(())
}

/// Whether the bench is to run each case once and measure nothing: `cargo bench -- --test`.
#[must_use]
pub fn is_instant() -> bool {
    std::env::args().any(|argument| argument == "--test" || argument == "--quick")
}
