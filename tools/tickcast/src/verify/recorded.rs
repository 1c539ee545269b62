//! What a recording holds.

use anyhow::bail;
use tickcast_tickfile::{Said, TicksFile};
use tickcast_wire::{Flags, Tick};

use crate::interrupt::Interrupt;
use crate::progress;

/// A recording, session by session.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Those with at least one tick of the stream, in the order of the file.
    pub sessions: Vec<Session>,
    /// What else is to be said of the file.
    pub notices: Vec<String>,
}

/// One of its sessions.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub session: u64,
    /// Ticks of the stream.
    pub ticks: u64,
    /// The first and the largest of their seqs.
    pub first_seq: u64,
    pub last_seq: u64,
    /// Rows of snapshots, which are state.
    pub snapshot_rows: u64,
    /// The seq that came next when the publisher last spoke; 0 if it did not.
    pub said_next_seq: u64,
}

/// Whether it is a row of a snapshot, and no part of the stream.
pub fn is_state(row: &Tick) -> bool {
    row.flags().contains(Flags::SNAPSHOT)
}

impl Recorded {
    /// Reads all of the file.
    ///
    /// # Errors
    /// When it is damaged, or somebody asks to stop.
    pub fn read(file: &TicksFile, interrupt: &Interrupt) -> anyhow::Result<Recorded> {
        let mut recorded = Recorded::default();
        let mut blocks = file.blocks();
        let bar = progress::over_bytes("reading", file.size());
        while let Some(rows) = blocks.next() {
            recorded.take(rows?, blocks.said());
            bar.set_position(blocks.position());
            if interrupt.is_set() {
                bail!("stopped");
            }
        }
        bar.finish_and_clear();
        recorded.take(&[], blocks.said());
        recorded.notices = blocks.notice().iter().map(ToString::to_string).collect();
        recorded.sessions.retain(|of| of.ticks > 0);
        Ok(recorded)
    }

    fn take(&mut self, rows: &[Tick], said: Said) {
        if said.session == 0 {
            return;
        }
        let known = self
            .sessions
            .iter()
            .position(|of| of.session == said.session);
        let at = known.unwrap_or_else(|| {
            self.sessions.push(Session {
                session: said.session,
                ..Session::default()
            });
            self.sessions.len() - 1
        });
        let of = &mut self.sessions[at];
        of.said_next_seq = of.said_next_seq.max(said.next_seq);
        for row in rows {
            if is_state(row) {
                of.snapshot_rows += 1;
                continue;
            }
            if of.ticks == 0 {
                of.first_seq = row.seq();
            }
            of.ticks += 1;
            of.last_seq = of.last_seq.max(row.seq());
        }
    }

    /// The sessions, by name.
    pub fn names(&self) -> String {
        let names: Vec<_> = self
            .sessions
            .iter()
            .map(|of| of.session.to_string())
            .collect();
        let word = if names.len() == 1 {
            "session"
        } else {
            "sessions"
        };
        format!("{word} {}", names.join(", "))
    }
}
