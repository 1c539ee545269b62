//! Which line was first with each packet, and what each of them lost.

use std::collections::{HashMap, VecDeque};

use tickcast_latency::{Figures, Provenance, Stage};
use tickcast_tickfile::{Feed, Place};

use crate::foreign::{Arrival, Coverage, Differences, Key, figures, missing_on_both};

/// Packets that are kept for their copy on the other line.
pub const WINDOW: usize = 65_536;
/// The lines, as whoever brings something is called.
const LINES: [Provenance; 2] = [Provenance::A, Provenance::B];
/// Streams of a feed that are told apart: sessions and channels.
const MOST_STREAMS: usize = 256;

/// What is counted of one line.
#[derive(Default)]
pub struct Line {
    pub packets: u64,
    pub bytes: u64,
    pub heartbeats: u64,
    /// Packets that it brought before the other did.
    pub first: u64,
    /// Packets that it alone brought.
    pub alone: u64,
    pub duplicates: u64,
    pub reordered: u64,
    /// Packets that are not of the feed.
    pub unplaced: u64,
    /// The most packets in a row that it brought first or alone.
    pub longest_run: u64,
    /// The least and the largest stamp.
    span: Option<(u64, u64)>,
}

impl Line {
    /// Seconds from its first packet to its last.
    pub fn seconds(&self) -> f64 {
        self.span.map_or(0.0, |(from, to)| (to - from) as f64 / 1e9)
    }
}

/// A packet, from its first copy on.
struct Waiting {
    key: Key,
    line: usize,
    time: u64,
    /// When the other line brought it.
    other: Option<u64>,
}

/// Two lines of one feed, packet by packet in the order of a capture.
pub struct Scoreboard {
    feed: Option<Feed>,
    pub lines: [Line; 2],
    /// By how much each was first.
    leads: Differences,
    window: VecDeque<Waiting>,
    /// The number of the first packet in the window, and of each by its key.
    start: u64,
    numbers: HashMap<Key, u64>,
    streams: HashMap<[u64; 2], [Coverage; 2]>,
    /// Packets that both lines brought at once, by their stamps.
    pub ties: u64,
    /// Packets whose copy had not come when they left the window.
    pub fell_out: u64,
    /// Packets of streams beyond those that are told apart.
    pub more_streams: u64,
    /// Stamps that are before the one before them.
    pub stamps_back: u64,
    /// Whether every stamp is a whole number of µs.
    pub is_coarse: bool,
    latest: u64,
    /// The line that was first with the latest packets, and with how many in a row.
    run: (Option<usize>, u64),
}

/// What became of the numbers of all streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// That each line lost between its first and its last.
    pub lost: [u64; 2],
    /// In how many rows.
    pub gaps: [u64; 2],
    /// That the other line brought before a line's first or after its last.
    pub absent: [u64; 2],
    /// That neither brought.
    pub lost_by_both: u64,
    /// Of those lost, in gaps that were too many to be held against the other line.
    pub not_compared: u64,
}

impl Scoreboard {
    pub fn new(feed: Option<Feed>) -> Scoreboard {
        Scoreboard {
            feed,
            lines: [Line::default(), Line::default()],
            leads: Differences::new(),
            window: VecDeque::new(),
            start: 0,
            numbers: HashMap::new(),
            streams: HashMap::new(),
            ties: 0,
            fell_out: 0,
            more_streams: 0,
            stamps_back: 0,
            is_coarse: true,
            latest: 0,
            run: (None, 0),
        }
    }

