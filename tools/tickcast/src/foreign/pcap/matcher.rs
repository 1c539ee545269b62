//! The same packet in two captures, whose clocks have nothing to do with each other.

use std::collections::{HashMap, VecDeque};

use super::Key;
use crate::show;

/// A packet waits until so many others of its capture have come.
pub const WINDOW: usize = 262_144;

/// A packet that both captures have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// When it was captured at A.
    pub at: u64,
    /// When at B, less that.
    pub ns: i64,
}

/// What was counted, of A and of B.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets of the groups that are held against each other, without heartbeats.
    pub packets: [u64; 2],
    /// That both have.
    pub matched: u64,
    /// That the other has not, or later than [`WINDOW`] others.
    pub unmatched: [u64; 2],
    /// That came again while they waited.
    pub repeated: [u64; 2],
    /// Of other groups.
    pub others: [u64; 2],
    /// Stamps that are before the one before them.
    pub stamps_back: [u64; 2],
    /// Kept only in part.
    pub cut: [u64; 2],
    /// What is to be said of the end of the file.
    pub ended_inside: [Option<String>; 2],
}

impl Counts {
    /// What is to be said of one capture.
    pub fn statements(&self, side: usize, name: &str) -> impl Iterator<Item = String> {
        let other = ["B", "A"][side];
        let texts = [
            (self.unmatched[side], format!("that {other} has not")),
            (self.repeated[side], "that came again, of which the first counts".into()),
            (self.others[side], format!("of groups that {other} has not")),
            (
                self.stamps_back[side],
                "with a stamp before that of the one before: its clock was set, or it was put together \
                 from several"
                    .into(),
            ),
            (
                self.cut[side],
                "that were kept only in part and are left out: capture whole packets".into(),
            ),
        ];
        let counted = texts.into_iter().filter(|(count, _)| *count > 0);
        let said: Vec<String> = counted
            .map(|(count, text)| {
                format!("capture {name} has {} packets {text}", show::count(count))
            })
            .collect();
        let end = self.ended_inside[side].iter();
        let end: Vec<String> = end.map(|text| format!("capture {name}: {text}")).collect();
        said.into_iter().chain(end)
    }
}

/// Packets of one capture that wait for the other.
#[derive(Default)]
struct Waiting {
    times: HashMap<(usize, Key), u64>,
    /// In the order in which they came; some have been met since.
    order: VecDeque<((usize, Key), u64)>,
    latest: u64,
}

/// Finds the packets that both captures have.
#[derive(Default)]
pub struct Matcher {
    waiting: [Waiting; 2],
    pub counts: Counts,
}

impl Matcher {
    /// Takes in the next packet of a capture, 0 or 1; the pair if the other has it.
    pub fn take(&mut self, side: usize, key: (usize, Key), time: u64) -> Option<Pair> {
        let [a, b] = &mut self.waiting;
        let (own, other) = if side == 0 { (a, b) } else { (b, a) };
        self.counts.stamps_back[side] += u64::from(time < own.latest);
        own.latest = time;
        if key.1.is_heartbeat() {
            return None;
        }
        self.counts.packets[side] += 1;
        if let Some(there) = other.times.remove(&key) {
            self.counts.matched += 1;
            let [a, b] = if side == 0 {
                [time, there]
            } else {
                [there, time]
            };
            let ns = i128::from(b) - i128::from(a);
            let ns = ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
            return Some(Pair { at: a, ns });
        }
        if own.times.contains_key(&key) {
            self.counts.repeated[side] += 1;
            return None;
        }
        if own.order.len() == WINDOW
            && let Some((oldest, since)) = own.order.pop_front()
            && own.times.get(&oldest) == Some(&since)
        {
            own.times.remove(&oldest);
            self.counts.unmatched[side] += 1;
        }
        own.times.insert(key, time);
        own.order.push_back((key, time));
        None
    }

    /// Nothing comes any more.
    pub fn end(mut self) -> Counts {
        for (unmatched, waiting) in self.counts.unmatched.iter_mut().zip(&self.waiting) {
            *unmatched += waiting.times.len() as u64;
        }
        self.counts
    }
}
