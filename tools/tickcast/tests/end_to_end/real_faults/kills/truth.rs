//! What is published, and what everybody must make of it.

use std::path::PathBuf;

use tempfile::TempDir;
use tickcast_protocol::Image;
use tickcast_wire::{Digest, Flags, Tick};

use crate::account::seq;
use crate::feed::{Feed, folder, market};
use crate::stories;

/// Ticks of the market, and their pace: a quarter of a second.
const TICKS: u64 = 5_000;
pub const PACE: &str = "20000/s";

/// A market, and what a subscriber prints of it when nothing goes wrong.
pub struct Truth {
    _folder: TempDir,
    pub market: PathBuf,
    /// With their seqs.
    ticks: Vec<Tick>,
    lines: Vec<String>,
}

impl Truth {
    /// Publishes the market once with nothing going wrong.
    pub fn find_out() -> Truth {
        let folder = folder();
        let market = market(folder.path(), TICKS);
        let lines = stories::all_lines(&Feed::on_loopback(), &market);
        assert_eq!(lines.len() as u64, TICKS);
        let reader = tickcast_tickfile::open(&market).expect("the market");
        let ticks = (1..)
            .zip(reader)
            .map(|(seq, tick)| tick.expect("a tick").with_seq(seq));
        Truth {
            ticks: ticks.collect(),
            _folder: folder,
            market,
            lines,
        }
    }

    /// How many ticks there are.
    pub fn last_seq(&self) -> u64 {
        self.ticks.len() as u64
    }

    /// The digest of these ticks, as it is shown.
    pub fn digest(&self, first_seq: u64, next_seq: u64) -> String {
        let mut digest = Digest::default();
        digest.update_all(&self.ticks[first_seq as usize - 1..next_seq as usize - 1]);
        digest.to_string()
    }

    /// The rows of a snapshot as of this seq.
    pub fn rows_as_of(&self, seq: u64) -> Vec<Tick> {
        let mut image = Image::new(self.ticks.len());
        self.ticks[..seq as usize]
            .iter()
            .for_each(|tick| image.apply(tick));
        image.snapshot()
    }

    /// Checks a printed tick, of the stream or of a snapshot.
    pub fn check_line(&self, line: &str) {
        let seq = seq(line).expect("a seq");
        let expected = &self.lines[seq as usize - 1];
        assert_eq!(&line.replacen(" snapshot ", " ", 1), expected);
    }

    /// Checks a recorded tick, of the stream or of a snapshot.
    pub fn check_tick(&self, tick: &Tick) {
        let expected = self.ticks[tick.seq() as usize - 1].with_ts_due(tick.ts_due());
        let is_row = tick.flags().contains(Flags::SNAPSHOT);
        let flagged = expected.with_flags(Flags::SNAPSHOT);
        assert_eq!(*tick, if is_row { flagged } else { expected });
    }
}
