//! What a reader is given before it goes on in the queue: notices, and ticks of its own.

use std::collections::VecDeque;

use tickcast_protocol::Provenance;
use tickcast_wire::Tick;

use crate::clock::realtime_ns;
use crate::event::{Event, Origin, Stamps};

/// Ticks that are given out at once: few enough for the nearest cache.
const AT_ONCE: usize = 256;

enum Item {
    Event(Event<'static>),
    Ticks(Vec<Tick>, Origin),
}

/// Events in order. It is empty but for a reader that was too slow.
#[derive(Default)]
pub(crate) struct Pending {
    items: VecDeque<Item>,
    /// The ticks that are being given out, and how many were.
    ticks: Vec<Tick>,
    given: usize,
    origin: Option<Origin>,
}

impl Pending {
    pub(crate) fn push(&mut self, event: Event<'static>) {
        self.items.push_back(Item::Event(event));
    }

    /// Ticks that did not come out of the queue just now.
    pub(crate) fn push_ticks(&mut self, ticks: Vec<Tick>, session: u64, provenance: Provenance) {
        let origin = Origin {
            session,
            provenance,
            held: true,
            stamps: Stamps::default(),
        };
        if !ticks.is_empty() {
            self.items.push_back(Item::Ticks(ticks, origin));
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.given == self.ticks.len() && self.items.is_empty()
    }

    /// The next event, or `None` when it is empty.
    #[cold]
    pub(crate) fn next(&mut self) -> Option<Event<'_>> {
        if self.given == self.ticks.len() {
            match self.items.pop_front()? {
                Item::Event(event) => return Some(event),
                Item::Ticks(ticks, origin) => {
                    self.ticks = ticks;
                    self.given = 0;
                    self.origin = Some(origin);
                }
            }
        }
        let mut origin = self.origin?;
        let start = self.given;
        self.given = self.ticks.len().min(start + AT_ONCE);
        let now = realtime_ns();
        (origin.stamps.push, origin.stamps.pop) = (now, now);
        Some(Event::Ticks(&self.ticks[start..self.given], origin))
    }
}
