//! Documents are found from the start, and their links lead somewhere.

use std::path::Path;

use crate::{assert_none, files, read, root};

/// From here every document can be reached.
const STARTS: &[&str] = &["README.md", "docs/README.md", "docs/architecture.md"];

/// The targets of the links of a Markdown text that lead to a file, by their path from the root.
fn links(path: &str, text: &str) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#', ' ']).next())
        .filter(|target| !target.is_empty() && !target.contains(':'))
        .map(|target| normal(&folder.join(target)))
        .collect()
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part.as_os_str().to_string_lossy().as_ref() {
            "." => {}
            ".." if parts.last().is_some_and(|last| last != "..") => {
                parts.pop();
            }
            name => parts.push(name.to_owned()),
        }
    }
    parts.join("/")
}

/// Every document is linked from one of the [`STARTS`].
fn unlinked(documents: &[String], linked: &[String]) -> Vec<String> {
    let lost = documents
        .iter()
        .filter(|path| !linked.contains(path) && !STARTS.contains(&path.as_str()));
    lost.map(|path| format!("{path} is linked from none of {STARTS:?}: add a link or remove it"))
        .collect()
}

/// Every link to a file leads to one.
fn dead(path: &str, links: &[String], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let dead = links.iter().filter(|target| !exists(target));
    dead.map(|target| format!("{path} links to {target}, which is not there: mend the link"))
        .collect()
}

#[test]
fn every_document_is_linked_and_every_link_leads_somewhere() {
    let documents = files("docs");
    assert!(documents.len() > 5, "{documents:?}");
    let linked: Vec<String> = STARTS
        .iter()
        .flat_map(|path| links(path, &read(path)))
        .collect();
    assert_none(&unlinked(&documents, &linked));

    let all = files("");
    let violations: Vec<String> = all
        .iter()
        .filter(|path| path.ends_with(".md"))
        .flat_map(|path| {
            dead(path, &links(path, &read(path)), |to| {
                root().join(to).exists()
            })
        })
        .collect();
    assert_none(&violations);
}

#[test]
fn planted_documents_and_links_are_found() {
    let linked = links(
        "docs/README.md",
        "[a](a.md), [r](../README.md#x), [w](https://x.y/z.md)",
    );
    assert_eq!(linked, ["docs/a.md", "README.md"]);
    assert_eq!(
        unlinked(&["docs/a.md".into(), "docs/b.md".into()], &linked).len(),
        1
    );
    assert_eq!(
        dead("docs/README.md", &linked, |to| to == "README.md").len(),
        1
    );
}
