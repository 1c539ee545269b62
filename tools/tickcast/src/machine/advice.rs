//! What could be better, in plain words.

use tickcast_net::{DEFAULT_RECEIVE_BUFFER, DEFAULT_SEND_BUFFER};

use super::Report;
use crate::show;

/// Clocks that are read without a system call.
const FAST_CLOCKS: [&str; 4] = [
    "tsc",
    "kvm-clock",
    "hyperv_clocksource_tsc_page",
    "arch_sys_counter",
];
/// A core that wakes within this time is not missed, µs.
const QUICK_WAKE_US: u64 = 10;
/// A gap that is longer takes part in the latency of whatever spins there, ns.
const LONG_GAP_NS: u64 = 100_000;

/// Advice on what was found; on what is not known, none.
pub(super) fn on(report: &Report) -> Vec<String> {
    [
        buffers(report),
        threads(report),
        cores(report),
        memory(report),
    ]
    .concat()
}

fn buffers(report: &Report) -> Vec<String> {
    let mut advice = Vec::new();
    for (name, max, wanted) in [
        ("rmem_max", report.rmem_max, DEFAULT_RECEIVE_BUFFER as u64),
        ("wmem_max", report.wmem_max, DEFAULT_SEND_BUFFER as u64),
    ] {
        if let Some(max) = max.filter(|&max| max < wanted) {
            let (max, by_default) = (show::count(max), show::count(wanted));
            advice.push(format!(
                "{name} is {max} bytes: without CAP_NET_ADMIN a buffer gets no more, and \
                 {by_default} are asked for by default; `sysctl -w net.core.{name}={}`",
                wanted.max(16 << 20)
            ));
        }
    }
    let seen = &report.loopback;
    if seen.failure.is_none() && !(seen.segmented && seen.joined) {
        advice.push(
            "many datagrams do not go through the kernel in one piece: each costs a system call; \
             take a kernel from 5.1 on"
                .into(),
        );
    }
    advice
}

fn threads(report: &Report) -> Vec<String> {
    let mut advice = Vec::new();
    if let Some(why) = &report.realtime_refused {
        advice.push(format!("--send-priority and its like: {why}"));
    } else if let Some(us) = report.realtime_runtime_us.filter(|&us| us >= 0) {
        advice.push(format!(
            "sched_rt_runtime_us is {}: a real-time thread that never sleeps may be stopped for the \
             rest of each second; `sysctl -w kernel.sched_rt_runtime_us=-1`",
            show::count(us.unsigned_abs())
        ));
    }
    if let Some(limit) = report.lock_limit {
        advice.push(format!(
            "{} bytes may be locked, less than a feed has: --lock-memory needs `ulimit -l \
             unlimited`, LimitMEMLOCK=infinity of a systemd unit, or CAP_IPC_LOCK",
            show::count(limit)
        ));
    }
    advice
}

fn cores(report: &Report) -> Vec<String> {
    let mut advice = Vec::new();
    if report.cores.len() > 2 && report.cores.iter().all(|core| !core.isolated) {
        advice.push(
            "no core is isolated: others run on the cores that threads are pinned to; boot with \
             isolcpus=, nohz_full= and rcu_nocbs= of those cores"
                .into(),
        );
    }
    if report.cores.iter().any(|core| !core.siblings.is_empty()) {
        advice.push(
            "siblings share a physical core: leave those of a pinned core idle, or turn them off"
                .into(),
        );
    }
    let governors = report
        .cores
        .iter()
        .filter_map(|core| core.governor.as_deref());
    if let Some(governor) = governors.into_iter().find(|name| *name != "performance") {
        advice.push(format!(
            "the governor is {governor}: a core that was idle starts slowly; `cpupower \
             frequency-set -g performance`"
        ));
    }
    let deepest = report
        .idle_states
        .iter()
        .filter_map(|state| state.wake_us)
        .max();
    if let Some(us) = deepest.filter(|&us| us > QUICK_WAKE_US) {
        advice.push(format!(
            "a core that sleeps takes up to {us} µs to wake: threads that spin keep theirs awake"
        ));
    }
    let longest = report
        .cores
        .iter()
        .filter_map(|core| Some((core.hiccups.as_ref()?.max_ns, core.core)))
        .max();
    if let Some((ns, core)) = longest.filter(|&(ns, _)| ns > LONG_GAP_NS) {
        advice.push(format!(
            "core {core} was taken away for {} µs at once: no latency beyond that is this program's",
            show::count(ns / 1_000)
        ));
    }
    advice
}

fn memory(report: &Report) -> Vec<String> {
    let mut advice = Vec::new();
    let clock = report.clock.as_deref();
    if let Some(clock) = clock.filter(|clock| !FAST_CLOCKS.contains(clock)) {
        advice.push(format!(
            "the clock is {clock}: reading it may take a system call, and every stamp reads it; boot \
             with clocksource=tsc where the processor's is sound"
        ));
    }
    let mut nodes: Vec<u32> = report.cores.iter().filter_map(|core| core.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    if nodes.len() > 1 {
        advice.push(
            "there are several memory nodes: pin the send loop and the receive thread to cores of \
             their interface's node"
                .into(),
        );
        if report.numa_balancing == Some(true) {
            advice.push(
                "numa_balancing is on: the kernel takes pages away to see who uses them; `sysctl -w \
                 kernel.numa_balancing=0`"
                    .into(),
            );
        }
    }
    advice
}
