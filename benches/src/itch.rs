//! An ITCH 5.0 file of what happens to orders.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::orders::{Action, Step, steps};

/// The time of the first message, ns after midnight, and from each to the next.
const OPEN_NS: u64 = 34_200_000_000_000;
const EVERY_NS: u64 = 100;

/// Writes an ITCH 5.0 file with the [`steps`] of a trading day, a message each.
///
/// # Panics
/// When the file cannot be written.
pub fn write_itch(path: &Path, messages: u64) {
    let mut out = BufWriter::new(File::create(path).expect("a file of our own"));
    let mut message = Vec::with_capacity(40);
    for (at, step) in (0..).zip(steps(messages)) {
        message.clear();
        encode(&step, OPEN_NS + at * EVERY_NS, &mut message);
        let length = (message.len() as u16).to_be_bytes();
        let written = out
            .write_all(&length)
            .and_then(|()| out.write_all(&message));
        written.expect("room on the disk");
    }
    out.flush().expect("room on the disk");
}

fn encode(step: &Step, ns: u64, message: &mut Vec<u8>) {
    let (kind, locate) = (kind(step.action), step.instrument);
    message.push(kind);
    message.extend_from_slice(&locate.to_be_bytes());
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(&ns.to_be_bytes()[2..]);
    message.extend_from_slice(&step.reference.to_be_bytes());
    match step.action {
        Action::Add {
            is_bid,
            size,
            price,
        } => {
            message.push(if is_bid { b'B' } else { b'S' });
            message.extend_from_slice(&size.to_be_bytes());
            message.extend_from_slice(format!("S{locate:<7}").as_bytes());
            message.extend_from_slice(&price.to_be_bytes());
        }
        Action::Delete => {}
        Action::Replace { by, size, price } => {
            message.extend_from_slice(&by.to_be_bytes());
            message.extend_from_slice(&size.to_be_bytes());
            message.extend_from_slice(&price.to_be_bytes());
        }
        Action::Execute => {
            message.extend_from_slice(&1_u32.to_be_bytes());
            // The number of the match.
            message.extend_from_slice(&ns.to_be_bytes());
        }
    }
}

fn kind(action: Action) -> u8 {
    match action {
        Action::Add { .. } => b'A',
        Action::Delete => b'D',
        Action::Replace { .. } => b'U',
        Action::Execute => b'E',
    }
}
