//! Commands in documents can be typed as they stand.

use std::collections::BTreeMap;

use assert_cmd::Command;
use cargo_metadata::MetadataCommand;

use crate::{assert_none, files, read, root};

/// A command of ours in a document.
#[derive(Debug, PartialEq)]
enum Written {
    /// `tickcast …`, or the same after `cargo run … --`.
    Tickcast(Vec<String>),
    /// Another `cargo …`.
    Cargo(Vec<String>),
    /// `benches/run …`.
    Benches(Vec<String>),
}

/// The commands of a Markdown text: lines of its code blocks, with or without `$ `, and code spans,
/// that begin with `tickcast`, `cargo` or `benches/run`. A backslash continues a line; `#`, `|`, `&` and `>` end a
/// command.
fn written(text: &str) -> Vec<Written> {
    let text = text.replace("\\\n", " ");
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            commands.extend(command(line.trim_start().trim_start_matches("$ ")));
        } else {
            commands.extend(line.split('`').skip(1).step_by(2).filter_map(command));
        }
    }
    commands
}

fn command(line: &str) -> Option<Written> {
    let words = line
        .split_whitespace()
        .take_while(|word| !"#|&>…".contains(*word));
    let words: Vec<String> = words
        .map(|word| word.trim_matches(['[', ']']).to_owned())
        .collect();
    match words.first()?.as_str() {
        "tickcast" if words.len() > 1 => Some(Written::Tickcast(words[1..].to_vec())),
        "cargo" if words.get(1).is_some_and(|word| word == "run") => {
            let dashes = words.iter().position(|word| word == "--");
            match dashes {
                Some(at) if !is_of_another_program(&words[..at]) => {
                    Some(Written::Tickcast(words[at + 1..].to_vec()))
                }
                _ => Some(Written::Cargo(words[1..].to_vec())),
            }
        }
        "cargo" if words.len() > 1 => Some(Written::Cargo(words[1..].to_vec())),
        "benches/run" => Some(Written::Benches(words[1..].to_vec())),
        _ => None,
    }
}

/// Whether `cargo run` with these words runs an example, or the program of another package.
fn is_of_another_program(words: &[String]) -> bool {
    let package = words.iter().skip_while(|word| *word != "-p").nth(1);
    words.contains(&"--example".into()) || package.is_some_and(|package| package != "tickcast")
}

/// The subcommand exists and its help names every flag. `help` gives the help of a subcommand,
/// or `None` when there is none of that name.
fn unknown_words(arguments: &[String], help: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let line = format!("tickcast {}", arguments.join(" "));
    let is_flag = |word: &&String| word.starts_with('-');
    let name = arguments
        .iter()
        .find(|word| !is_flag(word))
        .map_or("", String::as_str);
    let Some(text) = help(name) else {
        return vec![format!(
            "`{line}`: there is no command {name}: mend the document"
        )];
    };
    let flags = arguments
        .iter()
        .filter(is_flag)
        .map(|flag| flag.split('=').next().unwrap_or(flag));
    let knows = |flag: &str| {
        text.split([' ', ',', '=', '\n', '['])
            .any(|word| word == flag)
    };
    flags
        .filter(|flag| !knows(flag))
        .map(|flag| format!("`{line}`: {name} has no flag {flag}: mend the document"))
        .collect()
}

/// What `-p`, `--bench`, `--example`, `--test` and `--bin` of a cargo command name is there.
fn unknown_targets(arguments: &[String], targets: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let line = format!("cargo {}", arguments.join(" "));
    let own = arguments
        .split(|word| word == "--")
        .next()
        .unwrap_or_default();
    let mut violations = Vec::new();
    for pair in own.windows(2) {
        let flag = if pair[0] == "--package" {
            "-p"
        } else {
            pair[0].as_str()
        };
        if targets
            .get(flag)
            .is_some_and(|names| !names.contains(&pair[1]))
        {
            violations.push(format!(
                "`{line}`: there is no {flag} {}: mend the document",
                pair[1]
            ));
        }
    }
    violations
}

/// Every name after `benches/run` is that of a bench.
fn unknown_benches(names: &[String], benches: &[String]) -> Vec<String> {
    let unknown = names
        .iter()
        .filter(|name| !name.starts_with("--") && !benches.contains(name));
    unknown
        .map(|name| format!("`benches/run {name}`: there is no such bench: mend the document"))
        .collect()
}

/// The benches of `benches` and of `benches/peers`, each a file or a folder.
fn benches() -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["benches/benches/", "benches/peers/benches/"] {
        for path in files("benches") {
            let inside = path.strip_prefix(folder);
            let name = inside.and_then(|inside| inside.split(['/', '.']).next());
            names.extend(name.map(str::to_owned));
        }
    }
    names.dedup();
    names
}

fn help(name: &str) -> Option<String> {
    let mut command = Command::cargo_bin("tickcast").expect("the program");
    let arguments: &[&str] = if name.is_empty() {
        &["--help"]
    } else {
        &[name, "--help"]
    };
    let output = command.args(arguments).output().expect("help");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    output.status.success().then_some(text)
}

