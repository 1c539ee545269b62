//! Memory that stays where it is.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};

use crate::LockError;

/// Fetches every page that this process has by now, its program, stacks and mapped files included,
/// and keeps it in memory: none of them is waited for from then on.
///
/// To be called once everything is started. Memory that is asked for later is not locked: with a
/// limit it would be refused, and a program that is refused memory ends.
///
/// # Errors
/// [`LockError::Limit`] for a user who may not lock so much.
pub fn lock_memory() -> Result<(), LockError> {
    let locked = mlockall(MlockAllFlags::CURRENT);
    locked.map_err(|errno| match (errno.raw_os_error(), lock_limit()) {
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
