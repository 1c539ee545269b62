//! Faults planted on purpose, so that the simulation can be shown to find each of them.
//!
//! Only with the feature `planted`, which nothing but `tickcast-sim --planted` switches on. Without
//! it `planted!(…)` is the constant `false`, and of a fault's site nothing is left.

/// Whether this fault is planted.
#[cfg(not(feature = "planted"))]
macro_rules! planted {
    ($fault:ident) => {
        false
    };
}

#[cfg(feature = "planted")]
macro_rules! planted {
    ($fault:ident) => {
        crate::planted::is_planted(crate::planted::Fault::$fault)
    };
}

#[cfg(feature = "planted")]
pub use self::faults::{Fault, is_planted, plant};

#[cfg(feature = "planted")]
mod faults {
    use std::sync::atomic::{AtomicU8, Ordering};

    macro_rules! faults {
        ($($(#[doc = $doc:literal])* $name:ident,)*) => {
            /// A fault that can be planted, at the place that is marked `planted!(…)` with its name.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum Fault {
                $($(#[doc = $doc])* $name,)*
            }

            impl Fault {
                /// All of them.
                pub const ALL: &[Fault] = &[$(Fault::$name,)*];

                /// What it does.
                #[must_use]
                pub const fn what(self) -> &'static str {
                    match self {
                        $(Fault::$name => concat!($($doc),*).trim_ascii(),)*
                    }
                }
            }
        };
    }

    /// Stands for no fault.
    const NONE: u8 = u8::MAX;

    static PLANTED: AtomicU8 = AtomicU8::new(NONE);

    /// Plants a fault in this process, or none.
    pub fn plant(fault: Option<Fault>) {
        let number = fault.map_or(NONE, |fault| fault as u8);
        PLANTED.store(number, Ordering::Relaxed);
    }

    /// Whether this fault is planted in this process.
    #[inline]
    #[must_use]
    pub fn is_planted(fault: Fault) -> bool {
        PLANTED.load(Ordering::Relaxed) == fault as u8
    }

    faults! {
        // The publisher's half.
        /// The sequencer leaves a seq out after a full packet.
        SequencerSkips,
        /// The sequencer gives a seq twice, across two packets.
        SequencerRepeats,
        /// A heartbeat names one seq more than was sent.
        HeartbeatOneHigh,
        /// After the first heartbeat of a silence there are no more.
        HeartbeatsStop,
        /// The end of session names one seq less than was sent.
        EndNamedOneLow,
        /// The store serves one tick more than it keeps.
        StoreOneLong,
        /// The store serves the row before the one that was asked for.
        StoreServesRowBefore,
        /// The store serves one tick that is not there yet.
        ServesUnpublished,
        /// `TooOld` names an oldest tick that is one too late.
        OldestOneMore,
        /// The server answers requests about other sessions from its own.
        ServesOtherSessions,
        /// The server shares a snapshot that is older than asked.
        StaleSnapshotServed,
        /// The server makes a snapshot for everybody, however many there are.
        SnapshotsUnbounded,
        /// In the image a clear leaves the trade.
        ClearKeepsTrade,
        /// In the image a broken trade stays.
        BreakIgnored,
        // Packets at the arbiter.
        /// A packet of an older session is followed.
        OlderSessionFollowed,
        /// A session from the future is followed.
        FutureSessionFollowed,
        /// A single packet far ahead is believed.
        WildSeqBelieved,
        /// A packet far ahead is never believed.
        FarSeqNeverBelieved,
        /// A duplicate is delivered again.
        DuplicateDelivered,
        /// Of a packet that overlaps what was delivered, one tick too many is taken.
        OverlapOneShort,
        /// A late packet moves the next seq backwards.
        LatePacketMovesBack,
        /// A copy with other bytes passes for the same.
        DifferingCopyTaken,
        /// A gap does not wait for the line that may bring it.
        LinesNotWaitedFor,
        /// The end of session is told before the last tick.
        EndOneEarly,
        // The hold window and the list of gaps.
        /// The hold window takes one tick more than it has slots.
        WindowOneLong,
        /// A slot of the window is not emptied when its tick is delivered.
        SlotNotForgotten,
        /// Ticks that were held are not counted when they are delivered.
        HeldNotCounted,
        /// A held packet closes one seq more than it brought.
        GapFilledOneMore,
        /// What is left of a gap begins one seq late.
        GapTailOneShort,
        /// When the list of gaps is full, a gap is dropped.
        FullListDropsGap,
        /// Giving notice of a loss never ends.
        DrainNeverEnds,
        // Losses and sessions.
        /// A notice of loss names one seq too many.
        LossOneLong,
        /// A notice of loss names one seq too few.
        LossOneShort,
        /// A notice of loss is given twice.
        LossToldTwice,
        /// The last seq of the session before is left out when it is accounted for.
        PreviousOneShort,
        /// What was held is dropped when a session changes.
        HeldDroppedAtSessionChange,
        /// Answers about the session before are taken for this one.
        AnswersKeptOverSessions,
        // Recovery.
        /// A retransmit request begins one seq early.
        AsksOneBefore,
        /// A retransmit request is one tick short.
        AsksOneShort,
        /// A gap is asked for again and again while a request is under way.
        RequestStorm,
        /// There is no wait between tries.
        NoBackoff,
        /// A busy server is asked again at once.
        BusyIgnored,
        /// Requests stay larger than the server allows.
        TooLargeIgnored,
        /// What was asked for in vain is never asked for again.
        NeverRetried,
        /// A gap stays asked for when its answer has come.
        PendingNeverCleared,
        /// An answer to a forgotten request passes for one to another.
        AnswersOfOthersTaken,
        /// When the server denies a seq, another gap's ticks are forgotten too.
        DenialTakesOthers,
        /// Requests under way are never forgotten.
        MemoryGrows,
        /// A gap is not given up at its deadline.
        GapsNeverGivenUp,
        /// A gap is given up as soon as it is found.
        GapsGivenUpAtOnce,
        /// Gaps wake nobody.
        GapsWithoutDeadline,
        // Snapshots.
        /// A snapshot is spliced in one seq late.
        SnapshotOneLate,
        /// A snapshot is spliced in one seq early.
        SnapshotOneEarly,
        /// The first row of a part of a snapshot is left out.
        SnapshotRowDropped,
        /// A snapshot that is older than asked is taken.
        OldSnapshotTaken,
        /// A snapshot that does not come is waited for for good.
        JoinNeverGivenUp,
    }
}
