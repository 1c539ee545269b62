//! `tickcast convert`.

use std::fs;

use crate::{fails, json, market, names, stderr, stdout, text, tickcast};

#[test]
fn there_and_back_keeps_the_digest() {
    let folder = tempfile::tempdir().unwrap();
    let first = market(folder.path(), "first.ticks");
    let inside = |name: &str| text(&folder.path().join(name)).to_owned();
    let (csv, last) = (inside("second.csv"), inside("third.ticks"));

    let digest = json(&["inspect", &first])["digest"].clone();
    let report = json(&["convert", &first, &csv]);
    assert_eq!(report["digest"], digest);
    assert_eq!(
        (&report["from"], &report["to"]),
        (&"ticks".into(), &"csv".into())
    );
    let report = json(&["convert", &csv, &last]);
    assert_eq!(report["digest"], digest);
    assert_eq!(report["ticks"], 5_000);
    assert_eq!(json(&["inspect", &last])["digest"], digest);
    assert_eq!(fs::read(&first).unwrap(), fs::read(&last).unwrap());
}

#[test]
fn people_are_told_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let first = market(folder.path(), "first.ticks");
    let output = tickcast(&["convert", &first, text(&folder.path().join("second.csv"))]);
    for word in ["second.csv (csv)", "ticks   5,000", "digest"] {
        assert!(
            stdout(&output).contains(word),
            "{word}: {}",
            stdout(&output)
        );
    }
    assert_eq!(stderr(&output), "");
}

#[test]
fn nothing_is_overwritten_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let first = market(folder.path(), "first.ticks");
    let second = text(&folder.path().join("second.ticks")).to_owned();
    fs::write(&second, b"precious").unwrap();

    fails(
        &["convert", &first, &second],
        1,
        &["second.ticks exists", "--force"],
    );
    assert_eq!(fs::read(&second).unwrap(), b"precious");
    json(&["convert", &first, &second, "--force"]);
    assert_eq!(fs::read(&second).unwrap(), fs::read(&first).unwrap());

    fails(
        &["convert", &first, &first, "--force"],
        1,
        &["is the input itself"],
    );
    let link = folder.path().join("link.ticks");
    std::os::unix::fs::symlink(&first, &link).unwrap();
    fails(
        &["convert", &first, text(&link), "--force"],
        1,
        &["is the input itself"],
    );
    assert_eq!(json(&["inspect", &first])["ticks"], 5_000);
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let first = market(folder.path(), "first.ticks");
    let mut bytes = fs::read(&first).unwrap();
    bytes[200_000] ^= 1;
    fs::write(&first, bytes).unwrap();
    let inside = |name: &str| text(&folder.path().join(name)).to_owned();

    fails(
        &["convert", &first, &inside("out.csv")],
        1,
        &["damaged", "nothing was written"],
    );
    fails(
        &["convert", &inside("gone.ticks"), &inside("out.csv")],
        1,
        &["gone.ticks"],
    );
    fails(
        &["convert", text(folder.path()), &inside("out.csv")],
        1,
        &["directory"],
    );
    fails(
        &["convert", &first, &inside("gone/out.csv")],
        1,
        &["there is no folder", "gone; make it first"],
    );
    assert_eq!(names(folder.path()), ["first.ticks"]);
}

/// The limit of 64 blocks stands in for a full disk: writes fail, with the signal ignored.
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let first = market(folder.path(), "first.ticks");
    for name in ["out.ticks", "out.csv"] {
        let output = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""])
            .arg(assert_cmd::cargo::cargo_bin!("tickcast"))
            .args(["convert", &first, text(&folder.path().join(name))])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("File too large"),
            "{}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "");
        assert_eq!(names(folder.path()), ["first.ticks"]);
    }
}

#[test]
fn a_folder_is_no_output() {
    let folder = tempfile::tempdir().unwrap();
    let first = market(folder.path(), "first.ticks");
    let target = folder.path().join("folder.ticks");
    fs::create_dir(&target).unwrap();
    fails(
        &["convert", &first, text(&target), "--force"],
        1,
        &["is a directory"],
    );
}

#[test]
fn new_files_have_the_permissions_of_new_files() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let first = market(folder.path(), "first.ticks");
    let usual = folder.path().join("usual");
    fs::write(&usual, b"").unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(first.as_ref()), mode(&usual));
}
