//! `tickcast convert`.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tickcast_tickfile::Writer;

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

/// What one writer makes tick by tick is the measure, whatever the format and however many cores.
#[test]
fn the_output_is_that_of_one_thread_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    let path = inside("market.ticks");
    json(&["generate", text(&path), "--ticks", "40000"]);
    json(&["convert", text(&path), text(&inside("market.csv"))]);
    gzip(&inside("market.csv"), &inside("market.csv.gz"), 1);
    let mut itch = Vec::new();
    (1..=20_000).for_each(|number| itch.extend_from_slice(&trade(number)));
    fs::write(inside("trades.itch"), itch).unwrap();

    for input in ["market.ticks", "market.csv", "market.csv.gz", "trades.itch"] {
        for extension in ["ticks", "csv"] {
            let input = inside(input);
            let expected = inside("expected").with_extension(extension);
            let mut writer = Writer::create(&expected).unwrap();
            for (tick, seq) in tickcast_tickfile::open(&input).unwrap().zip(1..) {
                writer.write(&tick.unwrap().with_seq(seq)).unwrap();
            }
            let finished = writer.finish().unwrap();
            for cores in ["0", "0-1023"] {
                let output = inside("output").with_extension(extension);
                let ran = Command::new("taskset")
                    .args(["-c", cores])
                    .arg(assert_cmd::cargo::cargo_bin!("tickcast"))
                    .args(["convert", text(&input), text(&output), "--json"])
                    .output()
                    .unwrap();
                assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
                let report: Value = serde_json::from_str(stdout(&ran)).unwrap();
                assert_eq!(report["ticks"], finished.ticks);
                assert_eq!(report["digest"], finished.digest.to_string());
                let bytes = fs::read(&output).unwrap();
                assert_eq!(report["output_bytes"], bytes.len());
                assert_eq!(report["input_bytes"], input.metadata().unwrap().len());
                assert!(
                    bytes == fs::read(&expected).unwrap(),
                    "{input:?} {output:?}"
                );
                fs::remove_file(output).unwrap();
            }
            fs::remove_file(expected).unwrap();
        }
    }
}

/// Each file is larger than all memory that the program may have, stacks of its threads included;
/// what is mapped from files is not part of that.
#[test]
fn files_may_be_larger_than_memory() {
    const MEMORY_KIB: u64 = 40 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| text(&folder.path().join(name)).to_owned();
    let trades: Vec<u8> = (1..=100_000).flat_map(trade).collect();
    fs::write(inside("trades.itch"), trades).unwrap();
    gzip(
        inside("trades.itch").as_ref(),
        inside("trades.gz").as_ref(),
        9,
    );
    for (input, output, at_least) in [
        ("trades.gz", "a.ticks", 900_000 * 64),
        ("a.ticks", "b.csv", 900_000 * 48),
        ("b.csv", "c.ticks", 900_000 * 64),
    ] {
        let limited = format!("ulimit -d {MEMORY_KIB}; exec \"$0\" \"$@\"");
        let ran = Command::new("sh")
            .args(["-c", &limited])
            .arg(assert_cmd::cargo::cargo_bin!("tickcast"))
            .args(["convert", &inside(input), &inside(output)])
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(0), "{input}: {}", stderr(&ran));
        let length = fs::metadata(inside(output)).unwrap().len();
        assert!(length >= at_least && length > MEMORY_KIB * 1024, "{length}");
    }
    assert!(fs::read(inside("a.ticks")).unwrap() == fs::read(inside("c.ticks")).unwrap());
}

