//! An ITCH 5.0 file of what happens to orders.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::orders::{Action, Step};

/// The time of the first message, ns after midnight, and from each to the next.
const OPEN_NS: u64 = 34_200_000_000_000;
const EVERY_NS: u64 = 100;

pub(crate) fn write(path: &Path, steps: &[Step]) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut message = Vec::with_capacity(40);
    for (at, step) in (0_u64..).zip(steps) {
        message.clear();
        encode(step, OPEN_NS + at * EVERY_NS, &mut message);
        out.write_all(&(message.len() as u16).to_be_bytes())?;
        out.write_all(&message)?;
    }
    out.flush()
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
