//! `tickcast machine`: what this machine offers to a feed, and what could be better.

mod advice;
mod cores;
mod interfaces;
mod loopback;

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tickcast_net::lock_limit;
use tickcast_net::thread::{Placement, available_cores, spawn_named};

use self::cores::{Core, IdleState};
use self::interfaces::Device;
use self::loopback::Loopback;
use crate::Outcome;
use crate::discipline::discipline;
use crate::show::{self, BOLD, or_dash};
use crate::system::System;

const HELP: &str = "\
Examples:
  tickcast machine --hiccups 5s
  tickcast machine --hiccups 0s --json

What the system does not say, as in a container, is a dash. The hiccup meter spins on every core
that this program may use: not beside a running feed.";

/// Arguments of `machine`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct MachineArgs {
    /// How long to look for gaps on every core at once: what takes the core away from a thread that
    /// only reads the clock. 0s leaves it out.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "1s", value_parser = humantime::parse_duration)]
    hiccups: Duration,

    /// Print one line, a JSON object.
    #[arg(long)]
    json: bool,
}

/// What there is. `None` is what the system does not say.
#[derive(Debug, Default, Serialize)]
struct Report {
    kernel: Option<String>,
    clock: Option<String>,
    /// What keeps the clock right.
    discipline: Option<String>,
    huge_pages: Option<String>,
    cores: Vec<Core>,
    idle_states: Vec<IdleState>,
    interfaces: Vec<Device>,
    rmem_max: Option<u64>,
    wmem_max: Option<u64>,
    realtime_runtime_us: Option<i64>,
    /// Why this user may have no thread with a real-time priority; null if it may.
    realtime_refused: Option<String>,
    /// Bytes; null for any number.
    lock_limit: Option<u64>,
    numa_balancing: Option<bool>,
    loopback: Loopback,
    advice: Vec<String>,
}

/// Runs the command.
pub fn run(args: &MachineArgs) -> anyhow::Result<Outcome> {
    let mut report = look(&System::here(), &available_cores());
    interfaces::ask_for_stamps(&mut report.interfaces);
    report.discipline = discipline(&System::here());
    report.realtime_refused = realtime_refused();
    report.lock_limit = lock_limit();
    report.loopback = loopback::probe();
    if !args.hiccups.is_zero() {
        cores::watch(&mut report.cores, args.hiccups);
    }
    report.advice = advice::on(&report);
    show::result(&report, args.json, print)?;
    Ok(Outcome::Done)
}

/// What the files of a system say.
fn look(system: &System, cores: &[usize]) -> Report {
    Report {
        kernel: system.text("proc/sys/kernel/osrelease"),
        clock: system.text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
        huge_pages: system
            .text("sys/kernel/mm/transparent_hugepage/enabled")
            .and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())),
        cores: cores::of(system, cores),
        idle_states: cores::idle_states(system, cores),
        interfaces: interfaces::of(system),
        rmem_max: system.number("proc/sys/net/core/rmem_max"),
        wmem_max: system.number("proc/sys/net/core/wmem_max"),
        realtime_runtime_us: system.realtime_runtime_us(),
        numa_balancing: system
            .number("proc/sys/kernel/numa_balancing")
            .map(|mode: u32| mode != 0),
        ..Report::default()
    }
}

/// Tries it: the limit, capabilities and the control group all have a say.
fn realtime_refused() -> Option<String> {
    let lowest = Placement {
        core: None,
        priority: Some(1),
    };
    let thread = match spawn_named("tc-realtime", lowest, || ()) {
        Ok(thread) => thread,
        Err(error) => return Some(error.to_string()),
    };
    thread.join().err().map(|_| "the thread panicked".into())
}

