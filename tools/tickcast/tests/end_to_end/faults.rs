//! `demo` with faults made on purpose: the account is whole, whatever goes wrong.

use serde_json::Value;

use crate::program::{Ended, count, json, run};

/// The result of a demo that kept its promise, whether or not ticks were lost.
fn kept(ended: Ended) -> Value {
    let report = ended.json();
    let (lost, published) = (&report["lost"][0], count(&report, "published"));
    let lost = lost.as_u64().expect("a count");
    ended.expect(if lost == 0 { 0 } else { 3 });
    let delivered = report["delivered"][0].as_u64().expect("a count");
    assert_eq!(report["kept"], true, "{report}");
    assert_eq!(delivered + lost, published, "{report}");
    if lost == 0 {
        assert_eq!(report["digest_delivered"][0], report["digest_published"]);
    }
    let causes = report["causes"].as_object().expect("causes");
    let of_stream = causes.iter().filter(|(cause, _)| *cause != "lapped");
    let sum: u64 = of_stream.filter_map(|(_, ticks)| ticks.as_u64()).sum();
    let lapped = causes["lapped"].as_u64().expect("a count");
    assert_eq!(
        sum,
        count(&report, "retransmitted") + lost - lapped,
        "{report}"
    );
    report
}

fn demo(more: &[&str]) -> Ended {
    run(&[&["demo", "--ticks", "60000", "--json"], more].concat())
}

#[test]
fn of_every_kind_on_both_lines() {
    let a = "drop=10%,burst=44,dup=2%,reorder=5%,delay=1ms,corrupt=1%";
    let b = "drop=5%,dup=2%,reorder=5%,corrupt=1%";
    let report = kept(demo(&["--fault-a", a, "--fault-b", b]));
    assert_eq!(count(&report, "published"), 60_000);
    assert_eq!(report["lost"][0], 0, "{report}");
    let [a, b] = [&report["faults"][0], &report["faults"][1]];
    for kind in ["dropped", "duplicated", "reordered", "corrupted"] {
        assert!(count(a, kind) > 0 && count(b, kind) > 0, "{kind}: {report}");
    }
    assert!(count(a, "delayed") > 0);
    assert_eq!(count(b, "delayed"), 0);
    assert!(count(&report, "retransmitted") > 0);
    assert!(count(&report["causes"], "malformed") > 0, "{report}");
}

#[test]
fn a_drop_is_short_for_a_fault() {
    for drop in [["--drop-a", "20%"], ["--fault-a", "drop=20%"]] {
        let report = kept(demo(&drop));
        assert!(count(&report["faults"][0], "dropped") > 0, "{report}");
        assert_eq!(count(&report["faults"][1], "dropped"), 0);
        assert_eq!(count(&report, "retransmitted"), 0);
    }
}

#[test]
fn of_the_recovery_server() {
    let lines = ["--drop-a", "10%", "--drop-b", "10%", "--fault-recovery"];
    for (fault, counted) in [
        ("refuse=30%", "refused"),
        ("die=30%", "died"),
        ("garbage=30%", "garbled"),
        ("stall=1%", "stalled"),
    ] {
        let report = kept(demo(&[&lines[..], &[fault]].concat()));
        let made = &report["recovery_faults"];
        assert!(count(made, "requests") > 0, "{report}");
        assert!(counted == "stalled" || count(made, counted) > 0, "{report}");
    }
}

#[test]
fn a_recovery_server_that_never_answers_costs_named_ticks_only() {
    let lines = ["--drop-a", "5%", "--drop-b", "5%"];
    let report = kept(demo(
        &[&lines[..], &["--fault-recovery", "refuse"]].concat(),
    ));
    assert!(report["lost"][0].as_u64() > Some(0), "{report}");
    assert_eq!(report["losses"][0][0]["reason"], "recovery_deadline");
    assert_eq!(count(&report, "retransmitted"), 0);
}

#[test]
fn wrong_ones_say_what_was_expected() {
    for (arguments, words) in [
        (
            &["--fault-a", "lost=3%"][..],
            &["--fault-a", "drop=10%"][..],
        ),
        (
            &["--fault-b", "drop=150%"],
            &["--fault-b", "a share from 0% to 100%"],
        ),
        (
            &["--fault-a", "drop=90%,burst=2"],
            &["--fault-a", "burst=9"],
        ),
        (&["--fault-a", "delay=1h"], &["--fault-a", "at most 1s"]),
        (
            &["--drop-a", "5%", "--fault-a", "dup=3%"],
            &["--drop-a", "--fault-a"],
        ),
        (
            &["--drop-a", "100%", "--fault-b", "drop=100%"],
            &["nothing would arrive"],
        ),
        (
            &["--fault-recovery", "crash"],
            &["--fault-recovery", "refuse"],
        ),
    ] {
        demo(arguments).expect(2).explains(words);
    }
}

#[test]
fn people_read_what_was_done() {
    let said = run(&["demo", "--ticks", "20000", "--fault-a", "drop=5%,dup=5%"])
        .expect(0)
        .out
        .join("\n");
    assert!(
        said.contains("line A drops 5%, duplicates 5% of its packets"),
        "{said}"
    );
    assert!(said.contains("faults    line A, packets:"), "{said}");
    let none = json(&["demo", "--ticks", "20000"]);
    assert_eq!(none["recovery_faults"], Value::Null);
}