/// The workspace that a cargo command names by `--manifest-path`, or else that of the root.
fn manifest(arguments: &[String]) -> &str {
    let mut named = arguments
        .iter()
        .skip_while(|word| *word != "--manifest-path");
    named.nth(1).map_or("Cargo.toml", String::as_str)
}

fn targets(manifest: &str) -> BTreeMap<String, Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join(manifest))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let mut targets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in metadata.workspace_packages() {
        targets
            .entry("-p".into())
            .or_default()
            .push(package.name.to_string());
        for target in &package.targets {
            for kind in &target.kind {
                targets
                    .entry(format!("--{kind}"))
                    .or_default()
                    .push(target.name.clone());
            }
        }
    }
    for flag in ["--bench", "--example", "--test", "--bin"] {
        targets.entry(flag.into()).or_default();
    }
    targets
}

#[test]
fn commands_in_documents_can_be_typed() {
    let benches = benches();
    let mut targets_of = BTreeMap::new();
    let documents = files("");
    let mut seen = 0;
    let mut violations = Vec::new();
    for path in documents.iter().filter(|path| path.ends_with(".md")) {
        for command in written(&read(path)) {
            seen += 1;
            let found = match &command {
                Written::Tickcast(arguments) => unknown_words(arguments, &help),
                Written::Cargo(arguments) => {
                    let manifest = manifest(arguments).to_owned();
                    let targets = targets_of
                        .entry(manifest)
                        .or_insert_with_key(|manifest: &String| targets(manifest));
                    unknown_targets(arguments, targets)
                }
                Written::Benches(names) => unknown_benches(names, &benches),
            };
            violations.extend(found.into_iter().map(|what| format!("{path}: {what}")));
        }
    }
    assert!(seen > 3, "only {seen} commands in {documents:?}");
    assert_none(&violations);
}

/// `docs/performance.md` has a place for the figures of every bench that `benches/run` runs, and
/// `benches/run` runs every bench.
#[test]
fn every_bench_is_run_and_shown() {
    let (page, script) = (read("docs/performance.md"), read("benches/run"));
    let listed = script
        .lines()
        .find_map(|line| line.strip_prefix("ours=(")?.strip_suffix(')'))
        .expect("the names in benches/run");
    let folder = files("benches/benches");
    assert!(folder.len() > 5, "{folder:?}");
    for path in folder {
        // A bench is a file, or a folder with a main.rs.
        let name = path.strip_suffix("/main.rs").or(path.strip_suffix(".rs"));
        let name = name.and_then(|name| name.strip_prefix("benches/benches/"));
        let Some(name) = name.filter(|name| !name.contains('/')) else {
            continue;
        };
        let marker = format!("<!-- figures: {name} -->");
        assert!(list(listed).contains(&name.into()), "benches/run: {name}");
        assert!(page.contains(&marker), "docs/performance.md: {marker}");
    }
    let (begun, ended) = (page.matches("<!-- figures: "), page.matches("<!-- end -->"));
    assert_eq!(begun.count(), ended.count());
}

fn list(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn commands_are_found_in_a_document() {
    let text = "Type `tickcast inspect F --json`, `tickcast`, `ls`:\n```sh\n$ cargo run --release -- \
                demo --ticks 5 | less\ncargo bench \\\n  --bench x -- --test # all\nls\n```\n\
                Or `cargo run -p other -- --flag`, `cargo run -p tickcast -- demo`, `benches/run x`.\n";
    assert_eq!(
        written(text),
        [
            Written::Tickcast(list("inspect F --json")),
            Written::Tickcast(list("demo --ticks 5")),
            Written::Cargo(list("bench --bench x -- --test")),
            Written::Cargo(list("run -p other -- --flag")),
            Written::Tickcast(list("demo")),
            Written::Benches(list("x")),
        ]
    );
}

#[test]
fn planted_commands_are_found() {
    let help = |name: &str| (name == "inspect").then(|| "  --json  a\n  -v, --ab=<N>".to_owned());
    assert_none(&unknown_words(&list("inspect F --json -v --ab=3"), &help));
    assert_eq!(unknown_words(&list("inspekt F"), &help).len(), 1);
    assert_eq!(unknown_words(&list("inspect F --js"), &help).len(), 1);

    assert_none(&unknown_benches(&list("queue --tables"), &list("queue")));
    assert_eq!(
        unknown_benches(&list("queue gone"), &list("queue")).len(),
        1
    );

    let targets = BTreeMap::from([("--bench".to_owned(), vec!["queue".to_owned()])]);
    assert_none(&unknown_targets(
        &list("bench --bench queue -- --bench"),
        &targets,
    ));
    assert_eq!(
        unknown_targets(&list("bench --bench gone"), &targets).len(),
        1
    );
    let elsewhere = list("bench --manifest-path a/Cargo.toml --bench x");
    assert_eq!(manifest(&elsewhere), "a/Cargo.toml");
    assert_eq!(manifest(&list("bench --bench x")), "Cargo.toml");
}
