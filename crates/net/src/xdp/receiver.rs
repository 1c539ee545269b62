//! Receiving the datagrams of one or more groups on one interface through an AF_XDP socket.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::xdp::{SocketAddrXdp, SocketAddrXdpFlags, XdpOptionsFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use super::frame::parse;
use super::program::{Wanted, program};
use super::{FrameError, XdpDrops, XdpError, XdpMode};
use crate::sys_xdp::{self, FRAME_BYTES, Frames};
use crate::{
    BufferSize, Datagrams, Interface, MulticastReceiver, OsError, ReceiveConfig, ReceiveError,
};

/// Most frames: 2 GiB of them.
const MAX_FRAMES: u32 = 1 << 20;
/// How many frames there are at least: devices ask for some at once.
const MIN_FRAMES: u32 = 64;
/// The receive buffer of the sockets that join the groups. What they get is only counted.
const JOIN_BUFFER: usize = 64 << 10;
/// Most datagrams taken out of such a socket at one count; its buffer keeps or counts the rest.
const MAX_PASSED_BY: usize = 64;

/// How long a queue that is taken may still be set free, and how often that is tried.
const QUEUE_PATIENCE: Duration = Duration::from_secs(1);
const QUEUE_PAUSE: Duration = Duration::from_millis(5);

/// `XDP_FLAGS_SKB_MODE` and `XDP_FLAGS_DRV_MODE` of `<linux/if_link.h>`.
const GENERIC: u32 = 1 << 1;
const NATIVE: u32 = 1 << 2;

/// An AF_XDP socket on one queue of one interface, with its frames, the XDP program that directs
/// the datagrams of its groups to it, and the sockets that join the groups.
///
/// While it is open no other program on this host gets those datagrams. The kernel takes the
/// program off the interface when this is dropped, or its process ends in whatever way.
pub struct XdpReceiver {
    // Taken off first, so that nothing comes any more while the rest goes.
    _link: OwnedFd,
    socket: OwnedFd,
    frames: Frames,
    groups: Vec<SocketAddrV4>,
    joined: Vec<MulticastReceiver>,
    receive_buffer: BufferSize,
    mode: XdpMode,
    drops: XdpDrops,
}

impl XdpReceiver {
    /// Opens a socket for the groups of all `lines`, which are on one interface, and joins them.
    ///
    /// `queue` is that of the device on which the groups arrive; without one the device must have
    /// only one. The receive buffers of `lines` together are the size of the frames, 2,048 bytes
    /// for a datagram whatever its length; `gro` and `busy_poll` mean nothing here.
    ///
    /// # Errors
    /// [`XdpError`]; a [`MulticastReceiver`] may still be had.
    ///
    /// # Panics
    /// Without a line, and with lines on different interfaces.
    pub fn open(lines: &[ReceiveConfig], queue: Option<u32>) -> Result<XdpReceiver, XdpError> {
        let interface = &lines.first().expect("a line").interface;
        assert!(
            lines.iter().all(|line| line.interface == *interface),
            "one AF_XDP socket is on one interface"
        );
        let wanted: Vec<Wanted> = lines.iter().map(wanted).collect::<Result<_, _>>()?;
        if interface.addresses().iter().any(IpAddr::is_loopback) {
            return Err(XdpError::Loopback {
                interface: interface.name().to_owned(),
            });
        }
        let refused = |action| move |os: OsError| refusal(action, interface, os);

        let open = "open an AF_XDP socket";
        let (family, kind) = (AddressFamily::XDP, SocketType::RAW);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)
            .map_err(|errno| refused(open)(errno.into()))?;
        let fd = socket.as_fd();
        let queue = choose_queue(interface, queue)?;
        let asked = lines.iter().map(|line| line.receive_buffer).sum();
        let count = frame_count(asked);
        let got = count as usize * FRAME_BYTES as usize;
        let frames = Frames::new(fd, count).map_err(|os| match os.code {
            libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN => XdpError::LockedMemory { bytes: got },
            _ => refused("share frames with the kernel")(os),
        })?;
        bind_patiently(fd, interface, queue)?;
        let options = sockopt::xdp_options(fd).map_err(|e| refused(open)(e.into()))?;