fn print(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| format!("{} bytes", show::count(bytes)));
    writeln!(
        out,
        "{BOLD}machine{BOLD:#}  Linux {}, clock {}, huge pages {}",
        or_dash(&report.kernel),
        or_dash(&report.clock),
        or_dash(&report.huge_pages)
    )?;
    line(out, "clock", or_dash(&report.discipline))?;
    for core in &report.cores {
        writeln!(out, "  {core}")?;
    }
    let states: Vec<String> = report.idle_states.iter().map(ToString::to_string).collect();
    line(out, "idle states", or_dash(&some(states.join(", "))))?;
    writeln!(out, "{BOLD}interfaces{BOLD:#}")?;
    for device in &report.interfaces {
        writeln!(out, "  {device}")?;
    }
    writeln!(out, "{BOLD}limits{BOLD:#}")?;
    line(out, "rmem_max", or_dash(&bytes(report.rmem_max)))?;
    line(out, "wmem_max", or_dash(&bytes(report.wmem_max)))?;
    let runtime = match report.realtime_runtime_us {
        Some(us) if us < 0 => Some("no limit".to_owned()),
        us => us.map(|us| format!("{} µs of each second", show::count(us.unsigned_abs()))),
    };
    line(out, "real-time", or_dash(&runtime))?;
    let refused = report.realtime_refused.as_ref();
    line(
        out,
        "priorities",
        refused.map_or("permitted", |_| "refused"),
    )?;
    let lock = bytes(report.lock_limit).unwrap_or_else(|| "no limit".into());
    line(out, "locked memory", lock)?;
    line(out, "loopback", &report.loopback)?;
    if report.advice.is_empty() {
        return Ok(());
    }
    writeln!(out, "{BOLD}advice{BOLD:#}, see docs/tuning.md")?;
    for advice in &report.advice {
        writeln!(out, "  {advice}")?;
    }
    Ok(())
}

fn line(out: &mut dyn Write, what: &str, value: impl Display) -> io::Result<()> {
    writeln!(out, "  {what:<15}{value}")
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::made_of;

    #[test]
    fn a_system_that_says_nothing_has_dashes() {
        let (_folder, nothing) = made_of(&[]);
        let report = look(&nothing, &[0, 7]);
        let mut text = Vec::new();
        print(&mut text, &report).unwrap();
        let text = anstream::adapter::strip_str(std::str::from_utf8(&text).unwrap()).to_string();
        for words in [
            "Linux -, clock -, huge pages -",
            "core 7    node -, governor -",
            "idle states    -",
            "rmem_max       -",
            "real-time      -",
        ] {
            assert!(text.contains(words), "{words} is not in {text}");
        }
        assert!(serde_json::to_string(&report).is_ok());
    }

    #[test]
    fn what_a_system_says_is_shown() {
        let (_folder, system) = made_of(&[
            ("proc/sys/kernel/osrelease", "6.1.0\n"),
            (
                "sys/kernel/mm/transparent_hugepage/enabled",
                "always [madvise] never\n",
            ),
            ("sys/devices/system/cpu/isolated", "1\n"),
            ("sys/devices/system/cpu/cpu1/node0/cpulist", "0-1\n"),
            (
                "sys/devices/system/cpu/cpu1/topology/thread_siblings_list",
                "1,5\n",
            ),
            (
                "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor",
                "performance\n",
            ),
            ("sys/devices/system/cpu/cpu1/cpuidle/state0/name", "POLL\n"),
            ("sys/devices/system/cpu/cpu1/cpuidle/state0/latency", "0\n"),
            ("sys/class/net/eth0/mtu", "9000\n"),
            ("sys/class/net/eth0/operstate", "up\n"),
            ("sys/class/net/eth0/queues/rx-0/rps_cpus", "0\n"),
            ("sys/class/net/eth0/queues/rx-1/rps_cpus", "0\n"),
            ("sys/class/net/eth0/queues/tx-0/xps_cpus", "0\n"),
            ("sys/class/net/eth0/device/numa_node", "0\n"),
            ("proc/sys/net/core/rmem_max", "212992\n"),
            ("proc/sys/kernel/sched_rt_runtime_us", "-1\n"),
        ]);
        let mut text = Vec::new();
        print(&mut text, &look(&system, &[1])).unwrap();
        let text = anstream::adapter::strip_str(std::str::from_utf8(&text).unwrap()).to_string();
        for words in [
            "Linux 6.1.0, clock -, huge pages madvise",
            "core 1    node 0, governor performance, siblings 5, isolated",
            "idle states    POLL 0 µs",
            "eth0        up, node 0, MTU 9000, driver -, 2 receive and 1 send queues",
            "rmem_max       212,992 bytes",
            "real-time      no limit",
        ] {
            assert!(text.contains(words), "{words} is not in {text}");
        }
    }
}
