//! The cores that this program may use.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tickcast_net::thread::spawn_named;
use tickcast_net::{Hiccups, hiccups};

use crate::show::or_dash;
use crate::system::System;

/// A core.
#[derive(Debug, Serialize)]
pub(super) struct Core {
    pub(super) core: usize,
    /// Its memory node.
    pub(super) node: Option<u32>,
    /// The other hardware threads of the same physical core.
    pub(super) siblings: Vec<usize>,
    /// Left out by the scheduler: only what is pinned to it runs there.
    pub(super) isolated: bool,
    /// Without the timer's tick while one thread runs.
    pub(super) tickless: bool,
    pub(super) governor: Option<String>,
    pub(super) hiccups: Option<Gaps>,
}

/// What the hiccup meter saw on a core.
#[derive(Debug, Serialize)]
pub(super) struct Gaps {
    per_second: f64,
    p50_ns: u64,
    p99_ns: u64,
    pub(super) max_ns: u64,
    #[serde(skip)]
    text: String,
}

impl From<Hiccups> for Gaps {
    fn from(seen: Hiccups) -> Gaps {
        Gaps {
            per_second: seen.gaps.len() as f64 / seen.seconds,
            p50_ns: seen.gaps.value_at_quantile(0.5),
            p99_ns: seen.gaps.value_at_quantile(0.99),
            max_ns: seen.gaps.max(),
            text: seen.to_string(),
        }
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "core {:<5}node {}, governor {}",
            self.core,
            or_dash(&self.node),
            or_dash(&self.governor)
        )?;
        if !self.siblings.is_empty() {
            let siblings: Vec<String> = self.siblings.iter().map(ToString::to_string).collect();
            write!(f, ", siblings {}", siblings.join(" "))?;
        }
        if self.isolated {
            f.write_str(", isolated")?;
        }
        if self.tickless {
            f.write_str(", tickless")?;
        }
        match &self.hiccups {
            Some(gaps) => write!(f, "; {}", gaps.text),
            None => Ok(()),
        }
    }
}

/// What the system says of these cores.
pub(super) fn of(system: &System, cores: &[usize]) -> Vec<Core> {
    let isolated = system.cores("sys/devices/system/cpu/isolated");
    let tickless = system.cores("sys/devices/system/cpu/nohz_full");
    let of = |&core: &usize| {
        let folder = format!("sys/devices/system/cpu/cpu{core}");
        let mut siblings = system.cores(&format!("{folder}/topology/thread_siblings_list"));
        siblings.retain(|&sibling| sibling != core);
        Core {
            core,
            node: system.node_of_core(core),
            siblings,
            isolated: isolated.contains(&core),
            tickless: tickless.contains(&core),
            governor: system.text(&format!("{folder}/cpufreq/scaling_governor")),
            hiccups: None,
        }
    };
    cores.iter().map(of).collect()
}

/// A state that an idle core falls into, and how long it takes to wake from it.
#[derive(Debug, Serialize)]
pub(super) struct IdleState {
    pub(super) name: String,
    pub(super) wake_us: Option<u64>,
}

impl fmt::Display for IdleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} µs", self.name, or_dash(&self.wake_us))
    }
}

/// The idle states of the first core, which all share.
pub(super) fn idle_states(system: &System, cores: &[usize]) -> Vec<IdleState> {
    let Some(first) = cores.first() else {
        return Vec::new();
    };
    let folder = format!("sys/devices/system/cpu/cpu{first}/cpuidle");
    let state = |number: String| {
        let folder = format!("{folder}/state{number}");
        Some(IdleState {
            name: system.text(&format!("{folder}/name"))?,
            wake_us: system.number(&format!("{folder}/latency")),
        })
    };
    let numbers = system.names(&folder, "state").into_iter();
    numbers.filter_map(state).collect()
}

/// Looks for gaps on all of them at once.
pub(super) fn watch(cores: &mut [Core], duration: Duration) {
    let watching: Vec<_> = cores
        .iter()
        .map(|core| spawn_named("tc-hiccups", Some(core.core), move || hiccups(duration)))
        .collect();
    for (core, thread) in cores.iter_mut().zip(watching) {
        // A core that was taken away meanwhile has none.
        let seen = thread.ok().and_then(|thread| thread.join().ok());
        core.hiccups = seen.map(Gaps::from);
    }
}
