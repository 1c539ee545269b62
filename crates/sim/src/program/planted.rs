//! All planted faults: each is hunted, and the table says which were found.

/// Builds this program once more, with the faults, in a target folder of its own, and runs that.
#[cfg(not(feature = "planted"))]
pub(crate) fn run_all(threads: u64, as_json: bool) -> std::process::ExitCode {
    use std::process::{Command, ExitCode};

    let target = std::env::current_exe().ok();
    let target = target
        .as_deref()
        .and_then(|program| program.parent()?.parent());
    let Some(target) = target.map(|folder| folder.join("planted")) else {
        eprintln!("tickcast-sim: this program does not know where it lies: run it through cargo");
        return ExitCode::FAILURE;
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--release", "--features", "planted"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .arg("--target-dir")
        .arg(target)
        .args(["--", "--planted", "--threads", &threads.to_string()])
        .args(as_json.then_some("--json"));
    match command.status() {
        Ok(status) => ExitCode::from(status.code().map_or(1, |code| code as u8)),
        Err(error) => {
            eprintln!("tickcast-sim: cargo, which builds the faults in, does not start: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(feature = "planted")]
pub(crate) use with_faults::run_all;

#[cfg(feature = "planted")]
mod with_faults {
    use std::process::ExitCode;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tickcast_protocol::Fault;

    use super::super::fault::{Hunt, hunt_elsewhere};

    /// Hunts every fault, several beside each other, and the control, in which nothing is planted.
    pub(crate) fn run_all(threads: u64, as_json: bool) -> ExitCode {
        let hunted: Vec<Option<Fault>> = std::iter::once(None)
            .chain(Fault::ALL.iter().copied().map(Some))
            .collect();
        if !as_json {
            println!(
                "{:27} {:5} {:>7} {:>7}  by",
                "fault", "found", "seeds", "CPU s"
            );
        }
        let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(fault) = hunted.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let hunt = hunt_elsewhere(*fault);
                        if !as_json {
                            print_row(&hunt);
                        }
                        let is_as_expected = hunt.found == fault.is_some() && hunt.seeds > 0;
                        let mut rows = rows.lock().expect("no thread panics");
                        rows.push((*fault, hunt, is_as_expected));
                    }
                });
            }
        });
        let mut rows = rows.into_inner().expect("no thread panics");
        rows.sort_by_key(|(fault, ..)| fault.map(|fault| fault as u8));
        let all_as_expected = rows.iter().all(|(.., is_as_expected)| *is_as_expected);
        if as_json {
            print_json(&rows, all_as_expected);
        } else {
            print_end(&rows, all_as_expected);
        }
        ExitCode::from(u8::from(!all_as_expected))
    }

    type Row = (Option<Fault>, Hunt, bool);

    fn print_row(hunt: &Hunt) {
        let found = if hunt.found { "yes" } else { "no" };
        let (name, seeds, seconds) = (&hunt.name, hunt.seeds, hunt.cpu_seconds);
        println!(
            "{name:27} {found:5} {seeds:7} {seconds:7.2}  {}",
            hunt.violation
        );
    }

    fn print_end(rows: &[Row], all_as_expected: bool) {
        let found = rows
            .iter()
            .filter(|(fault, hunt, _)| fault.is_some() && hunt.found);
        println!(
            "{} of {} faults found, each within 60 s of CPU",
            found.count(),
            rows.len() - 1
        );
        if !all_as_expected {
            let wrong = rows.iter().filter(|(.., is_as_expected)| !is_as_expected);
            let names: Vec<&str> = wrong.map(|(_, hunt, _)| hunt.name.as_str()).collect();
            println!("not as it should be: {}", names.join(", "));
        }
    }

    fn print_json(rows: &[Row], all_as_expected: bool) {
        let row = |(fault, hunt, _): &Row| {
            serde_json::json!({
                "fault": hunt.name,
                "what": fault.map_or("nothing is planted: nothing may be found", Fault::what),
                "found": hunt.found,
                "by": hunt.violation,
                "seed": hunt.seed,
                "seeds": hunt.seeds,
                "cpu_seconds": hunt.cpu_seconds,
            })
        };
        let (control, faults): (Vec<&Row>, Vec<&Row>) =
            rows.iter().partition(|(fault, ..)| fault.is_none());
        let result = serde_json::json!({
            "all_found": all_as_expected,
            "control": control.into_iter().map(row).next(),
            "faults": faults.into_iter().map(row).collect::<Vec<_>>(),
        });
        println!("{result}");
    }
}