/// More than can be converted before the signal comes, which is sent when the file under work
/// shows that the command is under way.
#[test]
fn a_signal_leaves_nothing_behind() {
    for (signal, code) in [("INT", Some(130)), ("TERM", Some(130)), ("KILL", None)] {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| text(&folder.path().join(name)).to_owned();
        let trades: Vec<u8> = (1..=100_000).flat_map(trade).collect();
        fs::write(inside("trades.itch"), trades).unwrap();
        gzip(
            inside("trades.itch").as_ref(),
            inside("endless.gz").as_ref(),
            2_000,
        );
        fs::remove_file(inside("trades.itch")).unwrap();
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("tickcast"))
            .args(["convert", &inside("endless.gz"), &inside("out.csv")])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while names(folder.path()).len() < 2 {
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
        assert_eq!(status.code(), code, "{said}");
        if code.is_some() {
            assert!(said.contains("out.csv was not written"), "{said}");
            assert_eq!(names(folder.path()), ["endless.gz"]);
        } else {
            // What is killed cannot clean up; its part has a name that is plain to see.
            assert!(!Path::new(&inside("out.csv")).exists());
            let names = names(folder.path());
            assert!(names[0].starts_with(".tickcast-") && names[0].ends_with(".part.csv"));
        }
    }
}

/// Without a terminal nothing is drawn, as `people_are_told_what_was_written` sees.
#[test]
fn progress_is_shown_on_a_terminal() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let folder = tempfile::tempdir().unwrap();
    let first = market(folder.path(), "first.ticks");
    let csv = text(&folder.path().join("second.csv")).to_owned();
    for (arguments, word) in [
        (vec!["convert", &first, &csv], "converting ["),
        (vec!["inspect", &csv], "reading ["),
    ] {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let other_end = File::options().write(true).open(name.to_str().unwrap());
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("tickcast"))
            .args(arguments)
            .env("TERM", "xterm")
            .stdout(Stdio::null())
            .stderr(other_end.unwrap())
            .spawn()
            .unwrap();
        // Reading fails when the last process has closed its end.
        let mut drawn = Vec::new();
        let _ = File::from(terminal).read_to_end(&mut drawn);
        assert!(child.wait().unwrap().success());
        let drawn = String::from_utf8_lossy(&drawn);
        for word in [word, " of ", "/s", "to go"] {
            assert!(drawn.contains(word), "{word}: {drawn:?}");
        }
    }
}

/// A small disk, in a mount namespace of its own.
#[test]
fn a_full_disk_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let market = folder.path().join("market.ticks");
    json(&["generate", text(&market), "--ticks", "40000"]);
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let script = "mount -t tmpfs -o size=1m none \"$2\" || exit 77
        \"$0\" convert \"$1\" \"$2/out.ticks\"; code=$?; ls -A \"$2\"; exit $code";
    let ran = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(assert_cmd::cargo::cargo_bin!("tickcast"))
        .args([text(&market), text(&disk)])
        .output();
    let Ok(ran) = ran.as_ref().map_err(|_| ()) else {
        println!("skipped: there is no unshare");
        return;
    };
    if ran.status.code() == Some(77) || stderr(ran).contains("unshare failed") {
        println!("skipped: mounting needs root: {}", stderr(ran));
        return;
    }
    assert_eq!(ran.status.code(), Some(1), "{}", stderr(ran));
    for word in [
        "No space left on device",
        "make room",
        "out.ticks was not written",
    ] {
        assert!(stderr(ran).contains(word), "{word}: {}", stderr(ran));
    }
    assert_eq!(stdout(ran), "", "nothing is left on the disk");
}

/// A gzip file with the same content so many times, as members one after the other.
fn gzip(from: &Path, to: &Path, times: usize) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&fs::read(from).unwrap()).unwrap();
    let member = encoder.finish().unwrap();
    let mut file = File::create(to).unwrap();
    (0..times).for_each(|_| file.write_all(&member).unwrap());
}

/// An ITCH trade outside the book, which needs no order before it, with its length.
fn trade(number: u64) -> Vec<u8> {
    let mut message = vec![0, 44, b'P', 0, 7, 0, 0];
    message.extend_from_slice(&(34_200_000_000_000 + number).to_be_bytes()[2..]);
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(b"B\0\0\0\x64ZVZZT   \0\x0f\x42\x40");
    message.extend_from_slice(&number.to_be_bytes());
    message
}

/// The limit of 64 blocks stands in for a full disk: writes fail, with the signal ignored.
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let first = market(folder.path(), "first.ticks");
    for name in ["out.ticks", "out.csv"] {
        let output = Command::new("sh")
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
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(first.as_ref()), mode(&usual));
}
