//! Receiving the datagrams of a group, as many as the kernel joined into one.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::slice::Chunks;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};

use crate::drops::DropCounter;
use crate::sender::{ask_buffer, refusal};
use crate::sys::{self, Envelope};
use crate::{BufferSize, Group, Interface, NetError, OsError, ReceiveError};

/// Most bytes one receive gives: more than the kernel ever joins or a datagram ever has.
pub const RECEIVE_BYTES: usize = 1 << 16;
/// The receive buffer that [`ReceiveConfig::new`] asks for.
pub const DEFAULT_RECEIVE_BUFFER: usize = 8 << 20;
/// Most sockets that [`wait`] watches.
pub const MAX_WAIT: usize = 8;

/// Bytes the buffer starts on a multiple of: a cache line.
const ALIGNMENT: usize = 64;

/// How to open a [`MulticastReceiver`].
#[derive(Clone, Debug)]
pub struct ReceiveConfig {
    /// The group to join.
    pub group: Group,
    /// The interface to join it on.
    pub interface: Interface,
    /// The receive buffer to ask for, in bytes.
    pub receive_buffer: usize,
    /// Whether the kernel may join datagrams of one sender into one receive.
    pub gro: bool,
    /// Takes datagrams from this source only, of the group's address family.
    pub source: Option<IpAddr>,
    /// How long a receive may poll the device for a datagram, in whole microseconds, on devices
    /// that can. On older kernels more than `net.core.busy_read` needs CAP_NET_ADMIN.
    pub busy_poll: Option<Duration>,
}

impl ReceiveConfig {
    /// Joined datagrams from any source, a buffer of [`DEFAULT_RECEIVE_BUFFER`], no busy polling.
    #[must_use]
    pub fn new(group: Group, interface: Interface) -> ReceiveConfig {
        ReceiveConfig {
            group,
            interface,
            receive_buffer: DEFAULT_RECEIVE_BUFFER,
            gro: true,
            source: None,
            busy_poll: None,
        }
    }
}

/// A socket that is a member of one group on one interface, with its buffer.
pub struct MulticastReceiver {
    socket: Socket,
    group: Group,
    receive_buffer: BufferSize,
    buffer: Vec<u8>,
    start: usize,
    envelope: Envelope,
    drops: DropCounter,
    control_truncated: u64,
}

/// What one receive gave: one datagram, or several of one sender that the kernel joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagrams<'a> {
    /// The bytes of all of them, one after the other.
    pub bytes: &'a [u8],
    /// The length of each but the last, which may be shorter.
    pub segment: usize,
    /// Where they came from.
    pub source: SocketAddr,
    /// When the kernel received the first of them, in nanoseconds since the Unix epoch by the
    /// real-time clock.
    pub ts_kernel: Option<u64>,
    /// What the kernel dropped since the socket was opened and before these were queued. See
    /// [`DropMeter::dropped`] for the unit.
    pub dropped: u64,
    /// Whether bytes were cut off at the end, so that the last datagram is not whole.
    pub truncated: bool,
}

impl<'a> Datagrams<'a> {
    /// The datagrams in the order they were sent. An empty datagram gives nothing.
    pub fn iter(&self) -> Chunks<'a, u8> {
        self.bytes.chunks(self.segment.max(1))
    }
}

impl<'a> IntoIterator for &Datagrams<'a> {
    type Item = &'a [u8];
    type IntoIter = Chunks<'a, u8>;

    fn into_iter(self) -> Chunks<'a, u8> {
        self.iter()
    }
}

