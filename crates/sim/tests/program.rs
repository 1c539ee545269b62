//! The program: its output and exit codes.

use assert_cmd::Command;

fn sim(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::cargo_bin("tickcast-sim").expect("the program");
    let output = command.args(arguments).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code(), text)
}

#[test]
fn seeds_give_figures_as_text_and_json() {
    let (code, text) = sim(&["--seeds", "30", "--from", "5"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("30 runs from seed 5: "), "{text}");
    assert!(text.ends_with("violations: 0\n"), "{text}");

    let (code, text) = sim(&["--seeds", "30", "--json", "--threads", "2"]);
    let result: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &result["runs"]), (Some(0), &30.into()));
    assert_eq!(result["violations"], 0);
    assert!(result["happened"]["DeliveredAtOnce"].as_u64() > Some(0));
}

#[test]
fn a_trace_ends_with_its_hash() {
    let (code, text) = sim(&["--seed", "9", "--trace"]);
    let last = text.lines().last().expect("a line");
    assert_eq!(code, Some(0));
    assert_eq!(last, format!("hash {:016x}", tickcast_sim::run(9).hash));
    assert!(text.contains("Publish"), "{text}");
    assert_eq!(sim(&["--seed", "9", "--trace"]).1, text);
}

#[test]
fn wrong_command_lines_are_refused() {
    for arguments in [
        &["--trace"][..],
        &["--seeds", "x"],
        &["--seed", "1", "--seeds", "2"],
        &["--threads", "0"],
        &["--planted", "--seed", "1"],
        &["--planted", "--trace"],
        &["more"],
    ] {
        assert_eq!(sim(arguments).0, Some(2), "{arguments:?}");
    }
}
