//! A file of ITCH messages from a seed.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Instruments in the ITCH file.
const LOCATES: u64 = 1_000;

/// A small generator of numbers (splitmix64), so that every run has the same file.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// An ITCH 5.0 file: orders added, replaced, executed and deleted in no learnable order, with up
/// to 100,000 of them resting, in the proportions of a trading day (adds 42 %, deletes 40 %,
/// replaces 12 %, executions 6 %).
///
/// # Panics
/// When the file cannot be written.
pub fn write_itch(path: &Path, messages: u64) {
    let mut out = BufWriter::new(File::create(path).expect("a file in a folder of our own"));
    let mut numbers = Numbers(7);
    let mut resting: Vec<(u64, u16)> = Vec::new();
    let mut reference = 1u64;
    for at in 0..messages {
        let mut message = Vec::with_capacity(40);
        let mut head = |kind: u8, locate: u16| {
            message.push(kind);
            message.extend_from_slice(&locate.to_be_bytes());
            message.extend_from_slice(&[0, 0]);
            message.extend_from_slice(&(34_200_000_000_000 + at * 100).to_be_bytes()[2..]);
        };
        let price =
            |numbers: &mut Numbers| (1_000_000 + numbers.below(50) as u32 * 100).to_be_bytes();
        let choice = if resting.len() < 1_000 {
            0
        } else {
            numbers.below(100)
        };
        let choice = if resting.len() >= 100_000 {
            choice.max(42)
        } else {
            choice
        };
        match choice {
            0..42 => {
                let locate = 1 + numbers.below(LOCATES) as u16;
                head(b'A', locate);
                message.extend_from_slice(&reference.to_be_bytes());
                message.push(if numbers.below(2) == 0 { b'B' } else { b'S' });
                message.extend_from_slice(&(100 + numbers.below(900) as u32).to_be_bytes());
                message.extend_from_slice(format!("S{locate:<7}").as_bytes());
                message.extend_from_slice(&price(&mut numbers));
                resting.push((reference, locate));
                reference += 1;
            }
            42..82 => {
                let (order, locate) =
                    resting.swap_remove(numbers.below(resting.len() as u64) as usize);
                head(b'D', locate);
                message.extend_from_slice(&order.to_be_bytes());
            }
            82..94 => {
                let place = numbers.below(resting.len() as u64) as usize;
                let (order, locate) = resting[place];
                head(b'U', locate);
                message.extend_from_slice(&order.to_be_bytes());
                message.extend_from_slice(&reference.to_be_bytes());
                message.extend_from_slice(&(100 + numbers.below(900) as u32).to_be_bytes());
                message.extend_from_slice(&price(&mut numbers));
                resting[place].0 = reference;
                reference += 1;
            }
            _ => {
                let (order, locate) = resting[numbers.below(resting.len() as u64) as usize];
                head(b'E', locate);
                message.extend_from_slice(&order.to_be_bytes());
                message.extend_from_slice(&1u32.to_be_bytes());
                message.extend_from_slice(&at.to_be_bytes());
            }
        }
        let length = (message.len() as u16).to_be_bytes();
        out.write_all(&length)
            .and_then(|()| out.write_all(&message))
            .expect("room on the disk");
    }
    out.flush().expect("room on the disk");
}
