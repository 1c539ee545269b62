//! What `subscribe` shows: print, board and vwap, of all symbols or of some.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::feed::{Feed, folder, text};
use crate::program::{Ended, Program, run};

const CSV: &str = "\
kind,flags,venue,instrument,seq,ts_event,ts_due,symbol,price_increment,lot_size,state,venue_state,\
reason,bid,bid_size,ask,ask_size,price,size,trade_id,aggressor,conditions,body
definition,1,1,1,1,1704205800000000000,0,ALPHA,0.01,100,,,,,,,,,,,,,
definition,1,1,2,2,1704205800000000000,0,BETA,0.01,100,,,,,,,,,,,,,
quote,1,1,1,3,1704205800000001000,0,,,,,,,10.00,100,10.02,200,,,,,,
quote,1,1,2,4,1704205800000002000,0,,,,,,,20.25,5,20.50,1200,,,,,,
trade,1,1,1,5,1704205800000003000,0,,,,,,,,,,,10.02,100,1,buy,,
trade,1,1,1,6,1704205800000004000,0,,,,,,,,,,,10.00,300,2,sell,,
quote,1,1,1,7,1704205800000005000,0,,,,,,,9.99,400,10.02,100,,,,,,
trade,1,1,2,8,1704205800000006000,0,,,,,,,,,,,20.25,10,3,sell,,
";

fn file(folder: &Path) -> PathBuf {
    let path = folder.join("two.csv");
    std::fs::write(&path, CSV).expect("a file");
    path
}

/// Publishes the two instruments and gives what a subscriber with these arguments shows.
fn shown(arguments: &[&str]) -> Ended {
    let folder = folder();
    let feed = Feed::on_loopback();
    let flow = ["--speed", "max", "--flow-control", "1", "--linger", "100ms"];
    let _publisher = feed.publisher(&file(folder.path()), &flow);
    let subscribe = feed.subscribe(&[&["--from", "start", "--flow-control"], arguments].concat());
    Program::start(subscribe).finish().expect(0)
}

/// The words of the lines on which this symbol stands.
fn about<'a>(ended: &'a Ended, symbol: &str) -> Vec<Vec<&'a str>> {
    let words = ended.out.iter().map(|line| line.split_whitespace());
    words
        .map(Iterator::collect::<Vec<&str>>)
        .filter(|words| words.contains(&symbol))
        .collect()
}

#[test]
fn print_shows_each_tick() {
    let all = shown(&["--strategy", "print"]);
    assert_eq!(about(&all, "ALPHA").len(), 5);
    let trades: Vec<_> = about(&all, "ALPHA")
        .into_iter()
        .filter(|words| words.contains(&"trade"))
        .collect();
    assert_eq!(trades.len(), 2);
    assert_eq!(trades[0][0], "5");
    assert_eq!(trades[0][2..], ["ALPHA", "trade", "100", "@", "10.02"]);
    assert_eq!(about(&all, "BETA").len(), 3);
}

#[test]
fn board_shows_the_last_quotes() {
    let all = shown(&["--strategy", "board"]);
    let alpha = ["ALPHA", "400", "@", "9.99", "10.02", "@", "100"];
    assert_eq!(about(&all, "ALPHA"), [alpha]);
    let beta = ["BETA", "5", "@", "20.25", "20.50", "@", "1,200"];
    assert_eq!(about(&all, "BETA"), [beta]);
}

#[test]
fn vwap_weighs_by_volume() {
    let all = shown(&["--strategy", "vwap"]);
    // (100 × 10.02 + 300 × 10.00) / 400
    let alpha = ["ALPHA", "10.005", "over", "400", "traded"];
    assert_eq!(about(&all, "ALPHA"), [alpha]);
    assert_eq!(about(&all, "BETA")[0][1], "20.25");
}

#[test]
fn programs_get_what_people_are_shown() {
    let board = shown(&["--strategy", "board", "--json"]).json();
    assert_eq!(
        board["board"],
        json!([
            {"symbol": "ALPHA", "instrument": 1,
             "bid": "9.99", "bid_size": 400, "ask": "10.02", "ask_size": 100},
            {"symbol": "BETA", "instrument": 2,
             "bid": "20.25", "bid_size": 5, "ask": "20.50", "ask_size": 1200},
        ])
    );
    let vwap = shown(&["--strategy", "vwap", "--json"]).json();
    assert_eq!(
        vwap["vwap"],
        json!([
            {"symbol": "ALPHA", "instrument": 1, "price": "10.005", "volume": 400},
            {"symbol": "BETA", "instrument": 2, "price": "20.25", "volume": 10},
        ])
    );
    let count = shown(&["--json"]).json();
    for (report, absent) in [(&board, "vwap"), (&vwap, "board"), (&count, "board")] {
        assert!(report.get(absent).is_none(), "{report}");
    }
    let some = shown(&["--strategy", "board", "--symbols", "BETA", "--json"]).json();
    assert_eq!(some["board"].as_array().map(Vec::len), Some(1));
}

#[test]
fn symbols_choose_what_is_shown_not_what_is_counted() {
    for strategy in ["print", "board", "vwap"] {
        let some = shown(&["--strategy", strategy, "--symbols", "BETA,GAMMA"]);
        assert!(about(&some, "ALPHA").is_empty(), "{:?}", some.out);
        assert!(!about(&some, "BETA").is_empty(), "{:?}", some.out);
        let said = some.out.join("\n");
        assert!(said.contains("delivered 8 ticks, lost 0"), "{said}");
        assert!(said.contains("no instrument GAMMA"), "{said}");
    }
    let some = shown(&["--symbols", "BETA,GAMMA", "--json"]).json();
    assert_eq!(some["unknown_symbols"], serde_json::json!(["GAMMA"]));
    assert_eq!(some["delivered"], 8);
}

#[test]
fn inline_is_the_same() {
    let [queued, inline] = [&[] as &[&str], &["--inline"]]
        .map(|place| shown(&[&["--strategy", "board"], place].concat()));
    assert_eq!(about(&queued, "ALPHA"), about(&inline, "ALPHA"));
}

#[test]
fn a_recording_is_replaced_only_when_asked() {
    let folder = folder();
    let recording = folder.path().join("recording.ticks");
    std::fs::write(&recording, "precious").expect("a file");
    let path = recording.to_str().expect("UTF-8 path");
    run(&["subscribe", "--record", path])
        .expect(1)
        .explains(&[path, "exists", "--force"]);
    assert_eq!(std::fs::read(&recording).expect("it"), b"precious");
    let place = folder.path().to_str().expect("UTF-8 path");
    run(&["subscribe", "--record", place, "--force"])
        .expect(1)
        .explains(&[place, "no regular file"]);
    let gone = folder.path().join("gone/recording.ticks");
    let ended = run(&["subscribe", "--record", text(&gone)]).expect(1);
    ended.explains(&["cannot record", "make the folder", "No such file"]);
    shown(&["--record", path, "--force"]);
    run(&["inspect", path]).expect(0);
}
