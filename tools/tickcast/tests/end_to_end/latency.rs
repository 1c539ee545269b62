//! `latency` and `compare`: figures of a load that waits for nobody.
//!
//! Counts are held against each other and against what was done on purpose; of times only that
//! they are at least as long as what was injected.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::feed::{Feed, PRINT, folder, market, text};
use crate::program::{Program, count, json, run, tickcast};
use crate::stories::wait_for_seq;

/// Long enough for some windows, short enough for a test.
const SHORT: &[&str] = &["latency", "--rate", "2000/s", "--duration", "500ms"];

/// The figures of a stage: all of it, or what one provenance brought.
fn part<'a>(run: &'a Value, stage: &str, of: &str) -> Option<&'a Value> {
    let stages = run["stages"].as_array().expect("stages");
    let stage = stages.iter().find(|it| it["stage"] == stage)?;
    let parts = stage["parts"].as_array().expect("parts");
    parts.iter().find(|it| it["of"] == of)
}

fn samples(run: &Value, stage: &str, of: &str) -> u64 {
    part(run, stage, of).map_or(0, |part| count(part, "samples"))
}

/// How many samples of a stage took longer than this.
fn longer_than(run: &Value, stage: &str, ns: u64) -> u64 {
    let figures = part(run, stage, "all").expect("samples");
    let curve = figures["curve"].as_array().expect("a curve");
    let below = curve.iter().filter(|point| count(point, "ns") <= ns);
    count(figures, "samples") - below.map(|point| count(point, "count")).max().unwrap_or(0)
}

/// What holds of every run that lost nothing.
#[track_caller]
fn adds_up(run: &Value) {
    let ticks = &run["ticks"];
    assert!(count(ticks, "published") > 0, "{ticks}");
    assert_eq!(ticks["published"], ticks["delivered"]);
    assert_eq!(count(ticks, "lost"), 0);
    assert_eq!(samples(run, "total", "all"), count(ticks, "delivered"));
    let lines = ["A", "B", "retransmit"].map(|of| samples(run, "total", of));
    assert_eq!(lines.iter().sum::<u64>(), samples(run, "total", "all"));
    let windows = run["timeline"].as_array().expect("a timeline");
    let in_windows: u64 = windows.iter().map(|window| count(window, "samples")).sum();
    assert_eq!(in_windows, samples(run, "total", "all"));
    let exemplars = run["exemplars"].as_array().expect("exemplars");
    assert!(!exemplars.is_empty());
    let mut slower = u64::MAX;
    for tick in exemplars {
        let total = count(tick, "total_ns");
        assert!(total <= slower, "the slowest first");
        slower = total;
        let legs = tick["waterfall"].as_array().expect("legs");
        // What had to wait for others, or was sent again, has no stamps of a packet.
        if legs.iter().all(|leg| leg["stage"] != "publish") {
            continue;
        }
        let way = legs.iter().filter(|leg| leg["stage"] != "strategy");
        let way: i64 = way.map(|leg| leg["ns"].as_i64().expect("ns")).sum();
        assert_eq!(Ok(total), u64::try_from(way), "{tick}");
    }
}

fn statements(run: &Value) -> String {
    run["statements"].to_string()
}

fn view<'a>(run: &'a Value, name: &str) -> &'a Value {
    let views = run["views"].as_array().expect("views");
    let view = views.iter().find(|view| view["name"] == name);
    view.unwrap_or_else(|| panic!("no view {name} in {views:?}"))
}

#[test]
fn a_run_for_programs() {
    for place in [&[][..], &["--inline"]] {
        let run = json(&[SHORT, place].concat());
        adds_up(&run);
        assert_eq!(count(&run, "version"), 1);
        // Half a second at 2,000 ticks a second.
        let delivered = count(&run["ticks"], "delivered");
        assert!(delivered >= 1_000, "{delivered}");
        assert!(count(&run, "duration_ns") >= 500_000_000);
        // Nothing is counted that came after it.
        let last = run["timeline"].as_array().and_then(|it| it.last());
        let last = count(last.expect("a window"), "at_ns");
        assert!(last <= count(&run, "duration_ns"), "{last}");
        assert!(count(&run, "warm_up_ns") > 0);
        let queue = samples(&run, "queue", "all");
        assert_eq!(queue, if place.is_empty() { delivered } else { 0 });
        for stage in [
            "publish", "network", "kernel", "handle", "strategy", "service",
        ] {
            assert!(samples(&run, stage, "all") > 0, "{stage}");
        }
        // What the floor sends in half a second.
        let floor = &view(&run, "floor")["figures"];
        assert!((1..=1_000).contains(&count(floor, "samples")), "{floor}");
        let percentiles = floor["percentiles"].as_array().expect("percentiles");
        assert!(percentiles[0]["ns"].is_u64() && percentiles[5]["ns"].is_null());
        assert!(statements(&run).contains("p99.99 and beyond are not given"));
        for (list, name) in [("settings", "rate"), ("machine", "cores")] {
            let list = run[list].as_array().expect("a list");
            assert!(list.iter().any(|it| it["name"] == name), "{list:?}");
        }
        let counters = &run["platform"]["counters"].to_string();
        for counter in [
            "involuntary context switches, tc-receive",
            "dropped by the kernel",
        ] {
            assert!(counters.contains(counter), "{counters}");
        }
    }
}