impl MulticastReceiver {
    /// Opens a socket, binds it to the group, and joins the group on the interface.
    ///
    /// Other groups on the same port do not arrive, whoever joined them. Several receivers on one
    /// host may open the same group; each gets every datagram.
    ///
    /// # Errors
    /// [`NetError`]; [`NetError::PortInUse`] when a socket that does not share has the port.
    pub fn open(config: &ReceiveConfig) -> Result<MulticastReceiver, NetError> {
        let ReceiveConfig {
            group, interface, ..
        } = config;
        let refused = |action| move |os: OsError| refusal(action, *group, interface, os);
        let domain = if group.addr().is_ipv4() {
            Domain::IPV4
        } else {
            Domain::IPV6
        };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))
            .map_err(|error| refused("open a socket")(error.into()))?;
        let fd = socket.as_fd();

        socket
            .set_reuse_address(true)
            .map_err(|error| refused("share the port")(error.into()))?;
        // Before binding, so that the first datagram already has its stamp and its count.
        for (level, option, action) in [
            (
                libc::SOL_SOCKET,
                libc::SO_TIMESTAMPNS,
                "ask for time stamps",
            ),
            (
                libc::SOL_SOCKET,
                libc::SO_RXQ_OVFL,
                "ask for the drop count",
            ),
        ] {
            sys::set_option(fd, level, option, &1_i32).map_err(refused(action))?;
        }
        if config.gro {
            sys::set_option(fd, libc::SOL_UDP, libc::UDP_GRO, &1_i32)
                .map_err(refused("ask for joined datagrams"))?;
        }
        let receive_buffer = ask_buffer(
            fd,
            config.receive_buffer,
            libc::SO_RCVBUFFORCE,
            libc::SO_RCVBUF,
        )
        .map_err(refused("set the receive buffer"))?;
        if let Some(time) = config.busy_poll {
            set_busy_poll(fd, time, config)?;
        }
        take_joined_groups_only(&socket, config)?;
        socket
            .bind(&SockAddr::from(group.on_interface(interface.index())))
            .map_err(|error| refused("bind")(error.into()))?;
        join(&socket, config)?;

        let buffer = vec![0; RECEIVE_BYTES + ALIGNMENT];
        let start = buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Ok(MulticastReceiver {
            socket,
            group: *group,
            receive_buffer,
            buffer,
            start,
            envelope: Envelope::new(),
            drops: DropCounter::default(),
            control_truncated: 0,
        })
    }

    /// Takes what waits, or `None` when nothing does. Does not block, and allocates nothing.
    ///
    /// # Errors
    /// [`ReceiveError`]; the socket stays usable.
    pub fn receive(&mut self) -> Result<Option<Datagrams<'_>>, ReceiveError> {
        let buffer = &mut self.buffer[self.start..self.start + RECEIVE_BYTES];
        let length = loop {
            match sys::receive(self.socket.as_fd(), buffer, &mut self.envelope) {
                Ok(length) => break length,
                Err(OsError { code: libc::EAGAIN }) => return Ok(None),
                Err(OsError { code: libc::EINTR }) => {}
                Err(os) => return Err(os.into()),
            }
        };
        let (mut ts_kernel, mut segment) = (None, length);
        for (level, kind, data) in self.envelope.control() {
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => ts_kernel = nanos(data),
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    if let Some(counter) = word(data) {
                        self.drops.read(counter);
                    }
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    segment = word(data).map_or(length, |segment| segment as usize);
                }
                _ => {}
            }
        }
        self.control_truncated += u64::from(self.envelope.control_truncated());
        Ok(Some(Datagrams {
            bytes: &buffer[..length],
            segment,
            source: self.envelope.source(),
            ts_kernel,
            dropped: self.drops.total(),
            truncated: self.envelope.truncated(),
        }))
    }

    /// Asks the kernel what it dropped since the socket was opened; see [`DropMeter::dropped`].
    ///
    /// # Errors
    /// [`ReceiveError::Os`] when the kernel does not tell.
    pub fn dropped(&mut self) -> Result<u64, ReceiveError> {
        Ok(self.drops.read(ask_drops(&self.socket)?))
    }

    /// Another handle to the kernel's count of drops, for a thread that may make system calls.
    ///
    /// # Errors
    /// [`ReceiveError::Os`] when there are too many open files.
    pub fn drop_meter(&self) -> Result<DropMeter, ReceiveError> {
        let socket = self.socket.try_clone().map_err(OsError::from)?;
        Ok(DropMeter {
            socket,
            drops: self.drops,
        })
    }

    /// How many receives lost a stamp, a count or a segment length because the kernel had more to
    /// tell than there is room for. Not seen so far; anything but 0 is a fault of this crate.
    #[must_use]
    pub fn control_truncated(&self) -> u64 {
        self.control_truncated
    }

    /// The group it is a member of.
    #[must_use]
    pub fn group(&self) -> Group {
        self.group
    }

    /// The receive buffer, as asked for and as it is.
    #[must_use]
    pub fn receive_buffer(&self) -> BufferSize {
        self.receive_buffer
    }
}

/// What the kernel dropped at one [`MulticastReceiver`], to be asked beside it. The socket stays open
/// until this is dropped too.
#[derive(Debug)]
pub struct DropMeter {
    socket: Socket,
    drops: DropCounter,
}

impl DropMeter {
    /// Asks the kernel what it dropped since the socket was opened, mostly because the receive
    /// buffer was full. A system call: it also counts drops that no datagram came after.
    ///
    /// Without `gro` this is the number of datagrams. With it, datagrams that were joined and
    /// dropped in one piece count once: the number is of pieces, and at least so many datagrams
    /// are gone. What exactly is gone only the sequence numbers in the datagrams tell.
    ///
    /// # Errors
    /// [`ReceiveError::Os`] when the kernel does not tell.
    pub fn dropped(&mut self) -> Result<u64, ReceiveError> {
        Ok(self.drops.read(ask_drops(&self.socket)?))
    }
}

