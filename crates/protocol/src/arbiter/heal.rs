//! Healing: what the arbiter asks for, and what it does with the answers.

use tickcast_wire::{Digest, Flags, ReplyStatus, Request, RequestKind, Tick, carries_seqs};

use super::gaps::Gap;
use super::requests::{Asked, RETRY_DELAY_MAX, Recovered, backoff};
use super::splice::{Join, Splice};
use super::{Arbiter, LossReason, Provenance, Sink};

/// Gaps are asked for together when no more ticks than this lie between them: a packet full of them,
/// sent again, costs both ends less than another request.
const BETWEEN_MAX: u64 = 21;

/// How far a snapshot may be ahead of what the lines have shown, in ticks: more than any publisher
/// sends while a subscriber is late. A larger lead is a lie.
const SNAPSHOT_LEAD_MAX: u64 = 1 << 24;

impl Arbiter {
    /// The next request to pass on to the recovery channel. Every request must be answered with
    /// [`Arbiter::handle_recovered`], if only by [`Recovered::Failed`].
    #[must_use]
    pub fn poll_request(&mut self, now: u64) -> Option<Request> {
        if self.join.is_done() && self.gaps.is_empty() {
            return None;
        }
        if !self.config.recovery || !self.requests.has_room() || now < self.requests.blocked_until {
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
        let reach = self.next.saturating_add(self.window.len() as u64);
        let may_ask = |gap: &Gap| {
            gap.declared.is_some()
                && gap.pending.is_none()
                && gap.given_up.is_none()
                && gap.retry_at <= now
                && gap.first < reach
        };
        let gap = *self.gaps.iter().find(|gap| may_ask(gap))?;
        let first = gap.first;
        // What follows a gap further on must fit the hold window; the first is delivered at once.
        let most = self.config.retransmit_ticks;
        let limit = if first == self.next {
            first.saturating_add(most)
        } else {
            first.saturating_add(most).min(reach)
        };
        let mut end = gap.end.min(limit);
        let behind = self.gaps.iter().skip_while(|other| other.first <= first);
        for other in behind.take_while(|other| may_ask(other) && !other.alone && !gap.alone) {
            if other.first >= limit || other.first - end > BETWEEN_MAX {
                break;
            }
            end = other.end.min(limit);
        }
        let asks_from = first - u64::from(planted!(AsksOneBefore));
        let count = end - asks_from - u64::from(planted!(AsksOneShort));
        let id = self
            .requests
            .add(RequestKind::Retransmit, asks_from, asks_from + count);
        for gap in self.gaps.iter_mut() {
            if (first..end).contains(&gap.first) && !planted!(RequestStorm) {
                gap.pending = Some(id);
            }
        }
        self.counters.retransmit_requests += 1;
        Some(self.request(RequestKind::Retransmit, asks_from, count, id))
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

    /// Takes in what the recovery channel brought.
    pub fn handle_recovered(&mut self, what: Recovered<'_>, now: u64, sink: &mut impl Sink) {
        // An answer to a request of a session that is over is no longer of interest.
        let Some(asked) = self.requests.find(what.id()) else {
            return;
        };
        match what {
            Recovered::Failed { .. } => {
                self.requests.note_failure(now, self.config.retry_delay);
            }
            _ => self.requests.note_answer(),
        }
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
                digest,
                rows,
                last,
                ..
            } => {
                let of = (session, as_of, digest);
                self.handle_snapshot(asked, of, rows, last, now, sink);
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
        let won = self.accept_missing(first_seq, ticks, now, sink);
        self.counters.retransmitted += won;
        self.counters.retransmit_duplicates += ticks.len() as u64 - won;
        if last {
            self.requests.remove(asked.id);
            for gap in self
                .gaps
                .iter_mut()
                .filter(|gap| gap.pending == Some(asked.id))
            {
                gap.pending = gap.pending.filter(|_| planted!(PendingNeverCleared));
                // What was asked for and still is missing was left out; the rest is yet to come.
                gap.tries = if gap.first < asked.end {
                    gap.tries + 1
                } else {
                    0
                };
            }
        }
    }

    /// Takes in what is missing of ticks that were asked for. What lies between gaps that were
    /// asked for together has come by a line: that copy is kept.
    fn accept_missing(
        &mut self,
        first_seq: u64,
        ticks: &[Tick],
        now: u64,
        sink: &mut impl Sink,
    ) -> u64 {
        let end = first_seq + ticks.len() as u64;
        let (mut won, mut at) = (0, first_seq);
        while let Some((first, until)) = self.gaps.missing(at, end) {
            let part = &ticks[(first - first_seq) as usize..(until - first_seq) as usize];
            won += self
                .accept(first, part, Provenance::Retransmit, now, sink)
                .new;
            at = until;
        }
        won
    }

    fn handle_snapshot(
        &mut self,
        asked: Asked,
        (session, as_of, digest): (u64, u64, Digest),
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
                let is_old = as_of < splice.at_least || as_of.saturating_add(1) < self.next;
                (!is_old || planted!(OldSnapshotTaken)) && as_of < most
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
        let rows = &rows[usize::from(planted!(SnapshotRowDropped)).min(rows.len())..];
        sink.ticks(rows, Provenance::Snapshot, false);
        self.counters.snapshot_ticks += rows.len() as u64;
        self.join = Join::Wanted(splice);
        if last {
            self.requests.remove(asked.id);
            self.counters.snapshots += 1;
            self.join = Join::Done;
            self.reach_snapshot(digest, sink);
        }
    }

    fn begin_snapshot(&mut self, splice: &mut Splice, as_of: u64, sink: &mut impl Sink) {
        let next = as_of + 1 + u64::from(planted!(SnapshotOneLate));
        let next = next - u64::from(planted!(SnapshotOneEarly));
        if splice.joined {
            if next > self.next {
                self.lose(next, LossReason::Snapshot, sink);
            }
        } else {
            self.window.forget(self.next, next);
            self.checkpoints.skip_to(next);
            self.next = next;
            sink.session(self.session, next, splice.previous);
        }
        self.gaps.fill(0, next);
        self.highest = self.highest.max(next);
        splice.joined = true;
        splice.receiving = Some(as_of);
        splice.is_begun = true;
        splice.at_least = as_of;
        sink.snapshot(as_of);
    }

    fn handle_refusal(&mut self, asked: Asked, status: ReplyStatus, detail: u64, now: u64) {
        match status {
            ReplyStatus::TooOld if asked.kind == RequestKind::Retransmit => {
                self.requests.remove(asked.id);
                self.want_snapshot(asked, detail, now);
            }
            ReplyStatus::TooLarge if !planted!(TooLargeIgnored) => {
                self.config.retransmit_ticks = detail.clamp(1, self.config.retransmit_ticks);
                self.retry(asked, now);
            }
            ReplyStatus::Busy => {
                let detail = if planted!(BusyIgnored) { 0 } else { detail };
                self.retry(asked, now.saturating_add(detail.min(RETRY_DELAY_MAX)));
            }
            ReplyStatus::NotYet if self.asked_together(asked) => self.ask_apart(asked, now),
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
                    gap.given_up.get_or_insert(LossReason::SessionChange);
                }
                let tries = match &self.join {
                    Join::Wanted(splice) => splice.tries,
                    Join::Done => 0,
                };
                let delay = backoff(self.config.retry_delay, tries);
                self.retry(asked, now.saturating_add(delay));
            }
            _ => self.fail(asked, now),
        }
    }

