//! One run: both ends and the network between them, on a virtual clock.

mod lines;
mod receiving;
mod sending;
mod verdict;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use tickcast_protocol::{Arbiter, ArbiterConfig, Line, Start};

use crate::checker::{Checker, Tap};
use crate::coverage::{Coverage, Happening};
use crate::market::Market;
use crate::mix::{ClockStep, MS, Mix, Outage, RecoveryFaults, Restart};
use crate::network::Way;
use crate::publisher::{CHANNEL, Datagram, Publisher, Session};
use crate::random::Random;
use crate::recovery::Client;
use crate::trace::{Trace, Who};

/// Longest silence of a publisher that has nothing to send, ns.
const SILENCE: u64 = 1_500 * MS;
/// The end of a session is said again after twice the time each, at most this.
const END_EVERY_MAX: u64 = 1_000 * MS;
/// A subscriber that is called so often without a deadline ahead of it is stuck.
const STUCK: u32 = 1_000;
/// More requests than may be under way cannot be made at the same instant.
const REQUESTS_AT_ONCE: u64 = 32;
/// After so many events it is tried whether anything is due before the deadline.
const PROBE_EVERY: u64 = 8;
/// A subscriber makes at most as many requests as it has tries for each tick that it passed, one
/// each time that it may have been told to wait, and these.
const REQUESTS_ALWAYS: u64 = 64;
/// Requests under way at once, of which nothing more is heard when their session is over.
const UNDER_WAY_MAX: u64 = 8;
/// What healing takes beside the waits that are configured: way, reordering, retries.
const HEAL_SLACK: u64 = 500 * MS;

/// What happens at a time.
#[derive(Debug)]
enum Event {
    Publish {
        session: u64,
    },
    Beat {
        session: u64,
    },
    End {
        wait: u64,
    },
    Restart(Restart),
    SecondPublisher {
        heartbeat: Datagram,
        left: u64,
    },
    Arrive {
        to: usize,
        line: Line,
        datagram: Datagram,
        is_damaged: bool,
    },
    Wake {
        to: usize,
    },
    Step {
        to: usize,
        life: u32,
    },
}

/// An event in the queue: by time, then in the order in which they were put there.
struct Entry {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// A subscriber: its arbiter, once it has started, and what checks it.
struct Subscriber {
    config: ArbiterConfig,
    arbiter: Option<Arbiter>,
    checker: Checker,
    client: Client,
    life: u32,
    last_mile: [Way; 2],
    wake_at: Option<u64>,
    stuck: u32,
    /// What its arbiter took at the start, in bytes.
    memory: usize,
    /// By how much its clock is ahead of the time that passed.
    clock_ahead: u64,
    /// Session and first seq of the last request.
    asked: Option<(u64, u64)>,
    /// Ticks that were published before it started.
    published_before: u64,
    started_at: u64,
}

/// A run under way.
pub(crate) struct World<T> {
    mix: Mix,
    queue: BinaryHeap<Reverse<Entry>>,
    order: u64,
    random: Random,
    market: Market,
    history: Vec<Session>,
    publisher: Option<Publisher>,
    pub(crate) published: u64,
    common: Way,
    lines: [Way; 2],
    recovery: RecoveryFaults,
    subscribers: Vec<Subscriber>,
    starts: VecDeque<(u64, usize)>,
    restarts: VecDeque<Restart>,
    to_come: VecDeque<Outage>,
    outages: Vec<(u64, Outage)>,
    clock_steps: VecDeque<ClockStep>,
    /// When the faults stopped.
    stopped_at: Option<u64>,
    pub(crate) requests: u64,
    pub(crate) trace: Trace,
    pub(crate) coverage: Coverage,
    pub(crate) violation: Option<String>,
    tap: T,
}

impl<T: Tap> World<T> {
    pub(crate) fn new(seed: u64, prints: bool, tap: T) -> World<T> {
        let mut random = Random::new(seed);
        let mix = Mix::draw(&mut random.fork());
        let market = Market::new(random.fork(), mix.instruments);
        let subscriber = |(number, &(_, start)): (usize, &(u64, Start))| Subscriber {
            config: ArbiterConfig {
                channel: CHANNEL,
                start,
                jitter_seed: number as u64,
                ..mix.arbiter
            },
            arbiter: None,
            checker: Checker::default(),
            client: Client::new(),
            life: 0,
            last_mile: mix.last_mile.map(Way::new),
            wake_at: None,
            stuck: 0,
            memory: 0,
            clock_ahead: 0,
            asked: None,
            published_before: 0,
            started_at: 0,
        };
        let subscribers = mix.subscribers.iter().enumerate().map(subscriber).collect();
        let first_starts = mix.subscribers.iter().enumerate();
        let first_starts = first_starts.map(|(number, &(at, _))| (at, number));
        let mut starts: Vec<(u64, usize)> = first_starts.collect();
        starts.extend(&mix.subscriber_restarts);
        starts.sort_unstable();
        let mut to_come = mix.outages.clone();
        to_come.sort_by_key(|outage| outage.at_tick);
        let mut trace = Trace::new(prints);
        if prints {
            println!("{mix:#?}");
        }
        trace.note(Who::Publisher, (mix.ticks, mix.subscribers.len()));
        World {
            queue: BinaryHeap::new(),
            order: 0,
            random,
            market,
            history: Vec::new(),
            publisher: None,
            published: 0,
            common: Way::new(mix.common),
            lines: mix.lines.map(Way::new),
            recovery: mix.recovery,
            subscribers,
            starts: starts.into(),
            restarts: mix.restarts.clone().into(),
            to_come: to_come.into(),
            outages: Vec::new(),
            clock_steps: mix.clock_steps.clone().into(),
            stopped_at: None,
            requests: 0,
            trace,
            coverage: Coverage::new(),
            violation: None,
            tap,
            mix,
        }
    }

    /// Runs to the end of the last session, or to the first violation.
    pub(crate) fn run(&mut self) {
        self.begin_session(false, 0);
        self.follow_plan();
        while let Some(Reverse(entry)) = self.queue.pop() {
            self.trace.now = entry.at;
            self.handle(entry.event);
            if let Some(publisher) = &mut self.publisher
                && let Some(what) = publisher.violation.take()
            {
                self.violation.get_or_insert(what);
            }
            if self.violation.is_some() || self.is_over() {
                break;
            }
        }
        for to in 0..self.subscribers.len() {
            self.retire(to);
        }
    }

    fn now(&self) -> u64 {
        self.trace.now
    }

    fn at(&mut self, at: u64, event: Event) {
        self.order += 1;
        let order = self.order;
        self.queue.push(Reverse(Entry { at, order, event }));
    }

    fn after(&mut self, wait: u64, event: Event) {
        self.at(self.now() + wait, event);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Publish { session } => self.publish(session),
            Event::Beat { session } => self.beat(session),
            Event::End { wait } => self.end(wait),
            Event::Restart(restart) => {
                if restart.clock_off != 0 {
                    self.coverage.saw(Happening::ClockStep);
                }
                self.begin_session(restart.is_named, restart.clock_off);
            }
            Event::SecondPublisher { heartbeat, left } => self.send_from_second(heartbeat, left),
            Event::Arrive {
                to,
                line,
                datagram,
                is_damaged,
            } => self.arrive(to, line, &datagram, is_damaged),
            Event::Wake { to } => {
                if self.subscribers[to].wake_at == Some(self.now()) {
                    self.subscribers[to].wake_at = None;
                    self.settle(to);
                }
            }
            Event::Step { to, life } => self.step(to, life),
        }
    }
}
