//! Replays inputs: `tickcast-fuzz --target=NAME FILE…`. Built by `tools/fuzz/run` it is a fuzzer,
//! and takes libFuzzer's options beside `--target`.

#![cfg_attr(fuzzing, no_main)]

use tickcast_fuzz::{TARGETS, Target, target};

/// The target that the command line names.
fn chosen() -> Result<&'static Target, String> {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let usage = || format!("give --target=NAME, one of {}", names.join(", "));
    let named = std::env::args().find_map(|arg| arg.strip_prefix("--target=").map(str::to_owned));
    named.and_then(|name| target(&name)).ok_or_else(usage)
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static CHOSEN: std::sync::LazyLock<&Target> = std::sync::LazyLock::new(|| {
        chosen().unwrap_or_else(|usage| {
            eprintln!("{usage}");
            std::process::exit(2);
        })
    });
    (CHOSEN.run)(data);
});

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    let files = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"));
    match chosen().and_then(|target| replay(target, files)) {
        Ok(count) => {
            println!("{count} inputs, nothing found");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::from(2)
        }
    }
}

/// Gives the files to the target, one after the other; a fault ends the program with its message.
#[cfg(not(fuzzing))]
fn replay(target: &Target, files: impl Iterator<Item = String>) -> Result<usize, String> {
    let mut count = 0;
    for file in files {
        let bytes = std::fs::read(&file).map_err(|error| format!("cannot read {file}: {error}"))?;
        println!("{file}: {} bytes", bytes.len());
        (target.run)(&bytes);
        count += 1;
    }
    Ok(count)
}
