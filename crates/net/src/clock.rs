//! The two clocks, in nanoseconds, and sleeping until an instant of the first.
//!
//! Whatever leaves the process, or is compared with a kernel stamp, uses the real-time clock. It
//! may be stepped or slewed; the monotonic clock never steps, and means nothing outside this boot.

use crate::{OsError, sys};
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Nanoseconds since the Unix epoch by the real-time clock; 0 for a clock set before it.
#[must_use]
pub fn realtime_ns() -> u64 {
    nanos(clock_gettime(ClockId::Realtime))
}

/// Nanoseconds by the monotonic clock, since an instant that is fixed until the next boot.
#[must_use]
pub fn monotonic_ns() -> u64 {
    nanos(clock_gettime(ClockId::Monotonic))
}

/// What the kernel knows of how right the real-time clock is: what a program that disciplines it, of
/// NTP or PTP, has told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockState {
    /// Whether something keeps it right. The errors mean little without.
    pub is_synchronised: bool,
    /// How far it probably is off, in ns.
    pub estimated_error_ns: u64,
    /// How far it is off at most, in ns; it grows while nobody says anything.
    pub maximum_error_ns: u64,
}

/// Asks the kernel how right the real-time clock is.
///
/// # Errors
/// [`OsError`] when it does not tell, as in some sandboxes.
pub fn state() -> Result<ClockState, OsError> {
    let (is_synchronised, estimated_us, maximum_us) = sys::clock_state()?;
    let nanos = |us: i64| u64::try_from(us).unwrap_or(0).saturating_mul(1_000);
    Ok(ClockState {
        is_synchronised,
        estimated_error_ns: nanos(estimated_us),
        maximum_error_ns: nanos(maximum_us),
    })
}

/// Sleeps until the real-time clock shows `deadline_ns`, or returns at once when it has passed.
///
/// The kernel wakes the thread late by its timer slack, 50 µs as Linux comes, and by scheduling.
pub fn sleep_until_realtime(deadline_ns: u64) {
    let deadline = Timespec {
        tv_sec: i64::try_from(deadline_ns / NANOS_PER_SECOND).unwrap_or(i64::MAX),
        tv_nsec: (deadline_ns % NANOS_PER_SECOND) as i64,
    };
    // A signal ends the sleep early; the deadline is absolute, so going on is simply asking again.
    while clock_nanosleep_absolute(ClockId::Realtime, &deadline) == Err(rustix::io::Errno::INTR) {}
}

fn nanos(time: Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * NANOS_PER_SECOND + time.tv_nsec as u64
}