        let (link, native) = direct(&wanted, fd, interface, queue)?;
        // After that, so that no datagram of the groups goes the kernel's way.
        let joined = lines.iter().map(join).collect::<Result<_, _>>()?;
        Ok(XdpReceiver {
            _link: link,
            socket,
            frames,
            groups: wanted.iter().map(|wanted| wanted.destination).collect(),
            joined,
            receive_buffer: BufferSize { asked, got },
            mode: XdpMode {
                native,
                zero_copy: options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY),
                queue,
            },
            drops: XdpDrops::default(),
        })
    }

    /// Takes the next datagram, with the index of its line among those it was opened with, or
    /// `None` when nothing waits. Does not block, allocates nothing, and makes no system call.
    ///
    /// The bytes lie where the kernel put them, until the next call. There is no kernel stamp, and
    /// the count of drops is that of the last [`drops`](Self::drops).
    ///
    /// # Errors
    /// [`ReceiveError::Frame`] for a frame that is not a sound datagram of the groups; the next one
    /// may be.
    #[inline]
    pub fn receive(&mut self) -> Result<Option<(usize, Datagrams<'_>)>, ReceiveError> {
        let Some(frame) = self.frames.next() else {
            return Ok(None);
        };
        let datagram = parse(frame)?;
        let mut groups = self.groups.iter();
        let line = groups.position(|group| *group == datagram.destination);
        let datagrams = Datagrams {
            bytes: datagram.payload,
            segment: datagram.payload.len(),
            source: SocketAddr::V4(datagram.source),
            ts_kernel: None,
            dropped: self.drops.datagrams(),
            truncated: false,
        };
        Ok(Some((line.ok_or(FrameError::OtherGroup)?, datagrams)))
    }

    /// Counts what did not come through since this was opened. Some system calls.
    ///
    /// # Errors
    /// [`ReceiveError`] when the kernel does not tell.
    pub fn drops(&mut self) -> Result<XdpDrops, ReceiveError> {
        let counted = sockopt::xdp_statistics(self.as_fd()).map_err(OsError::from)?;
        self.drops.no_frame = counted.rx_dropped;
        self.drops.ring_full = counted.rx_ring_full.unwrap_or(0);
        self.drops.fill_ring_empty = counted.rx_fill_ring_empty_descs.unwrap_or(0);
        for socket in &mut self.joined {
            for _ in 0..MAX_PASSED_BY {
                let Some(datagrams) = socket.receive()? else {
                    break;
                };
                self.drops.by_kernel += datagrams.iter().len().max(1) as u64;
            }
        }
        Ok(self.drops)
    }

    /// How it sits on its interface.
    #[must_use]
    pub fn mode(&self) -> XdpMode {
        self.mode
    }

    /// The bytes of all its frames, as asked for and as they are.
    #[must_use]
    pub fn receive_buffer(&self) -> BufferSize {
        self.receive_buffer
    }
}

impl AsFd for XdpReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn wanted(line: &ReceiveConfig) -> Result<Wanted, XdpError> {
    let group = line.group;
    match (group.addr(), line.source) {
        (IpAddr::V4(address), None) => Ok(Wanted {
            destination: SocketAddrV4::new(address, group.port()),
            source: None,
        }),
        (IpAddr::V4(address), Some(IpAddr::V4(source))) => Ok(Wanted {
            destination: SocketAddrV4::new(address, group.port()),
            source: Some(source),
        }),
        _ => Err(XdpError::NotIpv4 { group }),
    }
}

fn choose_queue(interface: &Interface, queue: Option<u32>) -> Result<u32, XdpError> {
    let (family, kind) = (AddressFamily::INET, SocketType::DGRAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)
        .map_err(|errno| refusal("ask a device for its queues", interface, errno.into()))?;
    // A device that does not tell has one.
    let queues = sys_xdp::receive_queues(socket.as_fd(), interface.name())
        .unwrap_or(1)
        .max(1);
    let interface = || interface.name().to_owned();
    match queue {
        None if queues == 1 => Ok(0),
        None => Err(XdpError::WhichQueue {
            interface: interface(),
            queues,
        }),
        Some(queue) if queue < queues => Ok(queue),
        Some(queue) => Err(XdpError::NoSuchQueue {
            interface: interface(),
            queue,
            queues,
        }),
    }
}

