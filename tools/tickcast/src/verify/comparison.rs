//! The ticks of a recording beside those that were published, seq by seq.

use serde::Serialize;
use tickcast_wire::Tick;

use super::published::{Published, Tell};
use super::ranges::Ranges;
use super::recorded::{Session, is_state};

/// Ticks that differ and are shown.
const MOST_SHOWN: usize = 20;

/// A tick that is another than was published.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    pub seq: u64,
    /// The 64 bytes, 128 hex digits.
    pub recorded: String,
    pub published: String,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Findings {
    /// As they were published.
    pub equal: Ranges,
    /// Not in the recording, though it goes on behind them.
    pub missing: Ranges,
    /// Recorded, and no longer in the store.
    pub not_kept: Ranges,
    /// Recorded, and never published.
    pub not_published: Ranges,
    /// Recorded with other bytes.
    pub differing: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// Recorded again, or behind a later one.
    pub out_of_order: u64,
    /// Published after the last one that is recorded.
    pub published_after: u64,
}

impl Difference {
    /// The first and the last byte that differ.
    pub fn bytes(&self) -> (usize, usize) {
        let sides = self.recorded.bytes().zip(self.published.bytes());
        let mut differ = sides.enumerate().filter(|(_, (a, b))| a != b);
        let first = differ.next().map_or(0, |(at, _)| at);
        let last = differ.next_back().map_or(first, |(at, _)| at);
        (first / 2, last / 2)
    }
}

/// How far the recording of a session has been compared.
pub struct Comparison<'a> {
    published: Published<'a>,
    of: Session,
    /// The seq after the last one; 0 before the first.
    next: u64,
    taken: u64,
    findings: Findings,
}

impl<'a> Comparison<'a> {
    /// For this session, the one that the publisher runs.
    pub fn new(published: Published<'a>, of: Session) -> Comparison<'a> {
        Comparison {
            published,
            of,
            next: 0,
            taken: 0,
            findings: Findings::default(),
        }
    }

    /// Ticks compared so far.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Compares the next rows of the recording.
    ///
    /// # Errors
    /// When the publisher cannot be asked, or somebody asks to stop.
    pub fn take(&mut self, rows: &[Tick]) -> anyhow::Result<()> {
        for row in rows.iter().filter(|row| !is_state(row)) {
            self.taken += 1;
            self.compare(row)?;
        }
        Ok(())
    }

    fn compare(&mut self, row: &Tick) -> anyhow::Result<()> {
        let (seq, findings) = (row.seq(), &mut self.findings);
        if seq < self.next.max(1) {
            findings.out_of_order += 1;
            return Ok(());
        }
        match self.published.tell(seq, self.of.last_seq)? {
            Tell::NotPublished => {
                // What follows is not held against a seq that does not exist.
                findings.not_published.add(seq, seq);
                return Ok(());
            }
            Tell::NotKept => findings.not_kept.add(seq, seq),
            Tell::Tick(tick) if tick == row => findings.equal.add(seq, seq),
            Tell::Tick(tick) => findings.differ(seq, row, tick),
        }
        if self.next > 0 && seq > self.next {
            findings.missing.add(self.next, seq - 1);
        }
        self.next = seq + 1;
        Ok(())
    }

    /// Compares how it ends.
    ///
    /// # Errors
    /// When the publisher cannot be asked, or somebody asks to stop.
    pub fn end(mut self) -> anyhow::Result<Findings> {
        self.published.refresh()?;
        let end = self.next.max(self.of.said_next_seq);
        if self.next > 0 && end > self.next {
            self.findings.missing.add(self.next, end - 1);
        }
        self.findings.published_after = self.published.next_seq().saturating_sub(end);
        Ok(self.findings)
    }
}

impl Findings {
    fn differ(&mut self, seq: u64, recorded: &Tick, published: &Tick) {
        self.differing += 1;
        if self.differences.len() < MOST_SHOWN {
            self.differences.push(Difference {
                seq,
                recorded: hex(recorded),
                published: hex(published),
            });
        }
    }
}

/// The bytes of a tick as they lie.
fn hex(tick: &Tick) -> String {
    let bytes = tick.to_words().map(u64::to_ne_bytes);
    let digits = bytes
        .as_flattened()
        .iter()
        .map(|byte| format!("{byte:02x}"));
    digits.collect()
}
