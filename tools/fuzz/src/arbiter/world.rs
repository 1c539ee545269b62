//! An arbiter, what happens to it, and what must hold after each event.

use tickcast_protocol::{Arbiter, ArbiterConfig, Line, Recovered, Start};
use tickcast_wire::{Digest, PacketHeader, ReplyStatus, Request, RequestKind, Tick, TickSum};
use zerocopy::IntoBytes;

use super::witness::{Truth, Witness};
use crate::valid;

/// The channel of the stream.
const CHANNEL: u16 = 3;

/// Every packet says that it was sent then, ns since the Unix epoch.
const SENT: u64 = 1_000_000;

/// So many rounds of time and honest answers end any session.
const ROUNDS: usize = 1_000;

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A data packet.
    Data {
        /// The line it comes on.
        line: Line,
        /// Its session.
        session: u64,
        /// Its first seq.
        first: u64,
        /// Its ticks.
        count: u64,
    },
    /// A data packet, and at once the same seqs on the other line with another body.
    Differing {
        /// The line of the original.
        line: Line,
        /// Its session.
        session: u64,
        /// Its first seq.
        first: u64,
        /// Its ticks.
        count: u64,
    },
    /// A heartbeat.
    Heartbeat {
        /// The line it comes on.
        line: Line,
        /// Its session.
        session: u64,
        /// The next seq that it names.
        next: u64,
    },
    /// The end of a session, on one line.
    End {
        /// The line it comes on.
        line: Line,
        /// The session that ends.
        session: u64,
    },
    /// A datagram that is no packet of the stream; nothing happens if it is one.
    Garbage {
        /// The line it comes on.
        line: Line,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// The recovery channel answers its oldest request.
    Answer(Answer),
    /// Time passes, in ns.
    Wait(u64),
    /// Time passes until the arbiter has something to do.
    WaitForDeadline,
}

/// What the recovery channel answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// What was asked for; of a snapshot the state as of so many ticks after the least.
    Served(u64),
    /// The first half, and more is to come.
    Half(u64),
    /// No, for this reason, with this detail.
    Refused(ReplyStatus, u64),
    /// The connection failed.
    Failed,
    /// Rows that were not asked for, moved by so many seqs.
    Lie(u64),
}

/// An arbiter in a world of its own.
pub struct World {
    truth: Truth,
    config: ArbiterConfig,
    arbiter: Arbiter,
    witness: Witness,
    now: u64,
    /// Requests without a whole answer, oldest first.
    asked: Vec<Asked>,
    last_id: u64,
    /// All that has happened.
    events: Vec<Event>,
}

/// When something is found, the way there is printed.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}\n{:?}", self.truth, self.config);
            for event in &self.events {
                eprintln!("  {event:?}");
            }
            eprintln!("now {}, {:?}", self.now, self.witness);
        }
    }
}

/// A request, and how far its answer has come.
#[derive(Debug, Clone, Copy)]
struct Asked {
    request: Request,
    /// Rows that were given.
    given: u64,
    /// Of a snapshot that has begun: the seq it is as of.
    as_of: Option<u64>,
}

impl World {
    /// Nothing has happened yet. Times of `config` should be short.
    #[must_use]
    pub fn new(truth: Truth, config: ArbiterConfig) -> World {
        let config = ArbiterConfig {
            channel: CHANNEL,
            ..config
        };
        World {
            truth,
            config,
            arbiter: Arbiter::new(config),
            witness: Witness::new(truth),
            now: 0,
            asked: Vec::new(),
            last_id: 0,
            events: Vec::new(),
        }
    }

    /// Whether an answer would answer anything.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Makes it happen, and asserts all that must hold.
    pub fn apply(&mut self, event: &Event) {
        self.events.push(event.clone());
        match event {
            &Event::Data {
                line,
                session,
                first,
                count,
            } => self.data(line, session, first, count),
            &Event::Differing {
                line,
                session,
                first,
                count,
            } => self.differing(line, session, first, count),
            &Event::Heartbeat {
                line,
                session,
                next,
            } => {
                let header = PacketHeader::heartbeat(session, CHANNEL, next);
                self.send(line, session, header, &[]);
            }
            &Event::End { line, session } => {
                let next = self.truth.ticks + 1;
                let header = PacketHeader::end_of_session(session, CHANNEL, next);
                self.send(line, session, header, &[]);
            }
            Event::Garbage { line, bytes } => self.garbage(*line, bytes),
            &Event::Answer(answer) => self.answer(answer),
            &Event::Wait(time) => self.wait(time),
            Event::WaitForDeadline => {
                let deadline = self.arbiter.next_deadline().unwrap_or(self.now);
                self.wait(deadline.saturating_sub(self.now));
            }
        }
        self.poll();
        // A deadline that is there already is due now, once.
        if self
            .arbiter
            .next_deadline()
            .is_some_and(|at| at <= self.now)
        {
            self.wait(0);
            self.poll();
        }
        self.check();
    }

