//! Two publishers on one group: the newest session is followed, whole, and the operator is told.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::account::sessions;
use crate::feed::{Feed, PRINT_ALL, folder, text};
use crate::program::{count, json, run};
use crate::stories::wait_for_seq;

/// A market of its own for each publisher, so that no tick of one passes for one of the other.
fn market_of(folder: &Path, seed: &str, ticks: &str) -> PathBuf {
    let path = folder.join(format!("{seed}.ticks"));
    let few = ["--instruments", "100"];
    let generate = ["generate", text(&path), "--seed", seed, "--ticks", ticks];
    run(&[&generate[..], &few].concat()).expect(0);
    path
}

#[test]
fn on_one_group() {
    let folder = folder();
    let markets = [("1", "200000"), ("2", "10000")]
        .map(|(seed, ticks)| market_of(folder.path(), seed, ticks));
    let older = Feed::on_loopback();
    let newer = Feed {
        recovery: Feed::on_loopback().recovery,
        ..older.clone()
    };
    let pace = ["--speed", "5000/s", "--linger", "1h"];
    let print = [PRINT_ALL, &["--stay"]].concat();
    let mut witness = newer.subscriber(&print);
    let first = older.publisher(&markets[0], &pace);
    witness.wait_until_it_says("session ");
    let _second = newer.publisher(&markets[1], &pace);
    let mut late = newer.subscriber(&print);

    let second = json(&["inspect", text(&markets[1])]);
    for subscriber in [&mut witness, &mut late] {
        subscriber.wait_until_it_says("another publisher sends on this group");
        wait_for_seq(subscriber, 10_000);
        subscriber.wait_until_it_says("end of session");
        subscriber.signal(Signal::INT);
    }
    // The older one went on all the time.
    drop(first);
    for subscriber in [witness, late] {
        let ended = subscriber.finish();
        let result = ended.json();
        let sessions = sessions(&ended.out);
        let (last, before) = sessions.split_last().expect("a session");
        assert!(before.len() <= 1 && before.iter().all(|session| !session.ended));
        assert_eq!((last.first_seq, last.next_seq()), (1, 10_001));
        assert_eq!(last.lost, 0);
        assert!(last.ended);
        assert_eq!(result["digest"], second["digest"]);
        assert_eq!(count(&result, "session"), last.session);
        assert!(result["refused"][0].as_u64() > Some(0), "{result}");
    }
}
