//! Real faults on real sockets: networks that lose, that go down, that reorder, duplicate and
//! damage; connections that break; processes that are killed. docs/testing.md says how to run the
//! long forms.

mod kills;
mod loss;
mod networks;
mod publishers;
mod relay;
mod relayed;
mod tcp_relay;

use std::path::Path;

use serde_json::Value;

use crate::account::sessions;
use crate::feed::{Feed, PRINT_ALL, text};
use crate::program::{Ended, count, json};

/// Ticks of a market, and their pace: half a second.
const TICKS: u64 = 10_000;
const PACE: &str = "20000/s";

/// What a subscriber ends with, which had this market published to it from the first tick to the
/// last by `publishing`, with these arguments, and printed what came by `subscribing`.
fn print_all(publishing: &Feed, subscribing: &Feed, market: &Path, more: &[&str]) -> Ended {
    let subscriber = subscribing.subscriber(&[PRINT_ALL, more].concat());
    // It is there for as long as something may be asked for again.
    let _publisher = publishing.publisher(market, &["--speed", PACE, "--linger", "1h"]);
    subscriber.finish()
}

/// Checks that a subscriber was given this market, every tick in order, exactly once, byte for
/// byte; gives its result.
#[track_caller]
fn has_all(ended: Ended, market: &Path) -> Value {
    let ended = ended.expect(0);
    let (result, inspected) = (ended.json(), json(&["inspect", text(market)]));
    assert_eq!(result["delivered"], inspected["ticks"]);
    assert_eq!(count(&result, "lost"), 0);
    assert_eq!(result["digest"], inspected["digest"]);
    let sessions = sessions(&ended.out);
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].first_seq, 1);
    assert_eq!(sessions[0].delivered, count(&inspected, "ticks"));
    assert!(sessions[0].ended);
    result
}

/// Checks that a subscriber was given this market, or told exactly what of it is lost; gives its
/// result.
#[track_caller]
fn has_all_or_knows(ended: Ended, market: &Path) -> Value {
    let result = ended.json();
    if count(&result, "lost") == 0 {
        return has_all(ended, market);
    }
    let ended = ended.expect(3);
    let ticks = count(&json(&["inspect", text(market)]), "ticks");
    let sessions = sessions(&ended.out);
    assert_eq!(sessions.len(), 1);
    assert_eq!(
        (sessions[0].first_seq, sessions[0].next_seq()),
        (1, ticks + 1)
    );
    assert_eq!(sessions[0].lost, count(&result, "lost"));
    assert_eq!(sessions[0].delivered, count(&result, "delivered"));
    result
}
