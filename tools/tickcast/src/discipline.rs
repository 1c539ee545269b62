//! What keeps this host's clock right, as far as the system says.

use std::process::{Command, Stdio};
use std::time::Duration;

use tickcast_latency::Clocks;
use tickcast_net::clock::{ClockState, state};

use crate::system::System;

/// What the kernel, PTP and chrony say of the clock, in a sentence; `None` if nobody says anything.
pub fn discipline(system: &System) -> Option<String> {
    let parts = [
        state().ok().map(by_kernel),
        by_ptp(system),
        ask_chrony().as_deref().and_then(by_chrony),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What is known of the clocks of two hosts, with what keeps this one right.
pub fn with_discipline(mut clocks: Clocks) -> Clocks {
    clocks.discipline = discipline(&System::here());
    clocks
}

fn by_kernel(state: ClockState) -> String {
    if !state.is_synchronised {
        return "the kernel says that nothing keeps the clock right".into();
    }
    let shown = |ns| humantime::format_duration(Duration::from_nanos(ns));
    let (estimated, most) = (
        shown(state.estimated_error_ns),
        shown(state.maximum_error_ns),
    );
    format!("the kernel says that the clock is kept right, to {estimated}, at most {most} off")
}

/// The clocks of network cards; that they are there does not say that something uses them.
fn by_ptp(system: &System) -> Option<String> {
    let names = system.names("sys/class/ptp", "ptp");
    let clocks: Vec<String> = names
        .iter()
        .map(|number| {
            let name = system.text(&format!("sys/class/ptp/ptp{number}/clock_name"));
            format!("ptp{number} ({})", name.as_deref().unwrap_or("no name"))
        })
        .collect();
    (!clocks.is_empty()).then(|| format!("PTP clocks there: {}", clocks.join(", ")))
}

/// What chrony says, where it is installed.
fn ask_chrony() -> Option<String> {
    let mut command = Command::new("chronyc");
    command.args(["-c", "tracking"]).stdin(Stdio::null());
    let output = command.output().ok()?;
    output.status.success().then_some(())?;
    String::from_utf8(output.stdout).ok()
}

/// Its fields: where it has the time from, by which way, …, how far the system's clock is from it.
fn by_chrony(tracking: &str) -> Option<String> {
    let fields: Vec<&str> = tracking.trim().split(',').collect();
    let [_, source, stratum, _, off, ..] = fields[..] else {
        return None;
    };
    let (stratum, off): (u8, f64) = (stratum.parse().ok()?, off.parse().ok()?);
    if stratum == 0 {
        return Some("chrony runs and has no source".into());
    }
    let micros = off * 1e6;
    Some(format!(
        "chrony follows {source}, stratum {stratum}, {micros:+.3} µs off it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::made_of;

    #[test]
    fn the_kernel_says_how_sure_it_is() {
        let state = ClockState {
            is_synchronised: true,
            estimated_error_ns: 12_000,
            maximum_error_ns: 3_000_000,
        };
        let said = by_kernel(state);
        assert!(
            said.ends_with("kept right, to 12us, at most 3ms off"),
            "{said}"
        );
        let unknown = ClockState {
            is_synchronised: false,
            ..state
        };
        assert!(by_kernel(unknown).contains("nothing keeps"));
    }

    #[test]
    fn clocks_of_cards_have_names() {
        let (_folder, system) = made_of(&[("sys/class/ptp/ptp0/clock_name", "ice-0000\n")]);
        assert_eq!(
            by_ptp(&system).unwrap(),
            "PTP clocks there: ptp0 (ice-0000)"
        );
        let (_folder, nothing) = made_of(&[]);
        assert_eq!(by_ptp(&nothing), None);
    }

    #[test]
    fn chrony_is_understood_or_left_out() {
        let line = "C0A80101,192.168.1.1,2,1700000000.123,-0.000012345,0.0001,0.0002,1.5,0.1,0.5,\
                    0.001,0.002,64.2,Normal\n";
        let said = by_chrony(line).unwrap();
        assert_eq!(
            said,
            "chrony follows 192.168.1.1, stratum 2, -12.345 µs off it"
        );
        let none = by_chrony("00000000,,0,0.0,0.0,0,0,0,0,0,1,1,0,Not synchronised").unwrap();
        assert!(none.contains("no source"), "{none}");
        for damaged in ["", "506 Cannot talk to daemon", "a,b,c,d,e", "a,b,2,d,x,f"] {
            assert_eq!(by_chrony(damaged), None, "{damaged}");
        }
    }
}
