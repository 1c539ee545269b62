//! Every order of up to six events around a small session: the promise holds after each event, and
//! once nothing is lost any more, the session ends with every seq accounted for.
//!
//! `cargo test -p tickcast-fuzz --test interleavings -- --nocapture` prints how many there are.

use tickcast_fuzz::arbiter::{Answer, Event, Truth, World};
use tickcast_protocol::{ArbiterConfig, Line, Start};
use tickcast_wire::ReplyStatus;

/// Events in an order.
const DEPTH: usize = 6;

/// Ticks of a session. The hold window of a small world has four slots, so the last overflows it.
const TICKS: u64 = 5;

/// Longer than the patience with a line of a small world, and than its reorder window.
const SHORT: Event = Event::Wait(25);

/// Longer than the recovery deadline of a small world.
const LONG: Event = Event::Wait(130);

const fn data(line: Line, session: u64, first: u64, count: u64) -> Event {
    Event::Data {
        line,
        session,
        first,
        count,
    }
}

const fn heartbeat(line: Line, session: u64, next: u64) -> Event {
    Event::Heartbeat {
        line,
        session,
        next,
    }
}

/// Orders of `events`, tried one after the other.
struct Orders<'a> {
    config: ArbiterConfig,
    truth: Truth,
    events: &'a [Event],
    order: Vec<&'a Event>,
    tried: u64,
}

impl<'a> Orders<'a> {
    /// Tries every order of up to [`DEPTH`] of these events, each as often as it comes.
    fn try_all(name: &str, config: ArbiterConfig, names_previous: bool, events: &'a [Event]) {
        let truth = Truth {
            ticks: TICKS,
            names_previous,
        };
        let mut orders = Orders {
            config,
            truth,
            events,
            order: Vec::new(),
            tried: 0,
        };
        orders.extend();
        println!(
            "{name}: {} orders of up to {DEPTH} of {} events",
            orders.tried,
            events.len()
        );
        assert!(orders.tried > 50_000, "too few to be all");
    }

    /// Tries the order as it is with each event after it.
    fn extend(&mut self) {
        for next in self.events {
            let mut world = World::new(self.truth, self.config);
            for event in &self.order {
                world.apply(event);
            }
            // An answer to nothing changes nothing: that is a shorter order.
            if matches!(next, Event::Answer(_)) && !world.is_asked() {
                continue;
            }
            world.apply(next);
            world.finish();
            self.tried += 1;
            if self.order.len() + 1 < DEPTH {
                self.order.push(next);
                self.extend();
                self.order.pop();
            }
        }
    }
}

/// Both lines, cut into packets differently, and a recovery channel from seq 1 on.
#[test]
fn lines_and_retransmits() {
    let session = Truth::session(0);
    let events = [
        data(Line::A, session, 1, 1),
        data(Line::A, session, 2, 2),
        data(Line::A, session, 5, 1),
        data(Line::B, session, 1, 2),
        data(Line::B, session, 3, 1),
        data(Line::B, session, 4, 2),
        heartbeat(Line::A, session, 6),
        Event::Answer(Answer::Served(0)),
        Event::Answer(Answer::Half(0)),
        Event::Answer(Answer::Failed),
        SHORT,
    ];
    let config = World::small(Start::Seq(1), true, true);
    Orders::try_all("lines and retransmits", config, false, &events);
}

/// One line, and a store that forgets: snapshots take the place of what is too old.
#[test]
fn snapshots_instead() {
    let session = Truth::session(0);
    let events = [
        data(Line::A, session, 1, 1),
        data(Line::A, session, 3, 1),
        data(Line::A, session, 5, 1),
        heartbeat(Line::A, session, 6),
        Event::Answer(Answer::Refused(ReplyStatus::TooOld, 4)),
        Event::Answer(Answer::Served(0)),
        Event::Answer(Answer::Served(1)),
        Event::Answer(Answer::Half(1)),
        Event::Answer(Answer::Failed),
        SHORT,
        LONG,
    ];
    let config = World::small(Start::Seq(1), false, true);
    Orders::try_all("snapshots instead", config, false, &events);
}

/// Late join: a snapshot first, and live ticks spliced on.
#[test]
fn late_join() {
    let session = Truth::session(0);
    let events = [
        data(Line::A, session, 2, 1),
        data(Line::A, session, 3, 2),
        data(Line::B, session, 5, 1),
        Event::Answer(Answer::Served(0)),
        Event::Answer(Answer::Served(2)),
        Event::Answer(Answer::Half(1)),
        Event::Answer(Answer::Refused(ReplyStatus::NotYet, 2)),
        SHORT,
        LONG,
    ];
    let config = World::small(Start::Live, true, true);
    Orders::try_all("late join", config, false, &events);
}

/// A session changes while something is missing, with and without its name in the new one.
#[test]
fn session_changes() {
    let (old, new) = (Truth::session(0), Truth::session(1));
    let events = [
        data(Line::A, old, 1, 1),
        data(Line::A, old, 3, 2),
        data(Line::B, old, 2, 1),
        heartbeat(Line::A, new, 1),
        data(Line::A, new, 2, 1),
        data(Line::B, new, 1, 1),
        Event::Answer(Answer::Served(0)),
        Event::Answer(Answer::Refused(ReplyStatus::OtherSession, new)),
        SHORT,
    ];
    for (name, names_previous) in [("session changes", false), ("and named", true)] {
        let config = World::small(Start::Seq(1), true, true);
        Orders::try_all(name, config, names_previous, &events);
    }
}

/// No recovery channel: what the lines do not bring is lost by notice.
#[test]
fn without_recovery() {
    let session = Truth::session(0);
    let events = [
        data(Line::A, session, 1, 1),
        data(Line::A, session, 3, 1),
        data(Line::A, session, 4, 2),
        data(Line::B, session, 1, 2),
        data(Line::B, session, 3, 2),
        heartbeat(Line::B, session, 6),
        SHORT,
        LONG,
    ];
    let config = World::small(Start::Seq(1), true, false);
    Orders::try_all("without recovery", config, false, &events);
}
