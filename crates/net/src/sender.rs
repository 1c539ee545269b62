//! Sending datagrams to a group, many in one system call when there are many.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::net::SendFlags;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::sys;
use crate::{BufferSize, Group, Interface, NetError, OsError, SendError};

/// Most segments the kernel takes in one call.
pub const MAX_SEGMENTS: usize = 64;
/// Most bytes the kernel takes in one call, and in one datagram.
pub const MAX_SEND_BYTES: usize = 65_507;
/// The send buffer that [`SendConfig::new`] asks for.
pub const DEFAULT_SEND_BUFFER: usize = 4 << 20;

/// How to open a [`MulticastSender`].
#[derive(Clone, Debug)]
pub struct SendConfig {
    /// Where to send to.
    pub group: Group,
    /// The interface to send on.
    pub interface: Interface,
    /// How many routers may pass the datagrams on, plus one. 1 stays on the local network, 0 on
    /// this host.
    pub ttl: u8,
    /// Whether receivers on this host get the datagrams too. Always so on the loopback interface.
    pub loopback: bool,
    /// The send buffer to ask for, in bytes.
    pub send_buffer: usize,
}

impl SendConfig {
    /// A time to live of 1, looped back to this host, with a buffer of [`DEFAULT_SEND_BUFFER`].
    #[must_use]
    pub fn new(group: Group, interface: Interface) -> SendConfig {
        SendConfig {
            group,
            interface,
            ttl: 1,
            loopback: true,
            send_buffer: DEFAULT_SEND_BUFFER,
        }
    }
}

/// A socket connected to a group.
#[derive(Debug)]
pub struct MulticastSender {
    socket: Socket,
    group: Group,
    local_addr: SocketAddr,
    send_buffer: BufferSize,
    segmented: AtomicBool,
    refusals: AtomicU64,
}

