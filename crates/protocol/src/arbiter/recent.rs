//! What was in the packets seen last, to notice a copy that differs and to time the lines.

use tickcast_wire::{Fingerprint, Packet};

/// How many packets are remembered, by first seq.
const REMEMBERED: usize = 4_096;

#[derive(Clone, Copy, Default)]
struct Seen {
    first_seq: u64,
    count: u16,
    fingerprint: Fingerprint,
    at: u64,
}

/// How a packet compares with the copy seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copy {
    /// No copy is remembered: it is the first, or was cut into packets differently.
    First,
    /// The same bytes, this much later (ns).
    Same { later_ns: u64 },
    /// The same seqs with other bytes.
    Differs,
}

/// The packets seen last.
pub(super) struct Recent {
    seen: Box<[Seen]>,
}

impl Recent {
    pub(super) fn new() -> Recent {
        Recent {
            seen: vec![Seen::default(); REMEMBERED].into(),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.seen)
    }

    pub(super) fn clear(&mut self) {
        self.seen.fill(Seen::default());
    }

    /// Forgets the packet with this first seq.
    pub(super) fn forget(&mut self, first_seq: u64) {
        *self.slot(first_seq) = Seen::default();
    }

    fn slot(&mut self, first_seq: u64) -> &mut Seen {
        // Full packets start 21 seqs apart, single ticks one: a multiplicative hash spreads both.
        let hash = first_seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52;
        &mut self.seen[hash as usize % REMEMBERED]
    }

    /// Compares a packet with the copy that is remembered, or remembers it.
    pub(super) fn compare(&mut self, packet: &Packet<'_>, now: u64) -> Copy {
        let (first_seq, count) = (packet.header().first_seq(), packet.header().count());
        let fingerprint = packet.fingerprint();
        let seen = self.slot(first_seq);
        if (seen.first_seq, seen.count) != (first_seq, count) {
            *seen = Seen {
                first_seq,
                count,
                fingerprint,
                at: now,
            };
            return Copy::First;
        }
        if seen.fingerprint != fingerprint && !planted!(DifferingCopyTaken) {
            return Copy::Differs;
        }
        Copy::Same {
            later_ns: now.saturating_sub(seen.at),
        }
    }
}
