//! Whether what was delivered is what was published, in words and in JSON.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tickcast_subscriber::{Difference, Proof};

use crate::show::{RED, count};

/// What one strategy proved.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// Checkpoints of the publisher that agreed.
    checked: u64,
    session: u64,
    from_seq: Option<u64>,
    proven_to: Option<u64>,
    differs: Option<Differs>,
    /// Checkpoints that later ones showed to be wrong themselves.
    refuted: u64,
}

/// Where it is not.
#[derive(Debug, Clone, Serialize)]
struct Differs {
    session: u64,
    after_seq: u64,
    at_seq: u64,
    published: String,
    delivered: String,
}

impl From<Proof> for Shown {
    fn from(proof: Proof) -> Shown {
        let differs = |found: Difference| Differs {
            session: found.session,
            after_seq: found.after_seq,
            at_seq: found.at_seq,
            published: found.published.to_string(),
            delivered: found.delivered.to_string(),
        };
        Shown {
            checked: proof.checked,
            session: proof.session,
            from_seq: proof.from_seq,
            proven_to: proof.from_seq.map(|_| proof.proven_to),
            differs: proof.differs.map(differs),
            refuted: proof.refuted,
        }
    }
}

impl Shown {
    /// Fails if the stream is not the publisher's.
    ///
    /// # Errors
    /// When a digest of the publisher disagreed and no later one refuted that.
    pub fn check(&self) -> anyhow::Result<()> {
        match &self.differs {
            None => Ok(()),
            Some(Differs {
                session,
                after_seq,
                at_seq,
                ..
            }) => anyhow::bail!(
                "what was delivered of session {session} differs from what was published: the \
                 digests agree up to seq {after_seq} and no more at seq {at_seq}"
            ),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(differs) = &self.differs {
            let (after, at) = (count(differs.after_seq), count(differs.at_seq));
            return write!(
                f,
                "{RED}differs{RED:#} from what was published, after seq {after} and up to seq {at}: \
                 digest {}, published {}",
                differs.delivered, differs.published
            );
        }
        match (self.from_seq, self.proven_to) {
            (Some(from), Some(to)) if to >= from => write!(
                f,
                "as published from seq {} to seq {}, {} digests agree",
                count(from),
                count(to),
                count(self.checked)
            ),
            _ => write!(
                f,
                "no digest to compare with since ticks were last lost or conflated; {} agreed before",
                count(self.checked)
            ),
        }
    }
}

/// Tells whoever looks after strategies that one of them sees another stream than was published.
/// A strategy may run in the receive thread, which writes no log.
#[derive(Debug, Clone, Default)]
pub struct Alert(Arc<AtomicU64>);

impl Alert {
    /// Raises it: at this seq the digests no longer agree.
    pub fn raise(&self, seq: u64) {
        self.0.store(seq.max(1), Ordering::Relaxed);
    }

    /// Says so in the log, if it was raised since.
    pub fn report(&self) {
        let seq = self.0.swap(0, Ordering::Relaxed);
        if seq > 0 {
            tracing::error!(
                "what was delivered up to seq {seq} has not the digest that the publisher says"
            );
        }
    }
}