/// The groups of a stage: their names and samples.
fn groups(run: &Value, stage: &str) -> Vec<(String, u64)> {
    let stages = run["stages"].as_array().expect("stages");
    let stage = stages.iter().find(|it| it["stage"] == stage);
    let groups = stage.and_then(|stage| stage["groups"].as_array());
    let groups = groups.into_iter().flatten();
    groups
        .map(|group| {
            let name = group["of"].as_str().expect("a name");
            (name.to_owned(), count(group, "samples"))
        })
        .collect()
}

#[test]
fn groups_of_instruments_are_told_apart_at_every_stage() {
    let half: Vec<String> = (1..=2_000).map(|n| format!("SYN{n:04}")).collect();
    let half = format!("half={}", half.join(","));
    let named = ["--group", &half, "--group", "nobody=XYZ"];
    // Some of it healed, and some of it held.
    let lossy = ["--drop-a", "10%", "--drop-b", "10%"];
    // The 4,000 definitions, which come first, are over before the three windows of a warm-up are.
    let pace = ["latency", "--rate", "20000/s", "--duration", "500ms"];
    let run = json(&[&pace[..], &named, &lossy].concat());
    adds_up(&run);
    // What the strategy's thread records of the whole as well. The receive thread may hand over the
    // first stages a window sooner or later; all of them have the samples of `service`.
    for (stage, whole) in [
        ("publish", "service"),
        ("network", "service"),
        ("kernel", "service"),
        ("handle", "service"),
        ("queue", "queue"),
        ("strategy", "strategy"),
        ("service", "service"),
        ("total", "total"),
    ] {
        let groups = groups(&run, stage);
        let names: Vec<&str> = groups.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["half", "others"], "{stage}");
        let together: u64 = groups.iter().map(|(_, samples)| samples).sum();
        assert_eq!(together, samples(&run, whole, "all"), "{stage}");
    }
    assert_eq!(groups(&run, "heal"), []);
    let said = statements(&run);
    let held = samples(&run, "total", "all") - samples(&run, "service", "all");
    assert!(held > 0 && said.contains("ticks were held until"), "{said}");
    assert!(said.contains("group nobody"), "{said}");
    assert!(!said.contains("group half"), "{said}");
}

#[test]
fn a_group_whose_instruments_had_no_ticks_says_so() {
    // In the market of seed 1 it is defined at once and has its first tick behind 120,000 others: at
    // a tenth of its own pace after 13 s, of which the longest warm-up and the run take 5.3. An even
    // rate would begin the market anew after 6.
    let rare = ["--group", "rare=SYN0033", "--group", "some=SYN1340"];
    let slow = ["latency", "--rate", "0.1x", "--duration", "300ms"];
    let run = json(&[&slow[..], &rare].concat());
    let said = statements(&run);
    assert!(
        said.contains("group rare: no tick of its instruments came"),
        "{said}"
    );
    assert!(!said.contains("group some"), "{said}");
}

/// The definitions of a file come once, and its ticks in more than one turn.
#[test]
fn groups_are_known_in_every_turn_of_a_file() {
    let folder = folder();
    let file = market(folder.path(), 700_000);
    let all: Vec<String> = (1..=4_000).map(|n| format!("SYN{n:04}")).collect();
    let group = format!("all={}", all.join(","));
    let log = folder.path().join("run.hlog");
    let turns = ["--rate", "20000/s", "--duration", "1200ms"];
    let files = ["latency", text(&file), "--hlog", text(&log)];
    let run = json(&[&files[..], &turns, &["--group", &group]].concat());
    adds_up(&run);
    let delivered = count(&run["ticks"], "delivered");
    assert_eq!(groups(&run, "total"), [("all".to_owned(), delivered)]);
    let report = json(&["report", text(&log)]);
    assert!(report["runs"].is_array(), "{report}");
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(log.contains("Tag=total@all,") && log.contains("Tag=queue@all,"));
}

