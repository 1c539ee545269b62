//! What the sources of a crate may not say. Comments and texts do not count: the sources are read
//! as tokens.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::{assert_none, files, read};

/// Where `unsafe` may stand; each place has its reason in `docs/architecture.md`.
const UNSAFE: &[&str] = &[
    "crates/net/src/sys.rs",
    "crates/net/src/sys_xdp.rs",
    "crates/queue/src/chunk.rs",
    "crates/tickfile/src/map.rs",
    "crates/wire/src/checksum/wide.rs",
    // The floor that benches compare with: bare sockets, without crates/net.
    "benches/src/bare.rs",
];

/// A counting allocator cannot be written without `unsafe`; it has a test file to itself.
const ALLOCATION_TEST: &str = "/tests/allocation.rs";

/// The simulation, and the program that measures how long its runs take.
const SIM: &str = "crates/sim/src/";
const SIM_PROGRAM: &[&str] = &["crates/sim/src/main.rs", "crates/sim/src/program/"];

/// Names that a crate may not use outside its tests.
struct Forbidden {
    folder: &'static str,
    /// `a::b`, wherever it stands in a path or in a tree of uses.
    paths: &'static [&'static str],
    /// Single names, wherever they stand.
    names: &'static [&'static str],
    instead: &'static str,
}

const FORBIDDEN: &[Forbidden] = &[
    Forbidden {
        folder: "crates/wire/src/",
        paths: &[
            "std::io",
            "std::fs",
            "std::net",
            "std::thread",
            "std::time",
            "std::env",
            "std::collections",
            "std::rc",
            "std::sync",
        ],
        names: &[
            "alloc",
            "Vec",
            "String",
            "Box",
            "Rc",
            "Arc",
            "to_vec",
            "to_string",
            "to_owned",
        ],
        instead: "wire has layouts only, without heap, clock, input or output: borrow bytes and \
                  take times as fields",
    },
    Forbidden {
        folder: "crates/protocol/src/",
        paths: &[
            "std::time",
            "core::time",
            "std::net",
            "std::thread",
            "std::io",
            "std::fs",
            "std::env",
            "std::process",
            "std::os",
            "HashMap::new",
            "HashSet::new",
        ],
        names: &["rand", "getrandom", "RandomState", "println", "eprintln"],
        instead: "protocol knows no clock, socket, thread or chance: take `now` and bytes as \
                  arguments, give collections an order or a fixed hasher, and return what is to be done",
    },
    Forbidden {
        folder: SIM,
        paths: &[
            "std::time",
            "std::net",
            "std::thread",
            "std::env",
            "HashMap::new",
            "HashSet::new",
            "rand::rng",
            "rand::random",
        ],
        names: &["getrandom", "RandomState", "Instant", "SystemTime"],
        instead: "a run depends on its seed alone: take time from the trace and chance from `Random`, \
                  and keep collections in an order; what measures a run stands in src/program",
    },
    Forbidden {
        folder: "crates/latency/src/",
        paths: &["Instant::now", "SystemTime::now", "std::thread", "std::net"],
        names: &[
            "Instant",
            "clock_gettime",
            "_rdtsc",
            "__rdtscp",
            "quanta",
            "elapsed",
        ],
        instead: "latency reads no clock: take the stamps as arguments",
    },
];

/// A name or a pair `a::b`, and the line it stands on.
#[derive(Debug, PartialEq)]
struct Word {
    text: String,
    line: usize,
}

/// All names of a source, and all neighbours in paths as `a::b`: `use std::{io, net::Udp}` has
/// `std::io`, `std::net` and `net::Udp`. With `tests` false, items under `#[cfg(test)]` are left
/// out.
fn words(source: &str, tests: bool) -> Result<Vec<Word>, String> {
    let tokens = TokenStream::from_str(source).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    collect(tokens, None, tests, &mut found);
    Ok(found)
}