    fn data(&mut self, line: Line, session: u64, first: u64, count: u64) {
        let header = PacketHeader::data(session, CHANNEL, first, count as u16);
        self.send(line, session, header, &Truth::range(session, first, count));
    }

    fn send(&mut self, line: Line, session: u64, header: PacketHeader, ticks: &[Tick]) {
        let header = match self.truth.previous(session) {
            Some(previous) => header.with_previous(previous),
            None => header,
        };
        let before = (header.first_seq() - 1).min(self.truth.ticks);
        let header = header
            .with_ts_sent(SENT)
            .with_digest(Truth::digest(session, before));
        let checksum = header.checksum(TickSum::of(ticks));
        let bytes = [header.as_bytes(), ticks.as_bytes(), &checksum].concat();
        assert!(valid::is_packet(&bytes));
        self.arbiter
            .handle_datagram(line, &bytes, self.now, &mut self.witness);
    }

    /// An original that the arbiter took in is noted, so that a copy that differs is told.
    fn differing(&mut self, line: Line, session: u64, first: u64, count: u64) {
        let before = self.arbiter.counters().lines[line as usize];
        self.data(line, session, first, count);
        let counters = self.arbiter.counters().lines[line as usize];
        // One of which nothing was taken is no measure for another copy.
        let not_taken = counters.overflow == before.overflow + count;
        if counters.ticks == before.ticks || counters.differing > before.differing || not_taken {
            return;
        }
        let other = if line == Line::A { Line::B } else { Line::A };
        let mut ticks = Truth::range(session, first, count);
        ticks[0] = Truth::tick(session + 1, first);
        let differed = self.arbiter.counters().lines[other as usize].differing;
        let delivered = self.witness.delivered;
        let header = PacketHeader::data(session, CHANNEL, first, count as u16);
        self.send(other, session, header, &ticks);
        let now = self.arbiter.counters().lines[other as usize].differing;
        assert_eq!((now, self.witness.delivered), (differed + 1, delivered));
    }

    fn garbage(&mut self, line: Line, bytes: &[u8]) {
        let is_of_channel = bytes.get(32..34) == Some(&CHANNEL.to_le_bytes());
        if valid::is_packet(bytes) && is_of_channel {
            return;
        }
        let refused = self.arbiter.counters().lines[line as usize].refused();
        let before = (self.witness.calls, self.arbiter.next_seq());
        self.arbiter
            .handle_datagram(line, bytes, self.now, &mut self.witness);
        assert_eq!((self.witness.calls, self.arbiter.next_seq()), before);
        let now = self.arbiter.counters().lines[line as usize].refused();
        assert_eq!(now, refused + 1, "refused without a count");
    }

    fn answer(&mut self, answer: Answer) {
        let Some(asked) = self.asked.first().copied() else {
            return;
        };
        let id = asked.request.id();
        match (answer, asked.request.check()) {
            (Answer::Served(_), Ok(RequestKind::Retransmit)) => self.retransmit(asked, true),
            (Answer::Half(_), Ok(RequestKind::Retransmit)) => self.retransmit(asked, false),
            (Answer::Served(more), _) => self.snapshot(asked, more, true),
            (Answer::Half(more), _) => self.snapshot(asked, more, false),
            (Answer::Refused(status, detail), _) => {
                self.finish_with(Recovered::Refused { id, status, detail });
            }
            (Answer::Failed, _) => self.finish_with(Recovered::Failed { id }),
            (Answer::Lie(by), _) => self.lie(asked, by),
        }
    }

    /// The server answers in order: what comes last for the oldest request makes way for the next.
    fn finish_with(&mut self, what: Recovered<'_>) {
        self.asked.remove(0);
        self.arbiter
            .handle_recovered(what, self.now, &mut self.witness);
    }

    fn retransmit(&mut self, asked: Asked, last: bool) {
        let (first, left) = (
            asked.request.first_seq() + asked.given,
            asked.request.count() - asked.given,
        );
        let count = if last { left } else { left / 2 };
        let ticks = Truth::range(asked.request.session(), first, count);
        let what = Recovered::Ticks {
            id: asked.request.id(),
            first_seq: first,
            ticks: &ticks,
            last,
        };
        self.give(what, count, None, last);
    }

    fn snapshot(&mut self, asked: Asked, more: u64, last: bool) {
        let session = asked.request.session();
        let most = self.truth.ticks;
        let as_of = asked
            .as_of
            .unwrap_or(asked.request.first_seq().saturating_add(more).min(most));
        let rows = Truth::state(session, as_of);
        let rows = &rows[asked.given as usize..];
        let count = if last { rows.len() } else { rows.len() / 2 };
        let what = Recovered::Snapshot {
            id: asked.request.id(),
            session,
            as_of,
            digest: Truth::digest(session, as_of),
            rows: &rows[..count],
            last,
        };
        self.give(what, count as u64, Some(as_of), last);
    }

