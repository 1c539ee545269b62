//! The live views of a run: what came in, second by second.

use std::time::{Duration, Instant};

use tickcast_latency::Histograms;
use tickcast_subscriber::Subscriber;

use crate::live::{Live, Seen};

/// How often the views change.
const EVERY: Duration = Duration::from_secs(1);

/// Live views, and what they show next.
pub(super) struct Shown {
    live: Live,
    last: Instant,
    now: Histograms,
    since: Histograms,
}

impl Shown {
    pub(super) fn new(live: Live) -> Shown {
        Shown {
            live,
            last: Instant::now(),
            now: Histograms::new(&[]),
            since: Histograms::new(&[]),
        }
    }

    /// A turn begins, with a subscriber of its own.
    pub(super) fn begin_turn(&mut self) {
        self.last = Instant::now();
        self.live.begin_anew();
    }

    /// Adds a window, and shows what has gathered when it is time.
    pub(super) fn add(&mut self, window: &Histograms, subscriber: &mut Subscriber) {
        self.now.merge(window);
        if self.last.elapsed() < EVERY {
            return;
        }
        self.last = Instant::now();
        self.since.merge(&self.now);
        self.live.show(Seen {
            stats: subscriber.stats(),
            queues: subscriber.queues(),
            now: &self.now,
            since: &self.since,
        });
        self.now.clear();
    }
}
