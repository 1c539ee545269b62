//! What groups there are in a capture, and which of them have the same content.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use tickcast_tickfile::{Datagrams, Feed};

use super::Key;
use crate::show;

/// Datagrams that are looked at: the beginning of the capture.
const SCANNED: u64 = 200_000;
/// Groups that are told apart.
const MOST_FLOWS: usize = 256;
/// Packets of each that are held against those of others.
const SAMPLE: usize = 512;
/// Groups that an error names.
const MOST_NAMED: usize = 12;

/// What goes to one group and port.
#[derive(Debug, Default)]
struct Flow {
    packets: u64,
    feeds: HashMap<Option<Feed>, u64>,
    sample: HashSet<Key>,
}

impl Flow {
    /// The feed that nearly all of its packets are of.
    fn feed(&self) -> Option<Feed> {
        let (feed, packets) = self.feeds.iter().max_by_key(|(_, packets)| **packets)?;
        feed.filter(|_| packets * 10 >= self.packets * 9)
    }
}

/// The groups of a capture, by its first datagrams.
#[derive(Debug, Default)]
pub struct Flows(BTreeMap<SocketAddr, Flow>);

/// Looks at the beginning of a capture.
///
/// # Errors
/// When it cannot be read.
pub fn scan(path: &Path) -> anyhow::Result<Flows> {
    let name = path.display();
    let mut datagrams = Datagrams::open(path)?;
    let mut flows = Flows::default();
    for _ in 0..SCANNED {
        let next = datagrams.next();
        let Some(datagram) = next.with_context(|| format!("cannot read {name}"))? else {
            break;
        };
        flows.add(datagram.destination, datagram.payload);
    }
    Ok(flows)
}

impl Flows {
    fn add(&mut self, destination: SocketAddr, payload: &[u8]) {
        if self.0.len() == MOST_FLOWS && !self.0.contains_key(&destination) {
            return;
        }
        let flow = self.0.entry(destination).or_default();
        let feed = Feed::of(payload);
        let key = Key::of(feed, payload);
        flow.packets += 1;
        *flow.feeds.entry(feed).or_default() += 1;
        if flow.sample.len() < SAMPLE && !key.is_heartbeat() {
            flow.sample.insert(key);
        }
    }

    /// The groups, in order.
    pub fn groups(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.keys().copied()
    }

    /// The feed of a group, if it is known.
    pub fn feed(&self, group: SocketAddr) -> Option<Feed> {
        self.0.get(&group)?.feed()
    }

    /// Whether anything goes to this group.
    pub fn has(&self, group: SocketAddr) -> bool {
        self.0.contains_key(&group)
    }

    /// The two groups with the same content, if there are exactly two such.
    pub fn pair(&self) -> Option<[SocketAddr; 2]> {
        let mut holders: HashMap<Key, Vec<SocketAddr>> = HashMap::new();
        let mut shared: BTreeMap<[SocketAddr; 2], usize> = BTreeMap::new();
        for (group, flow) in &self.0 {
            for key in &flow.sample {
                let others = holders.entry(*key).or_default();
                for other in others.iter() {
                    *shared.entry([*other, *group]).or_default() += 1;
                }
                others.push(*group);
            }
        }
        let size = |group: &SocketAddr| self.0.get(group).map_or(0, |flow| flow.sample.len());
        let mut pairs = shared
            .into_iter()
            .filter_map(|([a, b], count)| (2 * count >= size(&a).min(size(&b))).then_some([a, b]));
        pairs.next().filter(|_| pairs.next().is_none())
    }
}

/// Names them, for an error.
impl fmt::Display for Flows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no datagram");
        }
        for (at, (group, flow)) in self.0.iter().take(MOST_NAMED).enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            let feed = flow.feed().map_or("of an unknown feed", Feed::name);
            write!(
                f,
                "{separator}{group} ({} packets {feed})",
                show::count(flow.packets)
            )?;
        }
        match self.0.len().saturating_sub(MOST_NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
