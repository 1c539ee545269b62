//! The subscribers' side of a run: what arrives, what they ask, and when they are called.

use tickcast_protocol::{Arbiter, Line, Recovered};
use tickcast_wire::{Packet, Request, RequestKind};

use super::{Event, PROBE_EVERY, REQUESTS_AT_ONCE, STUCK, Subscriber, World};
use crate::checker::{Checker, Checking, Tap};
use crate::coverage::Happening;
use crate::mix::US;
use crate::network::{Damaged, damage};
use crate::publisher::Datagram;
use crate::recovery::{Answer, Around, Client};
use crate::trace::Who;

impl<T: Tap> World<T> {
    pub(super) fn start_subscriber(&mut self, to: usize) {
        self.retire(to);
        let subscriber = &mut self.subscribers[to];
        subscriber.life += 1;
        if subscriber.life > 1 {
            self.coverage.saw(Happening::SubscriberRestart);
        }
        self.trace
            .note(Who::Subscriber(to), ("Starts", subscriber.life));
        let arbiter = Arbiter::new(subscriber.config);
        subscriber.memory = arbiter.memory_bytes();
        subscriber.arbiter = Some(arbiter);
        subscriber.checker = Checker::default();
        subscriber.client = Client::new();
        subscriber.wake_at = None;
        subscriber.published_before = self.published;
        subscriber.started_at = self.trace.now;
    }

