//! Other decoders of ITCH 5.0 beside ours, in turns, on messages in an order that a branch predictor
//! cannot learn: so many that it cannot, and few enough for the second-level cache; then a million,
//! which come from memory.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench itch`; with `--test` an instant.
//! With `TICKCAST_DATA` the messages are real ones, otherwise they are made. With `--features
//! moldudp` that crate takes the same messages out of packets, too.

mod decoders;
#[cfg(feature = "moldudp")]
mod packets;

use std::time::Instant;

use tickcast_benches::{Bound, Figure, Shuffled, is_instant, try_in_turns};
use tickcast_peers::{Failure, introduce, print_times};

use decoders::{Decoded, itch5, itchy, ours, walk};

/// Messages of a run: those in the cache are decoded again and again.
const MESSAGES: usize = 1_000_000;
const TURNS: usize = 20;

type Decoder = fn(&[u8]) -> Result<Decoded, Failure>;

const WAYS: [(&str, Decoder); 4] = [
    ("ours", ours),
    ("length chain alone", walk),
    ("itch5", itch5),
    ("itchy", itchy),
];

fn main() -> Result<(), Failure> {
    introduce("itch");
    if is_instant() {
        return measure("an instant", &Shuffled::new(10_000), None);
    }
    let in_cache = Shuffled::in_cache();
    let bound = Some(Bound::AtMost(3.0));
    measure("ITCH decoding, shuffled messages", &in_cache, bound)?;
    let in_memory = Shuffled::in_memory();
    measure("ITCH decoding, streamed from memory", &in_memory, None)
}

/// Measures all decoders on these messages; the bound is for ours, beside itch5.
fn measure(what: &str, messages: &Shuffled, bound: Option<Bound>) -> Result<(), Failure> {
    let turns = if is_instant() { 1 } else { TURNS };
    let passes = MESSAGES.div_ceil(messages.count);
    println!(
        "{what}: {} messages, {}, shuffled, in memory; {passes} passes, {turns} turns\nread of \
         each: type, locate, time, and where the type has them reference, shares, price, match \
         number or new reference",
        messages.count, messages.origin
    );
    let expected = ours(&messages.bytes)?;
    let runs = try_in_turns(turns, WAYS.len(), |way| -> Result<f64, Failure> {
        let (name, decode) = WAYS[way];
        let start = Instant::now();
        for _ in 0..passes {
            let decoded = decode(std::hint::black_box(&messages.bytes))?;
            if !decoded.agrees_with(&expected) {
                return Err(format!("{name} decodes {decoded:?}, ours {expected:?}").into());
            }
        }
        Ok(start.elapsed().as_nanos() as f64 / (passes * messages.count) as f64)
    })?;
    print_times("ns a message", &WAYS.map(|way| way.0), &runs);
    #[cfg(feature = "moldudp")]
    packets::measure(&messages.bytes, turns)?;
    if is_instant() {
        return Ok(());
    }
    for (other, bound) in [(1, None), (2, bound), (3, None)] {
        Figure {
            what,
            ours: &runs[0],
            unit: "ns a message",
            against: Some((WAYS[other].0, &runs[other])),
            bound,
        }
        .print();
    }
    Ok(())
}
