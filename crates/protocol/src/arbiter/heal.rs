//! Healing: what the arbiter asks for, and what it does with the answers.

use tickcast_wire::{Flags, ReplyStatus, Request, RequestKind, Tick, carries_seqs};

use super::gaps::Gap;
use super::{Alarm, Arbiter, Line, LossCause, Provenance, Sink};

/// Requests under way at once; the recovery channel answers them in order.
const MAX_REQUESTS: usize = 8;

/// Longest wait between two tries, ns.
const RETRY_DELAY_MAX: u64 = 100_000_000;

/// How far a snapshot may be ahead of what the lines have shown, in ticks: more than any publisher
/// sends while a subscriber is late. A larger lead is a lie.
const SNAPSHOT_LEAD_MAX: u64 = 1 << 24;

/// What the recovery channel brought for the request `id`.
#[derive(Debug, Clone, Copy)]
pub enum Recovered<'a> {
    /// Some of the ticks of a retransmit.
    Ticks {
        /// The request.
        id: u64,
        /// The seq of the first of them.
        first_seq: u64,
        /// The ticks.
        ticks: &'a [Tick],
        /// Whether these are the last of the reply.
        last: bool,
    },
    /// Some of the rows of a snapshot.
    Snapshot {
        /// The request.
        id: u64,
        /// The session it is of.
        session: u64,
        /// The seq it is as of.
        as_of: u64,
        /// The rows.
        rows: &'a [Tick],
        /// Whether these are the last of the reply.
        last: bool,
    },
    /// The server said no.
    Refused {
        /// The request.
        id: u64,
        /// Why, and what to do.
        status: ReplyStatus,
        /// What the status needs to say more.
        detail: u64,
    },
    /// No answer, or none that can be used: the connection failed, broke off or timed out.
    Failed {
        /// The request.
        id: u64,
    },
}

impl Recovered<'_> {
    const fn id(&self) -> u64 {
        match *self {
            Recovered::Ticks { id, .. }
            | Recovered::Snapshot { id, .. }
            | Recovered::Refused { id, .. }
            | Recovered::Failed { id } => id,
        }
    }
}

/// A request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    id: u64,
    kind: RequestKind,
    first: u64,
    end: u64,
}

/// The requests under way.
pub(super) struct Requests {
    asked: Vec<Asked>,
    next_id: u64,
}

impl Requests {
    pub(super) fn new() -> Requests {
        Requests {
            asked: Vec::with_capacity(MAX_REQUESTS),
            next_id: 1,
        }
    }

    /// Forgets all of them; answers that still come are ignored.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
    }

    fn find(&self, id: u64) -> Option<Asked> {
        self.asked.iter().find(|asked| asked.id == id).copied()
    }

    fn remove(&mut self, id: u64) {
        self.asked.retain(|asked| asked.id != id);
    }

    fn has_room(&self) -> bool {
        self.asked.len() < MAX_REQUESTS
    }

    fn add(&mut self, kind: RequestKind, first: u64, end: u64) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.asked.push(Asked {
            id,
            kind,
            first,
            end,
        });
        id
    }
}

/// Whether a snapshot is wanted before anything more is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// No: the stream runs.
    Done,
    /// Yes.
    Wanted(Splice),
}

/// A snapshot that is wanted, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Splice {
    /// The smallest seq it may be as of.
    at_least: u64,
    since: u64,
    retry_at: u64,
    tries: u32,
    pending: Option<u64>,
    /// The sink has been told of the session: this subscriber is no late joiner, or no longer.
    joined: bool,
    /// The seq that the snapshot being delivered is as of.
    receiving: Option<u64>,
    previous: Option<(u64, u64)>,
}

impl Splice {
    /// Nothing came of a try: another one after a while.
    fn retry(&mut self, at: u64) {
        self.pending = None;
        self.receiving = None;
        self.tries += 1;
        self.retry_at = at;
    }
}

impl Join {
    /// A late joiner's wish: the state as of `at_least` or later.
    pub(super) fn wanted(at_least: u64, previous: Option<(u64, u64)>, now: u64) -> Join {
        Join::Wanted(Splice {
            at_least,
            since: now,
            retry_at: now,
            tries: 0,
            pending: None,
            joined: false,
            receiving: None,
            previous,
        })
    }