/// Binds the socket to the queue. The kernel sets a queue free only a moment after a socket that
/// had it was closed, so a queue that is taken is tried again for a while.
fn bind_patiently(
    socket: BorrowedFd<'_>,
    interface: &Interface,
    queue: u32,
) -> Result<(), XdpError> {
    let address = SocketAddrXdp::new(SocketAddrXdpFlags::empty(), interface.index(), queue);
    let mut tries = QUEUE_PATIENCE.as_millis() / QUEUE_PAUSE.as_millis();
    loop {
        match bind(socket, &address) {
            Ok(()) => return Ok(()),
            Err(Errno::BUSY) if tries == 0 => {
                return Err(XdpError::QueueTaken {
                    interface: interface.name().to_owned(),
                    queue,
                });
            }
            Err(Errno::BUSY) => tries -= 1,
            Err(errno) => {
                return Err(refusal("bind an AF_XDP socket", interface, errno.into()));
            }
        }
        std::thread::sleep(QUEUE_PAUSE);
    }
}

/// As many frames as the bytes asked for hold, to a power of two.
fn frame_count(bytes: usize) -> u32 {
    let frames = u32::try_from(bytes / FRAME_BYTES as usize).unwrap_or(MAX_FRAMES);
    frames.clamp(MIN_FRAMES, MAX_FRAMES).next_power_of_two()
}

/// Loads the program that directs the datagrams to the socket, and attaches it: to the driver if it
/// can, otherwise behind it. Returns what keeps it attached, and whether the driver runs it.
fn direct(
    wanted: &[Wanted],
    socket: BorrowedFd<'_>,
    interface: &Interface,
    queue: u32,
) -> Result<(OwnedFd, bool), XdpError> {
    let refused = |action| move |os: OsError| refusal(action, interface, os);
    let kernel_support = |action| {
        move |os: OsError| match os.code {
            // How a kernel says that it does not know such a map or link.
            libc::EINVAL => XdpError::NoKernelSupport { action },
            _ => refusal(action, interface, os),
        }
    };
    let map =
        sys_xdp::socket_map(queue + 1).map_err(kernel_support("make a map of AF_XDP sockets"))?;
    sys_xdp::map_socket(map.as_fd(), queue, socket)
        .map_err(refused("put the socket into the map"))?;
    let program = sys_xdp::load_program(&program(wanted, map.as_raw_fd()))
        .map_err(refused("load an XDP program"))?;
    let attach = |mode| sys_xdp::attach(program.as_fd(), interface.index(), mode);
    let refused = |os: OsError| match os.code {
        libc::EBUSY | libc::EEXIST => XdpError::ProgramAttached {
            interface: interface.name().to_owned(),
        },
        _ => kernel_support("attach an XDP program")(os),
    };
    match attach(NATIVE) {
        Ok(link) => Ok((link, true)),
        // Whatever the driver does not like, the kernel may do in its place.
        Err(OsError {
            code: libc::EOPNOTSUPP | libc::EINVAL | libc::ERANGE,
        }) => Ok((attach(GENERIC).map_err(refused)?, false)),
        Err(os) => Err(refused(os)),
    }
}

/// A socket that is a member of the group, so that switches and the device let it through.
fn join(line: &ReceiveConfig) -> Result<MulticastReceiver, XdpError> {
    Ok(MulticastReceiver::open(&ReceiveConfig {
        receive_buffer: JOIN_BUFFER,
        gro: false,
        busy_poll: None,
        ..line.clone()
    })?)
}

fn refusal(action: &'static str, interface: &Interface, os: OsError) -> XdpError {
    match os.code {
        libc::EPERM | libc::EACCES => XdpError::NoPermission { action },
        libc::EAFNOSUPPORT | libc::ENOSYS | libc::ENOPROTOOPT | libc::EPROTONOSUPPORT => {
            XdpError::NoKernelSupport { action }
        }
        _ => XdpError::Refused {
            action,
            interface: interface.name().to_owned(),
            os,
        },
    }
}
