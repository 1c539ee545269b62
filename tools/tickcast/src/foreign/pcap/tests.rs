use super::*;
use crate::foreign::made::{Made, capture, mold};
use tickcast_latency::{StageFigures, Ticks};

const START: u64 = 1_700_000_000_000_000_000;
const GROUP: [u8; 4] = [233, 54, 12, 111];

/// Captures of packets that are 10 µs apart at A; `way` gives how long each takes to B, `None` if it
/// never comes.
fn captures(
    packets: u64,
    way: impl Fn(u64) -> Option<i64>,
) -> (tempfile::TempDir, [std::path::PathBuf; 2]) {
    let at = |seq: u64| START + seq * 10_000;
    let a: Vec<Made> = (1..=packets)
        .map(|seq| (at(seq), GROUP, mold(seq, 1)))
        .collect();
    let mut b: Vec<Made> = (1..=packets)
        .filter_map(|seq| {
            let time = at(seq).checked_add_signed(way(seq)?).unwrap();
            Some((time, GROUP, mold(seq, 1)))
        })
        .collect();
    b.sort_by_key(|(time, ..)| *time);
    let folder = tempfile::tempdir().unwrap();
    let paths = [
        capture(folder.path(), "a.pcap", &a),
        capture(folder.path(), "b.pcap", &b),
    ];
    (folder, paths)
}

fn run(packets: u64, way: impl Fn(u64) -> Option<i64>) -> Run {
    let (_folder, [a, b]) = captures(packets, way);
    pcap(&a, &b).unwrap()
}

#[track_caller]
fn setting<'a>(run: &'a Run, name: &str) -> &'a str {
    let setting = run.settings.iter().find(|it| it.name == name);
    &setting.expect("this setting").value
}

#[track_caller]
fn assert_says(run: &Run, words: &str) {
    let said = run
        .statements
        .iter()
        .any(|statement| statement.contains(words));
    assert!(said, "{words} is not in {:#?}", run.statements);
}

#[test]
fn the_time_between_is_exact() {
    // 1,000 packets: 900 take 500 ns, 98 take 1,500 ns, two take 2,000 ns.
    let run = run(1_000, |seq| {
        Some(match seq {
            500 | 700 => 2_000,
            _ if seq % 10 == 0 => 1_500,
            _ => 500,
        })
    });
    let [between, above] = &run.stages[..] else {
        panic!("{:?}", run.stages);
    };
    assert_eq!(
        (between.stage.as_str(), above.stage.as_str()),
        (NAMES[0], NAMES[1])
    );
    let of = |stage: &StageFigures| {
        let all = &stage.parts[0];
        let ns: Vec<_> = all
            .percentiles
            .iter()
            .map(|percentile| percentile.ns)
            .collect();
        (all.samples, ns, all.max_ns)
    };
    let expected = vec![Some(500), Some(500), Some(1_500), Some(2_000), None, None];
    assert_eq!(of(between), (1_000, expected, Some(2_000)));
    let expected = vec![Some(0), Some(0), Some(1_000), Some(1_500), None, None];
    assert_eq!(of(above), (1_000, expected, Some(1_500)));
    assert_eq!(
        setting(&run, "packets"),
        "1,000 in both, 1,000 in A, 1,000 in B"
    );
    assert_eq!(run.ticks, Ticks::default(), "nobody knows of their ticks");
    assert_eq!(run.duration_ns, 999 * 10_000);
    let samples: u64 = run.timeline.iter().map(|window| window.samples).sum();
    assert_eq!(samples, 1_000);
    assert_eq!(run.statements.len(), 1, "{:?}", run.statements);
    assert_eq!(setting(&run, "feed"), "MoldUDP64");
}

#[test]
fn what_one_capture_lacks_is_counted() {
    let run = run(100, |seq| (seq % 10 != 3).then_some(700));
    assert_eq!(setting(&run, "packets"), "90 in both, 100 in A, 90 in B");
    assert_says(&run, "capture A has 10 packets that B has not");
}