    pub(super) fn is_done(&self) -> bool {
        *self == Join::Done
    }

    /// Whether the sink has been told of the session.
    pub(super) fn was_told(&self) -> bool {
        match self {
            Join::Done => true,
            Join::Wanted(splice) => splice.joined,
        }
    }
}

impl Arbiter {
    /// The next request to pass on to the recovery channel. Every request must be answered with
    /// [`Arbiter::handle_recovered`], if only by [`Recovered::Failed`].
    #[must_use]
    pub fn poll_request(&mut self, now: u64) -> Option<Request> {
        if self.join.is_done() && self.gaps.is_empty() {
            return None;
        }
        if !self.config.recovery || !self.requests.has_room() {
            return None;
        }
        if self.join.is_done() {
            self.poll_retransmit(now)
        } else {
            self.poll_snapshot(now)
        }
    }

    fn poll_snapshot(&mut self, now: u64) -> Option<Request> {
        let Join::Wanted(splice) = &mut self.join else {
            return None;
        };
        if splice.pending.is_some() || now < splice.retry_at {
            return None;
        }
        let at_least = splice.at_least;
        let id = self.requests.add(RequestKind::Snapshot, at_least, at_least);
        splice.pending = Some(id);
        self.counters.snapshot_requests += 1;
        Some(self.request(RequestKind::Snapshot, at_least, 0, id))
    }

    fn poll_retransmit(&mut self, now: u64) -> Option<Request> {
        self.declare_gaps(now);
        let (next, reach) = (
            self.next,
            self.next.saturating_add(self.window.len() as u64),
        );
        let most = self.config.retransmit_ticks;
        let gap = self.gaps.iter_mut().find(|gap| {
            gap.declared.is_some()
                && gap.pending.is_none()
                && gap.given_up.is_none()
                && gap.retry_at <= now
                && gap.first < reach
        })?;
        let first = gap.first;
        // What follows a gap further on must fit the hold window; the first is delivered at once.
        let room = if first == next {
            most
        } else {
            most.min(reach - first)
        };
        let count = (gap.end - first).min(room);
        let id = self
            .requests
            .add(RequestKind::Retransmit, first, first + count);
        gap.pending = Some(id);
        self.counters.retransmit_requests += 1;
        Some(self.request(RequestKind::Retransmit, first, count, id))
    }

    fn request(&self, kind: RequestKind, first_seq: u64, count: u64, id: u64) -> Request {
        Request::new(
            kind,
            self.session,
            self.config.channel,
            first_seq,
            count,
            id,
        )
    }

    /// Declares the gaps that no line will fill any more: they are healed, no longer waited for.
    fn declare_gaps(&mut self, now: u64) {
        let lines = self.lines;
        let (config, counters) = (&self.config, &mut self.counters);
        for gap in self.gaps.iter_mut().filter(|gap| gap.declared.is_none()) {
            if gap.passed.is_none() && !lines.iter().any(|line| line.may_bring(gap.end)) {
                gap.passed = Some(now);
            }
            let Some(passed) = gap.passed else { continue };
            if now >= passed + config.reorder_window + jitter(config, gap.first) {
                gap.declared = Some(now);
                counters.gaps += 1;
                counters.gap_ticks += gap.end - gap.first;
            }
        }
    }

    /// Takes in what the recovery channel brought.
    pub fn handle_recovered(&mut self, what: Recovered<'_>, now: u64, sink: &mut impl Sink) {
        // An answer to a request of a session that is over is no longer of interest.
        let Some(asked) = self.requests.find(what.id()) else {
            return;
        };
        match what {
            Recovered::Ticks {
                first_seq,
                ticks,
                last,
                ..
            } => {
                self.handle_ticks(asked, first_seq, ticks, last, now, sink);
            }
            Recovered::Snapshot {
                session,
                as_of,
                rows,
                last,
                ..
            } => {
                self.handle_snapshot(asked, (session, as_of), rows, last, now, sink);
            }
            Recovered::Refused { status, detail, .. } => {
                self.counters.recovery_refusals += 1;
                self.handle_refusal(asked, status, detail, now);
            }
            Recovered::Failed { .. } => {
                self.counters.recovery_failures += 1;
                self.fail(asked, now);
            }
        }
        self.settle(sink);
    }

