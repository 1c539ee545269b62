//! What a subscriber is given, held against all that was published.

use std::borrow::Cow;

use tickcast_protocol::{
    Alarm, Arbiter, CauseCounts, Checkpoint, Loss, LossReason, Provenance, Sink, Verdict, Verifier,
};
use tickcast_wire::{PreviousSession, Tick};

use crate::coverage::{Coverage, Happening};
use crate::publisher::Session;
use crate::state::state_at;
use crate::trace::{Trace, Who};

/// Stands between the arbiter and the checker and may spoil what passes: so that it can be shown
/// that the checker sees it.
pub trait Tap {
    /// The ticks that pass, as they are to go on.
    fn ticks<'a>(&mut self, ticks: &'a [Tick], from: Provenance) -> Cow<'a, [Tick]> {
        let _ = from;
        Cow::Borrowed(ticks)
    }

    /// The notice that passes, as it is to go on; `None` keeps it back.
    fn lost(&mut self, loss: &Loss) -> Option<Loss> {
        Some(*loss)
    }

    /// What the publisher says of the stream, as it is to go on.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Checkpoint {
        *checkpoint
    }
}

/// Lets everything pass as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Untouched;

impl Tap for Untouched {}

/// A snapshot of which not all may have come.
struct Snapshot {
    as_of: u64,
    rows: Vec<Tick>,
}

/// What one life of a subscriber has been given.
#[derive(Default)]
pub(crate) struct Checker {
    /// The session told of; 0 before the first.
    session: u64,
    /// Its first seq for this subscriber, and the next.
    first: u64,
    next: u64,
    /// Of this session.
    delivered: u64,
    lost: u64,
    /// Of all sessions.
    delivered_in_all: u64,
    lost_in_all: u64,
    /// Of those.
    causes: CauseCounts,
    snapshot: Option<Snapshot>,
    has_ended: bool,
    /// Ticks that were damaged on the way in a manner that nobody can tell.
    damaged: Vec<Tick>,
    /// Sessions, and seqs that a damaged heartbeat claimed to be next in them.
    claims: Vec<(u64, u64)>,
    /// What a strategy would have: no look at what was published, only at what is said of it.
    verifier: Verifier,
    /// What was delivered since the verifier has something to compare with is not what was
    /// published: it must find that.
    is_deceived: bool,
    /// What was wrong first.
    violation: Option<String>,
}

impl Checker {
    pub(crate) fn take_violation(&mut self) -> Option<String> {
        self.violation.take()
    }

    pub(crate) fn lost_in_all(&self) -> u64 {
        self.lost_in_all
    }

    /// Ticks that reach the subscriber other than they were published.
    pub(crate) fn expect_damaged(&mut self, ticks: &[Tick]) {
        self.damaged.extend_from_slice(ticks);
    }

    /// A heartbeat claims that everything before `next_seq` was sent, and nobody can tell that not.
    pub(crate) fn expect_claim(&mut self, session: u64, next_seq: u64) {
        self.claims.push((session, next_seq));
    }

    /// The seq after the last that the subscriber may believe to exist, when `published` do.
    fn believable_end(&self, published: u64) -> u64 {
        let of_this = self
            .claims
            .iter()
            .filter(|(session, _)| *session == self.session);
        of_this
            .map(|(_, next_seq)| *next_seq)
            .max()
            .unwrap_or(0)
            .max(published + 1)
    }

    /// Whether the end of this session was told.
    pub(crate) fn has_seen_the_end_of(&self, session: u64) -> bool {
        self.session == session && self.has_ended
    }

