//! Messages of ITCH 5.0: a file of what happens to orders, and messages in no order.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;

use tickcast_tickfile::ItchMessages;

use crate::orders::{Action, Numbers, Step, steps};

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

/// A capture of the opening of a day, in the folder that `TICKCAST_DATA` names.
const CAPTURE: &str = "itch50-20191230-open.itch";

/// Types and lengths in the proportions of that opening, of 100 messages.
const MADE: [(u8, u8, u64); 7] = [
    (b'A', 36, 38),
    (b'F', 40, 19),
    (b'U', 35, 22),
    (b'D', 19, 17),
    (b'E', 31, 2),
    (b'X', 23, 1),
    (b'P', 44, 1),
];

/// Messages in memory, each after its length as in a BinaryFILE, in an order that a branch predictor
/// cannot learn.
#[derive(Debug)]
pub struct Shuffled {
    /// The messages.
    pub bytes: Vec<u8>,
    /// How many there are.
    pub count: usize,
    /// Where they are from, in words.
    pub origin: &'static str,
}

impl Shuffled {
    /// About a megabyte, which stays in the second-level cache: what decoding takes.
    #[must_use]
    pub fn in_cache() -> Shuffled {
        Shuffled::new(32_768)
    }

    /// Tens of megabytes, which come from memory: what decoding and memory take.
    #[must_use]
    pub fn in_memory() -> Shuffled {
        Shuffled::new(1_000_000)
    }

    /// So many messages: those of the capture again and again, or made ones, in a random order.
    ///
    /// # Panics
    /// When `TICKCAST_DATA` is there and the capture is not in it.
    #[must_use]
    pub fn new(count: usize) -> Shuffled {
        let mut numbers = Numbers(11);
        let (frames, origin) = match std::env::var_os("TICKCAST_DATA") {
            Some(folder) => {
                let capture = fs::read(Path::new(&folder).join(CAPTURE));
                let frames = frames(&capture.expect("the capture in TICKCAST_DATA"));
                (frames, "those of a real opening, repeated")
            }
            None => (made(&mut numbers), "made in the proportions of an opening"),
        };
        let mut order: Vec<usize> = (0..count).map(|at| at % frames.len()).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, numbers.below(at as u64 + 1) as usize);
        }
        let bytes = order.iter().flat_map(|&at| &frames[at]).copied().collect();
        Shuffled {
            bytes,
            count,
            origin,
        }
    }

    /// Decodes every message and looks at its type, locate and time, and at what most types have;
    /// how many there were.
    #[must_use]
    pub fn decode(&self) -> u64 {
        let messages = ItchMessages::new(black_box(&self.bytes));
        let (sum, count) = messages.fold((0_u64, 0), |(sum, count), message| {
            let head = message.nanos() ^ u64::from(message.locate());
            let order = message.reference() ^ message.second();
            let rest = u64::from(message.shares() ^ message.price()) ^ u64::from(message.kind());
            (sum.wrapping_add(head ^ order ^ rest), count + 1)
        });
        black_box(sum);
        count
    }
}

/// The messages of a BinaryFILE with their lengths.
fn frames(mut file: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(length) = file.first_chunk::<2>() {
        let (first, rest) = file.split_at(2 + usize::from(u16::from_be_bytes(*length)));
        frames.push(first.to_vec());
        file = rest;
    }
    frames
}

/// A thousand messages with random fields.
fn made(numbers: &mut Numbers) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for (kind, length, share) in MADE {
        for _ in 0..10 * share {
            let mut message: Vec<u8> = (0..length).map(|_| numbers.below(256) as u8).collect();
            message[0] = kind;
            if matches!(kind, b'A' | b'F' | b'P') {
                message[19] = if numbers.below(2) == 0 { b'B' } else { b'S' };
                message[24..32].copy_from_slice(b"ZVZZT   ");
            }
            if kind == b'F' {
                message[36..].copy_from_slice(b"FLTG");
            }
            frames.push([&[0, length], message.as_slice()].concat());
        }
    }
    frames
}
