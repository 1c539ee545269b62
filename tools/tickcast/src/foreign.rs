//! Feeds of others, in captures: which packets of two ways are the same.

mod coverage;
mod differences;
mod flows;
#[cfg(test)]
pub mod made;
pub mod pcap;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use tickcast_tickfile::{Feed, Place};

pub use self::coverage::{Arrival, Coverage, missing_on_both};
pub use self::differences::{Differences, STAGES, figures};
pub use self::flows::{Flows, scan};

/// What two copies of a packet have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// Its place in its feed.
    Place(Place),
    /// All of its bytes, as a number of 64 bits.
    Bytes(u64),
}

impl Key {
    /// Of a packet of this feed, or of one that no feed is known of.
    pub fn of(feed: Option<Feed>, payload: &[u8]) -> Key {
        let place = feed.and_then(|feed| feed.place(payload));
        place.map_or_else(|| Key::of_bytes(payload), Key::Place)
    }

    fn of_bytes(payload: &[u8]) -> Key {
        let mut hasher = DefaultHasher::new();
        payload.hash(&mut hasher);
        Key::Bytes(hasher.finish())
    }

    /// Whether it has nothing of the stream in it: a heartbeat comes again and again.
    pub const fn is_heartbeat(self) -> bool {
        matches!(self, Key::Place(Place { count: 0, .. }))
    }
}