fn collect(tokens: TokenStream, path: Option<&str>, tests: bool, found: &mut Vec<Word>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut before = path.map(str::to_owned);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Punct(hash) if hash.as_char() == '#' && !tests => {
                if tokens.get(at + 1).is_some_and(is_cfg_test) {
                    at = end_of_item(&tokens, at + 2);
                    before = None;
                    continue;
                }
            }
            TokenTree::Punct(colon) if colon.as_char() == ':' => {}
            TokenTree::Punct(comma) if comma.as_char() == ',' => before = path.map(str::to_owned),
            TokenTree::Punct(_) => before = None,
            TokenTree::Ident(name) => {
                let (name, line) = (name.to_string(), name.span().start().line);
                if let Some(before) = before.filter(|before| is_path(&tokens, at, before, path)) {
                    found.push(Word {
                        text: format!("{before}::{name}"),
                        line,
                    });
                }
                found.push(Word {
                    text: name.clone(),
                    line,
                });
                before = Some(name);
            }
            TokenTree::Group(group) => {
                let tree = before.take().filter(|_| {
                    group.delimiter() == Delimiter::Brace && follows_colons(&tokens, at)
                });
                collect(group.stream(), tree.as_deref(), tests, found);
            }
            TokenTree::Literal(_) => before = None,
        }
        at += 1;
    }
}

/// Whether the name at `at` continues a path: after `::`, or as the first of a branch of a tree
/// of uses.
fn is_path(tokens: &[TokenTree], at: usize, before: &str, path: Option<&str>) -> bool {
    let first_of_tree = path == Some(before)
        && (at == 0 || matches!(&tokens[at - 1], TokenTree::Punct(p) if p.as_char() == ','));
    follows_colons(tokens, at) || first_of_tree
}

fn follows_colons(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(&tokens[at], TokenTree::Punct(p) if p.as_char() == ':');
    at >= 2 && colon(at - 1) && colon(at - 2)
}

fn is_cfg_test(token: &TokenTree) -> bool {
    let text: String = token.to_string().split_whitespace().collect();
    text == "[cfg(test)]" || text.starts_with("[cfg(all(test")
}

/// The place after the item that begins at `at`: after its braces or its semicolon.
fn end_of_item(tokens: &[TokenTree], at: usize) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    let rest = tokens[at..].iter().position(ends);
    rest.map_or(tokens.len(), |steps| at + steps + 1)
}

/// `unsafe` stands only where a decision allows it, tests included.
fn unsafe_stays_home(path: &str, source: &str) -> Vec<String> {
    if UNSAFE.iter().any(|home| path.starts_with(home)) || path.ends_with(ALLOCATION_TEST) {
        return Vec::new();
    }
    let words = words(source, true).unwrap_or_else(|error| panic!("{path}: {error}"));
    let found = words.iter().filter(|word| word.text == "unsafe");
    found
        .map(|word| {
            format!(
                "{path}:{}: unsafe is for {UNSAFE:?} only: use a safe way, or move it there with \
                 a proof",
                word.line
            )
        })
        .collect()
}

/// A crate says nothing that its [`Forbidden`] names, outside its tests.
fn says_nothing_forbidden(path: &str, source: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for rule in FORBIDDEN
        .iter()
        .filter(|rule| path.starts_with(rule.folder))
    {
        let words = words(source, false).unwrap_or_else(|error| panic!("{path}: {error}"));
        for Word { text, line } in words {
            if rule.paths.contains(&text.as_str()) || rule.names.contains(&text.as_str()) {
                violations.push(format!("{path}:{line}: `{text}`: {}", rule.instead));
            }
        }
    }
    violations
}

/// A file that is declared under `#[cfg(test)]` in its parent.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

