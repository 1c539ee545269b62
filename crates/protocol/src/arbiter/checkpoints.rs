//! Checkpoints: what the publisher says of the stream, put out at the place that it speaks of.

use tickcast_wire::{Digest, PacketHeader, PreviousSession, Tick};

use super::{Arbiter, Checkpoint, Provenance, Sink};

/// A data packet gives a checkpoint only so many ticks after the one before: the receive path pays
/// one comparison a packet for the others.
const EVERY: u64 = 1_024;

/// The checkpoints of a session.
#[derive(Default)]
pub(super) struct Checkpoints {
    /// The one put out last.
    last: Option<Checkpoint>,
    /// A data packet from this seq on gives the next one.
    due: u64,
    /// The nearest of those that lie ahead of what was put out. A farther one is forgotten: others
    /// follow.
    ahead: Option<Checkpoint>,
    /// What the end of the session says.
    end: Option<Checkpoint>,
}

impl Checkpoints {
    #[inline]
    pub(super) fn is_due(&self, first_seq: u64) -> bool {
        first_seq >= self.due
    }

    /// Everything before `next` is lost, or not wanted: what lies within cannot be compared.
    pub(super) fn skip_to(&mut self, next: u64) {
        self.ahead = self.ahead.filter(|ahead| ahead.next_seq >= next);
    }

    /// Puts out ticks, the first of them with seq `next`, and the checkpoint ahead if it lies
    /// among them or right behind.
    #[inline]
    pub(super) fn put_out(
        &mut self,
        ticks: &[Tick],
        next: u64,
        (from, held): (Provenance, bool),
        sink: &mut impl Sink,
    ) {
        let end = next + ticks.len() as u64;
        match self.ahead {
            Some(ahead) if (next..=end).contains(&ahead.next_seq) => {
                let (before, after) = ticks.split_at((ahead.next_seq - next) as usize);
                if !before.is_empty() {
                    sink.ticks(before, from, held);
                }
                self.reach(ahead, sink);
                if !after.is_empty() {
                    sink.ticks(after, from, held);
                }
            }
            _ => sink.ticks(ticks, from, held),
        }
    }

    /// Puts out a checkpoint at the place it speaks of, if it is news.
    pub(super) fn reach(&mut self, checkpoint: Checkpoint, sink: &mut impl Sink) {
        self.ahead = None;
        if self.last != Some(checkpoint) {
            self.last = Some(checkpoint);
            self.due = checkpoint.next_seq.saturating_add(EVERY);
            sink.checkpoint(&checkpoint);
        }
    }
}

impl Arbiter {
    /// Takes in what the header of a packet of this session says.
    pub(super) fn note_checkpoint(&mut self, header: &PacketHeader, sink: &mut impl Sink) {
        let Some(said) = self.checkpoint(header.first_seq(), header.digest()) else {
            return;
        };
        let known = &mut self.checkpoints;
        if said.next_seq == self.next && self.join.is_done() {
            known.reach(said, sink);
        } else if said.next_seq >= self.next
            && known
                .ahead
                .is_none_or(|ahead| said.next_seq < ahead.next_seq)
        {
            known.ahead = Some(said);
        }
    }

    /// Takes in what an end of the session says.
    pub(super) fn note_end(&mut self, header: &PacketHeader) {
        self.end.get_or_insert(header.first_seq());
        self.checkpoints.end = self.checkpoint(header.first_seq(), header.digest());
    }

    /// Puts out what the end of the session said, if everything before it was put out.
    pub(super) fn reach_end(&mut self, sink: &mut impl Sink) {
        if let Some(end) = self.checkpoints.end
            && end.next_seq == self.next
        {
            self.checkpoints.reach(end, sink);
        }
    }

    /// Puts out what the next session says of this one, if everything of it was put out.
    pub(super) fn reach_previous(&mut self, previous: &PreviousSession, sink: &mut impl Sink) {
        if previous.session == self.session
            && previous.last_seq + 1 == self.next
            && let Some(said) = self.checkpoint(self.next, previous.digest)
        {
            self.checkpoints.reach(said, sink);
        }
    }

    /// Puts out the digest that a snapshot came with: it is as of the seq before the next.
    pub(super) fn reach_snapshot(&mut self, digest: Digest, sink: &mut impl Sink) {
        if let Some(said) = self.checkpoint(self.next, digest) {
            self.checkpoints.reach(said, sink);
        }
    }

    /// A digest of 0 says nothing: there is nothing before, or the publisher computes none.
    fn checkpoint(&self, next_seq: u64, digest: Digest) -> Option<Checkpoint> {
        (digest != Digest::default()).then_some(Checkpoint {
            session: self.session,
            next_seq,
            digest,
        })
    }
}