    fn handle_ticks(
        &mut self,
        asked: Asked,
        first_seq: u64,
        ticks: &[Tick],
        last: bool,
        now: u64,
        sink: &mut impl Sink,
    ) {
        let end = first_seq.checked_add(ticks.len() as u64);
        let in_range = first_seq >= asked.first && end.is_some_and(|end| end <= asked.end);
        if asked.kind != RequestKind::Retransmit || !in_range || !carries_seqs(ticks, first_seq) {
            self.counters.recovery_lies += 1;
            return self.fail(asked, now);
        }
        let won = self.accept(first_seq, ticks, Provenance::Retransmit, now, sink);
        self.counters.retransmitted += won;
        self.counters.retransmit_duplicates += ticks.len() as u64 - won;
        if last {
            self.requests.remove(asked.id);
            for gap in self
                .gaps
                .iter_mut()
                .filter(|gap| gap.pending == Some(asked.id))
            {
                gap.pending = None;
                // What was asked for and still is missing was left out; the rest is yet to come.
                gap.tries = if gap.first < asked.end {
                    gap.tries + 1
                } else {
                    0
                };
            }
        }
    }

    fn handle_snapshot(
        &mut self,
        asked: Asked,
        (session, as_of): (u64, u64),
        rows: &[Tick],
        last: bool,
        now: u64,
        sink: &mut impl Sink,
    ) {
        let Join::Wanted(mut splice) = self.join else {
            return self.requests.remove(asked.id);
        };
        let is_state = |row: &Tick| row.flags().contains(Flags::SNAPSHOT) && row.seq() <= as_of;
        // A snapshot from before what was delivered would repeat it; one as of another seq in the
        // middle of a reply would mix two states; one from far beyond what the lines have shown
        // would make every live tick a duplicate until they came there.
        let fits = match splice.receiving {
            None => {
                let most = self.highest.saturating_add(SNAPSHOT_LEAD_MAX);
                as_of >= splice.at_least && as_of.saturating_add(1) >= self.next && as_of < most
            }
            Some(begun) => as_of == begun,
        };
        if session != self.session || !fits || !rows.iter().all(is_state) {
            self.counters.recovery_lies += 1;
            return self.fail(asked, now);
        }
        if splice.receiving.is_none() {
            self.begin_snapshot(&mut splice, as_of, sink);
        }
        sink.ticks(rows, Provenance::Snapshot, false);
        self.counters.snapshot_ticks += rows.len() as u64;
        self.join = Join::Wanted(splice);
        if last {
            self.requests.remove(asked.id);
            self.counters.snapshots += 1;
            self.join = Join::Done;
        }
    }

    fn begin_snapshot(&mut self, splice: &mut Splice, as_of: u64, sink: &mut impl Sink) {
        let next = as_of + 1;
        if splice.joined {
            if next > self.next {
                self.lose(next, LossCause::Snapshot, sink);
            }
        } else {
            self.window.forget(self.next, next);
            self.next = next;
            sink.session(self.session, next, splice.previous);
        }
        self.gaps.fill(0, next);
        self.highest = self.highest.max(next);
        splice.joined = true;
        splice.receiving = Some(as_of);
        splice.at_least = as_of;
        sink.snapshot(as_of);
    }

