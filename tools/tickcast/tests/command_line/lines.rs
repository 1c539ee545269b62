//! `lines` and `latency --pcap` on captures whose leads and losses are known.

use std::path::{Path, PathBuf};

use serde_json::json as object;

use crate::made::{Made, capture, mold};
use crate::{fails, json, stderr, stdout, text, tickcast};

const A: [u8; 4] = [233, 54, 12, 111];
const B: [u8; 4] = [233, 49, 196, 111];
const START: u64 = 1_700_000_000_000_000_000;

/// 1,000 packets a millisecond apart. Line A (of the larger group) is first by 250 ns but for every
/// tenth, with which B is by 600 ns. A loses 100 to 104, B 103 to 109; 200 comes twice on A, and on B
/// 300 comes after 301.
fn packets() -> Vec<Made> {
    let mut packets = Vec::new();
    for seq in 1..=1_000u64 {
        let at = START + seq * 1_000_000;
        let (on_a, on_b) = if seq.is_multiple_of(10) {
            (at + 600, at)
        } else {
            (at, at + 250)
        };
        if !(100..=104).contains(&seq) {
            packets.push((on_a, A, mold(seq, 1)));
        }
        if !(103..=109).contains(&seq) {
            let late = if seq == 300 { 1_500_000 } else { 0 };
            packets.push((on_b + late, B, mold(seq, 1)));
        }
        if seq == 200 {
            packets.push((at + 5_000, A, mold(seq, 1)));
        }
    }
    packets.push((START + 2_000_000_000, A, mold(1_001, 0)));
    packets.push((START + 2_000_000_000, [239, 9, 9, 9], b"other".to_vec()));
    packets.sort_by_key(|(time, ..)| *time);
    packets
}

/// A capture with both lines.
pub fn both_lines(folder: &Path) -> PathBuf {
    capture(folder, "both.pcap", &packets())
}

#[test]
fn the_scoreboard_is_exact() {
    let folder = tempfile::tempdir().unwrap();
    let path = both_lines(folder.path());
    let named = [
        "--line-a",
        "233.54.12.111:5000",
        "--line-b",
        "233.49.196.111:5000",
    ];
    let report = json(&[&["lines", text(&path)][..], &named].concat());
    assert_eq!(report["feed"], "MoldUDP64");
    // 103 and 104 came on neither.
    assert_eq!(report["packets"], 998);
    assert_eq!(report["lost_by_both"], 2);
    assert_eq!(
        (&report["ties"], &report["other_packets"]),
        (&object!(0), &object!(1))
    );
    let [a, b] = [0, 1].map(|line: usize| &report["lines"][line]);
    let of = |line: &serde_json::Value| {
        [
            "packets",
            "lost",
            "gaps",
            "alone",
            "duplicates",
            "reordered",
            "heartbeats",
            "absent",
        ]
        .map(|field| line[field].as_u64().unwrap())
    };
    assert_eq!(of(a), [997, 5, 1, 5, 1, 0, 1, 0]);
    assert_eq!(of(b), [993, 7, 1, 3, 0, 1, 0, 0]);
    // B: each tenth but 100, which it alone has, and 300, which was late.
    assert_eq!((&a["first"], &b["first"]), (&object!(892), &object!(98)));
    assert_eq!(a["lead_ns"]["percentiles"][0]["ns"], 250);
    assert_eq!(b["lead_ns"]["percentiles"][0]["ns"], 600);
    assert_eq!(b["lead_ns"]["max_ns"], 600);
    // 105 to 109 alone, and nine before B is first with 120; elsewhere nine: at 300 nineteen.
    assert_eq!(a["longest_run"], 19);
    assert_eq!(b["longest_run"], 3);

    // Without names the two are found, in the order of their groups.
    let found = json(&["lines", text(&path)]);
    assert_eq!(found["lines"][1]["group"], "233.54.12.111:5000");
    assert_eq!(found["lines"][1]["first"], 892);
}

#[test]
fn people_are_shown_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let output = tickcast(&["lines", text(&both_lines(folder.path()))]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    for words in [
        "both.pcap  MoldUDP64",
        "lost by both lines 2",
        "250 ns",
        "892",
    ] {
        assert!(stdout(&output).contains(words), "{}", stdout(&output));
    }
}

/// 100 packets take 700 ns to the second capture, which lacks every tenth.
#[test]
fn packets_between_two_captures_are_no_ticks() {
    let folder = tempfile::tempdir().unwrap();
    let at_point = |name: &str, late: u64, has: fn(u64) -> bool| {
        let seqs = (1..=100).filter(|&seq| has(seq));
        let packets: Vec<Made> = seqs
            .map(|seq| (START + seq * 10_000 + late, A, mold(seq, 1)))
            .collect();
        capture(folder.path(), name, &packets)
    };
    let a = at_point("a.pcap", 0, |_| true);
    let b = at_point("b.pcap", 700, |seq| !seq.is_multiple_of(10));
    let output = tickcast(&["latency", "--pcap", text(&a), text(&b)]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let said = stdout(&output);
    for words in [
        "a.pcap to b.pcap",
        "90 in both, 100 in A, 90 in B",
        "700 ns",
        "capture A has 10 packets that B has not",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    assert!(!said.contains("published"), "{said}");
}

#[test]
fn what_cannot_be_compared_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let both = both_lines(folder.path());
    let both = text(&both);
    let (a, b) = ("233.54.12.111:5000", "233.49.196.111:5000");
    let named = |a, b| ["lines", both, "--line-a", a, "--line-b", b];
    fails(&named("239.1.1.1:1", b), 1, &["nothing for 239.1.1.1:1", a]);
    fails(&named(a, a), 1, &["are both"]);
    fails(&named(a, "239.9.9.9:5000"), 1, &["no packet in common"]);
    fails(&["lines", both, "--line-a", a], 2, &["--line-b"]);
    fails(&["lines", "no-such-file"], 1, &["no-such-file"]);

    let text_file = folder.path().join("text.pcap");
    std::fs::write(&text_file, "no capture at all, only text").unwrap();
    fails(
        &["lines", text(&text_file)],
        1,
        &["neither a pcap file nor a pcapng"],
    );

    // A third group with the same content: which two are meant?
    let mut three = packets();
    let copies = packets().into_iter().filter(|(_, group, _)| *group == A);
    three.extend(copies.map(|(time, _, payload)| (time, [239, 7, 7, 7], payload)));
    let three = capture(folder.path(), "three.pcap", &three);
    fails(
        &["lines", text(&three)],
        1,
        &["name the lines", "239.7.7.7:5000"],
    );
}

#[test]
fn a_cut_capture_gives_what_is_whole_and_a_notice() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(both_lines(folder.path())).unwrap();
    let cut = folder.path().join("cut.pcap");
    std::fs::write(&cut, &whole[..whole.len() / 2 + 7]).unwrap();
    let report = json(&["lines", text(&cut)]);
    let notices = report["notices"].as_array().unwrap();
    assert!(
        notices[0].as_str().unwrap().contains("ends inside"),
        "{notices:?}"
    );
    assert!(report["packets"].as_u64().unwrap() > 400);
}