    /// Takes in the next packet: the line that brought it, 0 or 1, and when.
    pub fn take(&mut self, line: usize, time: u64, payload: &[u8]) {
        self.stamps_back += u64::from(time < self.latest);
        self.is_coarse &= time.is_multiple_of(1_000);
        self.latest = time;
        let key = Key::of(self.feed, payload);
        let count = &mut self.lines[line];
        count.packets += 1;
        count.bytes += payload.len() as u64;
        let (from, to) = count.span.unwrap_or((time, time));
        count.span = Some((from.min(time), to.max(time)));
        if key.is_heartbeat() {
            count.heartbeats += 1;
            return;
        }
        let arrival = match key {
            Key::Place(place) => self.place(line, place),
            Key::Bytes(_) => {
                count.unplaced += u64::from(self.feed.is_some());
                None
            }
        };
        let waiting = self.numbers.get(&key).map(|number| number - self.start);
        match waiting.and_then(|at| self.window.get_mut(at as usize)) {
            Some(first) if first.line != line && first.other.is_none() => first.other = Some(time),
            Some(_) => return self.lines[line].duplicates += 1,
            // Its first copy has left the window.
            None if arrival == Some(Arrival::Repeated) => {
                return self.lines[line].duplicates += 1;
            }
            None => self.add(key, line, time),
        }
        self.lines[line].reordered += u64::from(arrival == Some(Arrival::Late));
    }

    fn place(&mut self, line: usize, place: Place) -> Option<Arrival> {
        if self.streams.len() == MOST_STREAMS && !self.streams.contains_key(&place.stream) {
            self.more_streams += 1;
            return None;
        }
        let stream = self.streams.entry(place.stream).or_default();
        Some(stream[line].add(place.first_seq, place.count))
    }

    fn add(&mut self, key: Key, line: usize, time: u64) {
        if self.window.len() == WINDOW {
            self.settle();
        }
        let number = self.start + self.window.len() as u64;
        self.numbers.insert(key, number);
        self.window.push_back(Waiting {
            key,
            line,
            time,
            other: None,
        });
    }

    /// The packet that has been in the window longest leaves it.
    fn settle(&mut self) {
        let Some(waiting) = self.window.pop_front() else {
            return;
        };
        self.numbers.remove(&waiting.key);
        self.start += 1;
        self.fell_out += u64::from(waiting.other.is_none());
        self.decide(&waiting);
    }

    fn decide(&mut self, waiting: &Waiting) {
        let (line, time) = (waiting.line, waiting.time);
        let winner = match waiting.other {
            None => {
                self.lines[line].alone += 1;
                Some(line)
            }
            Some(other) if other == time => {
                self.ties += 1;
                None
            }
            // The stamps say who was first, whatever the order in the file.
            Some(other) => {
                let winner = if other > time { line } else { 1 - line };
                self.lines[winner].first += 1;
                let (from, to) = (time.min(other), time.max(other));
                self.leads.add(Stage::Total, LINES[winner], from, to);
                Some(winner)
            }
        };
        self.run = match self.run {
            (of, length) if of == winner => (of, length + 1),
            _ => (winner, 1),
        };
        if let (Some(line), length) = self.run {
            let longest = &mut self.lines[line].longest_run;
            *longest = length.max(*longest);
        }
    }

    /// Nothing comes any more: decides what is left in the window. Gives by how much each line was
    /// first.
    pub fn end(&mut self) -> [Figures; 2] {
        for waiting in std::mem::take(&mut self.window) {
            self.decide(&waiting);
        }
        let leads = self.leads.take();
        LINES.map(|line| figures(line, leads.part(Stage::Total, line)))
    }

    /// What became of the numbers; none if the feed has none.
    pub fn numbers(&self) -> Option<Numbers> {
        self.feed?;
        let mut sum = Numbers::default();
        for [a, b] in self.streams.values() {
            for (line, (own, other)) in [(a, b), (b, a)].into_iter().enumerate() {
                sum.lost[line] += own.missing();
                sum.gaps[line] += own.holes();
                sum.absent[line] += beyond(own, other);
                sum.not_compared += own.more();
            }
            sum.lost_by_both += missing_on_both(a, b);
        }
        Some(sum)
    }
}

/// Numbers within the other's first and last that are beyond its own.
fn beyond(own: &Coverage, other: &Coverage) -> u64 {
    let Some((other_first, other_end)) = other.span() else {
        return 0;
    };
    let Some((first, end)) = own.span() else {
        return other_end - other_first;
    };
    first.saturating_sub(other_first) + other_end.saturating_sub(end)
}

#[cfg(test)]
mod tests;
