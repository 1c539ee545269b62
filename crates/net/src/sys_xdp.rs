//! What AF_XDP needs of the kernel and no safe crate offers: bpf(2), the rings that are shared with
//! the kernel, and how many queues a device has. The only other file with `unsafe` beside `sys.rs`.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_long};
use std::mem::{self, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::net::sockopt;
use rustix::net::xdp::{XdpRingOffset, XdpUmemReg, XdpUmemRegFlags};

use crate::OsError;

// ---- the program ---------------------------------------------------------------------------

// <linux/bpf.h>
const BPF_MAP_CREATE: c_int = 0;
const BPF_MAP_UPDATE_ELEM: c_int = 2;
const BPF_PROG_LOAD: c_int = 5;
const BPF_LINK_CREATE: c_int = 28;
const BPF_MAP_TYPE_XSKMAP: u32 = 17;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;

/// One instruction, as the kernel lays it out (`struct bpf_insn`, little-endian).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Instruction {
    pub(crate) code: u8,
    /// The destination register below, the source register above.
    pub(crate) registers: u8,
    pub(crate) offset: i16,
    pub(crate) immediate: i32,
}

/// Makes a map from the number of a queue, below `queues`, to an AF_XDP socket.
pub(crate) fn socket_map(queues: u32) -> Result<OwnedFd, OsError> {
    #[repr(C)]
    struct MapCreate {
        map_type: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
        map_flags: u32,
    }
    let attribute = MapCreate {
        map_type: BPF_MAP_TYPE_XSKMAP,
        key_size: 4,
        value_size: 4,
        max_entries: queues,
        map_flags: 0,
    };
    // SAFETY: the attribute of this command has no pointers.
    let result = unsafe { bpf(BPF_MAP_CREATE, &attribute) };
    Ok(owned(result?))
}

/// Puts a socket into the map.
pub(crate) fn map_socket(
    map: BorrowedFd<'_>,
    queue: u32,
    socket: BorrowedFd<'_>,
) -> Result<(), OsError> {
    #[repr(C)]
    struct MapUpdate {
        map: u32,
        padding: u32,
        key: u64,
        value: u64,
        flags: u64,
    }
    let value = socket.as_raw_fd();
    let attribute = MapUpdate {
        map: map.as_raw_fd() as u32,
        padding: 0,
        key: ptr::from_ref(&queue) as u64,
        value: ptr::from_ref(&value) as u64,
        flags: 0,
    };
    // SAFETY: key and value point to live locals of four bytes each, the sizes that `socket_map`
    // gives its maps, and the kernel only reads them.
    unsafe { bpf(BPF_MAP_UPDATE_ELEM, &attribute) }.map(|_| ())
}

/// Loads an XDP program; the kernel checks it first.
pub(crate) fn load_program(instructions: &[Instruction]) -> Result<OwnedFd, OsError> {
    #[repr(C)]
    struct ProgLoad {
        prog_type: u32,
        count: u32,
        instructions: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log: u64,
        kernel_version: u32,
        flags: u32,
        name: [u8; 16],
    }
    let attribute = ProgLoad {
        prog_type: BPF_PROG_TYPE_XDP,
        count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: c"MIT".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: *b"tickcast\0\0\0\0\0\0\0\0",
    };
    // SAFETY: `instructions` points to `count` instructions of the kernel's layout and `license` to
    // a text that ends with a zero byte; both outlive the call, and the kernel only reads them.
    // There is no log.
    let result = unsafe { bpf(BPF_PROG_LOAD, &attribute) };
    Ok(owned(result?))
}

