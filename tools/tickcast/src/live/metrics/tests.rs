//! Names, types and figures, by the rules that `promtool check metrics` applies; and that the
//! documents name what there is.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::live::sample;

const BOARD: &str = include_str!("../../../../../docs/grafana/tickcast.json");
const DOCUMENT: &str = include_str!("../../../../../docs/live.md");

/// The metrics that a text holds: of each its type and the names of its labels.
fn families(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut families: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let there = families.insert(name.into(), (kind.into(), BTreeSet::new()));
            assert!(there.is_none(), "{name} twice");
        } else if !line.starts_with('#') {
            let (family, labels, _) = sample_of(line);
            let (_, known) = families
                .get_mut(&family)
                .unwrap_or_else(|| panic!("{line}"));
            known.extend(labels.into_keys());
        }
    }
    families
}

/// The family, labels and value of a row.
fn sample_of(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (name, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
    let labels = labels.strip_suffix('}').unwrap().split(',');
    let labels = labels.filter_map(|label| label.split_once('='));
    let labels = labels.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()));
    let of_histogram = ["_bucket", "_sum", "_count"];
    let family = of_histogram
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix));
    let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
    (family.unwrap_or(name).to_owned(), labels.collect(), value)
}

/// What is wrong with the name of a metric.
fn complaints(name: &str, kind: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut complain = |what: &str| found.push(format!("{name}: {what}"));
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with("tickcast_") || !name.chars().all(sound) {
        complain("not a name of ours in snake case");
    }
    if (kind == "counter") != name.ends_with("_total") {
        complain("counters, and nothing else, end in _total");
    }
    let units = [
        "ns",
        "us",
        "ms",
        "milliseconds",
        "nanoseconds",
        "kilobytes",
        "percent",
        "minutes",
    ];
    if name.split('_').any(|word| units.contains(&word)) {
        complain("not a base unit");
    }
    if name
        .split('_')
        .any(|word| ["counter", "gauge", "histogram"].contains(&word))
    {
        complain("its type is not part of its name");
    }
    if kind == "histogram" && !name.ends_with("_seconds") {
        complain("a histogram without its unit");
    }
    found
}

fn of_sample() -> String {
    text(&Arc::new(sample::snapshot())).unwrap()
}

#[test]
fn names_follow_the_conventions() {
    let text = of_sample();
    let families = families(&text);
    assert!(families.len() > 30, "{families:?}");
    for (name, (kind, labels)) in &families {
        assert_eq!(complaints(name, kind), [""; 0]);
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        let known = [
            "line",
            "reason",
            "cause",
            "reader",
            "stage",
            "provenance",
            "le",
            "version",
            "session",
        ];
        assert!(
            labels.iter().all(|label| known.contains(&label.as_str())),
            "{name}: {labels:?}"
        );
    }
    for (name, kind) in [
        ("other_ticks_total", "counter"),
        ("tickcast_ticks", "counter"),
        ("tickcast_open_total", "gauge"),
        ("tickcast_age_ms", "gauge"),
        ("tickcast_latency", "histogram"),
        ("tickcast_tick_counter_total", "counter"),
    ] {
        assert_eq!(complaints(name, kind).len(), 1, "{name}");
    }
}

#[test]
fn histograms_rise_and_end_with_all_samples() {
    let text = of_sample();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("tickcast_latency_seconds_bucket"));
    let mut stages: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for row in rows {
        let (_, labels, count) = sample_of(row);
        let bound = labels["le"].parse().unwrap();
        stages
            .entry(labels["stage"].clone())
            .or_default()
            .push((bound, count));
    }
    assert_eq!(stages.len(), sample::STAGES.len());
    for (stage, buckets) in stages {
        assert!(
            buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
            "{stage}: {buckets:?}"
        );
        assert_eq!((buckets[0].0, buckets[24].0), (1e-7, 10.0));
        let all = if stage == "heal" { 2 } else { 50_000 };
        assert_eq!(buckets[25], (f64::INFINITY, f64::from(all)));
        let count = format!("tickcast_latency_seconds_count{{stage=\"{stage}\",provenance=");
        assert!(text.contains(&count), "{count}");
    }
}

#[test]
fn figures_are_those_of_the_snapshot() {
    let text = of_sample();
    for row in [
        "tickcast_delivered_ticks_total 1234564\n",
        "tickcast_lost_ticks_total{cause=\"socket_overflow\"} 3\n",
        "tickcast_line_refused_datagrams_total{line=\"B\",reason=\"foreign\"} 5\n",
        "tickcast_session_info{session=\"1790000000123456789\"} 1\n",
        "tickcast_queue_waiting_lines{reader=\"tc-strategy\"} 812\n",
    ] {
        assert!(text.contains(row), "{row} in {text}");
    }
}