#[test]
fn a_table_for_people() {
    let said = run(&[SHORT, &["--group", "some=SYN0001"]].concat()).expect(0);
    assert!(said.err.is_empty(), "{:?}", said.err);
    let said = said.out.join("\n");
    for words in [
        "synthetic market, 4,000 instruments, seed 1 at 2000/s",
        " published, ",
        "total, views",
        "over the floor",
        "slowest ticks",
        "p99.999",
        "  @ others",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
}

#[test]
fn threads_that_spin_are_their_own_meters() {
    let spinning = ["--inline", "--idle", "spin"];
    let run = json(&[SHORT, &spinning].concat());
    let meters = run["platform"]["hiccups"].as_array().expect("meters");
    let threads: Vec<&str> = meters
        .iter()
        .filter_map(|it| it["thread"].as_str())
        .collect();
    assert_eq!(threads, ["tc-send", "tc-receive"]);
    let left = count(&view(&run, "without stalls")["figures"], "samples");
    assert!(left <= samples(&run, "total", "all"));
    let run = json(&[SHORT, &["--idle", "park"]].concat());
    assert!(
        statements(&run).contains("--idle spin"),
        "{}",
        statements(&run)
    );
}

#[test]
fn what_both_lines_lose_is_measured_as_a_retransmit() {
    let lossy = ["--drop-a", "20%", "--drop-b", "20%"];
    let run = json(&[SHORT, &lossy].concat());
    adds_up(&run);
    assert!(samples(&run, "total", "retransmit") > 0);
    assert!(samples(&run, "heal", "all") > 0);
    assert_eq!(samples(&run, "network", "retransmit"), 0);
}

/// Every packet comes 2 ms later than it was read, however many come at once: the number of late
/// ticks is that of all ticks.
#[test]
fn a_known_delay_appears_in_its_stage_as_often_as_it_was_made() {
    let late = ["--fault-a", "delay=2ms", "--fault-b", "drop=100%"];
    let run = json(&[SHORT, &late].concat());
    adds_up(&run);
    let all = samples(&run, "handle", "all");
    assert!(all > 0, "{run}");
    assert_eq!(longer_than(&run, "handle", 1_990_000), all);
}

#[test]
fn a_file_at_its_own_pace_ends_the_run_when_it_ends() {
    let folder = folder();
    // Some seven seconds at its own pace: more than the longest warm-up.
    let file = market(folder.path(), 700_000);
    let run = json(&["latency", text(&file), "--rate", "1x", "--duration", "1m"]);
    adds_up(&run);
    assert!(count(&run, "duration_ns") < 60_000_000_000);
    assert!(
        statements(&run).contains("came to their end"),
        "{}",
        statements(&run)
    );
}

#[test]
fn an_early_end_gives_the_figures_so_far() {
    for signal in [Signal::INT, Signal::TERM] {
        let long = [
            "latency",
            "--rate",
            "2000/s",
            "--duration",
            "1h",
            "--json",
            "--log",
            "info",
        ];
        let mut latency = Program::start(tickcast(&long));
        latency.wait_until_it_says("measuring");
        latency.signal(signal);
        let run = latency.finish().expect(130).json();
        assert!(
            statements(&run).contains("stopped early"),
            "{}",
            statements(&run)
        );
    }
}

#[test]
fn what_ends_before_it_is_warm_has_no_figures() {
    // Without a publisher there is nothing to get warm with.
    let latency = Feed::on_loopback().latency(&["--duration", "1h"], "warming up");
    latency.signal(Signal::INT);
    let said = latency.finish().expect(130);
    assert!(said.out.is_empty(), "{:?}", said.out);
    let is_said = |line: &String| line.contains("nothing was measured");
    assert!(said.err.iter().any(is_said), "{:?}", said.err);
}

#[test]
fn pages_pictures_and_logs_are_written() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let (page, charts, log) = (path("run.html"), path("charts"), path("run.hlog"));
    let files = [
        "--report",
        text(&page),
        "--svg",
        text(&charts),
        "--hlog",
        text(&log),
    ];
    let run = json(&[SHORT, &files].concat());
    assert!(
        std::fs::read_to_string(page)
            .expect("a page")
            .contains("<svg")
    );
    let picture = std::fs::read_to_string(charts.join("percentiles.svg"));
    assert!(picture.expect("a picture").contains("<svg"));
    let log = std::fs::read_to_string(log).expect("a log");
    let windows = run["timeline"].as_array().expect("a timeline").iter();
    let windows = windows
        .filter(|window| count(window, "samples") > 0)
        .count();
    assert_eq!(
        log.lines()
            .filter(|line| line.starts_with("Tag=total,"))
            .count(),
        windows
    );
}

