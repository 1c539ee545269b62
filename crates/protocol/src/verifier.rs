//! Proves that what was delivered is what was published.

use tickcast_wire::{Digest, Tick};

use crate::arbiter::{Checkpoint, Loss};

/// Holds the ticks that a subscriber was given against what the publisher says of them.
///
/// Feed it the stream as it comes: sessions, ticks (not the rows of a snapshot), losses and
/// checkpoints. It sums the ticks up to a running [`Digest`], 2 ns a tick, and compares that at every
/// [`Checkpoint`]. A stream from seq 1 on is compared from its beginning; after a loss or a late
/// join the first checkpoint is taken on trust and what follows is compared from there (that of a
/// snapshot comes with the snapshot, and the first packet after it either agrees or does not).
///
/// One checkpoint that disagrees may itself be what was damaged: if a later one agrees with the
/// same ticks, the disagreement is refuted and only counted.
///
/// ```
/// use tickcast_protocol::{Checkpoint, Verdict, Verifier};
/// use tickcast_wire::{Clear, Digest, Tick, Venue};
///
/// let tick = Tick::new(Clear::default(), Venue::NONE, 1, 0).with_seq(1);
/// let mut digest = Digest::default();
/// digest.update(&tick);
///
/// let mut verifier = Verifier::default();
/// verifier.start(7, 1);
/// verifier.take(&[tick]);
/// let said = Checkpoint { session: 7, next_seq: 2, digest };
/// assert_eq!(verifier.check(&said), Verdict::Agrees);
/// assert_eq!(verifier.proof().proven_to, 1);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    /// Of all ticks given in this session.
    delivered: Digest,
    /// Where the comparison begins: the digest given then, and what the publisher says it is.
    base: (Digest, Digest),
    /// The next seq that is to come.
    next: u64,
    proof: Proof,
    /// A disagreement that a later checkpoint may still refute.
    suspicion: Option<Difference>,
    /// Checkpoints that disagreed since.
    disagreed: u64,
}

/// What is proven of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// Checkpoints that agreed, in all sessions.
    pub checked: u64,
    /// The session; 0 before the first.
    pub session: u64,
    /// The first seq of it that is compared; `None` after a loss or a late join until a
    /// checkpoint comes.
    pub from_seq: Option<u64>,
    /// The last seq up to which all from `from_seq` on is as published; the one before `from_seq`
    /// if nothing is proven yet, and 0 while there is no `from_seq`.
    pub proven_to: u64,
    /// The first place, in any session, where it is not.
    pub differs: Option<Difference>,
    /// Checkpoints that disagreed, and that later ones showed to be wrong themselves.
    pub refuted: u64,
}

/// Where what was delivered is not what was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The session.
    pub session: u64,
    /// The last seq up to which everything agreed.
    pub after_seq: u64,
    /// The seq at which the publisher says something else.
    pub at_seq: u64,
    /// The publisher's digest up to there.
    pub published: Digest,
    /// The digest of what was delivered up to there.
    pub delivered: Digest,
}

/// What came of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There was nothing to compare it with: the comparison begins here.
    Begins,
    /// Everything up to here is as published.
    Agrees,
    /// Something is not.
    Differs,
}

impl Verifier {
    /// A session starts at this seq.
    pub fn start(&mut self, session: u64, first_seq: u64) {
        self.break_off();
        self.proof.session = session;
        self.next = first_seq;
        self.delivered = Digest::default();
        self.base = Default::default();
        self.proof.from_seq = (first_seq == 1).then_some(1);
    }

    /// The next ticks of the stream.
    #[inline]
    pub fn take(&mut self, ticks: &[Tick]) {
        self.next += ticks.len() as u64;
        self.delivered.update_all(ticks);
    }

    /// Seqs that never come: what follows is compared from the next checkpoint on.
    pub fn lose(&mut self, loss: &Loss) {
        self.skip_to(loss.first_seq + loss.count);
    }

    /// Of the seqs before this one, not all are given: what follows is compared from the next
    /// checkpoint on.
    pub fn skip_to(&mut self, next_seq: u64) {
        self.break_off();
        self.next = next_seq;
    }

    /// What the publisher says of the stream so far.
    pub fn check(&mut self, said: &Checkpoint) -> Verdict {
        let Some(from_seq) = self.proof.from_seq else {
            self.next = said.next_seq;
            self.base = (self.delivered, said.digest);
            self.proof.from_seq = Some(said.next_seq);
            self.proof.proven_to = said.next_seq - 1;
            return Verdict::Begins;
        };
        let (own, published) = self.base;
        let digest = self.delivered.rebased(own, published, self.next - from_seq);
        if said.next_seq == self.next && said.digest == digest {
            self.proof.proven_to = said.next_seq - 1;
            self.proof.checked += 1;
            self.proof.refuted += std::mem::take(&mut self.disagreed);
            self.suspicion = None;
            return Verdict::Agrees;
        }
        self.disagreed += 1;
        self.suspicion.get_or_insert(Difference {
            session: self.proof.session,
            after_seq: self.proof.proven_to,
            at_seq: said.next_seq - 1,
            published: said.digest,
            delivered: digest,
        });
        Verdict::Differs
    }

    /// What is proven so far.
    #[must_use]
    pub fn proof(&self) -> Proof {
        Proof {
            differs: self.proof.differs.or(self.suspicion),
            ..self.proof
        }
    }

    /// The digest of all ticks given in this session, in order. It is the publisher's if none was
    /// lost since seq 1.
    #[must_use]
    pub const fn delivered(&self) -> Digest {
        self.delivered
    }

    /// No later checkpoint can be compared with what came before.
    fn break_off(&mut self) {
        let found = self.suspicion.take();
        self.proof.differs = self.proof.differs.or(found);
        self.disagreed = 0;
        self.proof.from_seq = None;
        self.proof.proven_to = 0;
    }
}
