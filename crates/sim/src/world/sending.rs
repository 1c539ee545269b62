//! The publisher's side of a run: what is published when, and what is planned to go wrong.

use std::collections::VecDeque;

use tickcast_protocol::Line;

use super::{END_EVERY_MAX, Event, SILENCE, World};
use crate::checker::Tap;
use crate::coverage::Happening;
use crate::mix::{ClockStep, MS, RecoveryFaults, Restart, US};
use crate::network::Way;
use crate::publisher::{Datagram, Publisher};
use crate::trace::Who;

impl<T: Tap> World<T> {
    pub(super) fn begin_session(&mut self, is_named: bool, clock_off: i64) {
        let (limits, now) = (self.mix.limits, self.now());
        let publisher = Publisher::start(&mut self.history, is_named, limits, clock_off, now);
        let (session, due) = (publisher.session(), publisher.heartbeat_due());
        self.trace.note(Who::Publisher, ("Session", session));
        self.publisher = Some(publisher);
        self.at(due, Event::Beat { session });
        self.after(US, Event::Publish { session });
    }

    pub(super) fn publish(&mut self, number: u64) {
        let (Some(publisher), Some(session)) = (&mut self.publisher, self.history.last_mut())
        else {
            return;
        };
        if session.number != number {
            return;
        }
        let most = self.mix.batch.min(self.mix.ticks - self.published);
        if most > 0 {
            let count = self.random.between(1, most);
            let ticks: Vec<_> = (0..count).map(|_| self.market.tick()).collect();
            let (lag, now) = (self.mix.store_lag, self.trace.now);
            let packets = publisher.publish(&ticks, lag, session, now);
            self.published += count;
            let first = publisher.next_seq() - count;
            self.trace.note(Who::Publisher, ("Publish", first, count));
            self.send_batch(&packets);
        }
        self.follow_plan();
        if self.publisher.is_none() {
            return;
        }
        if self.published == self.mix.ticks {
            return self.stop();
        }
        let pause = if self.random.chance(self.mix.silence) {
            self.random.spread(MS, SILENCE)
        } else {
            self.random.spread(1, self.mix.pause)
        };
        self.after(pause, Event::Publish { session: number });
    }

    pub(super) fn beat(&mut self, session: u64) {
        let is_over = self.stopped_at.is_some();
        let now = self.now();
        let serving = self.publisher.as_mut().filter(|it| it.session() == session);
        let (Some(publisher), Some(history)) = (serving.filter(|_| !is_over), self.history.last())
        else {
            return;
        };
        let beat = publisher.beat(history, now);
        let due = publisher.heartbeat_due();
        self.at(due, Event::Beat { session });
        if let Some(datagram) = beat {
            self.trace.note(Who::Publisher, "Heartbeat");
            self.send(Line::A, &datagram);
            self.send(Line::B, &datagram);
        }
    }

    /// Starts, stops and breaks what is planned for the ticks published so far.
    pub(super) fn follow_plan(&mut self) {
        let published = self.published;
        while let Some((_, to)) = pop_due(&mut self.starts, |(at, _)| *at <= published) {
            self.start_subscriber(to);
        }
        while let Some(outage) = pop_due(&mut self.to_come, |it| it.at_tick <= published) {
            self.trace.note(Who::Publisher, ("Outage", outage.lasts));
            self.coverage.saw(if outage.recovery {
                Happening::Partition
            } else {
                Happening::LineOutage
            });
            self.outages.push((self.now() + outage.lasts, outage));
        }
        while let Some(step) = pop_due(&mut self.clock_steps, |it| it.at_tick <= published) {
            self.step_clock(step);
        }
        if self.publisher.is_some()
            && let Some(restart) = pop_due(&mut self.restarts, |it| it.at_tick <= published)
        {
            self.stop_publisher(restart);
        }
    }

    fn step_clock(&mut self, step: ClockStep) {
        self.trace
            .note(Who::Publisher, ("ClockStep", step.subscriber, step.by));
        match step.subscriber {
            Some(to) => {
                self.coverage.saw(Happening::SubscriberClockJump);
                self.subscribers[to].clock_ahead += step.by.unsigned_abs();
                self.settle(to);
            }
            None => {
                self.coverage.saw(Happening::ClockStep);
                if let Some(publisher) = &mut self.publisher {
                    publisher.clock_off += step.by;
                }
            }
        }
    }

    fn stop_publisher(&mut self, restart: Restart) {
        let (Some(mut publisher), Some(session)) = (self.publisher.take(), self.history.last_mut())
        else {
            return;
        };
        self.trace.note(Who::Publisher, ("Stops", restart.is_clean));
        self.coverage.saw(if restart.is_named {
            Happening::RestartNamed
        } else {
            Happening::RestartUnnamed
        });
        if restart.is_clean {
            session.has_ended = true;
            let datagram = publisher.end_of_session(session, self.trace.now);
            self.violation = self.violation.take().or(publisher.violation.take());
            self.send(Line::A, &datagram);
            self.send(Line::B, &datagram);
        }
        if restart.second_publisher > 0 {
            self.coverage.saw(Happening::SecondPublisher);
            let heartbeat = publisher.heartbeat(self.now());
            let left = restart.second_publisher;
            self.after(restart.down, Event::SecondPublisher { heartbeat, left });
        }
        self.after(restart.down, Event::Restart(restart));
    }

    pub(super) fn send_from_second(&mut self, heartbeat: Datagram, left: u64) {
        self.send(Line::A, &heartbeat);
        if left > 1 && self.stopped_at.is_none() {
            let left = left - 1;
            self.after(20 * US, Event::SecondPublisher { heartbeat, left });
        }
    }

    /// All is published: the faults stop and the session ends.
    fn stop(&mut self) {
        self.stopped_at = Some(self.now());
        self.trace.note(Who::Publisher, "Stop");
        self.common.heal();
        let last_miles = self.subscribers.iter_mut().flat_map(|it| &mut it.last_mile);
        last_miles.chain(&mut self.lines).for_each(Way::heal);
        self.recovery = RecoveryFaults::default();
        self.outages.clear();
        if let Some(session) = self.history.last_mut() {
            session.has_ended = true;
        }
        self.end(10 * MS);
    }

    pub(super) fn end(&mut self, wait: u64) {
        let (Some(publisher), Some(session)) = (&mut self.publisher, self.history.last()) else {
            return;
        };
        let datagram = publisher.end_of_session(session, self.trace.now);
        self.send(Line::A, &datagram);
        self.send(Line::B, &datagram);
        let wait_next = (wait * 2).min(END_EVERY_MAX);
        self.after(wait, Event::End { wait: wait_next });
    }
}

/// The next of a plan, if it is due.
fn pop_due<P>(plan: &mut VecDeque<P>, is_due: impl Fn(&P) -> bool) -> Option<P> {
    let next_is_due = plan.front().is_some_and(is_due);
    if next_is_due { plan.pop_front() } else { None }
}
