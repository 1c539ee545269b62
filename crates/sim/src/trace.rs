//! What happened in a run: a hash of all of it, and on request the text.

use std::hash::{Hash, Hasher};

/// Mixes whatever happens into one number, in order.
struct TraceHasher(u64);

impl Hasher for TraceHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }
}

/// The trace of a run.
pub(crate) struct Trace {
    hasher: TraceHasher,
    prints: bool,
    pub(crate) now: u64,
}

impl Trace {
    /// An empty trace; `prints` writes each line to standard output as it happens.
    pub(crate) fn new(prints: bool) -> Trace {
        Trace {
            hasher: TraceHasher(0),
            prints,
            now: 0,
        }
    }

    /// Adds what happened now to `who`.
    pub(crate) fn note(&mut self, who: Who, what: impl Hash + std::fmt::Debug) {
        (self.now, who).hash(&mut self.hasher);
        what.hash(&mut self.hasher);
        if self.prints {
            let (seconds, ns) = (self.now / 1_000_000_000, self.now % 1_000_000_000);
            println!("{seconds:3}.{ns:09}  {:11}  {what:?}", who.to_string());
        }
    }

    /// The hash of all lines so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }
}

/// Whom a line of the trace is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    Publisher,
    /// The server of the recovery channel, towards this subscriber.
    Server(usize),
    Subscriber(usize),
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Who::Publisher => write!(f, "publisher"),
            Who::Server(of) => write!(f, "server -> {of}"),
            Who::Subscriber(of) => write!(f, "subscriber {of}"),
        }
    }
}
