//! Which package may depend on which.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::{assert_none, root};

/// A dependency of a package of ours.
#[derive(Clone, PartialEq, Eq)]
struct Arrow {
    from: String,
    to: String,
    /// In tests, benches and examples only.
    dev: bool,
}

/// What the libraries may depend on among our own packages. A package that is missing here is a
/// violation: add it, and draw its arrow in `docs/architecture.md`.
const DOWN: &[(&str, &[&str])] = &[
    ("tickcast-wire", &[]),
    ("tickcast-protocol", &["tickcast-wire"]),
    ("tickcast-queue", &[]),
    ("tickcast-latency", &[]),
    ("tickcast-net", &[]),
    ("tickcast-book", &["tickcast-wire"]),
    ("tickcast-tickfile", &["tickcast-book", "tickcast-wire"]),
    ("tickcast-publisher", ENDS),
    ("tickcast-subscriber", ENDS),
    ("tickcast-sim", &["tickcast-protocol", "tickcast-wire"]),
];

const ENDS: &[&str] = &[
    "tickcast-wire",
    "tickcast-protocol",
    "tickcast-net",
    "tickcast-queue",
    "tickcast-latency",
];

/// At the top: they may depend on every library, and nothing depends on them.
const TOP: &[&str] = &["tickcast", "tickcast-benches", "tickcast-fuzz"];

/// All that these packages may take from others.
const FOREIGN: &[(&str, &[&str])] = &[
    ("tickcast-wire", &["zerocopy", "thiserror"]),
    ("tickcast-protocol", &["zerocopy", "thiserror"]),
];

fn is_ours(package: &str) -> bool {
    TOP.contains(&package) || package.starts_with("tickcast-")
}

/// Arrows among our own packages run down only. Tests and examples of a library may stand on any
/// other library, but on nothing at the top.
fn own_arrows(arrows: &[Arrow]) -> Vec<String> {
    let down: BTreeMap<_, _> = DOWN.iter().copied().collect();
    let mut violations = Vec::new();
    for Arrow { from, to, dev } in arrows.iter().filter(|arrow| is_ours(&arrow.to)) {
        if TOP.contains(&to.as_str()) {
            violations.push(format!(
                "{from} depends on {to}: nothing may; move what it needs into a crate"
            ));
        } else if *dev || TOP.contains(&from.as_str()) {
            continue;
        } else if !down
            .get(from.as_str())
            .is_some_and(|to_all| to_all.contains(&to.as_str()))
        {
            violations.push(format!(
                "{from} depends on {to}, which is not an arrow of docs/architecture.md: \
                 pass what it needs as an argument, or decide on the arrow and add it"
            ));
        }
    }
    violations
}

/// Every package has its place in [`DOWN`] or [`TOP`].
fn known_packages(packages: &[String]) -> Vec<String> {
    let known = |name: &&String| {
        TOP.contains(&name.as_str()) || DOWN.iter().any(|(package, _)| package == name)
    };
    let unknown = packages.iter().filter(|name| !known(name));
    unknown
        .map(|name| format!("{name} has no place: add it to DOWN and to docs/architecture.md"))
        .collect()
}

/// `wire` and `protocol` take next to nothing from others: no clock, socket, thread or chance can
/// come in that way.
fn foreign_arrows(arrows: &[Arrow]) -> Vec<String> {
    let mut violations = Vec::new();
    for (package, allowed) in FOREIGN {
        let theirs = arrows
            .iter()
            .filter(|arrow| arrow.from == *package && !arrow.dev);
        for Arrow { to, .. } in theirs.filter(|arrow| !is_ours(&arrow.to)) {
            if !allowed.contains(&to.as_str()) {
                violations.push(format!(
                    "{package} depends on {to}: it may only take {allowed:?}; leave that to its callers"
                ));
            }
        }
    }
    violations
}

fn workspace() -> (Vec<String>, Vec<Arrow>) {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let packages = metadata.workspace_packages();
    let names = packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let arrows = packages
        .iter()
        .flat_map(|package| {
            package.dependencies.iter().map(|dependency| Arrow {
                from: package.name.to_string(),
                to: dependency.name.clone(),
                dev: dependency.kind == DependencyKind::Development,
            })
        })
        .collect();
    (names, arrows)
}

#[test]
fn arrows_run_down_only() {
    let (packages, arrows) = workspace();
    assert!(packages.len() >= 11, "{packages:?}");
    assert!(arrows.len() > 50, "too few to be true: {}", arrows.len());
    assert_none(&known_packages(&packages));
    assert_none(&own_arrows(&arrows));
    assert_none(&foreign_arrows(&arrows));
}

fn arrow(from: &str, to: &str, dev: bool) -> Arrow {
    let (from, to) = (from.into(), to.into());
    Arrow { from, to, dev }
}

#[test]
fn planted_arrows_are_found() {
    for (from, to, dev) in [
        ("tickcast-wire", "tickcast-book", false),
        ("tickcast-protocol", "tickcast-net", false),
        ("tickcast-net", "tickcast-wire", false),
        ("tickcast-publisher", "tickcast-subscriber", false),
        ("tickcast-subscriber", "tickcast-publisher", false),
        ("tickcast-tickfile", "tickcast-protocol", false),
        ("tickcast-queue", "tickcast", false),
        ("tickcast-queue", "tickcast-benches", true),
        ("tickcast-new", "tickcast-wire", false),
    ] {
        assert_eq!(
            own_arrows(&[arrow(from, to, dev)]).len(),
            1,
            "{from} -> {to}"
        );
    }
    for (from, to, dev) in [
        ("tickcast-publisher", "tickcast-protocol", false),
        ("tickcast-subscriber", "tickcast-publisher", true),
        ("tickcast-benches", "tickcast-net", true),
        ("tickcast", "tickcast-tickfile", false),
        ("tickcast-net", "libc", false),
    ] {
        assert_none(&own_arrows(&[arrow(from, to, dev)]));
    }
}

#[test]
fn planted_packages_and_foreign_arrows_are_found() {
    assert_eq!(known_packages(&["tickcast-new".into()]).len(), 1);
    assert_eq!(
        foreign_arrows(&[arrow("tickcast-protocol", "rand", false)]).len(),
        1
    );
    assert_eq!(
        foreign_arrows(&[arrow("tickcast-wire", "libc", false)]).len(),
        1
    );
    assert_none(&foreign_arrows(&[arrow(
        "tickcast-protocol",
        "proptest",
        true,
    )]));
}
