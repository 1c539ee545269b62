//! What happened over the runs, so that a test can show that everything did.

macro_rules! happenings {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Something that a run can bring about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Happening {
            $($(#[$doc])* $name,)*
        }

        impl Happening {
            /// All of them.
            pub const ALL: &[Happening] = &[$(Happening::$name,)*];
        }
    };
}

happenings! {
    /// A packet was lost on one line.
    LossOnLine,
    /// The same packets were lost on both lines.
    LossOnBoth,
    /// Packets were lost in a row.
    Burst,
    /// A packet came twice.
    Duplicated,
    /// A packet came later than those sent after it.
    Reordered,
    /// A damaged packet was caught by the checksum of UDP.
    ChecksumCaught,
    /// A damaged packet came through.
    DamageArrived,
    /// A copy with other bytes came after the original.
    CopyDiffers,
    /// A damaged packet came before the original, and the difference was counted.
    FirstCopyDamaged,
    /// What a damaged packet said was delivered: no check can tell before the other copy is there.
    DamageDelivered,
    /// A heartbeat claimed more than was sent, and was believed.
    FalseClaim,
    /// A subscriber's clock jumped ahead.
    SubscriberClockJump,
    /// Lines were cut into packets differently.
    Recut,
    /// A line went down and came back.
    LineOutage,
    /// Both lines and the recovery channel were gone for a while.
    Partition,
    /// The publisher's clock stepped.
    ClockStep,
    /// The publisher started again, naming its last session.
    RestartNamed,
    /// The publisher started again without naming its last session.
    RestartUnnamed,
    /// A second publisher went on with an older session.
    SecondPublisher,
    /// A subscriber started again.
    SubscriberRestart,
    /// Several subscribers asked for the same ticks.
    SameRangeAsked,
    /// A connection was refused.
    ConnectionRefused,
    /// The server accepted and said nothing.
    ServerStalled,
    /// The connection died before the whole reply was there.
    DiedMidReply,
    /// The store overwrote ticks while they were being sent.
    Overrun,
    /// The publisher restarted under an open connection.
    ConnectionReset,
    /// Rows of a session that was over arrived.
    AnswerAfterRestart,
    /// The header of a reply was not one of an answer.
    WrongReply,
    /// The rows of a retransmit were not those asked for.
    WrongTicks,
    /// A retransmit had too few rows.
    TooFewTicks,
    /// A snapshot was older than asked, from far ahead, or of other rows.
    WrongSnapshot,
    /// A status was not true.
    WrongStatus,
    /// An answer came twice.
    AnsweredTwice,
    /// Refused: too old.
    TooOld,
    /// Refused: not yet.
    NotYet,
    /// Refused: other session.
    OtherSession,
    /// Refused: too large.
    TooLarge,
    /// Refused: busy.
    Busy,
    /// A subscriber saw the end of a session.
    Ended,
    /// A session was told of.
    SessionStarted,
    /// A session began in the middle of a gap.
    SessionChangeInGap,
    /// Ticks were delivered as they came.
    DeliveredAtOnce,
    /// Ticks were held first.
    DeliveredHeld,
    /// Ticks came by retransmit.
    DeliveredRetransmit,
    /// A whole snapshot was taken and equals the publisher's state.
    SnapshotTaken,
    /// A snapshot broke off and was begun anew.
    SnapshotBegunAnew,
    /// Ticks were lost: no recovery channel.
    LostNoRecovery,
    /// Ticks were lost: not in time.
    LostDeadline,
    /// Ticks were lost: a snapshot took their place.
    LostSnapshot,
    /// Ticks were lost: a new session.
    LostSessionChange,
    /// The digest of the stream so far was put out, and is right.
    Checkpoint,
    /// Alarm: a line is silent.
    LineDown,
    /// Alarm: a line is back.
    LineUp,
    /// Alarm: a copy differs.
    AlarmDiffers,
    /// Alarm: an older session goes on.
    AlarmOlderSession,
    /// Alarm: joined without a snapshot.
    AlarmJoinedWithout,
    /// A gap was declared.
    Gap,
    /// Ticks did not fit the hold window.
    WindowOverflow,
    /// A packet far ahead had to be confirmed.
    Unconfirmed,
    /// A packet was too short.
    RefusedTruncated,
    /// A packet was of another application.
    RefusedForeign,
    /// A packet was of a later version.
    RefusedNewerVersion,
    /// A packet was of an unknown kind.
    RefusedUnknownKind,
    /// The length of a packet did not fit its count.
    RefusedWrongLength,
    /// The seq of a packet was out of range.
    RefusedSeqOutOfRange,
    /// The ticks of a packet had other seqs than its header.
    RefusedTickSeq,
    /// A packet was of another channel.
    RefusedChannel,
    /// A packet was of a session that is over.
    RefusedStale,
    /// A packet was of a session from the future.
    RefusedFuture,
    /// A run without any fault.
    Calm,
    /// A run in which one line had no fault.
    CleanLine,
    /// A run in which the recovery channel had no fault.
    SoundRecovery,
}

/// How often each [`Happening`] happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    counts: Vec<u64>,
}

impl Coverage {
    /// Nothing happened.
    #[must_use]
    pub fn new() -> Coverage {
        Coverage {
            counts: vec![0; Happening::ALL.len()],
        }
    }

    pub(crate) fn saw(&mut self, what: Happening) {
        self.add(what, 1);
    }

    pub(crate) fn add(&mut self, what: Happening, times: u64) {
        self.counts[what as usize] += times;
    }

    /// How often this happened.
    #[must_use]
    pub fn count(&self, what: Happening) -> u64 {
        self.counts[what as usize]
    }

    /// Adds what happened in other runs.
    pub fn merge(&mut self, other: &Coverage) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    /// What never happened.
    pub fn missing(&self) -> impl Iterator<Item = Happening> {
        let all = Happening::ALL.iter().copied();
        all.filter(|&what| self.count(what) == 0)
    }
}

impl Default for Coverage {
    fn default() -> Coverage {
        Coverage::new()
    }
}
