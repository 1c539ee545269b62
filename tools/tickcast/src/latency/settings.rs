//! How a run was set up, and on what machine.

use tickcast_latency::Setting;
use tickcast_net::thread::available_cores;
use tickcast_net::{Group, Idle};
use tickcast_wire::{EMPTY_PACKET_BYTES, TICK_BYTES};

use super::load::LoadArgs;
use super::platform::frequencies;
use crate::deployment::Thread;
use crate::faults;
use crate::system::System;

/// How it was set up: the source and rate of the load, if it is ours, lines, threads, faults.
pub(super) fn settings(
    args: &LoadArgs,
    load: Option<&str>,
    lines: [Option<Group>; 2],
) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(load) = load {
        settings.push(setting("load", load));
        settings.push(setting("rate", format!("{} ticks, open loop", args.rate)));
        let bytes = EMPTY_PACKET_BYTES + TICK_BYTES;
        settings.push(setting(
            "packet",
            format!("{bytes} bytes for one tick; ticks that are due together share one"),
        ));
    }
    for (name, line) in ["line A", "line B"].into_iter().zip(lines) {
        let line = line.map_or_else(|| "none".into(), |line| line.to_string());
        settings.push(setting(name, line));
    }
    let interface = args.interface.as_deref().unwrap_or("loopback");
    settings.push(setting("interface", interface));
    let is_ours = |thread: &Thread| load.is_some() || thread.name != "tc-send";
    for thread in args.plan().iter().filter(|thread| is_ours(thread)) {
        let placed = thread.to_string();
        let rest = placed.split_once(" on ").map_or("", |(_, rest)| rest);
        settings.push(setting(&thread.name, rest));
    }
    let strategy = if args.inline {
        "inline: called by the receive thread"
    } else {
        "in its own thread, behind the queue"
    };
    settings.push(setting("strategy", strategy));
    for (line, made) in ["A", "B"].into_iter().zip(args.faults.lines()) {
        if let Some(made) = faults::describe(&made) {
            settings.push(setting(&format!("faults, line {line}"), made));
        }
    }
    settings
}

/// What must be known of a run that is set up so.
pub(super) fn notices(args: &LoadArgs) -> Vec<String> {
    let mut notices = Vec::new();
    let (threads, cores) = (args.plan().len(), available_cores().len());
    if threads > cores {
        notices.push(format!(
            "the {threads} threads that a tick passes share {cores} cores: what one does, another \
             waits for; --inline takes one less"
        ));
    }
    if args.idle() != Idle::Spin {
        notices.push(
            "the threads of the run give way to others and the bare sockets of the floor spin: where \
             others want the cores, the floor may be the slower of the two"
                .into(),
        );
    }
    if args.interface.is_none() {
        notices.push(
            "on loopback the receiving kernel works inside the sender's system call: `network` says \
             nothing of a real network"
                .into(),
        );
    }
    notices
}

/// What it ran on.
pub(super) fn machine() -> Vec<Setting> {
    let system = System::here();
    let cores = available_cores();
    let cpuinfo = system.text("proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    let governor = cores.first().and_then(|core| {
        system.text(&format!(
            "sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor"
        ))
    });
    let mut machine: Vec<Setting> = [
        ("processor", model),
        ("cores", Some(cores.len().to_string())),
        (
            "kernel",
            system
                .text("proc/sys/kernel/osrelease")
                .map(|release| format!("Linux {release}")),
        ),
        (
            "clock source",
            system.text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
        ),
        ("governor", governor),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(setting(name, value?)))
    .collect();
    machine.extend(frequencies(&system, &cores));
    machine
}

fn setting(name: &str, value: impl Into<String>) -> Setting {
    Setting {
        name: name.into(),
        value: value.into(),
    }
}