/// Attaches a program to an interface for as long as the result is open in some process.
/// `mode` is `XDP_FLAGS_DRV_MODE` or `XDP_FLAGS_SKB_MODE` of `<linux/if_link.h>`.
pub(crate) fn attach(
    program: BorrowedFd<'_>,
    interface: u32,
    mode: u32,
) -> Result<OwnedFd, OsError> {
    #[repr(C)]
    struct LinkCreate {
        program: u32,
        interface: u32,
        attach_type: u32,
        flags: u32,
    }
    let attribute = LinkCreate {
        program: program.as_raw_fd() as u32,
        interface,
        attach_type: BPF_XDP,
        flags: mode,
    };
    // SAFETY: the attribute of this command has no pointers for this attach type.
    let result = unsafe { bpf(BPF_LINK_CREATE, &attribute) };
    Ok(owned(result?))
}

/// Lets the kernel run a program on a frame of 14 bytes or more, and gives what it returns.
#[cfg(test)]
pub(crate) fn try_program(program: BorrowedFd<'_>, frame: &[u8]) -> Result<u32, OsError> {
    const BPF_PROG_TEST_RUN: c_int = 10;
    #[repr(C)]
    struct TestRun {
        program: u32,
        result: u32,
        size: u32,
        size_out: u32,
        data: u64,
        data_out: u64,
        repeat: u32,
        duration: u32,
    }
    let attribute = TestRun {
        program: program.as_raw_fd() as u32,
        result: 0,
        size: frame.len() as u32,
        size_out: 0,
        data: frame.as_ptr() as u64,
        data_out: 0,
        repeat: 1,
        duration: 0,
    };
    let attribute = std::cell::UnsafeCell::new(attribute);
    // SAFETY: `data` points to `size` bytes, which outlive the call and are only read; nothing else
    // is asked for. The kernel writes its results into the attribute, which is in a cell for that.
    unsafe { bpf(BPF_PROG_TEST_RUN, &attribute) }?;
    Ok(attribute.into_inner().result)
}

/// bpf(2).
///
/// # Safety
/// `T` has the layout of `union bpf_attr` for this command, as far as it goes, and the pointers in
/// it lead to memory of which the kernel may read (and only reads) what the command says. If the
/// command writes to the attribute, `T` is a cell.
unsafe fn bpf<T>(command: c_int, attribute: &T) -> Result<c_int, OsError> {
    // SAFETY: `attribute` is readable for its size and live during the call; the rest is the
    // caller's promise. The kernel takes bytes that `T` is short of as zero.
    let result: c_long = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            ptr::from_ref(attribute),
            size_of::<T>(),
        )
    };
    if result < 0 {
        Err(OsError::last())
    } else {
        Ok(result as c_int)
    }
}

