//! What holds for every package stands once, in the manifest of the workspace.

use crate::{assert_none, files, read};

/// Lines that every package has.
const INHERITED: &[&str] = &[
    "version.workspace = true",
    "edition.workspace = true",
    "rust-version.workspace = true",
    "license.workspace = true",
    "publish.workspace = true",
];

/// A package inherits the lints and the facts of the workspace, and names no version of its own.
fn inherits(path: &str, manifest: &str) -> Vec<String> {
    let mut violations = Vec::new();
    let missing = INHERITED
        .iter()
        .filter(|wanted| !manifest.lines().any(|line| line == **wanted));
    violations.extend(missing.map(|line| format!("{path}: add `{line}`")));
    if !manifest.contains("[lints]\nworkspace = true\n") {
        violations.push(format!("{path}: add `[lints]` with `workspace = true`"));
    }
    let mut in_dependencies = false;
    for (number, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies") && !line.starts_with("[workspace.");
        } else if in_dependencies && line.contains('=') && !line.contains("workspace = true") {
            violations.push(format!(
                "{path}:{}: `{line}`: name the version in the workspace's table, and take it with \
                 `.workspace = true`",
                number + 1
            ));
        }
    }
    violations
}

#[test]
fn packages_inherit_from_the_workspace() {
    let all = files("");
    let manifests: Vec<_> = all
        .iter()
        .filter(|path| path.ends_with("/Cargo.toml"))
        .collect();
    assert!(manifests.len() >= 11, "{manifests:?}");
    let violations: Vec<String> = manifests
        .iter()
        .flat_map(|path| inherits(path, &read(path)))
        .collect();
    assert_none(&violations);
}

#[test]
fn planted_manifests_are_found() {
    let sound = format!(
        "[package]\n{}\n[lints]\nworkspace = true\n[dependencies]\nlibc.workspace = true\n",
        INHERITED.join("\n")
    );
    assert_none(&inherits("a", &sound));
    assert_eq!(
        inherits("a", &sound.replace("license.workspace = true", "")).len(),
        1
    );
    assert_eq!(inherits("a", &sound.replace("[lints]", "[lint]")).len(), 1);
    assert_eq!(inherits("a", &format!("{sound}rand = \"1\"\n")).len(), 1);
}

/// Faults that are planted on purpose: only the simulation may ask for them, and never by default.
#[test]
fn no_build_has_planted_faults_unasked() {
    let manifests = files("")
        .into_iter()
        .filter(|path| path.ends_with("Cargo.toml"));
    let mut seen = Vec::new();
    for path in manifests {
        for line in read(&path).lines().filter(|line| line.contains("planted")) {
            if !line.starts_with('#') {
                seen.push(format!("{path}: {line}"));
            }
        }
    }
    seen.sort();
    assert_eq!(
        seen,
        [
            "crates/protocol/Cargo.toml: planted = []",
            "crates/sim/Cargo.toml: planted = [\"tickcast-protocol/planted\"]",
        ]
    );
}
