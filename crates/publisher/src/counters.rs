//! What a publisher counts.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

macro_rules! counters {
    ($($(#[doc = $sentence:literal])+ $variant:ident = $name:literal,)+) => {
        /// A counter of a publisher. Each starts at 0 and only rises, but for the two gauges
        /// [`Counter::Clients`] and [`Counter::FlowSubscribers`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Counter {
            $($(#[doc = $sentence])+ $variant,)+
        }

        impl Counter {
            /// Every counter, in the order of reports.
            pub const ALL: &[Counter] = &[$(Counter::$variant,)+];

            /// The name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Counter::$variant => $name,)+
                }
            }

            /// What it counts, in a sentence.
            #[must_use]
            pub const fn describe(self) -> &'static str {
                match self {
                    $(Counter::$variant => concat!($($sentence),+).trim_ascii(),)+
                }
            }
        }
    };
}

counters! {
    /// Ticks sent, each counted once however many lines there are.
    Ticks = "ticks",
    /// Data packets made; each leaves on every line.
    Packets = "packets",
    /// Bytes handed to the kernel, all lines together.
    Bytes = "bytes",
    /// Heartbeats sent.
    Heartbeats = "heartbeats",
    /// Sends tried again because the socket or the device had no room.
    SendRetries = "send_retries",
    /// Packets given up on one line after an error or too many tries.
    SendFailures = "send_failures",
    /// Rounds in which the send loop waited for the store, to keep what it sends recoverable.
    StoreWaits = "store_waits",
    /// Rounds in which the send loop waited for the slowest subscriber under flow control.
    FlowWaits = "flow_waits",
    /// Ticks whose instrument found no room in the image; from then on no snapshot is served.
    ImageRefused = "image_refused",
    /// Clients connected now.
    Clients = "clients",
    /// Connections accepted.
    Accepted = "accepted",
    /// Connections that could not be accepted, for lack of file descriptors for example.
    AcceptErrors = "accept_errors",
    /// Connections beyond the most clients, answered Busy and closed.
    RefusedClients = "refused_clients",
    /// Connections beyond the most of one address, answered Busy and closed.
    AddressLimit = "address_limit",
    /// Connections from networks that are not served, closed at once.
    NotAllowed = "not_allowed",
    /// Clients that had not got on for a while and lost their place to a new one.
    MadeRoom = "made_room",
    /// TLS handshakes begun.
    Handshakes = "handshakes",
    /// Connections answered Busy because too many handshakes were begun in the last second.
    HandshakeLimit = "handshake_limit",
    /// Connections closed because what came was not TLS as it should be.
    TlsFailures = "tls_failures",
    /// Connections closed because they spoke plain text to a server that speaks TLS.
    TlsRequired = "tls_required",
    /// Connections closed because the token was wrong, or was not shown.
    Denied = "denied",
    /// Subscribers under flow control now.
    FlowSubscribers = "flow_subscribers",
    /// Retransmit requests served.
    Retransmits = "retransmits",
    /// Snapshot requests served.
    Snapshots = "snapshots",
    /// Flow-control joins served.
    FlowJoins = "flow_joins",
    /// Requests for the publisher's clock served.
    Clocks = "clocks",
    /// Ticks queued for clients, in retransmits and snapshots.
    RecoveryTicks = "recovery_ticks",
    /// Requests answered: too old.
    TooOld = "too_old",
    /// Requests answered: not yet.
    NotYet = "not_yet",
    /// Requests answered: other session.
    OtherSession = "other_session",
    /// Requests answered: too large.
    TooLarge = "too_large",
    /// Requests answered: busy.
    Busy = "busy",
    /// Of those, because all clients together had been sent as much as they may be.
    BudgetBusy = "budget_busy",
    /// Times that a client was not read from because it had made too many requests.
    RequestLimit = "request_limit",
    /// Requests answered: malformed; the connection was closed.
    Malformed = "malformed",
    /// Requests answered: flow control is off.
    FlowControlOff = "flow_control_off",
    /// Connections closed because a started request did not arrive in time.
    HeaderTimeouts = "header_timeouts",
    /// Connections closed because nothing was asked for long.
    IdleTimeouts = "idle_timeouts",
    /// Connections closed because the client did not take its reply.
    WriteStalls = "write_stalls",
    /// Replies broken off, or refused before they began, because the store moved past their range.
    Overruns = "overruns",
}

/// The counters of one publisher. Reading them costs the publisher nothing.
#[derive(Debug)]
pub struct Counters([CachePadded<AtomicU64>; Counter::ALL.len()]);

impl Counters {
    pub(crate) fn new() -> Counters {
        Counters(std::array::from_fn(|_| CachePadded::new(AtomicU64::new(0))))
    }

    /// The value now.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }

    /// All counters and their values, in the order of reports.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> {
        Counter::ALL
            .iter()
            .map(|&counter| (counter, self.get(counter)))
    }

    pub(crate) fn add(&self, counter: Counter, by: u64) {
        self.0[counter as usize].fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, counter: Counter, value: u64) {
        self.0[counter as usize].store(value, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_has_its_own_name_and_a_sentence() {
        let names: BTreeSet<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
        assert_eq!(names.len(), Counter::ALL.len());
        for (at, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, at);
            assert!(counter.describe().ends_with('.'), "{counter:?}");
        }
    }

    #[test]
    fn values_are_kept_apart() {
        let counters = Counters::new();
        counters.add(Counter::Ticks, 3);
        counters.add(Counter::Ticks, 4);
        counters.set(Counter::Clients, 9);
        let set: Vec<_> = counters.iter().filter(|(_, value)| *value > 0).collect();
        assert_eq!(set, [(Counter::Ticks, 7), (Counter::Clients, 9)]);
    }
}
