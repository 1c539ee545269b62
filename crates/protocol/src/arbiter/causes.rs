//! Where ticks went missing: what each line did at the seqs that had to be recovered or were lost.

use std::collections::VecDeque;

use super::{Arbiter, Line};

/// Jumps remembered per line. Older ones count as the network's.
const JUMPS: usize = 256;

/// Where a tick went missing that had to be recovered, or was lost, as far as a subscriber can
/// tell. Each such tick has exactly one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Line A passed it over, and line B was not there to bring it: not listened to, or behind.
    LineA,
    /// Line B passed it over, and line A was behind.
    LineB,
    /// Neither line brought it.
    BothLines,
    /// The kernel dropped it on a line, because the receive buffer was full.
    SocketOverflow,
    /// A packet in its place on a line was damaged, and refused.
    Malformed,
    /// Every line was silent when it was sent.
    Partition,
    /// It was sent before this subscriber heard the first packet.
    BeforeJoin,
    /// It arrived, but too far ahead of a gap to be held.
    HoldOverflow,
    /// It arrived and was held, and a snapshot as of a later seq took its place.
    Superseded,
    /// The reader fell behind the receive thread by more than the queue holds.
    Lapped,
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 10] = [
        Cause::LineA,
        Cause::LineB,
        Cause::BothLines,
        Cause::SocketOverflow,
        Cause::Malformed,
        Cause::Partition,
        Cause::BeforeJoin,
        Cause::HoldOverflow,
        Cause::Superseded,
        Cause::Lapped,
    ];
}

/// Ticks by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CauseCounts([u64; Cause::ALL.len()]);

impl CauseCounts {
    /// Counts so many ticks more.
    pub fn add(&mut self, cause: Cause, ticks: u64) {
        self.0[cause as usize] += ticks;
    }

    /// The ticks with this cause.
    #[must_use]
    pub const fn get(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }

    /// The ticks of all causes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every cause with its ticks.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, u64)> {
        Cause::ALL.into_iter().map(|cause| (cause, self.get(cause)))
    }
}

/// What a line did at some seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// The subscriber does not listen to it.
    Absent,
    /// It has not come so far.
    Behind,
    /// It was silent, or still is.
    Silent,
    /// The subscriber had not heard it yet.
    BeforeJoin,
    /// It went on behind the seq.
    PassedOver,
    /// It went on behind the seq, and the kernel had dropped something just there.
    Overflow,
    /// It went on behind the seq, and a damaged packet was just there.
    Refused,
    /// It brought the seq, and there was no room for it.
    Brought,
}

#[derive(Debug, Clone, Copy)]
struct Jump {
    first: u64,
    end: u64,
    evidence: Evidence,
}

/// What one line passed over in the session followed, newest last. Bounded.
#[derive(Debug)]
pub(super) struct Jumps {
    list: VecDeque<Jump>,
    /// Jumps before this seq may have been forgotten.
    forgotten: u64,
    /// A packet was refused since the last good one.
    pub(super) refused: bool,
    /// The kernel dropped something since the last good packet.
    pub(super) overflowed: bool,
}

impl Jumps {
    pub(super) fn new() -> Jumps {
        Jumps {
            list: VecDeque::with_capacity(JUMPS),
            forgotten: 0,
            refused: false,
            overflowed: false,
        }
    }

    /// Another session starts; what was noticed since the last good packet belongs to it.
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.forgotten = 0;
    }

    /// The line never went beyond `seq`: what claimed so was not true.
    pub(super) fn cut(&mut self, seq: u64) {
        while self.list.back().is_some_and(|jump| jump.first >= seq) {
            self.list.pop_back();
        }
        if let Some(last) = self.list.back_mut() {
            last.end = last.end.min(seq);
        }
    }

    fn push(&mut self, jump: Jump) {
        if let Some(last) = self.list.back_mut()
            && (last.end, last.evidence) == (jump.first, jump.evidence)
        {
            last.end = jump.end;
            return;
        }
        if self.list.len() == JUMPS
            && let Some(oldest) = self.list.pop_front()
        {
            self.forgotten = oldest.end;
        }
        self.list.push_back(jump);
    }

    /// What is known of `seq`, and up to which seq the same is known.
    fn find(&self, seq: u64) -> (Evidence, u64) {
        if seq < self.forgotten {
            return (Evidence::PassedOver, self.forgotten);
        }
        let at = self.list.partition_point(|jump| jump.end <= seq);
        match self.list.get(at) {
            Some(jump) if jump.first <= seq => (jump.evidence, jump.end),
            Some(jump) => (Evidence::Brought, jump.first),
            None => (Evidence::Brought, u64::MAX),
        }
    }
}

