//! Memory that stays where it is.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};

use crate::LockError;

/// Fetches every page that this process has by now, its program, stacks and mapped files included,
/// and keeps it in memory: none of them is waited for from then on. Where there is no limit, so
/// are those that it comes to later; under a limit they are not, for then the system would refuse
/// memory to a program that is running, which ends it.
///
/// To be called once everything is started; calling it before as well tells early who may not.
///
/// # Errors
/// [`LockError::Limit`] for a user who may not lock so much.
pub fn lock_memory() -> Result<(), LockError> {
    let limit = lock_limit();
    let mut which = MlockAllFlags::CURRENT;
    which.set(MlockAllFlags::FUTURE, limit.is_none());
    mlockall(which).map_err(|errno| match (errno.raw_os_error(), limit) {
        (libc::EPERM | libc::ENOMEM, Some(limit)) => LockError::Limit { limit },
        _ => LockError::Os(errno.into()),
    })
}

/// The bytes that this process may lock; `None` for any number, as with CAP_IPC_LOCK.
#[must_use]
pub fn lock_limit() -> Option<u64> {
    let privileged =
        capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    getrlimit(Resource::Memlock).current.filter(|_| !privileged)
}