#[test]
fn before_the_first_packet_there_are_names_and_nothing_else() {
    let names = |text: &str| families(text).into_keys().collect::<Vec<_>>();
    let all = names(&of_sample());
    let nothing = |proof| {
        let snapshot = Snapshot {
            proof,
            ..Snapshot::default()
        };
        names(&text(&Arc::new(snapshot)).unwrap())
    };
    assert_eq!(nothing(Some(Proven::default())), all);
    // Where nobody compares digests no metric says that nothing is proven.
    let others = all.iter().filter(|name| !name.contains("_proof_"));
    assert!(nothing(None).iter().eq(others));
}

/// Names in a text that begin as ours do.
fn names_in(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c));
    let ours = words.filter(|word| word.starts_with("tickcast_"));
    ours.map(|word| {
        let histogram = word.strip_prefix("tickcast_latency_seconds");
        histogram
            .map_or(word, |_| "tickcast_latency_seconds")
            .to_owned()
    })
    .collect()
}

/// The labels that a query asks for: in selectors, and what it sums by.
fn labels_in(query: &str) -> BTreeSet<String> {
    let inside = |open: &str, close: char| -> Vec<String> {
        let parts = query.split(open).skip(1);
        let lists = parts.filter_map(|part| part.split_once(close));
        let labels = lists.flat_map(|(list, _)| list.split(','));
        let name = |label: &str| {
            let end = label.find(['=', '!']).unwrap_or(label.len());
            label[..end].trim().to_owned()
        };
        labels.map(name).collect()
    };
    let selected = inside("{", '}').into_iter().chain(inside("by (", ')'));
    selected.chain(inside("ignoring(", ')')).collect()
}

fn board_panels() -> Vec<serde_json::Value> {
    let mut board: serde_json::Value = serde_json::from_str(BOARD).unwrap();
    serde_json::from_value(board["panels"].take()).unwrap()
}

#[test]
fn the_board_asks_for_metrics_and_labels_that_there_are() {
    let families = families(&of_sample());
    let panels = board_panels();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries: Vec<&str> = targets
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(queries.len() > 15, "{queries:?}");
    for query in queries {
        let names = names_in(query);
        assert!(!names.is_empty(), "{query}");
        // Those that Prometheus adds.
        let mut known: BTreeSet<&str> = ["job", "instance", "le"].into();
        for name in &names {
            let (_, labels) = families
                .get(name)
                .unwrap_or_else(|| panic!("{query}: there is no {name}"));
            known.extend(labels.iter().map(String::as_str));
        }
        for label in labels_in(query) {
            assert!(known.contains(&*label), "{query}: there is no {label}");
        }
        // Rows of a snapshot have an age, which is no latency.
        let of_all = query.contains("stage=\"total\"");
        assert_eq!(
            of_all,
            query.contains("provenance!=\"snapshot\""),
            "{query}"
        );
    }
    assert!(!families.contains_key("tickcast_gone_total"));
    let query = "sum by (le, gone) (rate(tickcast_x{stage!~\"a|b\",gone_too=\"1\"}[5m]))";
    let labels = ["gone", "gone_too", "le", "stage"].map(str::to_owned);
    assert_eq!(labels_in(query), labels.into());
}

#[test]
fn the_board_is_one_that_grafana_takes() {
    let panels = board_panels();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in &panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let place = |of: &str| panel["gridPos"][of].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{title}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(places.insert((x, y)), "{title} lies over another");
            }
        }
        let kind = panel["type"].as_str().unwrap();
        if kind == "row" {
            continue;
        }
        assert!(["stat", "timeseries", "heatmap"].contains(&kind), "{title}");
        let unit = match kind {
            "heatmap" => &panel["options"]["yAxis"]["unit"],
            _ => &panel["fieldConfig"]["defaults"]["unit"],
        };
        let units = ["short", "s", "percentunit"];
        assert!(units.contains(&unit.as_str().unwrap()), "{title}");
        let chosen = serde_json::json!({"type": "prometheus", "uid": "${datasource}"});
        assert_eq!(panel["datasource"], chosen, "{title}");
        let targets = panel["targets"].as_array().unwrap();
        for (target, id) in targets.iter().zip('A'..) {
            assert_eq!(target["datasource"], chosen, "{title}");
            assert_eq!(target["refId"], id.to_string(), "{title}");
        }
    }
}

#[test]
fn the_document_lists_every_metric() {
    let documented: BTreeSet<String> = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix("| `tickcast_"))
        .map(|row| format!("tickcast_{}", row.split(['`', '{']).next().unwrap()))
        .collect();
    let there: BTreeSet<String> = families(&of_sample()).into_keys().collect();
    assert_eq!(documented, there);
}
