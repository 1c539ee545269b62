//! Words that do not belong in the repository.

use crate::{assert_none, files, read};

/// Each in two halves, so that this file does not hold them. The last says what to do.
const WORDS: &[(&str, &str, &str)] = &[
    (
        "/wo",
        "rk/",
        "a path of one machine: write it from the root of the repository",
    ),
    (
        "/tm",
        "p/",
        "a path of one machine: use tempfile, or a name without a folder",
    ),
    (
        "/ro",
        "ot/",
        "a path of one machine: write it from the root of the repository",
    ),
    (
        "/ho",
        "me/",
        "a path of one machine: write it from the root of the repository",
    ),
    ("TO", "DO", "unfinished: finish it or leave it out"),
    ("FIX", "ME", "unfinished: finish it or leave it out"),
];

/// The only registry that the lock file may name.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn words_that_do_not_belong(path: &str, text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for (first, second, instead) in WORDS {
        let word = format!("{first}{second}");
        for (line, _) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains(&word))
        {
            violations.push(format!("{path}:{}: {word}: {instead}", line + 1));
        }
    }
    violations
}

fn foreign_registries(path: &str, lock: &str) -> Vec<String> {
    let sources = lock
        .lines()
        .filter_map(|line| line.strip_prefix("source = "));
    sources
        .filter(|source| source.trim_matches('"') != REGISTRY)
        .map(|source| format!("{path}: {source}: take crates from {REGISTRY} only"))
        .collect()
}

#[test]
fn only_words_that_belong() {
    let all = files("");
    assert!(all.len() > 30, "{all:?}");
    let violations: Vec<String> = all
        .iter()
        .flat_map(|path| words_that_do_not_belong(path, &read(path)))
        .collect();
    assert_none(&violations);

    let locks = all.iter().filter(|path| path.ends_with("Cargo.lock"));
    for path in locks {
        let lock = read(path);
        assert!(lock.contains(REGISTRY), "{path}");
        assert_none(&foreign_registries(path, &lock));
    }
}

#[test]
fn planted_words_are_found() {
    for (first, second, _) in WORDS {
        let text = format!("fine\nsee {first}{second}x\n");
        let found = words_that_do_not_belong("a.md", &text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a.md:2:"), "{found:?}");
    }
    assert_none(&words_that_do_not_belong(
        "a.md",
        "target/work, the root of all",
    ));
    assert_eq!(
        foreign_registries("a", "source = \"sparse+https://mirror/\"\n").len(),
        1
    );
}