    fn handle_refusal(&mut self, asked: Asked, status: ReplyStatus, detail: u64, now: u64) {
        match status {
            ReplyStatus::TooOld if asked.kind == RequestKind::Retransmit => {
                self.requests.remove(asked.id);
                self.want_snapshot(asked.id, now);
            }
            ReplyStatus::TooLarge => {
                self.config.retransmit_ticks = detail.clamp(1, self.config.retransmit_ticks);
                self.retry(asked, now);
            }
            ReplyStatus::Busy => {
                self.retry(asked, now.saturating_add(detail.min(RETRY_DELAY_MAX)));
            }
            ReplyStatus::NotYet => {
                if self.tries_of(asked) + 1 >= self.config.tries {
                    self.disbelieve(asked, detail);
                }
                self.fail(asked, now);
            }
            ReplyStatus::OtherSession if detail > self.session => {
                self.requests.remove(asked.id);
                for gap in self.gaps.iter_mut() {
                    gap.pending = None;
                    gap.given_up.get_or_insert(LossCause::SessionChange);
                }
                self.retry(asked, now.saturating_add(self.config.retry_delay));
            }
            _ => self.fail(asked, now),
        }
    }

    fn tries_of(&self, asked: Asked) -> u32 {
        self.gaps
            .iter()
            .find(|gap| gap.pending == Some(asked.id))
            .map_or(0, |gap| gap.tries)
    }

    /// The publisher keeps saying that nothing from `next_seq` on exists: a packet had claimed
    /// more than was ever sent. Only what nothing real follows is forgotten.
    fn disbelieve(&mut self, asked: Asked, next_seq: u64) {
        let real = next_seq.max(self.next);
        let asked_for = self
            .gaps
            .iter()
            .find(|gap| gap.pending == Some(asked.id))
            .copied();
        if let Some(gap) = asked_for
            && gap.end == self.highest
            && real < gap.end
        {
            self.gaps.fill(real, self.highest);
            self.highest = real.max(gap.first);
            self.end = self.end.filter(|&end| end <= self.highest);
            for line in &mut self.lines {
                line.position = line.position.min(self.highest);
            }
        }
    }

    /// A try came to nothing: another one after a growing delay, or a snapshot instead.
    fn fail(&mut self, asked: Asked, now: u64) {
        let tries = match &self.join {
            Join::Wanted(splice) => splice.tries,
            Join::Done => self.tries_of(asked),
        };
        let delay = (self.config.retry_delay << tries.min(16)).min(RETRY_DELAY_MAX);
        self.retry(asked, now.saturating_add(delay));
        let most = self.config.tries;
        let exhausted = self.gaps.iter().find(|gap| gap.tries >= most).copied();
        if let Some(gap) = exhausted
            && self.join.is_done()
            && gap.given_up.is_none()
        {
            self.want_snapshot_for(&gap, now);
        }
    }

    fn retry(&mut self, asked: Asked, at: u64) {
        self.requests.remove(asked.id);
        for gap in self
            .gaps
            .iter_mut()
            .filter(|gap| gap.pending == Some(asked.id))
        {
            gap.pending = None;
            gap.tries += 1;
            gap.retry_at = at;
        }
        if let Join::Wanted(splice) = &mut self.join
            && splice.pending == Some(asked.id)
        {
            splice.retry(at);
        }
    }

    fn want_snapshot(&mut self, id: u64, now: u64) {
        let gap = self
            .gaps
            .iter()
            .find(|gap| gap.pending == Some(id))
            .copied();
        for gap in self.gaps.iter_mut() {
            gap.pending = None;
        }
        if let Some(gap) = gap
            && self.join.is_done()
        {
            self.want_snapshot_for(&gap, now);
        }
    }

    /// A gap cannot be healed tick by tick: the state after it is wanted instead.
    fn want_snapshot_for(&mut self, gap: &Gap, now: u64) {
        self.requests.forget();
        for gap in self.gaps.iter_mut() {
            gap.pending = None;
        }
        let Join::Wanted(mut splice) = Join::wanted(gap.end - 1, None, now) else {
            return;
        };
        splice.joined = true;
        splice.since = gap.since;
        self.join = Join::Wanted(splice);
    }

