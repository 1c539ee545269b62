//! The rules of `docs/architecture.md`, checked against `cargo metadata`, the sources and the
//! documents, so that they cannot rot.
//!
//! Every rule is a function from plain data to a list of violations, each of which says what to do.
//! Beside every rule stands a test with a planted violation, so that no rule can be empty.

mod arrows;
mod commands;
mod documents;
mod faults;
mod manifests;
mod sources;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("two levels down").into()
}

/// Every file of the repository below `folder`, by its path from the root, in order.
fn files(folder: &str) -> Vec<String> {
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("folder of the repository") {
            let path = entry.expect("entry of the repository").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // A folder in a clone, a file in a further work tree of it.
            if name == ".git" {
                continue;
            }
            if path.is_dir() {
                let is_built = name == "target" || name.starts_with("target-");
                if !is_built {
                    open.push(path);
                }
            } else if let Ok(inside) = path.strip_prefix(&root) {
                found.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// The text of a file, by its path from the root; empty for a file that is not text.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// Fails with every violation on a line of its own.
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}
