//! What must hold beside the stream itself: time to heal, requests, and peace without faults.

use super::{END_EVERY_MAX, HEAL_SLACK, REQUESTS_ALWAYS, Subscriber, UNDER_WAY_MAX, World};
use crate::checker::Tap;
use crate::coverage::Happening;

impl<T: Tap> World<T> {
    /// How long everything may take to be delivered or lost once the faults have stopped.
    fn heal_bound(&self) -> u64 {
        let arbiter = &self.mix.arbiter;
        let waits = arbiter.line_patience + 2 * arbiter.recovery_deadline;
        waits + self.mix.patience + END_EVERY_MAX + HEAL_SLACK
    }

    /// Whether all subscribers have seen the end; it is a violation when that takes too long.
    pub(super) fn is_over(&mut self) -> bool {
        let (Some(stopped_at), Some(session)) = (self.stopped_at, self.history.last()) else {
            return false;
        };
        let number = session.number;
        let is_waiting = |it: &Subscriber| !it.checker.has_seen_the_end_of(number);
        let Some(to) = self.subscribers.iter().position(is_waiting) else {
            return true;
        };
        let (healing, bound) = (self.now() - stopped_at, self.heal_bound());
        if healing > bound {
            self.violation.get_or_insert(format!(
                "subscriber {to}: not healed {healing} ns after the faults stopped, at most {bound}"
            ));
        }
        false
    }

    /// A subscriber's life is over: what it counted, and whether it asked too much.
    pub(super) fn retire(&mut self, to: usize) {
        let subscriber = &mut self.subscribers[to];
        let Some(arbiter) = subscriber.arbiter.take() else {
            return;
        };
        let counters = arbiter.counters();
        for line in &counters.lines {
            for (happening, count) in [
                (Happening::WindowOverflow, line.overflow),
                (Happening::Unconfirmed, line.unconfirmed),
                (Happening::RefusedTruncated, line.truncated),
                (Happening::RefusedForeign, line.foreign),
                (Happening::RefusedNewerVersion, line.newer_version),
                (Happening::RefusedUnknownKind, line.unknown_kind),
                (Happening::RefusedWrongLength, line.wrong_length),
                (Happening::RefusedSeqOutOfRange, line.seq_out_of_range),
                (Happening::RefusedTickSeq, line.wrong_tick_seq),
                (Happening::RefusedChannel, line.other_channel),
                (Happening::RefusedStale, line.stale_session),
                (Happening::RefusedFuture, line.future_session),
            ] {
                self.coverage.add(happening, count);
            }
        }
        self.coverage.add(Happening::Gap, counters.gaps);
        let requests = counters.retransmit_requests + counters.snapshot_requests;
        let passed = counters.delivered + counters.lost;
        let lived = self.trace.now - subscriber.started_at + subscriber.clock_ahead;
        let told_to_wait = lived / self.mix.limits.busy_retry_ns;
        let tries = u64::from(self.mix.arbiter.tries);
        let most = passed * tries + told_to_wait + REQUESTS_ALWAYS;
        let mut violation = None;
        // A request is for a gap, which a packet has shown; or for more of it, after ticks that
        // came; or it is another try, after one that came to nothing.
        let shown = counters
            .lines
            .iter()
            .map(|line| line.datagrams)
            .sum::<u64>();
        let in_vain =
            counters.recovery_refusals + counters.recovery_failures + counters.recovery_lies;
        let forgotten = UNDER_WAY_MAX * (1 + counters.sessions + counters.snapshot_requests);
        let reasons = shown + counters.retransmitted + in_vain + forgotten;
        if counters.retransmit_requests > reasons {
            let made = counters.retransmit_requests;
            violation = Some(format!("{made} requests for {reasons} reasons to ask"));
        }
        if requests > most {
            violation = Some(format!(
                "{requests} requests in {passed} ticks, at most {most}"
            ));
        }
        // A late joiner may have missed what the line without faults had brought before.
        let is_plain = subscriber.published_before == 0
            && counters.sessions <= 1
            && counters.snapshot_requests == 0;
        if self.mix.clean_line.is_some() && is_plain {
            self.coverage.saw(Happening::CleanLine);
            let (asked, lost) = (
                counters.retransmit_requests,
                subscriber.checker.lost_in_all(),
            );
            if asked > 0 || lost > 0 {
                violation = Some(format!(
                    "{asked} retransmits asked for and {lost} ticks lost \
                     beside a line without faults"
                ));
            }
        }
        if self.mix.is_sound {
            self.coverage.saw(Happening::SoundRecovery);
            let lost = counters.lost;
            if lost > 0 {
                violation = Some(format!(
                    "{lost} ticks lost, the recovery channel has no fault"
                ));
            }
        }
        let lies = counters.recovery_lies;
        if lies > 0 && self.mix.recovery.lie == 0 {
            violation = Some(format!("{lies} lies counted, none was told"));
        }
        if self.mix.is_calm {
            self.coverage.saw(Happening::Calm);
            if requests > 0 || counters.gaps > 0 || counters.lost > 0 {
                violation = Some(format!(
                    "{requests} requests and {} gaps without a fault",
                    counters.gaps
                ));
            }
        }
        if let Some(what) = violation {
            self.violation
                .get_or_insert(format!("subscriber {to}: {what}"));
        }
    }
}
