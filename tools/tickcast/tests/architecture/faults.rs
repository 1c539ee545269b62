//! Every fault in `docs/faults.md` has tests that show that it is survived, and they are there.

use crate::{assert_none, read, root};

/// What is wrong with the lines of the tables, given the text of a file by its path.
fn wrong(document: &str, text: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let lines = document.lines().filter(|line| line.starts_with("| "));
    let faults = lines.filter(|line| !line.starts_with("| fault |"));
    faults.flat_map(|line| wrong_line(line, &text)).collect()
}

fn wrong_line(line: &str, text: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [fault, answer, tests] = cells[..] else {
        return vec![format!("not three cells: {line}")];
    };
    if answer.is_empty() {
        return vec![format!("no answer to: {fault}")];
    }
    let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
    if named.is_empty() {
        return vec![format!("no test shows: {fault}")];
    }
    let missing = named.iter().filter(|named| !is_test(named, text));
    missing
        .map(|named| format!("{fault}: no test {named}, as in `path/file.rs: function`"))
        .collect()
}

/// Whether `path: function` is in the sources; functions of shared stories count as tests.
fn is_test(named: &str, text: &impl Fn(&str) -> Option<String>) -> bool {
    let Some((path, function)) = named.split_once(": ") else {
        return false;
    };
    text(path).is_some_and(|text| text.contains(&format!("fn {function}(")))
}

fn source(path: &str) -> Option<String> {
    root().join(path).is_file().then(|| read(path))
}

#[test]
fn every_fault_has_a_test() {
    let document = read("docs/faults.md");
    assert!(
        document.matches("\n| ").count() > 60,
        "the list is shorter than it was"
    );
    assert_none(&wrong(&document, source));
}

#[test]
fn planted_lines_are_found() {
    let text = |path: &str| (path == "a.rs").then(|| "fn survives() {}".to_owned());
    let good =
        "| fault | answer | shown by |\n|---|---|---|\n| cut | counted | `a.rs: survives` |\n";
    assert_eq!(wrong(good, text), Vec::<String>::new());
    for bad in [
        "| cut | counted | |",
        "| cut |  | `a.rs: survives` |",
        "| cut | counted |",
        "| cut | counted | `a.rs: dies` |",
        "| cut | counted | `a.rs: surv` |",
        "| cut | counted | `b.rs: survives` |",
        "| cut | counted | `a.rs: survives`<br>`a.rs: dies` |",
    ] {
        assert_eq!(wrong(bad, text).len(), 1, "{bad}");
    }
}