    fn fail(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(what());
        }
    }

    /// The identity, and that the arbiter's own account is the same.
    pub(crate) fn check_account(&mut self, arbiter: &Arbiter, history: &[Session]) {
        let counters = arbiter.counters();
        let theirs = (counters.delivered, counters.lost);
        let mine = (self.delivered_in_all, self.lost_in_all);
        if theirs != mine {
            self.fail(|| format!("(delivered, lost) is {mine:?}, the arbiter counts {theirs:?}"));
        }
        if self.causes != counters.lost_by_cause
            || counters.lost_by_cause.total() != counters.lost
            || counters.recovered.total() != counters.retransmitted
        {
            self.fail(|| format!("causes that do not add up: {counters:?}"));
        }
        if self.session == 0 || self.session != arbiter.session() {
            return;
        }
        if self.next != arbiter.next_seq() {
            let (mine, theirs) = (self.next, arbiter.next_seq());
            self.fail(|| format!("next is seq {mine}, the arbiter says {theirs}"));
        }
        let published = published(history, self.session).map_or(0, |it| it.ticks.len() as u64);
        let (account, passed) = (self.delivered + self.lost, self.next - self.first);
        let end = self.believable_end(published);
        if account != passed || passed > end.saturating_sub(self.first) {
            let (delivered, lost, first) = (self.delivered, self.lost, self.first);
            self.fail(|| {
                format!(
                    "the identity: from seq {first} of {published} published, {delivered} \
                     delivered + {lost} lost, and {passed} passed"
                )
            });
        }
    }

    /// A snapshot of which all has come must be the publisher's state.
    pub(crate) fn finish_snapshot(&mut self, history: &[Session], coverage: &mut Coverage) {
        let Some(Snapshot { as_of, rows }) = self.snapshot.take() else {
            return;
        };
        let Some(session) = published(history, self.session) else {
            return;
        };
        let expected = state_at(&session.ticks, as_of);
        if rows != expected {
            let (has, wants) = (rows.len(), expected.len());
            self.fail(|| {
                format!(
                    "the snapshot as of {as_of} is not the state then: {has} rows, not the \
                     {wants} of the publisher"
                )
            });
        }
        coverage.saw(Happening::SnapshotTaken);
    }
}

fn published(history: &[Session], number: u64) -> Option<&Session> {
    history.iter().rev().find(|it| it.number == number)
}

/// The sink of one subscriber while its arbiter is called.
pub(crate) struct Checking<'a, T> {
    pub(crate) checker: &'a mut Checker,
    pub(crate) history: &'a [Session],
    pub(crate) who: Who,
    pub(crate) trace: &'a mut Trace,
    pub(crate) coverage: &'a mut Coverage,
    pub(crate) tap: &'a mut T,
}

/// A line of the trace.
#[derive(Debug, Hash)]
enum Told {
    Session {
        session: u64,
        first_seq: u64,
    },
    Ticks {
        first: u64,
        last: u64,
        from: Provenance,
        held: bool,
    },
    Rows(usize),
    Lost {
        first: u64,
        last: u64,
        reason: LossReason,
    },
    Snapshot {
        as_of: u64,
    },
    End {
        last_seq: u64,
    },
    Alarm(&'static str, u64),
}

impl<T: Tap> Checking<'_, T> {
    fn check_ticks(&mut self, ticks: &[Tick]) {
        let checker = &mut *self.checker;
        if checker.snapshot.is_some() {
            checker.finish_snapshot(self.history, self.coverage);
        }
        let Some(session) = published(self.history, checker.session) else {
            return checker.fail(|| "ticks before any session".into());
        };
        if checker.has_ended {
            checker.fail(|| "ticks after the end of the session".into());
        }
        for tick in ticks {
            let (seq, next) = (tick.seq(), checker.next);
            if seq != next {
                checker.fail(|| format!("seq {seq} was delivered, seq {next} is next"));
            }
            match session.ticks.get(seq.wrapping_sub(1) as usize) {
                None => checker.fail(|| format!("seq {seq} was delivered and never published")),
                Some(original) if original != tick && checker.damaged.contains(tick) => {
                    self.coverage.saw(Happening::DamageDelivered);
                    checker.is_deceived |= checker.verifier.proof().from_seq.is_some();
                }
                Some(original) if original != tick => {
                    checker.fail(|| format!("seq {seq} is {tick:?}, published was {original:?}"));
                }
                Some(_) => {}
            }
            checker.next = seq.wrapping_add(1);
        }
        checker.verifier.take(ticks);
        checker.delivered += ticks.len() as u64;
        checker.delivered_in_all += ticks.len() as u64;
    }

