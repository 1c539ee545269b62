//! The clients that have a place, and whose turn it is.

use std::collections::VecDeque;

use slab::Slab;

use crate::config::ClientLimits;
use crate::server::client::Client;

/// Those that may lose their place are looked for this often, in ns: 10 ms.
const LOOK_EVERY_NS: u64 = 10_000_000;

/// The clients, by the key under which the poll knows them.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    slab: Slab<Client>,
    /// Clients that may get on without a new event, each at most once.
    ready: VecDeque<usize>,
    /// What is known of a client besides, by its key.
    marks: Vec<Marks>,
    /// Clients that are not read from before a time.
    paused: Vec<(u64, usize)>,
    /// Those that may lose their place, the least deserving last.
    weakest: Vec<((bool, u64), usize)>,
    weakest_at: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    ready: bool,
    paused: bool,
}

impl Clients {
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// The key of the next client.
    pub(crate) fn vacant_key(&self) -> usize {
        self.slab.vacant_key()
    }

    /// Takes a client in, with the first turn it can have.
    pub(crate) fn insert(&mut self, client: Client) {
        let key = self.slab.insert(client);
        if self.marks.len() <= key {
            self.marks.resize(key + 1, Marks::default());
        }
        self.marks[key].paused = false;
        self.mark_ready(key);
    }

    pub(crate) fn get_mut(&mut self, key: usize) -> Option<&mut Client> {
        self.slab.get_mut(key)
    }

    pub(crate) fn remove(&mut self, key: usize) -> Option<Client> {
        self.slab.try_remove(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Client)> {
        self.slab.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.slab.iter_mut().map(|(_, client)| client)
    }

    /// A client has something to do, unless it pauses.
    pub(crate) fn mark_ready(&mut self, key: usize) {
        if !self.slab.contains(key) {
            return;
        }
        let marks = &mut self.marks[key];
        if !marks.ready && !marks.paused {
            marks.ready = true;
            self.ready.push_back(key);
        }
    }

    /// How many have something to do now.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The client whose turn it is.
    pub(crate) fn next_ready(&mut self) -> Option<usize> {
        let key = self.ready.pop_front()?;
        self.marks[key].ready = false;
        Some(key)
    }

    /// A client has no turn before this time.
    pub(crate) fn pause(&mut self, key: usize, until: u64) {
        self.marks[key].paused = true;
        self.paused.push((until, key));
    }

    /// Ends the pauses that are over.
    pub(crate) fn resume(&mut self, now: u64) {
        let mut at = 0;
        while let Some(&(until, key)) = self.paused.get(at) {
            if until > now {
                at += 1;
                continue;
            }
            self.paused.swap_remove(at);
            self.marks[key].paused = false;
            self.mark_ready(key);
        }
    }

    /// The client that is to lose its place to a new one, if one may.
    pub(crate) fn weakest(&mut self, limits: &ClientLimits, now: u64) -> Option<usize> {
        if self.weakest.is_empty() && now >= self.weakest_at {
            self.weakest_at = now + LOOK_EVERY_NS;
            // One that has something to do waits for the server, not the server for it.
            let may_lose = self.slab.iter().filter(|(key, _)| !self.marks[*key].ready);
            let merits =
                may_lose.filter_map(|(key, client)| Some((client.merit(limits, now)?, key)));
            self.weakest.extend(merits);
            self.weakest.sort_unstable_by(|a, b| b.cmp(a));
        }
        // Those that have got on meanwhile, or are gone, keep what they have.
        while let Some((merit, key)) = self.weakest.pop() {
            let client = self.slab.get(key);
            let is_same = client.is_some_and(|client| client.merit(limits, now) == Some(merit));
            if is_same && !self.marks[key].ready {
                return Some(key);
            }
        }
        None
    }
}