fn ask_drops(socket: &Socket) -> Result<u32, ReceiveError> {
    const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;
    let words =
        sys::words_option::<{ DROPS + 1 }>(socket.as_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO)?;
    Ok(words[DROPS])
}

impl AsFd for MulticastReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Blocks until one of `sockets` has something to receive, a signal came, or `timeout` has passed
/// (`None` waits for ever). Returns whether one has something.
///
/// # Errors
/// [`ReceiveError::Os`] when the kernel refuses.
///
/// # Panics
/// With more than [`MAX_WAIT`] sockets.
pub fn wait<F: AsFd>(sockets: &[F], timeout: Option<Duration>) -> Result<bool, ReceiveError> {
    assert!(
        sockets.len() <= MAX_WAIT,
        "at most {MAX_WAIT} sockets can be waited for"
    );
    let Some(first) = sockets.first() else {
        std::thread::sleep(timeout.unwrap_or(Duration::MAX));
        return Ok(false);
    };
    let mut watched: [PollFd<'_>; MAX_WAIT] =
        std::array::from_fn(|at| PollFd::new(sockets.get(at).unwrap_or(first), PollFlags::IN));
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    });
    match poll(&mut watched[..sockets.len()], timeout.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(errno) => Err(OsError::from(errno).into()),
    }
}

fn set_busy_poll(
    fd: BorrowedFd<'_>,
    time: Duration,
    config: &ReceiveConfig,
) -> Result<(), NetError> {
    let action = "busy-poll";
    let micros = i32::try_from(time.as_micros()).unwrap_or(i32::MAX);
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL, &micros).map_err(|os| {
        if os.code == libc::EPERM {
            let advice = "raise net.core.busy_read, or leave busy polling off";
            return NetError::NoPermission { action, advice };
        }
        refusal(action, config.group, &config.interface, os)
    })
}

/// Without this, a group that another socket joined, or this one on another interface, arrives.
fn take_joined_groups_only(socket: &Socket, config: &ReceiveConfig) -> Result<(), NetError> {
    let refused = |os: OsError| {
        refusal(
            "leave out other groups",
            config.group,
            &config.interface,
            os,
        )
    };
    match config.group.addr() {
        IpAddr::V4(_) => socket
            .set_multicast_all_v4(false)
            .map_err(|e| refused(e.into())),
        IpAddr::V6(_) => {
            socket.set_only_v6(true).map_err(|e| refused(e.into()))?;
            socket
                .set_multicast_all_v6(false)
                .map_err(|e| refused(e.into()))?;
            // An IPv6 membership is looked up by group alone, so the socket keeps to the interface.
            let index = config.interface.index() as i32;
            sys::set_option(
                socket.as_fd(),
                libc::SOL_SOCKET,
                libc::SO_BINDTOIFINDEX,
                &index,
            )
            .map_err(refused)
        }
    }
}

fn join(socket: &Socket, config: &ReceiveConfig) -> Result<(), NetError> {
    let ReceiveConfig {
        group, interface, ..
    } = config;
    let refused = |os: OsError| refusal("join the group", *group, interface, os);
    if let Some(source) = config.source {
        if source.is_ipv4() != group.addr().is_ipv4() {
            return Err(NetError::SourceFamily {
                source_addr: source,
                group: *group,
            });
        }
        let level = if source.is_ipv4() {
            libc::IPPROTO_IP
        } else {
            libc::IPPROTO_IPV6
        };
        let request = libc::group_source_req {
            gsr_interface: interface.index(),
            gsr_group: sys::storage(group.addr()),
            gsr_source: sys::storage(source),
        };
        return sys::set_option(
            socket.as_fd(),
            level,
            libc::MCAST_JOIN_SOURCE_GROUP,
            &request,
        )
        .map_err(refused);
    }
    let index = interface.index();
    match group.addr() {
        IpAddr::V4(v4) => socket.join_multicast_v4_n(&v4, &InterfaceIndexOrAddress::Index(index)),
        IpAddr::V6(v6) => socket.join_multicast_v6(&v6, index),
    }
    .map_err(|error| refused(error.into()))
}

/// A time stamp: seconds and nanoseconds since the Unix epoch.
fn nanos(data: &[u8]) -> Option<u64> {
    let (seconds, rest) = data.split_first_chunk()?;
    let nanos = u64::from_ne_bytes(*rest.first_chunk()?);
    u64::from_ne_bytes(*seconds)
        .checked_mul(1_000_000_000)?
        .checked_add(nanos)
}

fn word(data: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*data.first_chunk()?))
}
