//! The promise, held against every call of the arbiter.

use tickcast_protocol::{Alarm, Checkpoint, Loss, Provenance, Sink};
use tickcast_wire::{Digest, Flags, PreviousSession, Quote, Tick, Venue};

/// Instruments, in turn.
const INSTRUMENTS: u64 = 3;

/// A session is this much larger than the one before.
const SESSION_STEP: u64 = 10;

/// What was published: some sessions of as many ticks each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth {
    /// Ticks in each session.
    pub ticks: u64,
    /// Whether a session names the one before.
    pub names_previous: bool,
}

impl Truth {
    /// The number of the session with this index, from 0.
    #[must_use]
    pub const fn session(index: u64) -> u64 {
        (index + 1) * SESSION_STEP
    }

    /// What a session says of the one before.
    #[must_use]
    pub fn previous(&self, session: u64) -> Option<PreviousSession> {
        let before = session.saturating_sub(SESSION_STEP);
        (self.names_previous && before > 0).then(|| PreviousSession {
            session: before,
            last_seq: self.ticks,
            digest: Truth::digest(before, self.ticks),
        })
    }

    /// The tick `seq` of a session.
    #[must_use]
    pub fn tick(session: u64, seq: u64) -> Tick {
        let quote = Quote::new(session as i64, seq * 3, seq as i64, seq ^ session);
        let instrument = (seq % INSTRUMENTS) as u32;
        Tick::new(quote, Venue::SYNTHETIC, instrument, seq * 11)
            .with_seq(seq)
            .with_ts_due(session + seq)
    }

    /// The ticks `first .. first + count` of a session.
    #[must_use]
    pub fn range(session: u64, first: u64, count: u64) -> Vec<Tick> {
        (first..first + count)
            .map(|seq| Truth::tick(session, seq))
            .collect()
    }

    /// The digest of the ticks of a session up to seq `last`.
    #[must_use]
    pub fn digest(session: u64, last: u64) -> Digest {
        let mut digest = Digest::default();
        digest.update_all(&Truth::range(session, 1, last));
        digest
    }

    /// The state after seq `as_of`: the last tick of each instrument.
    #[must_use]
    pub fn state(session: u64, as_of: u64) -> Vec<Tick> {
        (as_of.saturating_sub(INSTRUMENTS - 1).max(1)..=as_of)
            .map(|seq| Truth::tick(session, seq).with_flags(Flags::SNAPSHOT))
            .collect()
    }
}

/// Takes what the arbiter puts out, and panics when it breaks the promise.
#[derive(Debug)]
pub struct Witness {
    truth: Truth,
    /// The session told of; 0 before the first.
    pub session: u64,
    /// The next seq that may come.
    pub next: u64,
    /// Ticks delivered, over all sessions.
    pub delivered: u64,
    /// Ticks lost by notice, over all sessions.
    pub lost: u64,
    /// Whether the session told of has ended.
    pub has_ended: bool,
    /// Calls of any kind.
    pub calls: u64,
    /// A snapshot that has begun: the seq it is as of, and its rows.
    snapshot: Option<(u64, Vec<Tick>)>,
}

impl Witness {
    /// Has seen nothing yet.
    #[must_use]
    pub const fn new(truth: Truth) -> Witness {
        Witness {
            truth,
            session: 0,
            next: 0,
            delivered: 0,
            lost: 0,
            has_ended: false,
            calls: 0,
            snapshot: None,
        }
    }

    /// Ticks and ends follow only a whole snapshot, or an alarm.
    fn finish_snapshot(&mut self) {
        if let Some((as_of, rows)) = self.snapshot.take() {
            let expected = Truth::state(self.session, as_of);
            assert_eq!(
                rows, expected,
                "the snapshot as of {as_of} is not the state"
            );
        }
    }

    fn is_running(&mut self) {
        self.calls += 1;
        assert!(self.session > 0, "before any session");
        assert!(!self.has_ended, "after the end of session {}", self.session);
    }
}

impl Sink for Witness {
    fn session(&mut self, session: u64, first_seq: u64, previous: Option<PreviousSession>) {
        self.calls += 1;
        assert!(
            session > self.session,
            "session {session} after {}",
            self.session
        );
        assert!(
            session.is_multiple_of(SESSION_STEP),
            "session {session} never was"
        );
        assert_eq!(previous, self.truth.previous(session));
        assert!(
            (1..=self.truth.ticks + 1).contains(&first_seq),
            "starts at {first_seq}"
        );
        if self.session > 0 {
            assert_eq!(first_seq, 1, "a later session is wanted from its start");
        }
        if let Some(previous) = previous
            && previous.session == self.session
        {
            let (left, last_seq) = (previous.session, previous.last_seq);
            assert_eq!(
                self.next,
                last_seq + 1,
                "session {left} was not accounted for"
            );
        }
        // Rows of a snapshot that never became whole end with their session.
        self.snapshot = None;
        (self.session, self.next, self.has_ended) = (session, first_seq, false);
    }

    fn ticks(&mut self, ticks: &[Tick], from: Provenance, _held: bool) {
        self.is_running();
        if from == Provenance::Snapshot {
            let Some((_, rows)) = &mut self.snapshot else {
                panic!("rows of no snapshot");
            };
            rows.extend_from_slice(ticks);
            return;
        }
        self.finish_snapshot();
        assert!(!ticks.is_empty(), "a call without ticks");
        for tick in ticks {
            assert_eq!(
                tick.seq(),
                self.next,
                "out of order, twice, or after a silent hole"
            );
            assert!(
                tick.seq() <= self.truth.ticks,
                "seq {} was never published",
                tick.seq()
            );
            assert_eq!(*tick, Truth::tick(self.session, self.next), "other bytes");
            self.next += 1;
        }
        self.delivered += ticks.len() as u64;
    }

    fn lost(&mut self, loss: &Loss) {
        self.is_running();
        assert_eq!(
            (loss.session, loss.first_seq),
            (self.session, self.next),
            "{loss:?}"
        );
        assert!(loss.count > 0, "{loss:?}");
        self.next += loss.count;
        self.lost += loss.count;
        assert!(
            self.next <= self.truth.ticks + 1,
            "{loss:?}: never published"
        );
    }

    fn snapshot(&mut self, as_of: u64) {
        self.is_running();
        assert_eq!(as_of + 1, self.next, "a snapshot that does not join on");
        self.snapshot = Some((as_of, Vec::new()));
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.calls += 1;
        let expected = Checkpoint {
            session: self.session,
            next_seq: self.next,
            digest: Truth::digest(self.session, self.next - 1),
        };
        assert_eq!(*checkpoint, expected, "a checkpoint out of place");
    }

    fn end_of_session(&mut self, session: u64, last_seq: u64) {
        self.is_running();
        self.finish_snapshot();
        assert_eq!((session, last_seq), (self.session, self.truth.ticks));
        assert_eq!(
            self.next,
            last_seq + 1,
            "the end before all was accounted for"
        );
        self.has_ended = true;
    }

    fn alarm(&mut self, alarm: Alarm) {
        self.calls += 1;
        if let Alarm::JoinedWithoutSnapshot { .. } = alarm {
            // Who is told this knows that the state before is missing or incomplete.
            self.snapshot = None;
        }
    }
}