impl MulticastSender {
    /// Opens a socket and connects it to the group.
    ///
    /// # Errors
    /// [`NetError`]; [`NetError::NoRoute`] for IPv6 on a loopback interface without a route.
    pub fn open(config: &SendConfig) -> Result<MulticastSender, NetError> {
        let SendConfig {
            group,
            interface,
            ttl,
            loopback,
            send_buffer,
        } = config;
        let refused = |action| move |os: OsError| refusal(action, *group, interface, os);
        let open = "open a socket";
        let domain = if group.addr().is_ipv4() {
            Domain::IPV4
        } else {
            Domain::IPV6
        };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))
            .map_err(|error| refused(open)(error.into()))?;

        choose_interface(&socket, *group, interface)?;
        let fd = socket.as_fd();
        let (level, ttl_option, loop_option, errors_option) = match group.addr() {
            IpAddr::V4(_) => (
                libc::IPPROTO_IP,
                libc::IP_MULTICAST_TTL,
                libc::IP_MULTICAST_LOOP,
                libc::IP_RECVERR,
            ),
            IpAddr::V6(_) => (
                libc::IPPROTO_IPV6,
                libc::IPV6_MULTICAST_HOPS,
                libc::IPV6_MULTICAST_LOOP,
                libc::IPV6_RECVERR,
            ),
        };
        sys::set_option(fd, level, ttl_option, &i32::from(*ttl))
            .map_err(refused("set the time to live"))?;
        sys::set_option(fd, level, loop_option, &i32::from(*loopback))
            .map_err(refused("set looping back"))?;
        // Without it the kernel drops what a full device queue refuses, and says that it was sent.
        sys::set_option(fd, level, errors_option, &1_i32)
            .map_err(refused("ask for errors of the device queue"))?;
        let send_buffer = ask_buffer(fd, *send_buffer, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)
            .map_err(refused("set the send buffer"))?;
        socket
            .connect(&SockAddr::from(group.on_interface(interface.index())))
            .map_err(|error| refused("connect")(error.into()))?;
        let local_addr = socket
            .local_addr()
            .map(|address| address.as_socket())
            .map_err(|error| refused("read the local address")(error.into()))?
            .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Ok(MulticastSender {
            socket,
            group: *group,
            local_addr,
            send_buffer,
            segmented: AtomicBool::new(true),
            refusals: AtomicU64::new(0),
        })
    }

    /// Sends `bytes` as datagrams of `segment` bytes each, the last may be shorter. Does not
    /// block, and allocates nothing.
    ///
    /// Several datagrams go out by one system call for each [`MAX_SEGMENTS`] or
    /// [`MAX_SEND_BYTES`] of them. When the kernel or the device refuses that, the sender sends
    /// them one by one from then on; [`is_segmented`](Self::is_segmented) tells. Empty `bytes`
    /// send nothing.
    ///
    /// # Errors
    /// [`SendError`], which says how many bytes went out before it: to try again, send
    /// `&bytes[error.sent()..]`.
    pub fn send(&self, bytes: &[u8], segment: usize) -> Result<(), SendError> {
        if segment == 0 || (segment > MAX_SEND_BYTES && bytes.len() > MAX_SEND_BYTES) {
            return Err(SendError::SegmentSize { sent: 0, segment });
        }
        let per_call = MAX_SEGMENTS.min(MAX_SEND_BYTES / segment).max(1) * segment;
        let mut sent = 0;
        while sent < bytes.len() {
            let rest = &bytes[sent..];
            let mut batch = &rest[..rest.len().min(per_call)];
            if batch.len() > segment && self.is_segmented() {
                match self.send_segments(batch, segment as u16) {
                    Ok(()) => {
                        sent += batch.len();
                        continue;
                    }
                    Err(os) if refuses_segments(os) => self.give_up_segments(),
                    Err(os) => return Err(SendError::from_os(os, sent, segment)),
                }
            }
            batch = &batch[..batch.len().min(segment)];
            self.send_one(batch)
                .map_err(|os| SendError::from_os(os, sent, segment))?;
            sent += batch.len();
        }
        Ok(())
    }

    fn send_segments(&self, bytes: &[u8], segment: u16) -> Result<(), OsError> {
        loop {
            match sys::send_segments(self.socket.as_fd(), bytes, segment) {
                Err(OsError { code: libc::EINTR }) => {}
                result => return result,
            }
        }
    }

    fn send_one(&self, bytes: &[u8]) -> Result<(), OsError> {
        loop {
            match rustix::net::send(&self.socket, bytes, SendFlags::DONTWAIT) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn give_up_segments(&self) {
        self.segmented.store(false, Ordering::Relaxed);
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether several datagrams go out by one system call; `false` once that was refused.
    #[must_use]
    pub fn is_segmented(&self) -> bool {
        self.segmented.load(Ordering::Relaxed)
    }

    /// How often a segmented send was refused: 0 or 1, unless several threads send.
    #[must_use]
    pub fn segment_refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// The group it sends to.
    #[must_use]
    pub fn group(&self) -> Group {
        self.group
    }

    /// The address its datagrams come from.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The send buffer, as asked for and as it is.
    #[must_use]
    pub fn send_buffer(&self) -> BufferSize {
        self.send_buffer
    }
}

impl AsFd for MulticastSender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether the error is about the segmentation, so that the same bytes may go one by one. A
/// segment above the device's MTU is refused with EMSGSIZE or EINVAL, a device that cannot
/// segment with EIO, a kernel that does not know how with EINVAL or ENOPROTOOPT.
fn refuses_segments(os: OsError) -> bool {
    matches!(
        os.code,
        libc::EIO | libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP | libc::ENOPROTOOPT
    )
}

fn choose_interface(socket: &Socket, group: Group, interface: &Interface) -> Result<(), NetError> {
    let action = "choose the interface";
    let result = match group.addr() {
        IpAddr::V4(_) => {
            let Some(address) = interface.ipv4() else {
                return Err(NetError::NoIpv4 {
                    interface: interface.name().to_owned(),
                    group,
                });
            };
            // With the address, the datagrams have it as their source.
            let choice = libc::ip_mreqn {
                imr_multiaddr: libc::in_addr { s_addr: 0 },
                imr_address: libc::in_addr {
                    s_addr: u32::from(address).to_be(),
                },
                imr_ifindex: interface.index() as i32,
            };
            sys::set_option(
                socket.as_fd(),
                libc::IPPROTO_IP,
                libc::IP_MULTICAST_IF,
                &choice,
            )
        }
        IpAddr::V6(_) => socket
            .set_multicast_if_v6(interface.index())
            .map_err(OsError::from),
    };
    result.map_err(|os| refusal(action, group, interface, os))
}

/// Asks for a buffer beyond the system's limit where that is permitted, else up to the limit.
pub(crate) fn ask_buffer(
    fd: BorrowedFd<'_>,
    asked: usize,
    force_option: i32,
    option: i32,
) -> Result<BufferSize, OsError> {
    // The kernel doubles the size in 32 bits with a sign.
    let size = i32::try_from(asked).unwrap_or(i32::MAX).min(i32::MAX / 2);
    if sys::set_option(fd, libc::SOL_SOCKET, force_option, &size).is_err() {
        sys::set_option(fd, libc::SOL_SOCKET, option, &size)?;
    }
    let [got] = sys::words_option::<1>(fd, libc::SOL_SOCKET, option)?;
    Ok(BufferSize {
        asked,
        got: got as usize / 2,
    })
}

/// The error for a refusal by the operating system.
pub(crate) fn refusal(
    action: &'static str,
    group: Group,
    interface: &Interface,
    os: OsError,
) -> NetError {
    let interface = interface.name().to_owned();
    match os.code {
        libc::EADDRINUSE => NetError::PortInUse { group },
        libc::EACCES if group.port() < 1024 => NetError::NoPermission {
            action,
            advice: "use a port from 1024 up",
        },
        libc::ENETUNREACH | libc::EHOSTUNREACH => NetError::NoRoute { group, interface },
        _ => NetError::Refused {
            action,
            group,
            interface,
            os,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::{MulticastSender, SendConfig};
    use crate::{Interface, MulticastReceiver, ReceiveConfig, sys, wait};

    #[test]
    fn a_refused_segmented_send_goes_out_one_by_one() {
        let [high, low] = (std::process::id() as u16).to_be_bytes();
        let group = format!("239.{high}.{low}.252:19004").parse().unwrap();
        let interface = Interface::loopback().unwrap();
        let config = ReceiveConfig::new(group, interface.clone());
        let mut receiver = MulticastReceiver::open(&config).unwrap();
        let sender = MulticastSender::open(&SendConfig::new(group, interface)).unwrap();
        // The kernel refuses to segment for a socket without checksums.
        sys::set_option(sender.as_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, &1_i32).unwrap();

        for refusals in [1, 1] {
            let bytes: Vec<u8> = (0..=250).collect();
            sender.send(&bytes, 100).unwrap();
            assert!(!sender.is_segmented());
            assert_eq!(sender.segment_refusals(), refusals);
            let mut received = Vec::new();
            while received.len() < bytes.len() {
                assert!(wait(&[&receiver], Some(Duration::from_secs(10))).unwrap());
                while let Some(datagrams) = receiver.receive().unwrap() {
                    assert!(datagrams.iter().all(|datagram| datagram.len() <= 100));
                    received.extend_from_slice(datagrams.bytes);
                }
            }
            assert_eq!(received, bytes);
        }
    }
}
