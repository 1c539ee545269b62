//! Named threads, pinned to a core when asked.

use std::num::NonZeroU64;
use std::thread::{Builder, JoinHandle};

use core_affinity::CoreId;
use rustix::thread::{sched_getaffinity, sched_setaffinity, set_current_timer_slack};

use crate::ThreadError;

/// Cores beyond this number do not fit the kernel's affinity mask as the C library has it.
const MAX_CORES: usize = 1024;

/// The cores the calling thread may run on, in rising order.
///
/// A pinned thread sees its one core only: ask before pinning.
#[must_use]
pub fn available_cores() -> Vec<usize> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    cores.into_iter().map(|core| core.id).collect()
}

/// Pins the calling thread to one core.
///
/// # Errors
/// [`ThreadError::NoSuchCore`] when the core is not there or not in this process's set.
pub fn pin_current(core: usize) -> Result<(), ThreadError> {
    if core < MAX_CORES && core_affinity::set_for_current(CoreId { id: core }) {
        return Ok(());
    }
    Err(ThreadError::NoSuchCore {
        core,
        available: available_cores(),
    })
}

/// Starts a thread with a name, pins it when a core is given, and then runs `body` in it.
///
/// The kernel shows the first 15 bytes of the name (`top -H`, `ps -L`).
///
/// # Errors
/// [`ThreadError::Spawn`] and [`ThreadError::NoSuchCore`]; `body` has not run then.
///
/// # Panics
/// When the name holds a zero byte.
pub fn spawn_named<T: Send + 'static>(
    name: &str,
    core: Option<usize>,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, ThreadError> {
    let spawn = || {
        let started = Builder::new().name(name.to_owned()).spawn(body);
        started.map_err(|error| ThreadError::Spawn {
            name: name.to_owned(),
            os: error.into(),
        })
    };
    let Some(core) = core else { return spawn() };
    // A thread starts with its starter's cores. So the starter goes to the core, starts it there
    // and goes back: the error is known before the thread exists, and its stack is local to it.
    let before = sched_getaffinity(None).map_err(|errno| ThreadError::Cores(errno.into()))?;
    pin_current(core)?;
    let started = spawn();
    sched_setaffinity(None, &before).map_err(|errno| ThreadError::Cores(errno.into()))?;
    started
}

/// Sets by how many nanoseconds the kernel may wake the calling thread late from a sleep, to wake
/// several threads together. A thread has 50 µs unless its starter had another value.
///
/// # Errors
/// [`ThreadError::TimerSlack`].
pub fn set_timer_slack(ns: NonZeroU64) -> Result<(), ThreadError> {
    set_current_timer_slack(Some(ns)).map_err(|errno| ThreadError::TimerSlack(errno.into()))
}
