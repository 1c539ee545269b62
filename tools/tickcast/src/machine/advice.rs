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

#[cfg(test)]
mod tests {
    use super::super::look;
    use super::super::loopback::Loopback;
    use super::*;
    use crate::system::made_of;

    /// The report on a system of these files, with what is tried as it should be.
    fn report(files: &[(&str, &str)], cores: &[usize]) -> Report {
        let (_folder, system) = made_of(files);
        Report {
            loopback: Loopback {
                segmented: true,
                joined: true,
                stamped: true,
                failure: None,
            },
            ..look(&system, cores)
        }
    }

    #[test]
    fn on_what_is_not_known_there_is_none() {
        assert_eq!(on(&report(&[], &[0, 1])), [""; 0]);
    }

    #[test]
    fn what_is_as_it_should_be_needs_none() {
        let good = report(
            &[
                ("proc/sys/net/core/rmem_max", "16777216"),
                ("proc/sys/net/core/wmem_max", "16777216"),
                ("proc/sys/kernel/sched_rt_runtime_us", "-1"),
                ("sys/devices/system/cpu/isolated", "2-3"),
                (
                    "sys/devices/system/cpu/cpu2/cpufreq/scaling_governor",
                    "performance",
                ),
                (
                    "sys/devices/system/clocksource/clocksource0/current_clocksource",
                    "tsc",
                ),
            ],
            &[0, 1, 2, 3],
        );
        assert_eq!(on(&good), [""; 0]);
    }

    #[test]
    fn each_thing_that_could_be_better_has_a_line_that_says_how() {
        let mut poor = report(
            &[
                ("proc/sys/net/core/rmem_max", "212992"),
                ("proc/sys/net/core/wmem_max", "212992"),
                ("proc/sys/kernel/sched_rt_runtime_us", "950000"),
                ("proc/sys/kernel/numa_balancing", "1"),
                ("sys/devices/system/cpu/cpu0/node0/cpulist", "0"),
                ("sys/devices/system/cpu/cpu1/node1/cpulist", "1"),
                (
                    "sys/devices/system/cpu/cpu0/topology/thread_siblings_list",
                    "0,2",
                ),
                (
                    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
                    "powersave",
                ),
                ("sys/devices/system/cpu/cpu0/cpuidle/state3/name", "C6"),
                ("sys/devices/system/cpu/cpu0/cpuidle/state3/latency", "133"),
                (
                    "sys/devices/system/clocksource/clocksource0/current_clocksource",
                    "hpet",
                ),
            ],
            &[0, 1, 2],
        );
        poor.lock_limit = Some(65_536);
        poor.loopback.joined = false;
        let advice = on(&poor);
        let words = [
            "rmem_max is 212,992 bytes",
            "net.core.wmem_max=16777216",
            "one piece",
            "kernel.sched_rt_runtime_us=-1",
            "65,536 bytes may be locked",
            "isolcpus=",
            "siblings share",
            "governor is powersave",
            "133 µs to wake",
            "clock is hpet",
            "several memory nodes",
            "kernel.numa_balancing=0",
        ];
        assert_eq!(advice.len(), words.len(), "{advice:#?}");
        for (advice, words) in advice.iter().zip(words) {
            assert!(advice.contains(words), "{words} is not in {advice}");
        }

        poor.realtime_refused = Some("no permission".into());
        let refused = on(&poor);
        assert!(refused.iter().any(|line| line.contains("no permission")));
        assert!(!refused.iter().any(|line| line.contains("sched_rt_runtime")));
    }
}
