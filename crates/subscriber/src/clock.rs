//! The clocks of what is measured. The tests of this crate may set them, a thread each.

#[cfg(not(test))]
pub(crate) use tickcast_net::clock::{monotonic_ns, realtime_ns};

#[cfg(test)]
pub(crate) use self::set_by_tests::{monotonic_ns, realtime_ns};

#[cfg(test)]
pub(crate) mod set_by_tests {
    use std::cell::Cell;

    use tickcast_net::clock;

    thread_local! {
        /// What both clocks show in this thread; the time there is when it is not set.
        static NOW: Cell<Option<u64>> = const { Cell::new(None) };
        /// How long a look at the monotonic clock takes by a clock that is set.
        static LOOK: Cell<u64> = const { Cell::new(0) };
    }

    pub(crate) fn set(ns: u64) {
        NOW.set(Some(ns));
    }

    /// Time passes, by a clock that is set.
    pub(crate) fn pass(ns: u64) {
        NOW.set(NOW.get().map(|now| now + ns));
    }

    pub(crate) fn let_looks_take(ns: u64) {
        LOOK.set(ns);
    }

    pub(crate) fn realtime_ns() -> u64 {
        NOW.get().unwrap_or_else(clock::realtime_ns)
    }

    pub(crate) fn monotonic_ns() -> u64 {
        pass(LOOK.get());
        NOW.get().unwrap_or_else(clock::monotonic_ns)
    }
}
