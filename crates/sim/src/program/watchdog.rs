//! A run that does not come back is a violation like any other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that a run may take, ns: thousands of times what one takes.
const RUN_MAX: u64 = 5_000_000_000;

/// CPU time that this process has used, ns.
pub(crate) fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// What a thread runs: the seed, and the CPU time of the process when it began; 0 = nothing.
#[derive(Default)]
pub(crate) struct UnderWay {
    seed: AtomicU64,
    since: AtomicU64,
}

impl UnderWay {
    pub(crate) fn begin(&self, seed: u64) {
        self.seed.store(seed, Ordering::Relaxed);
        self.since.store(cpu_ns(), Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.since.store(0, Ordering::Release);
    }
}

/// Looks after the threads until `is_over`; calls `stuck` with the seed of a run that takes more
/// CPU time than all of these threads together can have used for it honestly.
pub(crate) fn watch(threads: &[UnderWay], is_over: impl Fn() -> bool, stuck: impl Fn(u64)) {
    let most = RUN_MAX * threads.len() as u64;
    while !is_over() {
        std::thread::park_timeout(Duration::from_millis(10));
        let now = cpu_ns();
        for thread in threads {
            let since = thread.since.load(Ordering::Acquire);
            if since > 0 && now.saturating_sub(since) > most {
                stuck(thread.seed.load(Ordering::Relaxed));
            }
        }
    }
}

/// What is wrong with a run that does not come back.
pub(crate) fn violation() -> String {
    format!(
        "a call does not return: {} s of CPU in one run",
        RUN_MAX / 1_000_000_000
    )
}
