//! What becomes due by time alone: gaps to be declared or given up, lines that fell silent.

use super::splice::Join;
use super::{Alarm, Arbiter, ArbiterConfig, Line, LossReason, Sink};

impl Arbiter {
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
        if planted!(GapsNeverGivenUp) {
            return;
        }
        let reason = self.loss_reason();
        let wait = if self.config.recovery && !planted!(GapsGivenUpAtOnce) {
            self.config.recovery_deadline
        } else {
            0
        };
        for gap in self.gaps.iter_mut().filter(|gap| gap.given_up.is_none()) {
            if gap
                .declared
                .is_some_and(|declared| now >= declared.saturating_add(wait))
            {
                gap.given_up = Some(reason);
            }
        }
    }

    pub(super) const fn loss_reason(&self) -> LossReason {
        if self.config.recovery {
            LossReason::RecoveryDeadline
        } else {
            LossReason::NoRecovery
        }
    }

    fn give_up_join(&mut self, now: u64, sink: &mut impl Sink) {
        let Join::Wanted(splice) = self.join else {
            return;
        };
        let deadline = splice.since.saturating_add(self.config.recovery_deadline);
        if now < deadline || planted!(JoinNeverGivenUp) {
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
                gap.given_up.get_or_insert(LossReason::RecoveryDeadline);
            }
        } else {
            sink.session(self.session, self.next, splice.previous);
        }
        if splice.is_begun || !splice.joined {
            sink.alarm(Alarm::JoinedWithoutSnapshot {
                first_seq: self.next,
            });
        }
    }

    /// Declares the gaps that no line will fill any more: they are healed, no longer waited for.
    pub(super) fn declare_gaps(&mut self, now: u64) {
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

    /// Puts out whatever has become due.
    pub(super) fn settle(&mut self, sink: &mut impl Sink) {
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
        let unblocked = |at: u64| at.max(self.requests.blocked_until);
        let can_ask = config.recovery && self.join.is_done() && self.requests.has_room();
        let gaps = self
            .gaps
            .iter()
            .filter(|gap| gap.given_up.is_none() && !planted!(GapsWithoutDeadline))
            .map(|gap| match (gap.declared, gap.passed) {
                (Some(_), _) if can_ask && gap.pending.is_none() && gap.first < reach => {
                    unblocked(gap.retry_at)
                }
                (Some(declared), _) => declared.saturating_add(config.recovery_deadline),
                (None, Some(passed)) => passed + config.reorder_window + jitter(config, gap.first),
                (None, None) => gap.since.saturating_add(config.line_patience),
            });
        let join = match &self.join {
            Join::Wanted(splice) if splice.pending.is_none() => Some(unblocked(splice.retry_at)),
            Join::Wanted(splice) => Some(splice.since.saturating_add(config.recovery_deadline)),
            Join::Done => None,
        };
        silent.chain(gaps).chain(join).min()
    }
}

/// A delay of at most `config.jitter` that depends on the subscriber and the gap.
fn jitter(config: &ArbiterConfig, first_seq: u64) -> u64 {
    let mixed = (first_seq ^ config.jitter_seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) % (config.jitter + 1)
}
