//! Why there is no AF_XDP, and what is wrong with a frame.

use crate::{Group, NetError, OsError};

/// Why AF_XDP cannot be had on an interface. UDP sockets can be had in each of these cases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XdpError {
    /// The program was built without it.
    #[error("this program was built without it: build it with the cargo feature `xdp`")]
    NotBuilt,
    /// The group is not of IPv4.
    #[error(
        "{group} is not an IPv4 group, and only those are read from frames: choose one of 239.0.0.0/8"
    )]
    NotIpv4 {
        /// The group.
        group: Group,
    },
    /// A loopback interface has no frames to take from a device.
    #[error("{interface} is a loopback interface, which has no device: choose one that has")]
    Loopback {
        /// The name of the interface.
        interface: String,
    },
    /// The device spreads datagrams over several queues, and nobody said which has the groups.
    #[error(
        "{interface} receives on {queues} queues, and a socket has one: make them one \
         (`ethtool -L {interface} combined 1`), or steer the groups to one of them \
         (`ethtool -N {interface} flow-type udp4 dst-ip GROUP dst-port PORT action QUEUE`) and say \
         which"
    )]
    WhichQueue {
        /// The name of the interface.
        interface: String,
        /// How many queues it has.
        queues: u32,
    },
    /// There is no such queue.
    #[error("{interface} has no queue {queue}: it has {queues}, from 0 on")]
    NoSuchQueue {
        /// The name of the interface.
        interface: String,
        /// The queue that was asked for.
        queue: u32,
        /// How many there are.
        queues: u32,
    },
    /// The operating system does not permit it.
    #[error(
        "no permission to {action}: run as root, or give the program the capabilities CAP_NET_RAW, \
         CAP_NET_ADMIN and CAP_BPF"
    )]
    NoPermission {
        /// What was being done.
        action: &'static str,
    },
    /// The kernel was built without AF_XDP, or is too old.
    #[error(
        "this kernel cannot {action}: it takes Linux 5.9 with CONFIG_XDP_SOCKETS and CONFIG_BPF_SYSCALL"
    )]
    NoKernelSupport {
        /// What was being done.
        action: &'static str,
    },
    /// An XDP program is attached to the interface, and only one can be.
    #[error(
        "another XDP program is attached to {interface} (`ip link show {interface}` names it): end \
         the program that attached it, or take it off with `ip link set {interface} xdp off`"
    )]
    ProgramAttached {
        /// The name of the interface.
        interface: String,
    },
    /// Another AF_XDP socket has the queue.
    #[error(
        "another AF_XDP socket has queue {queue} of {interface}: end the program that opened it"
    )]
    QueueTaken {
        /// The name of the interface.
        interface: String,
        /// The queue.
        queue: u32,
    },
    /// Memory that the kernel shares cannot be swapped out, and there is a limit to that.
    #[error(
        "{bytes} bytes of frames are more memory than may be locked: raise `ulimit -l`, or ask for a smaller receive buffer"
    )]
    LockedMemory {
        /// The size of all frames.
        bytes: usize,
    },
    /// The groups cannot be joined.
    #[error(transparent)]
    Join(#[from] NetError),
    /// Any other refusal, with the step at which it happened.
    #[error("cannot {action} on {interface}: {os}")]
    Refused {
        /// What was being done.
        action: &'static str,
        /// The name of the interface.
        interface: String,
        /// What the operating system said.
        os: OsError,
    },
}

/// Why a frame that the device handed over is no datagram of the groups. The kernel's own stack
/// drops such frames too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It ends before its headers do.
    #[error("it ends within its headers")]
    Short,
    /// Its type is not IPv4, also behind one 802.1Q tag.
    #[error("it is not IPv4")]
    NotIpv4,
    /// Its 802.1Q tag names a network other than the interface's own.
    #[error("it is of another virtual network")]
    Tagged,
    /// Its IP header is not of version 4 without options.
    #[error("its IP header is not of version 4, or has options")]
    Header,
    /// Its IP header does not fit its checksum.
    #[error("its IP header does not fit its checksum")]
    Checksum,
    /// It is a part of a datagram.
    #[error("it is a fragment")]
    Fragment,
    /// It is not UDP.
    #[error("it is not UDP")]
    NotUdp,
    /// The lengths in its headers do not fit each other or the frame.
    #[error("its lengths do not fit")]
    Length,
    /// It is for none of the groups.
    #[error("it is for another group or port")]
    OtherGroup,
}
