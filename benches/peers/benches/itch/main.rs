//! Other decoders of ITCH 5.0 beside ours, in turns, on messages in an order that a branch predictor
//! cannot learn.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench itch`; with `--test` an instant.
//! With `TICKCAST_DATA` the messages are real ones, otherwise they are made. With `--features
//! moldudp` that crate takes the same messages out of packets, too.

mod decoders;
mod messages;
#[cfg(feature = "moldudp")]
mod packets;

use std::time::Instant;

use tickcast_benches::{Bound, Figure, is_instant, try_in_turns};
use tickcast_peers::{Failure, introduce, print_times};

use decoders::{Decoded, itch5, itchy, ours, walk};
use messages::shuffled;

const FULL: (usize, usize) = (20, 1_000_000);
const INSTANT: (usize, usize) = (1, 10_000);

type Decoder = fn(&[u8]) -> Result<Decoded, Failure>;

fn main() -> Result<(), Failure> {
    let (turns, count) = if is_instant() { INSTANT } else { FULL };
    introduce("itch");
    let file = shuffled(count)?;
    println!(
        "{count} messages, {}, shuffled, in memory; {turns} turns\nread of each: type, locate, \
         time, and where the type has them reference, shares, price, match number or new \
         reference",
        file.origin
    );
    let ways: [(&str, Decoder); 4] = [
        ("ours", ours),
        ("length chain alone", walk),
        ("itch5", itch5),
        ("itchy", itchy),
    ];
    let expected = ours(&file.bytes)?;
    let runs = try_in_turns(turns, ways.len(), |way| -> Result<f64, Failure> {
        let (name, decode) = ways[way];
        let start = Instant::now();
        let decoded = decode(std::hint::black_box(&file.bytes))?;
        let ns = start.elapsed().as_nanos() as f64 / count as f64;
        if !decoded.agrees_with(&expected) {
            return Err(format!("{name} decodes {decoded:?}, ours {expected:?}").into());
        }
        Ok(ns)
    })?;
    print_times("ns a message", &ways.map(|way| way.0), &runs);
    #[cfg(feature = "moldudp")]
    packets::measure(&file.bytes, turns)?;
    if is_instant() {
        return Ok(());
    }
    for (other, bound) in [(1, None), (2, Some(Bound::AtMost(3.0))), (3, None)] {
        Figure {
            what: "ITCH decoding, shuffled messages",
            ours: &runs[0],
            unit: "ns a message",
            against: Some((ways[other].0, &runs[other])),
            bound,
        }
        .print();
    }
    Ok(())
}