impl Arbiter {
    /// Takes in that the kernel dropped datagrams of this line just before the next one that is
    /// handed in, because the receive buffer was full (`SO_RXQ_OVFL`).
    pub fn handle_overflow(&mut self, line: Line) {
        self.jumps[line as usize].overflowed = true;
    }

    /// A good packet of the line, whose first seq is this, is about to move its position.
    #[inline]
    pub(super) fn note_jump(&mut self, line: Line, first_seq: u64) {
        let position = self.lines[line as usize].position;
        if first_seq > position {
            self.jump(line, position, first_seq);
        }
        let jumps = &mut self.jumps[line as usize];
        jumps.refused = false;
        jumps.overflowed = false;
    }

    #[cold]
    fn jump(&mut self, line: Line, first: u64, end: u64) {
        let state = &self.lines[line as usize];
        let jumps = &mut self.jumps[line as usize];
        let evidence = if jumps.overflowed {
            Evidence::Overflow
        } else if jumps.refused {
            Evidence::Refused
        } else if state.down {
            Evidence::Silent
        } else if first == 0 && self.counters.sessions == 1 {
            Evidence::BeforeJoin
        } else {
            Evidence::PassedOver
        };
        jumps.push(Jump {
            first,
            end,
            evidence,
        });
    }

    fn evidence(&self, line: Line, seq: u64) -> (Evidence, u64) {
        let state = &self.lines[line as usize];
        if !state.configured {
            (Evidence::Absent, u64::MAX)
        } else if seq < state.position {
            let (evidence, until) = self.jumps[line as usize].find(seq);
            (evidence, until.min(state.position))
        } else if state.down {
            (Evidence::Silent, u64::MAX)
        } else {
            (Evidence::Behind, u64::MAX)
        }
    }

    /// The cause that `seq` and those up to the seq given with it have in common, if they have not
    /// arrived.
    pub(super) fn cause_of(&self, seq: u64) -> (Cause, u64) {
        let (a, until_a) = self.evidence(Line::A, seq);
        let (b, until_b) = self.evidence(Line::B, seq);
        (cause_of(a, b), until_a.min(until_b))
    }

    /// Counts the ticks `first .. end` that a retransmit brought and that had not arrived.
    pub(super) fn count_recovered(&mut self, first: u64, end: u64) {
        // Beyond the window nothing is held: its slots are those of earlier seqs.
        let reach = self.next.saturating_add(self.window.len() as u64);
        let mut seq = first;
        while seq < end {
            let held = self.window.held_until(seq, end.min(reach));
            if held > seq {
                seq = held;
                continue;
            }
            let (cause, until) = self.cause_of(seq);
            let until = if seq < reach {
                self.window.missing_until(seq, until.min(end).min(reach))
            } else {
                until.min(end)
            };
            self.counters.recovered.add(cause, until - seq);
            seq = until;
        }
    }
}

/// What the evidence of both lines comes to. What an operator can put right comes first.
fn cause_of(a: Evidence, b: Evidence) -> Cause {
    use Evidence::{Absent, BeforeJoin, Behind, Brought, Overflow, PassedOver, Refused, Silent};
    match (a, b) {
        (Overflow, _) | (_, Overflow) => Cause::SocketOverflow,
        (Refused, _) | (_, Refused) => Cause::Malformed,
        (Brought, _) | (_, Brought) => Cause::HoldOverflow,
        (BeforeJoin, BeforeJoin | Absent | Behind | Silent)
        | (Absent | Behind | Silent, BeforeJoin) => Cause::BeforeJoin,
        (Silent, Silent | Absent) | (Absent, Silent) => Cause::Partition,
        (PassedOver | Behind, Absent) | (PassedOver | Silent, Behind) => Cause::LineA,
        (Absent, PassedOver | Behind) | (Behind, PassedOver | Silent) => Cause::LineB,
        (PassedOver | BeforeJoin, PassedOver | BeforeJoin)
        | (PassedOver, Silent)
        | (Silent, PassedOver)
        | (Behind, Behind)
        | (Absent, Absent) => Cause::BothLines,
    }
}
