//! Named threads, pinned to a core and given a real-time priority when asked.

use std::thread::{Builder, JoinHandle};

use core_affinity::CoreId;
use rustix::process::{Resource, getrlimit};
use rustix::thread::{sched_getaffinity, sched_setaffinity};

use crate::sys::{self, Scheduling};
use crate::{OsError, ThreadError};

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

/// Where a thread runs, and ahead of whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The one core it runs on; any that its starter may run on when `None`.
    pub core: Option<usize>,
    /// Its real-time priority, from 1 to 99: nothing of a lower one, and no ordinary thread, runs
    /// on its core while it wants to (SCHED_FIFO). An ordinary thread when `None`.
    ///
    /// Two that never sleep do not share a core, nor does a thread start on a core that such a one
    /// has: whoever is not ahead would wait for ever. And one core at least has to be left.
    pub priority: Option<u8>,
}

/// An ordinary thread on this core.
impl From<Option<usize>> for Placement {
    fn from(core: Option<usize>) -> Placement {
        Placement {
            core,
            priority: None,
        }
    }
}

/// Starts a thread with a name, where and ahead of whom it is to run, and then runs `body` in it.
///
/// The kernel shows the first 15 bytes of the name (`top -H`, `ps -L`).
///
/// # Errors
/// [`ThreadError`], but for the timer slack; `body` has not run then.
///
/// # Panics
/// When the name holds a zero byte.
pub fn spawn_named<T: Send + 'static>(
    name: &str,
    placement: impl Into<Placement>,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, ThreadError> {
    let Placement { core, priority } = placement.into();
    let spawn = || {
        let started = Builder::new().name(name.to_owned()).spawn(body);
        started.map_err(|error| ThreadError::Spawn {
            name: name.to_owned(),
            os: error.into(),
        })
    };
    // A thread starts with its starter's priority and cores. So the starter takes them on, starts
    // it there and goes back: the error is known before the thread exists, and its stack is local
    // to its core. It leaves the core while it still has the priority, or the thread might not let
    // it go.
    at_priority(priority, || on_core(core, spawn))
}

fn at_priority<T>(
    priority: Option<u8>,
    start: impl FnOnce() -> Result<T, ThreadError>,
) -> Result<T, ThreadError> {
    let Some(priority) = priority else {
        return start();
    };
    let before = sys::scheduling().map_err(ThreadError::Scheduling)?;
    sys::set_scheduling(Scheduling::realtime(priority)).map_err(|os| refusal(priority, os))?;
    let started = start();
    sys::set_scheduling(before).map_err(ThreadError::Scheduling)?;
    started
}

fn refusal(priority: u8, os: OsError) -> ThreadError {
    match os.code {
        libc::EINVAL => ThreadError::NoSuchPriority { priority },
        libc::EPERM => ThreadError::PriorityNotPermitted {
            priority,
            limit: getrlimit(Resource::Rtprio).current.unwrap_or(99),
        },
        _ => ThreadError::Scheduling(os),
    }
}

fn on_core<T>(
    core: Option<usize>,
    start: impl FnOnce() -> Result<T, ThreadError>,
) -> Result<T, ThreadError> {
    let Some(core) = core else {
        return start();
    };
    let before = sched_getaffinity(None).map_err(|errno| ThreadError::Cores(errno.into()))?;
    pin_current(core)?;
    let started = start();
    sched_setaffinity(None, &before).map_err(|errno| ThreadError::Cores(errno.into()))?;
    started
}