/// A publisher that stops for 50 ms sends nothing then; what was due meanwhile waited for it.
#[test]
fn a_publisher_that_stands_still_shows_in_response_time() {
    const STOPS: u64 = 5;
    const STOP: Duration = Duration::from_millis(50);
    const STEP: Duration = Duration::from_micros(500);
    let folder = folder();
    let file = market(folder.path(), 200_000);
    let feed = Feed::on_loopback();
    let started = Instant::now();
    let publisher = feed.publisher(&file, &["--speed", "2000/s"]);
    let mut witness = feed.subscriber(PRINT);
    let latency = feed.latency(&["--duration", "1h"], "measuring");
    for _ in 0..STOPS {
        publisher.signal(Signal::STOP);
        std::thread::sleep(STOP);
        publisher.signal(Signal::CONT);
        std::thread::sleep(STOP * 4);
    }
    // A tick that is due from now on is behind all that were late: what the publisher has not sent
    // when it is asked to end, it does not send.
    wait_for_seq(&mut witness, started.elapsed().as_millis() as u64 * 2);
    publisher.signal(Signal::INT);
    let run = latency.finish().expect(0).json();
    adds_up(&run);
    // 100 ticks were due in each stop; some of the last are late by less than one step.
    let late = longer_than(&run, "publish", 1_000_000);
    assert!(late >= STOPS * 95, "{late} of {}", STOPS * 100);
    // The first of them may have been due a step after the stop began.
    let slowest = count(part(&run, "publish", "all").expect("samples"), "max_ns");
    assert!(slowest >= (STOP - STEP).as_nanos() as u64, "{slowest}");
    let total = count(part(&run, "total", "all").expect("samples"), "max_ns");
    assert!(total >= slowest);
    // Both ends have the same clock, so that what the stamps say is true, whatever is known of it.
    assert_eq!(count(&run["clocks"], "steps"), 0, "{}", run["clocks"]);
    for stage in ["kernel", "network", "service", "total"] {
        let all = part(&run, stage, "all").expect("samples");
        let p90 = &all["percentiles"][1];
        let Some(between) = p90["between_ns"].as_array() else {
            assert_eq!(stage, "kernel", "{p90}");
            continue;
        };
        let (least, most) = (between[0].as_u64(), between[1].as_u64());
        let value = Some(count(p90, "ns"));
        assert!(least <= value && value <= most, "{stage}: {p90}");
    }
}

#[test]
fn a_feed_that_dies_is_said_to() {
    let folder = folder();
    let file = market(folder.path(), 200_000);
    let feed = Feed::on_loopback();
    let publisher = feed.publisher(&file, &["--speed", "2000/s"]);
    // Beyond the time after which a line is silent.
    let latency = feed.latency(&["--duration", "6s"], "measuring");
    publisher.signal(Signal::KILL);
    let run = latency.finish().expect(0).json();
    let said = statements(&run);
    for line in ["line A fell silent", "line B fell silent"] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
fn settings_are_compared_in_turns() {
    let compare = ["compare", "--runs", "10", "--duration", "100ms", "--json"];
    let settings = [
        "--", "--rate", "2000/s", "--", "--rate", "2000/s", "--inline",
    ];
    let report = run(&[&compare[..], &settings].concat()).expect(0).json();
    assert_eq!(report["a"], "--rate 2000/s");
    assert_eq!(count(&report, "turns"), 10);
    let percentiles = report["percentiles"].as_array().expect("percentiles");
    assert_eq!(percentiles.len(), 3);
    for compared in percentiles {
        for values in ["a_ns", "b_ns"] {
            assert_eq!(compared[values].as_array().expect("values").len(), 10);
        }
        let ratio = compared["ratio"].as_f64().expect("a ratio");
        let end = |at: usize| compared["interval"][at].as_f64().expect("an end");
        assert!((end(0)..=end(1)).contains(&ratio), "{compared}");
    }
    let differ = percentiles
        .iter()
        .any(|compared| compared["differs"] == true);
    assert_eq!(report["differ"], differ);
    assert!(
        !report["statements"]
            .as_array()
            .expect("statements")
            .is_empty()
    );
}
