//! One planted fault: seeds until it is found, in a process of its own.

use std::process::{Command, ExitCode};

use serde_json::{Value, json};
use tickcast_protocol::{Fault, plant};
use tickcast_sim::run;

use super::watchdog::{self, UnderWay};

/// CPU time within which a fault must be found, ns.
const CPU_MAX: u64 = 60_000_000_000;

/// Seeds that are tried with no fault planted.
const CONTROL_SEEDS: u64 = 4_000;

/// How the row without a fault is called.
pub(crate) const CONTROL: &str = "none";

/// What came of the hunt for a fault.
pub(crate) struct Hunt {
    pub(crate) name: String,
    pub(crate) found: bool,
    pub(crate) violation: String,
    pub(crate) seed: Option<u64>,
    pub(crate) seeds: u64,
    pub(crate) cpu_seconds: f64,
}

/// The fault of this name; `None` for the control.
pub(crate) fn named(name: &str) -> Result<Option<Fault>, String> {
    let found = Fault::ALL.iter().find(|it| format!("{it:?}") == name);
    match found {
        Some(fault) => Ok(Some(*fault)),
        None if name == CONTROL => Ok(None),
        None => Err(format!(
            "no fault has the name {name}: --planted prints them all"
        )),
    }
}

/// Plants a fault in this process and runs seeds until it is found. Prints a line of JSON.
pub(crate) fn hunt_here(fault: Option<Fault>) -> ExitCode {
    // A panic is a way of being found: its message would only be noise.
    std::panic::set_hook(Box::new(|_| {}));
    plant(fault);
    let slots = [UnderWay::default()];
    std::thread::scope(|scope| {
        let hunter = scope.spawn(|| hunt(fault, &slots[0]));
        watchdog::watch(
            &slots,
            || hunter.is_finished(),
            |seed| {
                print(true, &watchdog::violation(), seed, seed + 1);
                std::process::exit(0);
            },
        );
    });
    ExitCode::SUCCESS
}

fn hunt(fault: Option<Fault>, slot: &UnderWay) {
    let mut seed = 0;
    while cpu_is_left() && (fault.is_some() || seed < CONTROL_SEEDS) {
        slot.begin(seed);
        let report = run(seed);
        slot.end();
        seed += 1;
        if let Some(what) = report.violation {
            return print(true, &what, report.seed, seed);
        }
    }
    print(false, "", 0, seed);
}

fn cpu_is_left() -> bool {
    watchdog::cpu_ns() < CPU_MAX
}

fn print(found: bool, violation: &str, seed: u64, seeds: u64) {
    let cpu_seconds = watchdog::cpu_ns() as f64 / 1e9;
    println!(
        "{}",
        json!({"found": found, "violation": violation, "seed": found.then_some(seed),
               "seeds": seeds, "cpu_seconds": cpu_seconds})
    );
}

/// Has a fault hunted in a process of its own.
pub(crate) fn hunt_elsewhere(fault: Option<Fault>) -> Hunt {
    let name = fault.map_or(CONTROL.into(), |fault| format!("{fault:?}"));
    let output = std::env::current_exe()
        .and_then(|program| Command::new(program).args(["--plant", &name]).output());
    let answer = match &output {
        Ok(output) => serde_json::from_slice(&output.stdout).unwrap_or_default(),
        Err(_) => Value::Null,
    };
    let died = || match &output {
        Ok(output) => format!("the process died: {}", output.status),
        Err(error) => format!("the process could not be started: {error}"),
    };
    Hunt {
        name,
        found: answer["found"].as_bool().unwrap_or(false),
        violation: answer["violation"]
            .as_str()
            .map_or_else(died, str::to_owned),
        seed: answer["seed"].as_u64(),
        seeds: answer["seeds"].as_u64().unwrap_or(0),
        cpu_seconds: answer["cpu_seconds"].as_f64().unwrap_or(0.0),
    }
}
