//! The system calls that no safe crate offers. Here stands `unsafe`, and in `sys_xdp.rs`.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::io::IoSlice;
use std::mem::{self, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use crate::OsError;

/// Bytes of control messages one datagram can bring: a time stamp (32), a drop count (24) and a
/// segment length (24), with as much again to spare.
const CONTROL_BYTES: usize = 160;
/// Length of a control message's header, as the kernel lays it out: a `usize` and two `c_int`.
const CONTROL_HEADER: usize = size_of::<libc::cmsghdr>();

/// Sets a socket option.
pub(crate) fn set_option<T: Copy>(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: &T,
) -> Result<(), OsError> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is a live reference, so `length` bytes from it are readable during the call,
    // and the kernel only reads them. `fd` is open, as it is borrowed.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            ptr::from_ref(value).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(OsError::last())
    }
}

/// Reads a socket option that is a row of `N` 32-bit words; words the kernel does not give are 0.
pub(crate) fn words_option<const N: usize>(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
) -> Result<[u32; N], OsError> {
    let mut words = [0_u32; N];
    let mut length = size_of::<[u32; N]>() as libc::socklen_t;
    // SAFETY: `words` is writable for the `length` bytes stated, the kernel writes no more than
    // that, and every bit pattern is a `u32`. `length` is a live local of the type asked for.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            words.as_mut_ptr().cast(),
            &mut length,
        )
    };
    if result == 0 {
        Ok(words)
    } else {
        Err(OsError::last())
    }
}

/// The control message that asks for segmentation, as the kernel lays it out.
#[repr(C)]
struct SegmentMessage {
    length: usize,
    level: c_int,
    kind: c_int,
    segment: u16,
    padding: [u8; 6],
}

/// Sends `bytes` on a connected socket as datagrams of `segment` bytes, the last may be shorter.
/// Does not block.
pub(crate) fn send_segments(fd: BorrowedFd<'_>, bytes: &[u8], segment: u16) -> Result<(), OsError> {
    let mut control = SegmentMessage {
        length: CONTROL_HEADER + size_of::<u16>(),
        level: libc::SOL_UDP,
        kind: libc::UDP_SEGMENT,
        segment,
        padding: [0; 6],
    };
    let mut slice = IoSlice::new(bytes);
    let mut message = empty_message();
    // `IoSlice` has the layout of `iovec`, as its documentation guarantees.
    message.msg_iov = ptr::from_mut(&mut slice).cast();
    message.msg_iovlen = 1;
    message.msg_control = ptr::from_mut(&mut control).cast();
    message.msg_controllen = size_of::<SegmentMessage>();
    // SAFETY: `message` points to one `iovec` over `bytes` and to `control` with its true length;
    // both outlive the call, and the kernel only reads them. There is no name.
    let sent = unsafe { libc::sendmsg(fd.as_raw_fd(), &message, libc::MSG_DONTWAIT) };
    if sent < 0 {
        Err(OsError::last())
    } else {
        Ok(())
    }
}

/// Where `receive` has the kernel write what comes beside the bytes.
#[repr(C, align(8))]
pub(crate) struct Envelope {
    name: [u8; size_of::<libc::sockaddr_in6>()],
    control: [u8; CONTROL_BYTES],
    control_length: usize,
    flags: c_int,
}

impl Envelope {
    pub(crate) fn new() -> Envelope {
        Envelope {
            name: [0; size_of::<libc::sockaddr_in6>()],
            control: [0; CONTROL_BYTES],
            control_length: 0,
            flags: 0,
        }
    }

    /// The address the datagram came from.
    pub(crate) fn source(&self) -> SocketAddr {
        let word = |at: usize| u16::from_ne_bytes([self.name[at], self.name[at + 1]]);
        let port = u16::from_be_bytes([self.name[2], self.name[3]]);
        if c_int::from(word(0)) == libc::AF_INET6 {
            let (mut addr, mut scope) = ([0; 16], [0; 4]);
            addr.copy_from_slice(&self.name[8..24]);
            scope.copy_from_slice(&self.name[24..28]);
            let scope = u32::from_ne_bytes(scope);
            return SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(addr), port, 0, scope));
        }
        let mut addr = [0; 4];
        addr.copy_from_slice(&self.name[4..8]);
        SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(addr), port))
    }

    /// Whether the datagram was longer than the buffer.
    pub(crate) fn truncated(&self) -> bool {
        self.flags & libc::MSG_TRUNC != 0
    }

    /// Whether control messages were lost because there was no room for them.
    pub(crate) fn control_truncated(&self) -> bool {
        self.flags & libc::MSG_CTRUNC != 0
    }

    /// The control messages, each as its level, its kind and its data.
    pub(crate) fn control(&self) -> ControlMessages<'_> {
        ControlMessages {
            rest: &self.control[..self.control_length],
        }
    }
}