fn owned(fd: c_int) -> OwnedFd {
    // SAFETY: only called with what bpf(2) has just returned for a command that opens a
    // descriptor; nobody else has it, so nobody else closes it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

// ---- the rings -----------------------------------------------------------------------------

/// Bytes of one frame, of which the kernel keeps the first 256 to itself.
pub(crate) const FRAME_BYTES: u32 = 2_048;
/// Bytes left free in front of a frame, so that the payload behind 42 bytes of headers begins on a
/// cache line: 256 + 22 + 42 is 5 × 64.
const HEADROOM: u32 = 22;

/// The page offset that says which ring is mapped, of `<linux/if_xdp.h>`.
const RX_RING: i64 = 0;
const FILL_RING: i64 = 0x1_0000_0000;

/// Memory mapped by this process, unmapped when it is dropped.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    /// Maps the ring of a socket that `offset` names, or new memory without a socket.
    fn new(socket: Option<BorrowedFd<'_>>, length: usize, offset: i64) -> Result<Mapping, OsError> {
        let (fd, kind) = match socket {
            Some(socket) => (socket.as_raw_fd(), libc::MAP_SHARED),
            None => (-1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS),
        };
        // SAFETY: no address is asked for, so no memory that is in use changes; `fd` is open, as it
        // is borrowed, or not looked at.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                kind | libc::MAP_POPULATE,
                fd,
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(OsError::last());
        }
        let start = NonNull::new(start.cast()).expect("the kernel maps nothing at 0");
        Ok(Mapping { start, length })
    }

    /// The place of a `T` at this offset, if it is inside and aligned.
    fn at<T>(&self, offset: u64, count: usize) -> Result<NonNull<T>, OsError> {
        let bad = OsError { code: libc::EPROTO };
        let offset = usize::try_from(offset).map_err(|_| bad)?;
        let bytes = size_of::<T>().checked_mul(count).ok_or(bad)?;
        if offset
            .checked_add(bytes)
            .is_none_or(|end| end > self.length)
        {
            return Err(bad);
        }
        // SAFETY: `offset` is at most the length of this one mapping, as was checked.
        let place = unsafe { self.start.add(offset) }.cast::<T>();
        if place.is_aligned() {
            Ok(place)
        } else {
            Err(bad)
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and whoever holds a pointer into it owns this
        // value. Failing would leave it mapped, which harms nobody.
        let _ = unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// A ring of `T` that one side fills and the other empties. The indexes count on and wrap.
struct Ring<T> {
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    entries: NonNull<T>,
    mask: u32,
    /// The next index of this side.
    next: u32,
    /// Keeps what the pointers lead to.
    _memory: Mapping,
}

impl<T: Copy> Ring<T> {
    /// Maps a ring of `count` entries, a power of two.
    fn new(
        socket: BorrowedFd<'_>,
        which: i64,
        offsets: &XdpRingOffset,
        count: u32,
    ) -> Result<Ring<T>, OsError> {
        let length = offsets.desc as usize + count as usize * size_of::<T>();
        let memory = Mapping::new(Some(socket), length, which)?;
        Ok(Ring {
            producer: memory.at(offsets.producer, 1)?,
            consumer: memory.at(offsets.consumer, 1)?,
            entries: memory.at(offsets.desc, count as usize)?,
            mask: count - 1,
            next: 0,
            _memory: memory,
        })
    }

    fn producer(&self) -> &AtomicU32 {
        // SAFETY: `at` checked that an aligned `u32` lies there, the mapping lives as long as
        // `self`, and both sides use it as an atomic only.
        unsafe { self.producer.as_ref() }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as for the producer.
        unsafe { self.consumer.as_ref() }
    }

    fn entry(&self) -> NonNull<T> {
        // SAFETY: there are `mask + 1` entries, and the index is masked.
        unsafe { self.entries.add((self.next & self.mask) as usize) }
    }

    /// Takes the next entry that the kernel has put in.
    #[inline]
    fn take(&mut self) -> Option<T> {
        if self.producer().load(Ordering::Acquire) == self.next {
            return None;
        }
        // SAFETY: the producer's index is beyond this entry, and was read with acquire order: the
        // kernel has written it, and does not write it again before the consumer's index, which
        // only this side moves, has passed it. Every bit pattern is a `T`: see the two uses.
        let entry = unsafe { self.entry().read() };
        self.next = self.next.wrapping_add(1);
        self.consumer().store(self.next, Ordering::Release);
        Some(entry)
    }

    /// Puts an entry in for the kernel. There must be room, or the oldest is written over.
    #[inline]
    fn put(&mut self, entry: T) {
        // SAFETY: the kernel reads entries before the producer's index only, which only this side
        // moves and which is not past this one. Without room it may read the new value in place of
        // the old one, a number either way.
        unsafe { self.entry().write(entry) };
        self.next = self.next.wrapping_add(1);
        self.producer().store(self.next, Ordering::Release);
    }
}

/// What the kernel says of a received frame: `struct xdp_desc`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Descriptor {
    address: u64,
    length: u32,
    options: u32,
}

/// The frames of one socket, and the two rings in which they go to the kernel and come back.
///
/// Each frame is at one place: in the fill ring or with the kernel, in the receive ring, or lent.
/// The kernel writes to those of the first kind only.
pub(crate) struct Frames {
    fill: Ring<u64>,
    receive: Ring<Descriptor>,
    /// The start of the frame that is lent to the caller.
    lent: Option<u64>,
    memory: Mapping,
}

// SAFETY: the pointers lead to mappings that are this value's own and do not belong to a thread;
// the kernel's side keeps to atomics. There are no shared references to the rings' entries.
unsafe impl Send for Frames {}

impl Frames {
    /// Registers `count` frames, a power of two, with an AF_XDP socket that is not bound yet, and
    /// gives all of them to the kernel.
    pub(crate) fn new(socket: BorrowedFd<'_>, count: u32) -> Result<Frames, OsError> {
        let length = count as usize * FRAME_BYTES as usize;
        let memory = Mapping::new(None, length, 0)?;
        let registration = XdpUmemReg {
            addr: memory.start.as_ptr() as u64,
            len: length as u64,
            chunk_size: FRAME_BYTES,
            headroom: HEADROOM,
            flags: XdpUmemRegFlags::empty(),
            tx_metadata_len: 0,
        };
        sockopt::set_xdp_umem_reg(socket, registration)?;
        sockopt::set_xdp_umem_fill_ring_size(socket, count)?;
        // Nothing is sent, but the kernel does not bind without a completion ring.
        sockopt::set_xdp_umem_completion_ring_size(socket, 1)?;
        sockopt::set_xdp_rx_ring_size(socket, count)?;
        let offsets = sockopt::xdp_mmap_offsets(socket)?;
        let mut fill = Ring::new(socket, FILL_RING, &offsets.fr, count)?;
        let receive = Ring::new(socket, RX_RING, &offsets.rx, count)?;
        // As many entries as frames: there is always room to give one back.
        (0..u64::from(count)).for_each(|frame| fill.put(frame * u64::from(FRAME_BYTES)));
        Ok(Frames {
            fill,
            receive,
            lent: None,
            memory,
        })
    }

    /// Gives the frame that was lent before back to the kernel, and lends the next one that has
    /// come.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        if let Some(start) = self.lent.take() {
            self.fill.put(start);
        }
        let Descriptor {
            address, length, ..
        } = self.receive.take()?;
        self.lent = Some(address & !u64::from(FRAME_BYTES - 1));
        let (address, length) = (address as usize, length as usize);
        if address
            .checked_add(length)
            .is_none_or(|end| end > self.memory.length)
        {
            // Not seen: a kernel that speaks of memory it was not given. An empty frame is refused.
            return Some(&[]);
        }
        // SAFETY: the offset is inside this one mapping, as was checked.
        let start = unsafe { self.memory.start.add(address) };
        // SAFETY: as many bytes are inside the mapping, as was checked, which lives as long as
        // `self` and was zeroed when it was made. The kernel has handed this frame over, in acquire
        // order, and writes to it only after `put`, which needs `self` mutably, so after this
        // borrow.
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), length) })
    }
}

// ---- the device ----------------------------------------------------------------------------

/// `ETHTOOL_GCHANNELS` of `<linux/ethtool.h>`.
const GET_CHANNELS: u32 = 0x3c;

/// How many queues the device receives on, asked by any internet socket; `None` when it does not
/// tell, as simple devices.
pub(crate) fn receive_queues(socket: BorrowedFd<'_>, interface: &str) -> Option<u32> {
    /// `struct ethtool_channels`.
    #[derive(Default)]
    #[repr(C)]
    struct Channels {
        command: u32,
        most: [u32; 4],
        receive: u32,
        send: u32,
        other: u32,
        combined: u32,
    }
    let mut channels = Channels {
        command: GET_CHANNELS,
        ..Channels::default()
    };
    // SAFETY: `ifreq` is made of integers and pointers, for all of which zero is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = ptr::from_mut(&mut channels).cast();
    // SAFETY: the request names an interface, its name ends with a zero byte, and points to a
    // structure of the layout that the command in it says; both are live and nobody else looks at
    // them during the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &mut request) };
    (result == 0).then_some(channels.receive + channels.combined)
}
