//! The program as it is typed: what it prints where, and its exit codes.

mod captures;
mod convert;
mod documents;
mod generate;
mod inspect;
mod lines;
#[path = "../../src/foreign/made.rs"]
mod made;
mod report;
#[path = "../../src/report/sample.rs"]
mod sample;
mod usage;

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

fn tickcast(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("tickcast").expect("the program");
    command.args(arguments).output().expect("it runs")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8 on stdout")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8 on stderr")
}

/// Runs it with `--json`, which must succeed, print one line and say nothing on stderr.
fn json(arguments: &[&str]) -> Value {
    let output = tickcast(&[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    assert_eq!(stdout(&output).matches('\n').count(), 1);
    serde_json::from_str(stdout(&output)).expect("JSON")
}

/// Runs it, which must fail with this code, print nothing on stdout, and name all of `words` on
/// stderr.
fn fails(arguments: &[&str], code: i32, words: &[&str]) {
    let output = tickcast(arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!(stdout(&output), "", "{arguments:?}");
    assert!(
        !said.contains('\x1b'),
        "colours where there is no terminal: {said}"
    );
    for word in words {
        assert!(
            said.contains(word),
            "{arguments:?} does not say {word:?}: {said}"
        );
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8 path")
}

/// Makes a small market and gives its path.
fn market(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    let arguments = [
        "generate",
        text(&path),
        "--ticks",
        "5000",
        "--instruments",
        "50",
    ];
    let output = tickcast(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    text(&path).to_owned()
}

/// The names of the files in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}