    /// Whether a request is for several gaps.
    fn asked_together(&self, asked: Asked) -> bool {
        let gaps = self.gaps.iter().filter(|gap| gap.pending == Some(asked.id));
        gaps.count() > 1
    }

    /// One of the gaps is denied: each is asked for alone, so that it takes no other along.
    fn ask_apart(&mut self, asked: Asked, now: u64) {
        self.requests.remove(asked.id);
        for gap in self
            .gaps
            .iter_mut()
            .filter(|gap| gap.pending == Some(asked.id))
        {
            gap.pending = None;
            gap.alone = true;
            gap.retry_at = now;
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
        let asked_for = self
            .gaps
            .iter()
            .find(|gap| gap.pending == Some(asked.id))
            .copied();
        if let Some(gap) = asked_for
            && (gap.end == self.highest || planted!(DenialTakesOthers))
            && next_seq < gap.end
        {
            let real = next_seq.max(gap.first);
            self.forget_claims(real);
            // What is real of it was denied only for the claim's sake: its tries begin anew.
            for gap in self.gaps.iter_mut() {
                if gap.pending == Some(asked.id) {
                    gap.tries = 0;
                }
            }
        }
    }

    /// Nothing from `real` on exists: whatever claimed so was not true.
    pub(super) fn forget_claims(&mut self, real: u64) {
        self.gaps.fill(real, self.highest);
        self.highest = real;
        self.end = self.end.filter(|&end| end <= real);
        for line in &mut self.lines {
            line.position = line.position.min(real);
        }
        for jumps in &mut self.jumps {
            jumps.cut(real);
        }
    }

    /// A try came to nothing: another one after a growing delay, or a snapshot instead.
    fn fail(&mut self, asked: Asked, now: u64) {
        let tries = match &self.join {
            Join::Wanted(splice) => splice.tries,
            Join::Done => self.tries_of(asked),
        };
        let delay = backoff(self.config.retry_delay, tries);
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
            gap.retry_at = if planted!(NeverRetried) { u64::MAX } else { at };
        }
        if let Join::Wanted(splice) = &mut self.join
            && splice.pending == Some(asked.id)
        {
            splice.retry(at);
        }
    }

    /// The store begins at `oldest`: one snapshot for all gaps before that.
    fn want_snapshot(&mut self, asked: Asked, oldest: u64, now: u64) {
        // What was asked for may have come by a line meanwhile: then nothing is wanted, or what is
        // left is not too old and is asked for again.
        let asked_for = self
            .gaps
            .iter()
            .find(|gap| gap.pending == Some(asked.id) && gap.first < oldest)
            .copied();
        let Some(mut gap) = asked_for else {
            return self.fail(asked, now);
        };
        if self.join.is_done() {
            let too_old = self.gaps.iter().filter(|other| other.first < oldest);
            let end = too_old.map(|other| other.end.min(oldest)).max();
            gap.end = gap.end.max(end.unwrap_or(0));
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
}