#[test]
fn negative_differences_are_counted_and_in_no_figure() {
    let run = run(100, |seq| Some(if seq % 4 == 0 { -300 } else { 900 }));
    let between = &run.stages[0].parts[0];
    assert_eq!((between.samples, between.negative), (75, 25));
    assert_eq!(run.stages[1].parts[0].max_ns, Some(1_200));
    assert_says(&run, "25 packets were at B before they were at A");
    assert_says(&run, "differ by at least 300 ns");
}

#[test]
fn the_other_way_round_is_said() {
    let run = run(50, |_| Some(-2_000));
    assert_eq!(run.stages[0].parts[0].samples, 0);
    assert_says(&run, "every packet was at B before");
}

#[test]
fn clocks_that_are_seconds_apart() {
    for apart in [-7_200_000_000_000, 7_200_000_000_000] {
        let run = run(200, |seq| Some(apart + seq as i64));
        assert_says(&run, "the clocks are apart");
        assert_eq!(run.stages[1].parts[0].max_ns, Some(199));
        let between = &run.stages[0].parts[0];
        assert_eq!(between.negative + between.saturated, 200);
    }
}

#[test]
fn a_clock_that_was_set_is_said() {
    // 100 ms in all; at 50 ms B's clock is set forward by 2 s.
    let run = run(10_000, |seq| {
        Some(if seq > 5_000 { 2_000_000_500 } else { 500 })
    });
    assert_says(&run, "after 0.050 s all differences jump by +2.000 s");
    // In the middle of a window, which then has differences of both.
    let run = self::run(10_000, |seq| {
        Some(if seq > 5_047 { 2_000_000_500 } else { 500 })
    });
    let jumps = run.statements.iter().filter(|it| it.contains("jump"));
    assert_eq!(jumps.count(), 1, "{:?}", run.statements);
    assert_says(&run, "after 0.050 s all differences jump by +2.000 s");
    let steady = self::run(10_000, |seq| Some(500 + seq as i64 % 7));
    assert_eq!(steady.statements.len(), 1, "{:?}", steady.statements);
}

#[test]
fn groups_may_have_another_name_at_b() {
    let folder = tempfile::tempdir().unwrap();
    let packets = |group: [u8; 4], add: u64| -> Vec<Made> {
        (1..=20)
            .map(|seq| (START + seq * 1_000 + add, group, mold(seq, 2)))
            .collect()
    };
    let a = capture(folder.path(), "a.pcap", &packets([239, 1, 1, 1], 0));
    let b = capture(folder.path(), "b.pcap", &packets([239, 2, 2, 2], 40));
    let run = pcap(&a, &b).unwrap();
    assert_eq!(run.stages[0].parts[0].max_ns, Some(40));

    let both = [packets([239, 2, 2, 2], 40), packets([239, 3, 3, 3], 41)].concat();
    let b = capture(folder.path(), "both.pcap", &both);
    let error = pcap(&a, &b).unwrap_err().to_string();
    for words in ["no group in common", "239.1.1.1:5000", "239.3.3.3:5000"] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn captures_of_other_minutes_have_nothing_in_common() {
    let folder = tempfile::tempdir().unwrap();
    let packets = |from: u64| -> Vec<Made> {
        (from..from + 20)
            .map(|seq| (START + seq, GROUP, mold(seq, 1)))
            .collect()
    };
    let a = capture(folder.path(), "a.pcap", &packets(1));
    let b = capture(folder.path(), "b.pcap", &packets(1_000));
    let error = pcap(&a, &b).unwrap_err().to_string();
    assert!(
        error.contains("no packet in common among 20 and 20"),
        "{error}"
    );
}

#[test]
fn a_cut_file_gives_what_is_whole() {
    let (folder, [a, b]) = captures(50, |_| Some(5));
    let whole = std::fs::read(&b).unwrap();
    let cut = folder.path().join("cut.pcap");
    std::fs::write(&cut, &whole[..whole.len() - 10]).unwrap();
    let run = pcap(&a, &cut).unwrap();
    assert_eq!(setting(&run, "packets"), "49 in both, 50 in A, 49 in B");
    assert_says(&run, "capture B: the file ends inside");
    for length in 0..60 {
        std::fs::write(&cut, &whole[..length]).unwrap();
        assert!(pcap(&a, &cut).is_err(), "{length}");
    }
}

#[test]
fn feeds_that_nobody_knows_are_matched_by_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let packets = |add: u64| -> Vec<Made> {
        (0..30u64)
            .map(|at| {
                (
                    START + at * 1_000 + add,
                    GROUP,
                    at.pow(9).to_be_bytes().to_vec(),
                )
            })
            .collect()
    };
    let a = capture(folder.path(), "a.pcap", &packets(0));
    let b = capture(folder.path(), "b.pcap", &packets(9));
    let run = pcap(&a, &b).unwrap();
    assert_eq!(run.stages[0].parts[0].max_ns, Some(9));
    assert_says(&run, "the feed is not known");
}

