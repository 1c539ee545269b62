//! The lines of a run, from the publisher to each subscriber.

use tickcast_protocol::Line;

use super::{Event, World};
use crate::checker::Tap;
use crate::coverage::Happening;
use crate::mix::Outage;
use crate::network::{Arrival, recut};
use crate::publisher::Datagram;
use crate::trace::Who;

impl<T: Tap> World<T> {
    pub(super) fn send_batch(&mut self, packets: &[Datagram]) {
        if self.common.loses(&mut self.random).is_some() {
            self.trace.note(Who::Publisher, "LossOnBoth");
            self.coverage.saw(Happening::LossOnBoth);
            return;
        }
        for datagram in packets {
            self.send(Line::A, datagram);
        }
        if self.mix.recut_b {
            self.coverage.saw(Happening::Recut);
            for datagram in recut(packets, &mut self.random) {
                self.send(Line::B, &datagram);
            }
        } else {
            for datagram in packets {
                self.send(Line::B, datagram);
            }
        }
    }

    pub(super) fn send(&mut self, line: Line, datagram: &Datagram) {
        let way = &mut self.lines[line as usize];
        if let Some(how) = way.loses(&mut self.random) {
            self.trace.note(Who::Publisher, ("Lost", line));
            return self.coverage.saw(how);
        }
        for to in 0..self.subscribers.len() {
            if line == Line::A || self.mix.arbiter.line_b {
                self.send_to(to, line, datagram);
            }
        }
    }

    fn send_to(&mut self, to: usize, line: Line, datagram: &Datagram) {
        if self.is_out(to, |outage| outage.lines[line as usize]) {
            return;
        }
        let way = &mut self.subscribers[to].last_mile[line as usize];
        if let Some(how) = way.loses(&mut self.random) {
            self.trace.note(Who::Subscriber(to), ("Lost", line));
            return self.coverage.saw(how);
        }
        let jitter = self.random.below(self.mix.jitter[line as usize]);
        let at = self.trace.now + self.mix.delay[line as usize] + jitter;
        let (first, again, is_late) = way.arrivals(at, self.mix.late, &mut self.random);
        if is_late {
            self.coverage.saw(Happening::Reordered);
        }
        if again.is_some() {
            self.coverage.saw(Happening::Duplicated);
        }
        for Arrival { at, is_damaged } in [Some(first), again].into_iter().flatten() {
            let datagram = datagram.clone();
            self.at(
                at,
                Event::Arrive {
                    to,
                    line,
                    datagram,
                    is_damaged,
                },
            );
        }
    }

    pub(super) fn is_out(&mut self, to: usize, what: impl Fn(&Outage) -> bool) -> bool {
        if self.outages.is_empty() {
            return false;
        }
        let now = self.now();
        self.outages.retain(|(until, _)| *until > now);
        self.outages
            .iter()
            .any(|(_, it)| what(it) && it.subscriber.is_none_or(|only| only == to))
    }
}
