//! Help, completions, and what is said to a wrong command line.

use crate::{fails, stderr, stdout, tickcast};

const COMMANDS: [&str; 10] = [
    "latency",
    "compare",
    "inspect",
    "verify",
    "convert",
    "generate",
    "machine",
    "lines",
    "report",
    "completions",
];

#[test]
fn help_teaches() {
    let help = tickcast(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for word in COMMANDS
        .iter()
        .chain(&["Examples:", "Exit codes:", "--log", "--version"])
    {
        assert!(stdout(&help).contains(word), "{word}");
    }
    for command in COMMANDS {
        let help = tickcast(&[command, "--help"]);
        assert_eq!(help.status.code(), Some(0));
        let example = format!("Examples:\n  tickcast {command} ");
        assert!(stdout(&help).contains(&example), "{command}");
    }
    let version = tickcast(&["--version"]);
    assert_eq!(
        stdout(&version),
        format!("tickcast {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_command_lines_name_what_is_wrong_and_what_was_expected() {
    fails(&[], 2, &["Usage: tickcast"]);
    fails(&["inspekt", "x"], 2, &["inspekt", "'inspect'"]);
    fails(&["inspect"], 2, &["<FILE>"]);
    fails(&["inspect", "x", "--jsn"], 2, &["--jsn", "--json"]);
    fails(&["convert", "x.ticks"], 2, &["<OUT>"]);
    fails(
        &["convert", "a.ticks", "b.txt"],
        2,
        &["b.txt", "<OUT>", ".ticks or .csv"],
    );
    fails(
        &["convert", "a.ticks", "ticks"],
        2,
        &["<OUT>", ".ticks or .csv"],
    );
    fails(
        &["generate", "x.ticks", "--ticks", "0"],
        2,
        &["--ticks", "1.."],
    );
    fails(
        &["generate", "x.ticks", "--ticks", "-5"],
        2,
        &["--ticks", "-5"],
    );
    fails(
        &["generate", "x.ticks", "--ticks", "many"],
        2,
        &["--ticks", "many"],
    );
    fails(
        &["generate", "x.ticks", "--seed", "1e3"],
        2,
        &["--seed", "1e3"],
    );
    fails(
        &["generate", "x.ticks", "--instruments", "0"],
        2,
        &["--instruments", "1..=1000000"],
    );
    fails(
        &["inspect", "x", "--log", "a=loud"],
        2,
        &["--log", "a=loud"],
    );
    fails(
        &["latency", "--rate", "max"],
        2,
        &["--rate", "give a rate as in 20000/s"],
    );
    fails(
        &["latency", "--duration", "1ms"],
        2,
        &["--duration", "at least 100ms"],
    );
    fails(&["latency", "--line-a", "239.1.2.3:4"], 2, &["--subscribe"]);
    fails(
        &["latency", "--subscribe", "--rate", "5/s"],
        2,
        &["--subscribe", "--rate"],
    );
    fails(
        &["latency", "--recovery-ca", "x"],
        2,
        &["--recovery-ca", "--subscribe --recovery"],
    );
    fails(&["latency", "--pcap", "a"], 2, &["--pcap", "2"]);
    for ignored in [
        &["--idle", "spin"][..],
        &["--drop-a", "5%"],
        &["--channel", "3"],
        &["--lock-memory"],
    ] {
        let arguments = [&["latency", "--pcap", "a", "b"], ignored].concat();
        fails(&arguments, 2, &["--pcap", ignored[0]]);
    }
    for twice in [
        &["latency", "--hlog", "x", "--hgrm", "./x"][..],
        &["latency", "--report", "x", "--svg", "x"],
        &["latency", "x", "--hlog", "x"],
        &["latency", "--pcap", "y", "x", "--report", "x"],
    ] {
        fails(twice, 2, &["x is named twice"]);
    }
    for output in ["--report", "--hgrm", "--hlog", "--svg"] {
        // Said before anything is measured: an hour of it would be lost.
        let arguments = ["latency", "--duration", "1h", output, "/dev/null/x"];
        fails(&arguments, 1, &["/dev/null/x"]);
    }
    fails(
        &["latency", "--group", "index"],
        2,
        &["--group", "a name and symbols, as in index=ES,NQ"],
    );
    fails(
        &["latency", "--group", "a=ES", "--group", "b=ES"],
        2,
        &["symbol ES is in two groups"],
    );
    fails(
        &["compare", "--", "--inline"],
        2,
        &["-- [A-OPTIONS] -- [B-OPTIONS]"],
    );
    fails(
        &["compare", "--", "--", "--hlog", "x"],
        2,
        &["--hlog", "-- [A-OPTIONS] -- [B-OPTIONS]"],
    );
    fails(
        &["compare", "--runs", "5", "--", "--"],
        2,
        &["--runs", "10..=500"],
    );
    fails(
        &["report", "a.hlog", "--html", "b.hlog"],
        2,
        &["--html", "b.hlog", ".html"],
    );
    fails(&["completions", "cmd"], 2, &["cmd", "bash", "zsh", "fish"]);
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = tickcast(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(stderr(&output), "");
        for command in COMMANDS {
            assert!(stdout(&output).contains(command), "{shell} {command}");
        }
    }
}