    /// What a publisher says of the session before must be accounted for when it is left.
    fn leave_session(&mut self, previous: Option<PreviousSession>) {
        let checker = &mut *self.checker;
        if let Some(PreviousSession {
            session: number,
            last_seq,
            ..
        }) = previous
            && number == checker.session
            && !(last_seq + 1..=checker.believable_end(last_seq)).contains(&checker.next)
        {
            let next = checker.next;
            checker.fail(|| {
                format!("session {number} had {last_seq} ticks, it was left before seq {next}")
            });
        }
    }
}

impl<T: Tap> Sink for Checking<'_, T> {
    fn session(&mut self, session: u64, first_seq: u64, previous: Option<PreviousSession>) {
        self.trace
            .note(self.who, Told::Session { session, first_seq });
        self.coverage.saw(Happening::SessionStarted);
        self.leave_session(previous);
        let checker = &mut *self.checker;
        match published(self.history, session) {
            None => checker.fail(|| format!("session {session} never was")),
            Some(it) if it.previous != previous => {
                checker.fail(|| format!("previous is {previous:?}, published {:?}", it.previous));
            }
            Some(it) if first_seq == 0 || first_seq > it.ticks.len() as u64 + 1 => {
                checker.fail(|| format!("it starts at seq {first_seq}, which never was"));
            }
            Some(_) => {}
        }
        let before = checker.session;
        if session <= before {
            checker.fail(|| format!("session {session} after {before}"));
        }
        checker.verifier.start(session, first_seq);
        checker.is_deceived = false;
        checker.session = session;
        (checker.first, checker.next) = (first_seq, first_seq);
        (checker.delivered, checker.lost) = (0, 0);
        (checker.snapshot, checker.has_ended) = (None, false);
    }

    fn ticks(&mut self, ticks: &[Tick], from: Provenance, held: bool) {
        let ticks = self.tap.ticks(ticks, from);
        if from == Provenance::Snapshot {
            self.trace.note(self.who, Told::Rows(ticks.len()));
            let checker = &mut *self.checker;
            match &mut checker.snapshot {
                Some(snapshot) => snapshot.rows.extend_from_slice(&ticks),
                None => checker.fail(|| "rows of a snapshot that was not announced".into()),
            }
            return;
        }
        if let (Some(first), Some(last)) = (ticks.first(), ticks.last()) {
            self.note_ticks(first, last, from, held);
        }
        self.check_ticks(&ticks);
    }

    fn lost(&mut self, loss: &Loss) {
        let Some(loss) = self.tap.lost(loss) else {
            return;
        };
        let reason = loss.reason;
        let (first, last) = (loss.first_seq, loss.first_seq + loss.count - 1);
        self.trace.note(
            self.who,
            Told::Lost {
                first,
                last,
                reason,
            },
        );
        self.coverage.saw(match reason {
            LossReason::NoRecovery => Happening::LostNoRecovery,
            LossReason::RecoveryDeadline | LossReason::Lapped => Happening::LostDeadline,
            LossReason::Snapshot => Happening::LostSnapshot,
            LossReason::SessionChange => Happening::LostSessionChange,
        });
        let checker = &mut *self.checker;
        let next = checker.next;
        let count = published(self.history, checker.session).map_or(0, |it| it.ticks.len() as u64);
        if loss.session != checker.session || loss.count == 0 || first != next {
            checker.fail(|| format!("{loss:?}, but seq {next} is next"));
        }
        if last >= checker.believable_end(count) {
            checker.fail(|| format!("{loss:?}, but only {count} were published"));
        }
        checker.verifier.lose(&loss);
        checker.is_deceived = false;
        checker.next = last + 1;
        checker.lost += loss.count;
        checker.lost_in_all += loss.count;
        checker.causes.add(loss.cause, loss.count);
    }

    fn snapshot(&mut self, as_of: u64) {
        self.trace.note(self.who, Told::Snapshot { as_of });
        let checker = &mut *self.checker;
        if as_of + 1 != checker.next {
            let next = checker.next;
            checker.fail(|| format!("a snapshot as of {as_of}, but seq {next} is next"));
        }
        let snapshot = Snapshot {
            as_of,
            rows: Vec::new(),
        };
        if checker.snapshot.replace(snapshot).is_some() {
            self.coverage.saw(Happening::SnapshotBegunAnew);
        }
    }

    fn end_of_session(&mut self, session: u64, last_seq: u64) {
        self.trace.note(self.who, Told::End { last_seq });
        self.coverage.saw(Happening::Ended);
        self.checker.finish_snapshot(self.history, self.coverage);
        let checker = &mut *self.checker;
        let it = published(self.history, session);
        let is_true = it.is_some_and(|it| {
            let published = it.ticks.len() as u64;
            it.has_ended && (published..checker.believable_end(published)).contains(&last_seq)
        });
        if !is_true || session != checker.session || checker.next != last_seq + 1 {
            let next = checker.next;
            checker.fail(|| format!("end of {session} at {last_seq}, but seq {next} is next"));
        }
        if checker.has_ended {
            checker.fail(|| "a session ended twice".into());
        }
        let proof = checker.verifier.proof();
        let is_proved = proof.from_seq.is_some() && proof.proven_to == last_seq;
        let is_misled = checker.is_deceived || !checker.claims.is_empty();
        if last_seq > 0 && !is_proved && !is_misled {
            checker.fail(|| format!("the end at {last_seq}, but only {proof:?}"));
        }
        checker.has_ended = true;
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        let checkpoint = &self.tap.checkpoint(checkpoint);
        let (next_seq, digest) = (checkpoint.next_seq, checkpoint.digest);
        self.trace
            .note(self.who, ("Checkpoint", next_seq, digest.value()));
        self.coverage.saw(Happening::Checkpoint);
        let checker = &mut *self.checker;
        let verdict = checker.verifier.check(checkpoint);
        let expected = if checker.is_deceived {
            Verdict::Differs
        } else {
            Verdict::Agrees
        };
        if verdict != Verdict::Begins && verdict != expected && checker.claims.is_empty() {
            checker.fail(|| format!("a verifier finds: {verdict:?}, {checkpoint:?}"));
        }
        let session = published(self.history, checkpoint.session);
        let expected = session.and_then(|it| it.digests.get(next_seq.wrapping_sub(1) as usize));
        let is_here = (checkpoint.session, next_seq) == (checker.session, checker.next);
        let was_claimed = checker.claims.contains(&(checkpoint.session, next_seq));
        if (expected != Some(&digest) && !was_claimed) || !is_here {
            let next = checker.next;
            checker
                .fail(|| format!("{checkpoint:?}, but seq {next} is next and it is {expected:?}"));
        }
    }

    fn alarm(&mut self, alarm: Alarm) {
        let (happening, what, number) = match alarm {
            Alarm::LineDown(line) => (Happening::LineDown, "LineDown", line as u64),
            Alarm::LineUp(line) => (Happening::LineUp, "LineUp", line as u64),
            Alarm::DuplicateDiffers { first_seq, .. } => {
                (Happening::AlarmDiffers, "DuplicateDiffers", first_seq)
            }
            Alarm::OlderSession { session } => {
                (Happening::AlarmOlderSession, "OlderSession", session)
            }
            Alarm::JoinedWithoutSnapshot { first_seq } => {
                // The subscriber knows now that the state before is missing or incomplete.
                self.checker.snapshot = None;
                (
                    Happening::AlarmJoinedWithout,
                    "JoinedWithoutSnapshot",
                    first_seq,
                )
            }
        };
        self.trace.note(self.who, Told::Alarm(what, number));
        self.coverage.saw(happening);
    }
}

impl<T: Tap> Checking<'_, T> {
    fn note_ticks(&mut self, first: &Tick, last: &Tick, from: Provenance, held: bool) {
        let (first, last) = (first.seq(), last.seq());
        let what = Told::Ticks {
            first,
            last,
            from,
            held,
        };
        self.trace.note(self.who, what);
        self.coverage.saw(match (from, held) {
            (Provenance::Retransmit, _) => Happening::DeliveredRetransmit,
            (_, true) => Happening::DeliveredHeld,
            (_, false) => Happening::DeliveredAtOnce,
        });
    }
}
