//! Marks: the lines of the queue that are not ticks. Each says what happens next in the stream,
//! and at which seq, so that a lapped reader finds its place again at any of them.

use std::hash::{BuildHasher, Hasher, RandomState};

use tickcast_protocol::{Cause, Loss, LossReason, Provenance};
use tickcast_queue::{Line, batch_lines};
use tickcast_wire::{Digest, PreviousSession};

use crate::event::{Origin, SessionStart, Stamps};

/// What tells the marks of one queue from its ticks: 40 bits that nobody outside can know. A tick
/// may carry any bytes, if its publisher is of a later version or hostile; a reader that looks for
/// a mark in the middle of a batch must not take one for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal(u64);

impl Seal {
    const BITS: u64 = !0xff_ffff;

    pub(crate) fn new() -> Seal {
        // The keys of a new `RandomState` are chosen by the system.
        Seal(RandomState::new().build_hasher().finish() & Seal::BITS)
    }
}

/// Codes in the first byte of a mark.
const SESSION: u8 = 0x80;
const TICKS: u8 = 0x81;
const LOST: u8 = 0x82;
const SNAPSHOT: u8 = 0x83;
const END: u8 = 0x84;
const CHECKPOINT: u8 = 0x85;
const NO_SNAPSHOT: u8 = 0x86;

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Session(SessionStart),
    /// `count` ticks follow. The queue itself carries it, as the length of the batch.
    Ticks {
        count: u32,
        origin: Origin,
    },
    Lost(Loss),
    Snapshot {
        as_of: u64,
    },
    End {
        last_seq: u64,
    },
    /// The digest of all ticks before the position.
    Checkpoint {
        digest: Digest,
    },
    /// The subscriber goes on without a snapshot, or with a part of one.
    NoSnapshot,
}

/// A mark: what it says, in which session, and the next seq of the stream before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) session: u64,
    /// Which session of this subscriber it is: 1, 2, …
    pub(crate) session_number: u32,
    pub(crate) position: u64,
    pub(crate) what: What,
}

impl Mark {
    pub(crate) fn to_line(self, seal: Seal) -> Line {
        let line = |code: u8, b: u8, c: u8, [d, e, f, g]: [u64; 4]| {
            let first = u64::from(u32::from_le_bytes([code, b, c, 0])) | seal.0;
            let last = u64::from(self.session_number) << 32;
            [first, self.session, self.position, d, e, f, g, last]
        };
        match self.what {
            What::Session(start) => {
                let words = start
                    .previous
                    .map_or([0; 4], |it| [it.session, it.last_seq, it.digest.value(), 0]);
                line(SESSION, u8::from(start.previous.is_some()), 0, words)
            }
            What::Ticks { origin, .. } => {
                let Stamps {
                    sent,
                    kernel,
                    read,
                    push,
                    ..
                } = origin.stamps;
                let provenance = provenance_code(origin.provenance);
                let held = u8::from(origin.held);
                line(TICKS, provenance, held, [sent, kernel, read, push])
            }
            What::Lost(loss) => {
                let (reason, cause) = (reason_code(loss.reason), loss.cause as u8);
                line(LOST, reason, cause, [loss.count, 0, 0, 0])
            }
            What::Snapshot { as_of } => line(SNAPSHOT, 0, 0, [as_of, 0, 0, 0]),
            What::End { last_seq } => line(END, 0, 0, [last_seq, 0, 0, 0]),
            What::Checkpoint { digest } => line(CHECKPOINT, 0, 0, [digest.value(), 0, 0, 0]),
            What::NoSnapshot => line(NO_SNAPSHOT, 0, 0, [0; 4]),
        }
    }

    /// The mark in this line, or `None` if it is a tick.
    #[inline]
    pub(crate) fn from_line(line: &Line, seal: Seal) -> Option<Mark> {
        let [first, session, position, d, e, f, g, last] = *line;
        if first & Seal::BITS != seal.0 {
            return None;
        }
        let [code, b, c, ..] = first.to_le_bytes();
        let session_number = (last >> 32) as u32;
        let what = match code {
            SESSION => What::Session(SessionStart {
                session,
                first_seq: position,
                previous: (b != 0).then_some(PreviousSession {
                    session: d,
                    last_seq: e,
                    digest: Digest::from_value(f),
                }),
            }),
            TICKS => What::Ticks {
                count: batch_lines(line).saturating_sub(1),
                origin: Origin {
                    session,
                    provenance: provenance_from(b),
                    held: c != 0,
                    stamps: Stamps {
                        sent: d,
                        kernel: e,
                        read: f,
                        push: g,
                        pop: 0,
                    },
                },
            },
            LOST => What::Lost(Loss {
                session,
                first_seq: position,
                count: d,
                reason: reason_from(b),
                cause: Cause::ALL[usize::from(c) % Cause::ALL.len()],
            }),
            SNAPSHOT => What::Snapshot { as_of: d },
            END => What::End { last_seq: d },
            CHECKPOINT => What::Checkpoint {
                digest: Digest::from_value(d),
            },
            NO_SNAPSHOT => What::NoSnapshot,
            _ => return None,
        };
        Some(Mark {
            session,
            session_number,
            position,
            what,
        })
    }
}

