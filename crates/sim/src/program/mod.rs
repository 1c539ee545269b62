//! What the program does with runs: many of them, planted faults, and a clock for all of it.

#[cfg(feature = "planted")]
pub(crate) mod fault;
pub(crate) mod planted;
pub(crate) mod seeds;
pub(crate) mod watchdog;
