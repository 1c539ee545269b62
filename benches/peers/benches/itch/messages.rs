//! Messages of ITCH 5.0, each after its length as in a BinaryFILE, in no order.

use std::env;
use std::fs;
use std::path::Path;

use tickcast_benches::orders::Numbers;
use tickcast_peers::Failure;

/// A capture of the opening of a day, in the folder that `TICKCAST_DATA` names.
const CAPTURE: &str = "itch50-20191230-open.itch";

/// Types and lengths in the proportions of that opening, of 100 messages.
const MADE: [(u8, usize, u64); 7] = [
    (b'A', 36, 38),
    (b'F', 40, 19),
    (b'U', 35, 22),
    (b'D', 19, 17),
    (b'E', 31, 2),
    (b'X', 23, 1),
    (b'P', 44, 1),
];

/// Messages in memory.
pub struct File {
    pub bytes: Vec<u8>,
    /// Where the messages are from.
    pub origin: &'static str,
}

/// So many messages: those of the capture again and again, or made ones, all in one random order.
pub fn shuffled(count: usize) -> Result<File, Failure> {
    let mut random = Numbers(11);
    let (kinds, origin) = match env::var_os("TICKCAST_DATA") {
        Some(folder) => {
            let capture = fs::read(Path::new(&folder).join(CAPTURE))?;
            (frames(&capture)?, "those of a real opening, repeated")
        }
        None => (made(&mut random), "made in the proportions of an opening"),
    };
    let mut order: Vec<usize> = (0..count).map(|at| at % kinds.len()).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, random.below(at as u64 + 1) as usize);
    }
    let bytes = order.into_iter().flat_map(|at| kinds[at].clone()).collect();
    Ok(File { bytes, origin })
}

/// The messages of a BinaryFILE with their lengths.
fn frames(mut file: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut frames = Vec::new();
    while let Some(length) = file.first_chunk::<2>() {
        let frame = 2 + usize::from(u16::from_be_bytes(*length));
        let (first, rest) = file
            .split_at_checked(frame)
            .ok_or("a capture that is cut")?;
        frames.push(first.to_vec());
        file = rest;
    }
    Ok(frames)
}

/// A thousand messages with random fields.
fn made(random: &mut Numbers) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for (kind, length, share) in MADE {
        for _ in 0..10 * share {
            let mut message: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
            message[0] = kind;
            if matches!(kind, b'A' | b'F' | b'P') {
                message[19] = if random.below(2) == 0 { b'B' } else { b'S' };
                message[24..32].copy_from_slice(b"ZVZZT   ");
            }
            if kind == b'F' {
                message[36..].copy_from_slice(b"FLTG");
            }
            let mut frame = (length as u16).to_be_bytes().to_vec();
            frame.append(&mut message);
            frames.push(frame);
        }
    }
    frames
}