/// An iterator over control messages as the kernel lays them out: the length of header and data,
/// level, kind, data, and padding to 8 bytes. Ends at the first that does not fit.
pub(crate) struct ControlMessages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for ControlMessages<'a> {
    type Item = (c_int, c_int, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let length = usize::from_ne_bytes(*length);
        let (level, rest) = rest.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let data = self.rest.get(CONTROL_HEADER..length)?;
        self.rest = self
            .rest
            .get(length.next_multiple_of(8)..)
            .unwrap_or_default();
        Some((
            c_int::from_ne_bytes(*level),
            c_int::from_ne_bytes(*kind),
            data,
        ))
    }
}

/// Receives one datagram, or several that the kernel joined, into `buffer`. Does not block.
/// Returns how many bytes were written.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    envelope: &mut Envelope,
) -> Result<usize, OsError> {
    let mut slice = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut message = empty_message();
    message.msg_name = envelope.name.as_mut_ptr().cast();
    message.msg_namelen = envelope.name.len() as libc::socklen_t;
    message.msg_iov = &mut slice;
    message.msg_iovlen = 1;
    message.msg_control = envelope.control.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES;
    // SAFETY: name, `iovec` and control each point to memory that is borrowed mutably for the
    // whole call and is as long as stated; the kernel writes no more, and only bytes.
    let length = unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, libc::MSG_DONTWAIT) };
    if length < 0 {
        return Err(OsError::last());
    }
    envelope.control_length = message.msg_controllen.min(CONTROL_BYTES);
    envelope.flags = message.msg_flags;
    Ok(length as usize)
}

/// A message without name, data and control messages.
fn empty_message() -> libc::msghdr {
    // SAFETY: `msghdr` is made of pointers and integers, for all of which zero is a value.
    unsafe { mem::zeroed() }
}

/// A socket address as the C library's storage for one.
pub(crate) fn storage(address: IpAddr) -> libc::sockaddr_storage {
    let address = socket2::SockAddr::from(SocketAddr::new(address, 0));
    // SAFETY: `sockaddr_storage` is made of integers, for all of which zero is a value.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    // SAFETY: a `SockAddr` of an internet address has `len()` readable bytes at `as_ptr()`, at
    // most as many as a `sockaddr_storage` has, and a local does not overlap with it.
    unsafe {
        ptr::copy_nonoverlapping(
            address.as_ptr().cast::<u8>(),
            ptr::from_mut(&mut storage).cast::<u8>(),
            (address.len() as usize).min(size_of::<libc::sockaddr_storage>()),
        );
    }
    storage
}

/// Every interface with each of its addresses, as name, index and address; once without an
/// address for its link layer.
pub(crate) fn interface_addresses() -> Result<Vec<(String, u32, Option<IpAddr>)>, OsError> {
    let mut head: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: `head` is a live local for the result.
    if unsafe { libc::getifaddrs(&mut head) } != 0 {
        return Err(OsError::last());
    }
    let mut found = Vec::new();
    let mut next = head;
    // SAFETY: `next` is null or a node of the list, which lives until `freeifaddrs` below, and
    // nothing writes to it meanwhile.
    while let Some(node) = unsafe { next.as_ref() } {
        // SAFETY: every node has a name that ends with a zero byte and lives as long as the list.
        let name = unsafe { CStr::from_ptr(node.ifa_name) };
        // SAFETY: `ifa_name` ends with a zero byte, as above.
        let index = unsafe { libc::if_nametoindex(node.ifa_name) };
        // An interface that went away meanwhile has no index any more.
        if index != 0 {
            found.push((
                name.to_string_lossy().into_owned(),
                index,
                node_address(node),
            ));
        }
        next = node.ifa_next;
    }
    // SAFETY: `head` came from `getifaddrs`, is freed once, and no reference into it is left.
    unsafe { libc::freeifaddrs(head) };
    Ok(found)
}

/// The internet address of a node of the list of `getifaddrs`.
fn node_address(node: &libc::ifaddrs) -> Option<IpAddr> {
    // SAFETY: the address of a node is null or points to a `sockaddr` that lives as long as the
    // node does.
    let family = c_int::from(unsafe { node.ifa_addr.as_ref() }?.sa_family);
    match family {
        libc::AF_INET => {
            // SAFETY: an address of this family is a `sockaddr_in`, and the C library aligns it.
            let v4 = unsafe { &*node.ifa_addr.cast::<libc::sockaddr_in>() };
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr))))
        }
        libc::AF_INET6 => {
            // SAFETY: an address of this family is a `sockaddr_in6`, and the C library aligns it.
            let v6 = unsafe { &*node.ifa_addr.cast::<libc::sockaddr_in6>() };
            Some(IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)))
        }
        _ => None,
    }
}

/// How the kernel chooses a thread: by which policy, and its priority among real-time threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scheduling {
    policy: c_int,
    priority: c_int,
}