    /// Calls the arbiter of a subscriber, if it runs.
    fn call(&mut self, to: usize, call: impl FnOnce(&mut Arbiter, &mut Checking<'_, T>, u64)) {
        let subscriber = &mut self.subscribers[to];
        let Some(arbiter) = &mut subscriber.arbiter else {
            return;
        };
        let now = self.trace.now + subscriber.clock_ahead;
        let mut sink = Checking {
            checker: &mut subscriber.checker,
            history: &self.history,
            who: Who::Subscriber(to),
            trace: &mut self.trace,
            coverage: &mut self.coverage,
            tap: &mut self.tap,
        };
        call(arbiter, &mut sink, now);
    }

    pub(super) fn arrive(&mut self, to: usize, line: Line, datagram: &Datagram, is_damaged: bool) {
        let Some(arbiter) = &self.subscribers[to].arbiter else {
            return;
        };
        let before = (arbiter.session(), arbiter.counters().sessions);
        let had_gap = arbiter.held() > 0;
        if is_damaged {
            let of = Packet::parse(datagram).map_or(0, |packet| packet.header().session());
            let is_followed = of == arbiter.session();
            // What is believed and wrong is asked for, or lost, even beside a line without faults.
            let may_mislead = self.mix.clean_line.is_none();
            match damage(datagram, is_followed, may_mislead, &mut self.random) {
                Damaged::Caught => return self.coverage.saw(Happening::ChecksumCaught),
                Damaged::Arrives(bytes) => {
                    self.coverage.saw(Happening::DamageArrived);
                    self.trace
                        .note(Who::Subscriber(to), ("Damaged", line, bytes.len()));
                    self.call(to, |arbiter, sink, now| {
                        arbiter.handle_datagram(line, &bytes, now, sink);
                    });
                }
                Damaged::WithCopy(bytes) => {
                    self.arrive_twice(to, line, (datagram, &bytes), Happening::CopyDiffers);
                }
                Damaged::BeforeOriginal(bytes) => {
                    if let Ok(packet) = Packet::parse(&bytes) {
                        let checker = &mut self.subscribers[to].checker;
                        checker.expect_damaged(packet.ticks());
                    }
                    let copies = (&bytes[..], &datagram[..]);
                    self.arrive_twice(to, line, copies, Happening::FirstCopyDamaged);
                }
                Damaged::Claims(bytes, claimed) => {
                    self.coverage.saw(Happening::FalseClaim);
                    self.trace
                        .note(Who::Subscriber(to), ("Claims", line, claimed));
                    let checker = &mut self.subscribers[to].checker;
                    checker.expect_claim(of, claimed);
                    self.call(to, |arbiter, sink, now| {
                        arbiter.handle_datagram(line, &bytes, now, sink);
                    });
                }
            }
        } else {
            self.call(to, |arbiter, sink, now| {
                arbiter.handle_datagram(line, datagram, now, sink);
            });
        }
        if let Some(arbiter) = &self.subscribers[to].arbiter
            && before.0 != 0
            && arbiter.counters().sessions > before.1
            && had_gap
        {
            self.coverage.saw(Happening::SessionChangeInGap);
        }
        self.settle(to);
    }

    /// Two copies with different bodies: if the arbiter took the first, the second must be
    /// counted and not be delivered.
    fn arrive_twice(
        &mut self,
        to: usize,
        line: Line,
        (first, second): (&[u8], &[u8]),
        what: Happening,
    ) {
        let mut was_noted = false;
        self.call(to, |arbiter, sink, now| {
            let before = arbiter.counters().lines[line as usize];
            arbiter.handle_datagram(line, first, now, sink);
            let after = arbiter.counters().lines[line as usize];
            let ticks = after.ticks - before.ticks;
            // One of which nothing was taken is no measure for another.
            let was_taken = ticks > after.overflow - before.overflow;
            was_noted = was_taken && after.differing == before.differing;
        });
        if was_noted {
            self.coverage.saw(what);
            let mut was_told = false;
            self.call(to, |arbiter, sink, now| {
                let before = arbiter.counters().lines[line as usize].differing;
                arbiter.handle_datagram(line, second, now, sink);
                was_told = arbiter.counters().lines[line as usize].differing > before;
            });
            if !was_told {
                self.violation.get_or_insert(format!(
                    "subscriber {to}: a copy that differs is not counted"
                ));
            }
        }
    }

    pub(super) fn step(&mut self, to: usize, life: u32) {
        if self.subscribers[to].life != life {
            return;
        }
        let is_reachable = !self.is_out(to, |outage| outage.recovery);
        let mut around = Around {
            publisher: self.publisher.as_mut(),
            history: &self.history,
            mix: &self.mix,
            faults: self.recovery,
            is_reachable,
            random: &mut self.random,
            coverage: &mut self.coverage,
            trace: &mut self.trace,
            who: Who::Server(to),
            violation: &mut self.violation,
        };
        let (answers, delay) = self.subscribers[to].client.step(&mut around);
        if let Some(delay) = delay {
            self.after(delay, Event::Step { to, life });
        }
        for answer in &answers {
            self.recovered(to, answer);
        }
        self.settle(to);
    }

    fn recovered(&mut self, to: usize, answer: &Answer) {
        let taken = |it: &Subscriber| it.arbiter.as_ref().map_or(0, |it| it.counters().snapshots);
        let before = taken(&self.subscribers[to]);
        self.call(to, |arbiter, sink, now| {
            arbiter.handle_recovered(answer.recovered(), now, sink);
        });
        let subscriber = &mut self.subscribers[to];
        if taken(subscriber) > before {
            subscriber
                .checker
                .finish_snapshot(&self.history, &mut self.coverage);
        }
    }

    /// After anything happened to a subscriber: time, requests, the account, the next deadline.
    pub(super) fn settle(&mut self, to: usize) {
        self.call(to, |arbiter, sink, now| arbiter.handle_time(now, sink));
        self.pass_requests_on(to);
        let subscriber = &mut self.subscribers[to];
        let now = self.trace.now + subscriber.clock_ahead;
        let Some(arbiter) = &subscriber.arbiter else {
            return;
        };
        subscriber.checker.check_account(arbiter, &self.history);
        let room = self.mix.arbiter.hold_ticks.next_power_of_two();
        let mut violation = subscriber.checker.take_violation();
        if arbiter.held() > room {
            violation.get_or_insert(format!("{} ticks held, room is {room}", arbiter.held()));
        }
        let (memory, taken) = (arbiter.memory_bytes(), subscriber.memory);
        if memory != taken {
            violation.get_or_insert(format!("{memory} bytes of memory, {taken} at the start"));
        }
        let deadline = arbiter.next_deadline();
        if deadline.is_some_and(|at| at <= now) {
            subscriber.stuck += 1;
        } else {
            subscriber.stuck = 0;
        }
        if subscriber.stuck > STUCK {
            violation.get_or_insert(format!("deadline {deadline:?} stays in the past"));
        }
        if let Some(what) = violation {
            self.violation
                .get_or_insert(format!("subscriber {to}: {what}"));
        }
        if let Some(deadline) = deadline {
            let at = deadline.max(now + US) - subscriber.clock_ahead;
            if subscriber.wake_at.is_none_or(|wake_at| at < wake_at) {
                subscriber.wake_at = Some(at);
                self.at(at, Event::Wake { to });
            }
        }
    }

    fn pass_requests_on(&mut self, to: usize) {
        let now = self.now() + self.subscribers[to].clock_ahead;
        let mut made = 0;
        while let Some(arbiter) = &mut self.subscribers[to].arbiter
            && let Some(request) = arbiter.poll_request(now)
        {
            made += 1;
            let next = arbiter.next_seq();
            if let Some(what) = wrong_request(&request, next, made) {
                self.violation
                    .get_or_insert(format!("subscriber {to}: {what}"));
                return;
            }
            self.pass_on(to, request);
        }
        self.probe(to);
    }

    /// Nothing may be due before the deadline that is named: this is tried now and then.
    fn probe(&mut self, to: usize) {
        if !self.order.is_multiple_of(PROBE_EVERY) {
            return;
        }
        let subscriber = &mut self.subscribers[to];
        let now = self.trace.now + subscriber.clock_ahead;
        let Some(arbiter) = &mut subscriber.arbiter else {
            return;
        };
        let deadline = arbiter.next_deadline();
        if deadline.is_some_and(|at| at <= now) {
            return;
        }
        let before = deadline.map_or(u64::MAX / 2, |at| at - 1);
        if let Some(request) = arbiter.poll_request(before) {
            self.violation.get_or_insert(format!(
                "subscriber {to}: {request:?} is due by {before}, the deadline is {deadline:?}"
            ));
        }
    }

    fn pass_on(&mut self, to: usize, request: Request) {
        let range = (request.session(), request.first_seq());
        let what = ("Asks", request.check().ok(), range, request.count());
        self.trace.note(Who::Subscriber(to), what);
        self.requests += 1;
        let same = |it: &Subscriber| it.asked == Some(range);
        let (before, from) = self.subscribers.split_at(to);
        if before.iter().chain(&from[1..]).any(same) {
            self.coverage.saw(Happening::SameRangeAsked);
        }
        let subscriber = &mut self.subscribers[to];
        subscriber.asked = Some(range);
        let life = subscriber.life;
        match subscriber.client.ask(request) {
            Ok(true) => self.after(US, Event::Step { to, life }),
            Ok(false) => {}
            Err(request) => self.call(to, |arbiter, sink, now| {
                let failed = Recovered::Failed { id: request.id() };
                arbiter.handle_recovered(failed, now, sink);
            }),
        }
    }
}

/// What is wrong with a request, one of `made` at the same instant, when `next` is the next seq.
fn wrong_request(request: &Request, next: u64, made: u64) -> Option<String> {
    if made > REQUESTS_AT_ONCE {
        return Some(format!("{made} requests at the same instant"));
    }
    match request.check() {
        Err(error) => Some(format!("a request that no server takes: {error}")),
        Ok(RequestKind::Retransmit) if request.first_seq() < next => {
            let first = request.first_seq();
            Some(format!("asks for seq {first} again, seq {next} is next"))
        }
        Ok(_) => None,
    }
}
