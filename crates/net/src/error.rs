//! What can go wrong, as data: one enum for each concern.

use std::fmt;
use std::io;
use std::net::IpAddr;

use crate::{FrameError, Group};

/// An error number of the operating system. Small and comparable, and making one allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OsError {
    /// The `errno` value.
    pub code: i32,
}

impl OsError {
    pub(crate) fn last() -> OsError {
        OsError::from(io::Error::last_os_error())
    }
}

impl From<io::Error> for OsError {
    fn from(error: io::Error) -> OsError {
        OsError {
            code: error.raw_os_error().unwrap_or(0),
        }
    }
}

impl From<rustix::io::Errno> for OsError {
    fn from(errno: rustix::io::Errno) -> OsError {
        OsError {
            code: errno.raw_os_error(),
        }
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.code).fmt(f)
    }
}

impl std::error::Error for OsError {}

/// Why a text or an address is not a multicast group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The text is not an address and a port.
    #[error("`{text}` is not a group: write ADDRESS:PORT, as 239.192.7.1:4001 or [ff15::1]:4001")]
    Syntax {
        /// The text that was given.
        text: String,
    },
    /// The address is not a multicast address.
    #[error("{addr} is not a multicast address: use one of 239.0.0.0/8 or ff15::/16")]
    NotMulticast {
        /// The address that was given.
        addr: IpAddr,
    },
    /// The port is zero, which no packet can be sent to.
    #[error("port 0 cannot be sent to: choose one from 1 to 65535")]
    ZeroPort,
}

/// Why an interface was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterfaceError {
    /// No interface has this name or address.
    #[error("there is no interface `{wanted}`; there are {}", available.join(", "))]
    NotFound {
        /// The name or address that was looked for.
        wanted: String,
        /// The interfaces there are, each as `name (address, address)`.
        available: Vec<String>,
    },
    /// The kernel did not list the interfaces.
    #[error("the interfaces cannot be listed: {0}")]
    List(OsError),
}

/// Why a multicast socket could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// An IPv4 group was asked for on an interface that has no IPv4 address.
    #[error("interface {interface} has no IPv4 address for {group}: give it one or choose another")]
    NoIpv4 {
        /// The name of the interface.
        interface: String,
        /// The group that was to be used on it.
        group: Group,
    },
    /// The source of a source-specific membership is not of the group's address family.
    #[error("source {source_addr} and group {group} are not of the same address family")]
    SourceFamily {
        /// The source that was asked for.
        source_addr: IpAddr,
        /// The group it was asked for.
        group: Group,
    },
    /// Another socket, opened without sharing, has the port.
    #[error(
        "port {} is in use by a program that does not share it: end that program (`ss -lunp` \
         shows it) or choose another port", group.port()
    )]
    PortInUse {
        /// The group whose port is taken.
        group: Group,
    },
    /// The operating system does not permit it.
    #[error("no permission to {action}: run as root, or {advice}")]
    NoPermission {
        /// What was being done.
        action: &'static str,
        /// What would make it unnecessary.
        advice: &'static str,
    },
    /// The kernel has no route to the group on this interface.
    #[error(
        "{group} cannot be reached on interface {interface}: {}",
        route_advice(group, interface)
    )]
    NoRoute {
        /// The group that was to be reached.
        group: Group,
        /// The name of the interface.
        interface: String,
    },
    /// Any other refusal, with the step at which it happened.
    #[error("cannot {action} for {group} on interface {interface}: {os}")]
    Refused {
        /// What was being done.
        action: &'static str,
        /// The group it was done for.
        group: Group,
        /// The name of the interface.
        interface: String,
        /// What the operating system said.
        os: OsError,
    },
}

fn route_advice(group: &Group, interface: &str) -> String {
    match (group.addr(), interface) {
        (IpAddr::V6(_), "lo") => "IPv6 multicast on loopback needs a route, once after each boot: \
            `ip -6 route add local ff00::/8 dev lo table local`"
            .to_owned(),
        (IpAddr::V6(_), _) => format!(
            "is it up (`ip link set {interface} up`), and has it an IPv6 address (`ip -6 addr`)?"
        ),
        (IpAddr::V4(_), _) => format!("is it up? `ip link set {interface} up`"),
    }
}

/// Why a send did not take all its bytes. Each case says how many bytes, always whole segments,
/// the kernel took before it, so that the caller can go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The socket's send buffer is full (EAGAIN). Try again.
    #[error("the send buffer is full after {sent} bytes: try again, or ask for a larger one")]
    WouldBlock {
        /// Bytes taken before this.
        sent: usize,
    },
    /// The device's queue or the kernel's memory is full (ENOBUFS, ENOMEM). Try again.
    #[error("the device queue is full after {sent} bytes: try again, or send more slowly")]
    NoBuffers {
        /// Bytes taken before this.
        sent: usize,
    },
    /// A segment is longer than a datagram can be (EMSGSIZE), or `segment` is 0.
    #[error("a segment of {segment} bytes cannot be sent as a datagram, after {sent} bytes")]
    SegmentSize {
        /// Bytes taken before this.
        sent: usize,
        /// The length of a segment that was asked for.
        segment: usize,
    },
    /// The interface went down or lost its route (ENETDOWN, ENETUNREACH, EHOSTUNREACH, ENODEV).
    #[error("the network is down after {sent} bytes: {os}")]
    NetworkDown {
        /// Bytes taken before this.
        sent: usize,
        /// What the operating system said.
        os: OsError,
    },
    /// Anything else.
    #[error("the send failed after {sent} bytes: {os}")]
    Os {
        /// Bytes taken before this.
        sent: usize,
        /// What the operating system said.
        os: OsError,
    },
}