impl Scheduling {
    /// First come, first served, at this real-time priority.
    pub(crate) fn realtime(priority: u8) -> Scheduling {
        Scheduling {
            policy: libc::SCHED_FIFO,
            priority: c_int::from(priority),
        }
    }
}

/// How the calling thread is chosen.
pub(crate) fn scheduling() -> Result<Scheduling, OsError> {
    let mut policy = 0;
    let mut parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: it has no conditions, and gives the calling thread, which lives.
    let current = unsafe { libc::pthread_self() };
    // SAFETY: `current` is a living thread, and the results go to live locals of their types.
    let code = unsafe { libc::pthread_getschedparam(current, &mut policy, &mut parameters) };
    match code {
        0 => Ok(Scheduling {
            policy,
            priority: parameters.sched_priority,
        }),
        code => Err(OsError { code }),
    }
}

/// Has the calling thread chosen so, and the threads that it starts from then on.
pub(crate) fn set_scheduling(scheduling: Scheduling) -> Result<(), OsError> {
    let parameters = libc::sched_param {
        sched_priority: scheduling.priority,
    };
    // SAFETY: it has no conditions, and gives the calling thread, which lives.
    let current = unsafe { libc::pthread_self() };
    // SAFETY: `current` is a living thread, and `parameters` is only read during the call.
    let code = unsafe { libc::pthread_setschedparam(current, scheduling.policy, &parameters) };
    match code {
        0 => Ok(()),
        code => Err(OsError { code }),
    }
}

/// What an interface says of stamps, as the kernel lays it out.
#[repr(C)]
#[derive(Default)]
struct StampInfo {
    command: u32,
    stamps: u32,
    clock: i32,
    send_types: u32,
    reserved: [u32; 3],
    receive_filters: u32,
    reserved_too: [u32; 3],
}

/// Which stamps the interface of this name offers: bits of `SOF_TIMESTAMPING_…`.
pub(crate) fn stamps(fd: BorrowedFd<'_>, name: &CStr) -> Result<u32, OsError> {
    const GET_STAMP_INFO: u32 = 0x41;
    let mut info = StampInfo {
        command: GET_STAMP_INFO,
        ..StampInfo::default()
    };
    // SAFETY: `ifreq` is made of integers, a pointer and unions of them, for all of which zero is a
    // value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // The last byte stays 0, whatever the length of the name.
    let most = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name[..most].iter_mut().zip(name.to_bytes()) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = ptr::from_mut(&mut info).cast();
    // SAFETY: `fd` is open, as it is borrowed; `request` and `info`, to which it points, are live
    // and of the types that this command reads and writes, and every bit pattern is an integer.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::SIOCETHTOOL, &mut request) };
    if result < 0 {
        return Err(OsError::last());
    }
    Ok(info.stamps)
}

/// Whether the real-time clock is kept right, and its estimated and its largest error, in µs.
pub(crate) fn clock_state() -> Result<(bool, i64, i64), OsError> {
    // SAFETY: `timex` is made of integers, for all of which zero is a value.
    let mut timex: libc::timex = unsafe { mem::zeroed() };
    // SAFETY: `timex` is a live local of the type asked for; with no modes set, which zero means,
    // the kernel changes nothing but it.
    let state = unsafe { libc::adjtimex(&mut timex) };
    if state < 0 {
        return Err(OsError::last());
    }
    let is_synchronised = state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0;
    Ok((is_synchronised, timex.esterror, timex.maxerror))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::{ControlMessages, Envelope, receive};

    #[test]
    fn a_datagram_longer_than_the_buffer_is_marked() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut envelope = Envelope::new();
        for (sent, truncated) in [(8, false), (9, true)] {
            socket.send_to(&[1; 9][..sent], address).unwrap();
            // The call does not block, and loopback may deliver a moment later.
            socket.peek(&mut [0; 16]).unwrap();
            assert_eq!(receive(socket.as_fd(), &mut [0; 8], &mut envelope), Ok(8));
            assert_eq!(envelope.truncated(), truncated);
            assert!(!envelope.control_truncated());
            assert_eq!(envelope.source(), address);
        }
    }

    #[test]
    fn control_messages_that_do_not_fit_end_the_list() {
        let message = |length: usize, data: &[u8]| {
            [
                &length.to_ne_bytes()[..],
                &1_i32.to_ne_bytes(),
                &2_i32.to_ne_bytes(),
                data,
            ]
            .concat()
        };
        let good = message(20, &[9, 9, 9, 9, 0, 0, 0, 0]);
        for length in [0, 15, 21, usize::MAX] {
            let bytes = [&good[..], &message(length, &[7; 4])].concat();
            let mut messages = ControlMessages { rest: &bytes };
            assert_eq!(messages.next(), Some((1, 2, &[9_u8; 4][..])));
            assert_eq!(messages.next(), None, "{length}");
        }
        for cut in 0..20 {
            assert_eq!(ControlMessages { rest: &good[..cut] }.next(), None);
        }
    }
}