    /// Takes in that time has passed: lines that fell silent, gaps and joins that took too long.
    pub fn handle_time(&mut self, now: u64, sink: &mut impl Sink) {
        if self.session == 0 || self.ended {
            return;
        }
        for (state, line) in self.lines.iter_mut().zip([Line::A, Line::B]) {
            let silent = now.saturating_sub(state.last_at) > self.config.line_down_after;
            if state.configured && !state.down && silent {
                state.down = true;
                self.counters.lines[line as usize].downs += 1;
                sink.alarm(Alarm::LineDown(line));
            }
        }
        if self.gaps.is_empty() && self.join.is_done() {
            return;
        }
        self.give_up_waiting_for_lines(now);
        self.declare_gaps(now);
        self.give_up_gaps(now);
        self.give_up_join(now, sink);
        self.settle(sink);
    }

    fn give_up_waiting_for_lines(&mut self, now: u64) {
        let patience = self.config.line_patience;
        for gap in self
            .gaps
            .iter()
            .filter(|gap| now >= gap.since.saturating_add(patience))
        {
            for line in self.lines.iter_mut().filter(|line| line.may_bring(gap.end)) {
                line.lagging = true;
            }
        }
    }

    fn give_up_gaps(&mut self, now: u64) {
        let cause = self.loss_cause();
        let wait = if self.config.recovery {
            self.config.recovery_deadline
        } else {
            0
        };
        for gap in self.gaps.iter_mut().filter(|gap| gap.given_up.is_none()) {
            if gap
                .declared
                .is_some_and(|declared| now >= declared.saturating_add(wait))
            {
                gap.given_up = Some(cause);
            }
        }
    }

    const fn loss_cause(&self) -> LossCause {
        if self.config.recovery {
            LossCause::RecoveryDeadline
        } else {
            LossCause::NoRecovery
        }
    }

    fn give_up_join(&mut self, now: u64, sink: &mut impl Sink) {
        let Join::Wanted(splice) = self.join else {
            return;
        };
        if now < splice.since.saturating_add(self.config.recovery_deadline) {
            return;
        }
        self.requests.forget();
        self.join = Join::Done;
        if splice.joined {
            // The gap that the snapshot was to bridge is lost, and only that.
            for gap in self
                .gaps
                .iter_mut()
                .filter(|gap| gap.first <= splice.at_least)
            {
                gap.given_up.get_or_insert(LossCause::RecoveryDeadline);
            }
        } else {
            sink.session(self.session, self.next, splice.previous);
            sink.alarm(Alarm::JoinedWithoutSnapshot {
                first_seq: self.next,
            });
        }
    }

    /// Puts out whatever has become due.
    fn settle(&mut self, sink: &mut impl Sink) {
        if self.join.is_done() {
            self.drain(sink);
        }
        self.finish_session(sink);
    }

    /// When [`Arbiter::handle_time`] or [`Arbiter::poll_request`] has something to do next, if
    /// nothing arrives before; `None` before the first packet and after the end of a session.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if self.session == 0 || self.ended {
            return None;
        }
        let config = &self.config;
        let silent = self
            .lines
            .iter()
            .filter(|line| line.configured && !line.down)
            .map(|line| line.last_at.saturating_add(config.line_down_after + 1));
        let reach = self.next.saturating_add(self.window.len() as u64);
        let can_ask = config.recovery && self.join.is_done() && self.requests.has_room();
        let gaps = self
            .gaps
            .iter()
            .filter(|gap| gap.given_up.is_none())
            .map(|gap| match (gap.declared, gap.passed) {
                (Some(_), _) if can_ask && gap.pending.is_none() && gap.first < reach => {
                    gap.retry_at
                }
                (Some(declared), _) => declared.saturating_add(config.recovery_deadline),
                (None, Some(passed)) => passed + config.reorder_window + jitter(config, gap.first),
                (None, None) => gap.since.saturating_add(config.line_patience),
            });
        let join = match &self.join {
            Join::Wanted(splice) if splice.pending.is_none() => Some(splice.retry_at),
            Join::Wanted(splice) => Some(splice.since.saturating_add(config.recovery_deadline)),
            Join::Done => None,
        };
        silent.chain(gaps).chain(join).min()
    }
}

/// A delay of at most `config.jitter` that depends on the subscriber and the gap.
fn jitter(config: &super::ArbiterConfig, first_seq: u64) -> u64 {
    let mixed = (first_seq ^ config.jitter_seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) % (config.jitter + 1)
}