impl SendError {
    pub(crate) fn from_os(os: OsError, sent: usize, segment: usize) -> SendError {
        match os.code {
            libc::EAGAIN => SendError::WouldBlock { sent },
            libc::ENOBUFS | libc::ENOMEM => SendError::NoBuffers { sent },
            libc::EMSGSIZE => SendError::SegmentSize { sent, segment },
            libc::ENETDOWN | libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENODEV => {
                SendError::NetworkDown { sent, os }
            }
            _ => SendError::Os { sent, os },
        }
    }

    /// Bytes, always whole segments, that the kernel took before the error.
    #[must_use]
    pub fn sent(&self) -> usize {
        match *self {
            SendError::WouldBlock { sent }
            | SendError::NoBuffers { sent }
            | SendError::SegmentSize { sent, .. }
            | SendError::NetworkDown { sent, .. }
            | SendError::Os { sent, .. } => sent,
        }
    }

    /// Whether the same send may succeed a moment later with nothing changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            SendError::WouldBlock { .. } | SendError::NoBuffers { .. }
        )
    }
}

/// Why a receive failed. None of these spoils the socket: the next receive may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// An earlier datagram was answered by "port unreachable" (ECONNREFUSED).
    #[error("a peer refused an earlier datagram")]
    Refused,
    /// The interface went down (ENETDOWN, ENETUNREACH, EHOSTUNREACH).
    #[error("the network is down: {0}")]
    NetworkDown(OsError),
    /// What came by AF_XDP is not a sound datagram of the groups.
    #[error("a frame was refused: {0}")]
    Frame(#[from] FrameError),
    /// Anything else.
    #[error("the receive failed: {0}")]
    Os(OsError),
}

impl From<OsError> for ReceiveError {
    fn from(os: OsError) -> ReceiveError {
        match os.code {
            libc::ECONNREFUSED => ReceiveError::Refused,
            libc::ENETDOWN | libc::ENETUNREACH | libc::EHOSTUNREACH => {
                ReceiveError::NetworkDown(os)
            }
            _ => ReceiveError::Os(os),
        }
    }
}

/// Why a thread could not be started, pinned or given its priority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThreadError {
    /// The core does not exist, or this process may not run on it.
    #[error("core {core} is not there or not permitted; this thread may run on {available:?}")]
    NoSuchCore {
        /// The core that was asked for.
        core: usize,
        /// The cores the calling thread may run on.
        available: Vec<usize>,
    },
    /// Real-time priorities go from 1 to 99.
    #[error("there is no real-time priority {priority}: choose one from 1, the lowest, to 99")]
    NoSuchPriority {
        /// The priority that was asked for.
        priority: u8,
    },
    /// This user may not have threads of that real-time priority.
    #[error(
        "no permission for real-time priority {priority}, this user may have up to {limit}: run as \
         root, give the program CAP_SYS_NICE (`setcap cap_sys_nice=ep`), or raise the limit (rtprio \
         in limits.conf, LimitRTPRIO= of a systemd unit); where the limit is high enough, the \
         control group has no real-time share (cpu.rt_runtime_us)"
    )]
    PriorityNotPermitted {
        /// The priority that was asked for.
        priority: u8,
        /// The limit RLIMIT_RTPRIO; 0 permits none.
        limit: u64,
    },
    /// The priority of the starting thread could not be read, changed or set back.
    #[error("the priority of the starting thread cannot be read, changed or set back: {0}")]
    Scheduling(OsError),
    /// The operating system did not start the thread.
    #[error("thread `{name}` cannot be started: {os}")]
    Spawn {
        /// The name of the thread.
        name: String,
        /// What the operating system said.
        os: OsError,
    },
    /// The cores of the starting thread could not be read or set back.
    #[error("the cores of the starting thread cannot be read or set back: {0}")]
    Cores(OsError),
}

/// Why memory could not be locked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// The process has more memory than its user may lock.
    #[error(
        "the memory of this process cannot be locked: its user may lock {limit} bytes, and it has \
         more: run as root, give the program CAP_IPC_LOCK (`setcap cap_ipc_lock=ep`), or lift the \
         limit (`ulimit -l unlimited`, memlock in limits.conf, LimitMEMLOCK=infinity of a systemd \
         unit)"
    )]
    Limit {
        /// The limit RLIMIT_MEMLOCK, in bytes.
        limit: u64,
    },
    /// Anything else.
    #[error("the memory of this process cannot be locked: {0}")]
    Os(OsError),
}