#[test]
fn crates_say_nothing_forbidden() {
    let sources: Vec<String> = ["crates", "tools", "benches"]
        .iter()
        .flat_map(|folder| files(folder))
        .filter(|path| path.ends_with(".rs"))
        .collect();
    assert!(sources.len() > 10, "{sources:?}");
    for rule in FORBIDDEN {
        assert!(
            sources.iter().any(|path| path.starts_with(rule.folder)),
            "{}",
            rule.folder
        );
    }
    let mut violations = Vec::new();
    for path in &sources {
        let source = read(path);
        violations.extend(unsafe_stays_home(path, &source));
        if !is_test_file(path) && !SIM_PROGRAM.iter().any(|program| path.starts_with(program)) {
            violations.extend(says_nothing_forbidden(path, &source));
        }
    }
    assert_none(&violations);
}

#[test]
fn planted_unsafe_is_found() {
    let source = "// unsafe is fine here\nfn f() { let s = \"unsafe\"; unsafe { g() } }";
    let found = unsafe_stays_home("crates/protocol/src/lib.rs", source);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("crates/protocol/src/lib.rs:2:"),
        "{found:?}"
    );
    assert_eq!(
        unsafe_stays_home("crates/tickfile/src/reader.rs", source).len(),
        1
    );
    assert_none(&unsafe_stays_home("crates/tickfile/src/map.rs", source));
    assert_none(&unsafe_stays_home("crates/net/src/sys.rs", source));
    assert_none(&unsafe_stays_home(
        "crates/latency/tests/allocation.rs",
        source,
    ));
    assert_eq!(
        unsafe_stays_home("crates/latency/tests/report.rs", source).len(),
        1
    );
}

#[test]
fn planted_words_are_found() {
    for (path, source) in [
        ("crates/wire/src/a.rs", "use std::io;"),
        ("crates/wire/src/a.rs", "fn f() -> Vec<u8> { todo() }"),
        ("crates/wire/src/a.rs", "use alloc::vec;"),
        (
            "crates/wire/src/a.rs",
            "use core::fmt; use std::{fmt, time::Instant};",
        ),
        ("crates/protocol/src/a.rs", "use std::{cmp, net};"),
        (
            "crates/protocol/src/a.rs",
            "fn f() { std::thread::yield_now() }",
        ),
        (
            "crates/protocol/src/a.rs",
            "fn f() -> u8 { rand::random() }",
        ),
        (
            "crates/protocol/src/a.rs",
            "macro_rules! m { () => { std::time::Instant::now() } }",
        ),
        (
            "crates/latency/src/a.rs",
            "fn f() { let t = SystemTime::now(); }",
        ),
        (
            "crates/latency/src/a.rs",
            "#[cfg(test)] mod tests { } fn f(t: Instant) {}",
        ),
        ("crates/sim/src/a.rs", "fn f() -> u8 { rand::random() }"),
    ] {
        assert_eq!(says_nothing_forbidden(path, source).len(), 1, "{source}");
    }
    for (path, source) in [
        (
            "crates/wire/src/a.rs",
            "/// A `Vec` of `std::io`.\nconst A: &str = \"std::io\";",
        ),
        (
            "crates/wire/src/a.rs",
            "#[cfg(test)]\nmod tests { use std::io; }",
        ),
        ("crates/wire/src/a.rs", "#[cfg(test)]\nuse std::io;"),
        (
            "crates/protocol/src/a.rs",
            "fn time(std: u8) -> u8 { std + time }",
        ),
        ("crates/net/src/a.rs", "use std::io;"),
    ] {
        assert_none(&says_nothing_forbidden(path, source));
    }
}

#[test]
fn paths_are_read_through_trees_of_uses() {
    let words = words("use std::{fmt, net::{TcpStream, UdpSocket}};", true).unwrap();
    let paths: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
    for pair in ["std::fmt", "std::net", "net::TcpStream", "net::UdpSocket"] {
        assert!(paths.contains(&pair), "{pair} not in {paths:?}");
    }
    assert!(!paths.contains(&"std::UdpSocket"));
}