const PROVENANCES: [Provenance; 5] = [
    Provenance::A,
    Provenance::B,
    Provenance::Retransmit,
    Provenance::Snapshot,
    Provenance::Conflated,
];

const REASONS: [LossReason; 5] = [
    LossReason::NoRecovery,
    LossReason::RecoveryDeadline,
    LossReason::Snapshot,
    LossReason::SessionChange,
    LossReason::Lapped,
];

const fn provenance_code(provenance: Provenance) -> u8 {
    match provenance {
        Provenance::A => 0,
        Provenance::B => 1,
        Provenance::Retransmit => 2,
        Provenance::Snapshot => 3,
        Provenance::Conflated => 4,
    }
}

const fn provenance_from(code: u8) -> Provenance {
    PROVENANCES[code as usize % PROVENANCES.len()]
}

const fn reason_code(reason: LossReason) -> u8 {
    match reason {
        LossReason::NoRecovery => 0,
        LossReason::RecoveryDeadline => 1,
        LossReason::Snapshot => 2,
        LossReason::SessionChange => 3,
        LossReason::Lapped => 4,
    }
}

const fn reason_from(code: u8) -> LossReason {
    REASONS[code as usize % REASONS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickcast_queue::ring;
    use tickcast_wire::{Quote, Tick, Venue};

    #[test]
    fn every_mark_survives_the_queue() {
        let seal = Seal::new();
        let stamps = Stamps {
            sent: 1,
            kernel: 2,
            read: 3,
            push: 4,
            pop: 0,
        };
        let mut marks = vec![
            What::Session(SessionStart {
                session: 9,
                first_seq: 5,
                previous: Some(PreviousSession {
                    session: 8,
                    last_seq: 7,
                    digest: Digest::from_value(6),
                }),
            }),
            What::Session(SessionStart {
                session: 9,
                first_seq: 5,
                previous: None,
            }),
            What::Snapshot { as_of: 4 },
            What::End { last_seq: 4 },
            What::Checkpoint {
                digest: Digest::from_value(6),
            },
            What::NoSnapshot,
        ];
        for provenance in PROVENANCES {
            for held in [false, true] {
                let origin = Origin {
                    session: 9,
                    provenance,
                    held,
                    stamps,
                };
                marks.push(What::Ticks { count: 63, origin });
            }
        }
        for (reason, cause) in REASONS.into_iter().cycle().zip(Cause::ALL) {
            marks.push(What::Lost(Loss {
                session: 9,
                first_seq: 5,
                count: 6,
                reason,
                cause,
            }));
        }
        for what in marks {
            let mark = Mark {
                session: 9,
                session_number: u32::MAX,
                position: 5,
                what,
            };
            let (mut producer, ring) = ring(1_024);
            let mut reader = ring.reader();
            let ticks = match what {
                What::Ticks { count, .. } => count,
                _ => 0,
            };
            producer.publish(&mark.to_line(seal), (0..ticks).map(|_| [0; 8]));
            let mut lines = [[0; 8]; 64];
            assert_eq!(reader.read(&mut lines), Ok(1 + ticks as usize));
            assert_eq!(Mark::from_line(&lines[0], seal), Some(mark));
        }
    }

    #[test]
    fn ticks_are_no_marks() {
        let seal = Seal::new();
        let tick = Tick::new(Quote::new(1, 2, 3, 4), Venue::NONE, 1, 1);
        assert_eq!(Mark::from_line(&tick.to_words(), seal), None);
        // Not even ticks that carry the bytes of a mark of another queue.
        for code in SESSION..=NO_SNAPSHOT {
            let forged = [u64::from(code), 9, 5, 0, 0, 0, 0, 7];
            assert_eq!(Mark::from_line(&forged, seal), None);
        }
        assert_ne!(Seal::new(), Seal::new());
    }
}
