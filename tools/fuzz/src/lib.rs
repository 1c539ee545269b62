//! Hostile input, as functions of bytes: each target takes any bytes, makes of them a datagram, a
//! file or a sequence of events, and panics if what must hold does not.
//!
//! The program of this package replays files, and built by `tools/fuzz/run` lets libFuzzer look
//! for new ones. The kept inputs under `corpus/` are replayed by a plain test. `docs/fuzzing.md`
//! has the commands.
//!
//! ```
//! let target = tickcast_fuzz::target("packet").unwrap();
//! (target.run)(b"any bytes at all");
//! ```

pub mod arbiter;
pub mod files;
mod input;
mod latency;
mod publisher;
mod queue;
pub mod valid;
mod wire;

/// Something that takes any bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its folder under `corpus/`.
    pub name: &'static str,
    /// Takes an input; panics if what must hold does not.
    pub run: fn(&[u8]),
}

const fn named(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    named("packet", wire::packet),
    named("request", wire::request),
    named("reply", wire::reply),
    named("arbiter", arbiter::arbiter),
    named("publisher", publisher::publisher),
    named("queue", queue::queue),
    named("file", files::file),
    named("ticks", files::ticks),
    named("damage", files::damage),
    named("csv", files::csv),
    named("itch", files::itch),
    named("capture", files::capture),
    named("hlog", latency::hlog),
    named("histogram", latency::histogram),
    named("hgrm", latency::hgrm),
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