#[test]
fn what_waits_is_bounded() {
    let mut matcher = Matcher::default();
    let key = |seq: u64| (0, Key::Bytes(seq));
    let most = WINDOW as u64;
    for seq in 0..most + 5 {
        assert_eq!(matcher.take(0, key(seq), seq), None);
    }
    assert_eq!(matcher.take(1, key(4), 9), None, "it has been given up");
    let pair = matcher.take(1, key(5), 12);
    assert_eq!(pair, Some(Pair { at: 5, ns: 7 }));
    assert_eq!(matcher.take(1, key(4), 11), None);
    let counts = matcher.end();
    assert_eq!((counts.matched, counts.unmatched), (1, [most + 4, 1]));
    assert_eq!((counts.repeated, counts.stamps_back), ([0, 1], [0, 1]));
}

/// The two lines of a real capture as if they had been captured apart: known are the extremes, how
/// many are negative, and the median, from another program.
#[test]
fn real_lines_as_two_captures() {
    let Some(folder) = std::env::var_os("TICKCAST_DATA") else {
        println!("skipped: TICKCAST_DATA names no folder with captures");
        return;
    };
    let both = Path::new(&folder).join("cme-mdp3-volume-ab-20160927.pcap");
    let both = std::fs::read(both).unwrap();
    let [a, b] = [31, 32].map(|line| only(&both, line));
    let folder = tempfile::tempdir().unwrap();
    let [path_a, path_b] = ["a.pcap", "b.pcap"].map(|name| folder.path().join(name));
    std::fs::write(&path_a, a).unwrap();
    std::fs::write(&path_b, b).unwrap();
    let run = pcap(&path_a, &path_b).unwrap();
    let [between, above] = [0, 1].map(|stage: usize| &run.stages[stage].parts[0]);
    assert_eq!((between.samples, between.negative), (35, 21));
    // A histogram rounds up by at most 0.1 %.
    let is_about =
        |ns: Option<u64>, known| ns.is_some_and(|ns| (known..=known + known / 1_000).contains(&ns));
    assert!(is_about(between.max_ns, 3_000), "{between:?}");
    assert_eq!((above.samples, above.negative), (56, 0));
    assert!(is_about(above.percentiles[0].ns, 7_000), "{above:?}");
    assert_says(&run, "21 packets were at B before");
}

/// The records of a capture whose group ends so: 224.0.LINE.11.
fn only(capture: &[u8], line: u8) -> Vec<u8> {
    const HEADER: usize = 16;
    let (start, mut rest) = capture.split_at(24);
    let mut kept = start.to_vec();
    while let Some(length) = rest.get(8..12) {
        let length = HEADER + u32::from_le_bytes(length.try_into().unwrap()) as usize;
        if rest[HEADER + 32] == line {
            kept.extend(&rest[..length]);
        }
        rest = &rest[length..];
    }
    kept
}