    fn give(&mut self, what: Recovered<'_>, count: u64, as_of: Option<u64>, last: bool) {
        if last {
            return self.finish_with(what);
        }
        self.asked[0].given += count;
        self.asked[0].as_of = as_of;
        self.arbiter
            .handle_recovered(what, self.now, &mut self.witness);
    }

    /// Rows that the arbiter can tell are not what it asked for.
    fn lie(&mut self, asked: Asked, by: u64) {
        let (id, session) = (asked.request.id(), asked.request.session());
        let first = asked.request.first_seq();
        match by % 4 {
            0 => {
                let ticks = Truth::range(session, first + 1, asked.request.count().max(1));
                self.finish_with(Recovered::Ticks {
                    id,
                    first_seq: first + 1,
                    ticks: &ticks,
                    last: true,
                });
            }
            1 => {
                let ticks = Truth::range(session, first + 1, 1);
                self.finish_with(Recovered::Ticks {
                    id,
                    first_seq: first,
                    ticks: &ticks,
                    last: true,
                });
            }
            // Rows that are no state.
            2 => self.finish_with(Recovered::Snapshot {
                id,
                session,
                as_of: self.truth.ticks,
                digest: Digest::default(),
                rows: &Truth::range(session, 1, 1),
                last: true,
            }),
            // The state of another session.
            _ => self.finish_with(Recovered::Snapshot {
                id,
                session: session + 1,
                as_of: self.truth.ticks,
                digest: Digest::default(),
                rows: &Truth::state(session, self.truth.ticks),
                last: true,
            }),
        }
    }

    fn wait(&mut self, time: u64) {
        self.now += time;
        self.arbiter.handle_time(self.now, &mut self.witness);
    }

    /// Takes the requests. Each must ask for something that is missing, in a number of bounds.
    fn poll(&mut self) {
        while let Some(request) = self.arbiter.poll_request(self.now) {
            let kind = request.check();
            assert!(self.config.recovery, "a request without a recovery channel");
            assert_eq!(request.session(), self.arbiter.session());
            assert!(request.id() > self.last_id, "an id twice");
            self.last_id = request.id();
            if kind == Ok(RequestKind::Retransmit) {
                assert!(
                    request.first_seq() >= self.arbiter.next_seq(),
                    "{request:?}"
                );
                assert!(
                    request.count() <= self.config.retransmit_ticks,
                    "{request:?}"
                );
                let end = request.first_seq() + request.count();
                assert!(end <= self.truth.ticks + 1, "{request:?}: never published");
            } else {
                assert_eq!(kind, Ok(RequestKind::Snapshot));
            }
            self.asked.push(Asked {
                request,
                given: 0,
                as_of: None,
            });
            // Answers to requests of a session that is over are no longer of interest.
            assert!(self.asked.len() < 1_000, "requests without end");
        }
    }

    fn check(&self) {
        let (arbiter, witness) = (&self.arbiter, &self.witness);
        let counters = arbiter.counters();
        assert_eq!(counters.delivered, witness.delivered);
        assert_eq!(counters.lost, witness.lost);
        assert!(arbiter.held() <= self.config.hold_ticks.next_power_of_two());
        if witness.session > 0 && witness.session == arbiter.session() {
            assert_eq!(arbiter.next_seq(), witness.next);
        }
        for line in counters.lines {
            let accounted = line.won + line.duplicates + line.overflow;
            let all_are = accounted == line.ticks || line.differing > 0;
            assert!(accounted <= line.ticks && all_are, "{line:?}");
        }
        if let Some(deadline) = arbiter.next_deadline() {
            assert!(
                deadline > self.now,
                "stuck at {deadline}, it is {}",
                self.now
            );
        }
    }

    /// From here on nothing is lost and every request is answered: the session must end, with
    /// every seq accounted for.
    pub fn finish(mut self) {
        let session = self.arbiter.session();
        if session == 0 {
            return;
        }
        for _ in 0..ROUNDS {
            if self.witness.has_ended {
                return;
            }
            self.apply(&Event::End {
                line: Line::A,
                session,
            });
            while self.is_asked() {
                self.apply(&Event::Answer(Answer::Served(u64::MAX)));
            }
            self.apply(&Event::WaitForDeadline);
        }
        panic!("session {session} does not end: {:?}", self.witness);
    }

    /// The configuration with times of a few ns, and everything else as small as it goes.
    #[must_use]
    pub fn small(start: Start, line_b: bool, recovery: bool) -> ArbiterConfig {
        ArbiterConfig {
            line_b,
            recovery,
            start,
            hold_ticks: 4,
            reorder_window: 3,
            jitter: 1,
            line_patience: 20,
            line_down_after: 500,
            retransmit_ticks: 3,
            tries: 2,
            retry_delay: 4,
            recovery_deadline: 100,
            ..ArbiterConfig::default()
        }
    }
}
