//! `tickcast generate`.

use std::fs;
use std::process::{Command, Stdio};

use crate::{fails, json, market, names, text};

#[test]
fn the_same_seed_gives_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, seed: &str| {
        let path = folder.path().join(name);
        let size = ["--ticks", "3000", "--instruments", "20", "--seed", seed];
        json(&[&["generate", text(&path)][..], &size[..]].concat())
    };
    let first = make("a.ticks", "7");
    assert_eq!(first["ticks"], 3_000);
    assert_eq!(first["seed"], 7);
    assert_eq!(make("b.csv", "7")["digest"], first["digest"]);
    assert_ne!(make("c.ticks", "8")["digest"], first["digest"]);

    let report = json(&["inspect", text(&folder.path().join("a.ticks"))]);
    assert_eq!(report["digest"], first["digest"]);
    assert_eq!(report["instruments"], 20);
    assert_eq!(report["kinds"]["definition"], 20);
}

#[test]
fn nothing_is_overwritten_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = market(folder.path(), "market.ticks");
    fails(&["generate", &path], 1, &["exists", "--force"]);
    let report = json(&[
        "generate",
        &path,
        "--ticks",
        "100",
        "--instruments",
        "5",
        "--force",
    ]);
    assert_eq!(report["ticks"], 100);
}

/// More ticks than can be made before the signal comes; the signal is sent when the file under
/// work shows that the command is under way.
#[test]
fn a_signal_ends_it_cleanly() {
    let program = assert_cmd::cargo::cargo_bin!("tickcast");
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge.ticks");
        let mut child = Command::new(program)
            .args(["generate", text(&path), "--ticks", "1000000000000"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while names(folder.path()).is_empty() {
            std::thread::yield_now();
        }
        let kill = format!("kill -{signal} {}", child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
        let status = child.wait().unwrap();
        let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(status.code(), Some(130), "{said}");
        assert!(said.contains("huge.ticks was not written"), "{said}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
