//! The floor: multicast with bare system calls, one `send` and one `recv`, without control messages
//! and stamps.

// Segmentation and joining are socket options that no safe crate offers.
#![allow(unsafe_code)]

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use hdrhistogram::Histogram;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tickcast_net::{RECEIVE_BYTES, clock};
use tickcast_protocol::{PACKET_BYTES, PACKETS_PER_BATCH};
use tickcast_wire::{TICKS_PER_PACKET, Tick};

/// As long as a packet with one tick.
pub const ONE_TICK: usize = PACKET_BYTES - (TICKS_PER_PACKET - 1) * size_of::<Tick>();
/// The receive buffer of a line.
pub const BUFFER_BYTES: usize = 8 << 20;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// How long a receiver waits for stragglers after the last send.
const STRAGGLER_NS: u64 = 20_000_000;

/// A way to send.
pub trait Sending: Sync {
    /// Sends all of `bytes`; what the socket does not take now is lost, and the receiver counts it
    /// as that.
    fn send(&self, bytes: &[u8]);
}

/// A way to receive.
pub trait Receiving: Send {
    /// Shows each datagram of one receive to `each`. Returns whether there was one.
    fn receive(&mut self, each: impl FnMut(&[u8])) -> bool;
}

/// `send` on a connected socket, and nothing else.
#[derive(Debug)]
pub struct BareSender(UdpSocket);

impl BareSender {
    /// A sender to a group on loopback; with `segment`, one send gives datagrams so long.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(group: SocketAddrV4, segment: Option<usize>) -> io::Result<BareSender> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        SockRef::from(&socket).set_multicast_if_v4(&Ipv4Addr::LOCALHOST)?;
        if let Some(segment) = segment {
            set_option(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, segment)?;
        }
        socket.connect(group)?;
        Ok(BareSender(socket))
    }
}

impl Sending for BareSender {
    fn send(&self, bytes: &[u8]) {
        // A refusal is a loss, which the receiver counts.
        let _ = self.0.send(bytes);
    }
}

/// Each line, one after the other.
impl<S: Sending> Sending for Vec<S> {
    fn send(&self, bytes: &[u8]) {
        self.iter().for_each(|line| line.send(bytes));
    }
}

/// `recv` on a socket that does not block, and nothing else.
#[derive(Debug)]
pub struct BareReceiver {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl BareReceiver {
    /// A member of a group on loopback.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(group: SocketAddrV4) -> io::Result<BareReceiver> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(BUFFER_BYTES)?;
        socket.bind(&group.into())?;
        socket.join_multicast_v4(group.ip(), &Ipv4Addr::LOCALHOST)?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from(socket);
        // Beyond the system's limit where that is permitted, as the other ways do.
        let _ = set_option(
            &socket,
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            BUFFER_BYTES,
        );
        set_option(&socket, libc::SOL_UDP, libc::UDP_GRO, 1)?;
        Ok(BareReceiver {
            socket,
            buffer: vec![0; RECEIVE_BYTES],
        })
    }
}

impl Receiving for BareReceiver {
    fn receive(&mut self, each: impl FnMut(&[u8])) -> bool {
        match self.socket.recv(&mut self.buffer) {
            Ok(length) => {
                self.buffer[..length].chunks(PACKET_BYTES).for_each(each);
                true
            }
            Err(error) => {
                debug_assert!(error.kind() == io::ErrorKind::WouldBlock, "{error}");
                false
            }
        }
    }
}

/// Each line, one after the other.
impl<R: Receiving> Receiving for Vec<R> {
    fn receive(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        let mut any = false;
        for line in self {
            any |= line.receive(&mut each);
        }
        any
    }
}

fn set_option(socket: &UdpSocket, level: i32, option: i32, value: usize) -> io::Result<()> {
    let value = i32::try_from(value).map_err(io::Error::other)?;
    // SAFETY: `value` is a live local of the length stated, which the kernel only reads, and the
    // socket is open.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(&value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sends datagrams of [`ONE_TICK`] bytes at a rate, each with the instant at which it was due in its
/// first word; spins in between.
pub fn send_paced(sender: &impl Sending, per_second: u64, samples: u64) {
    let mut datagram = [0_u8; ONE_TICK];
    let start = clock::realtime_ns();
    for sample in 0..samples {
        let due = start + sample * NANOS_PER_SECOND / per_second;
        while clock::realtime_ns() < due {
            std::hint::spin_loop();
        }
        datagram[..8].copy_from_slice(&due.to_le_bytes());
        sender.send(&datagram);
    }
}

/// Receives what [`send_paced`] sends, and records how long after it was due each datagram was there;
/// the second copy of one, on another line, does not count.
///
/// # Panics
/// Never: the bounds of the histogram are sound.
#[must_use]
pub fn receive_paced(
    receiver: &mut impl Receiving,
    is_all_sent: impl FnMut() -> bool,
) -> Histogram<u64> {
    let mut latencies =
        Histogram::new_with_bounds(1, 10 * NANOS_PER_SECOND, 3).expect("sound bounds");
    let mut latest = 0;
    receive_until_quiet(receiver, is_all_sent, |bytes| {
        let (received_at, due) = (clock::realtime_ns(), first_word(bytes));
        if due > latest {
            latest = due;
            latencies.saturating_record(received_at.saturating_sub(due));
        }
    });
    latencies
}

/// Spins on the receiver until all is sent and nothing has come for a while.
pub fn receive_until_quiet(
    receiver: &mut impl Receiving,
    mut is_all_sent: impl FnMut() -> bool,
    mut each: impl FnMut(&[u8]),
) {
    let mut quiet_since = None;
    loop {
        if receiver.receive(&mut each) {
            quiet_since = None;
        } else if is_all_sent() {
            let now = clock::monotonic_ns();
            if now - *quiet_since.get_or_insert(now) > STRAGGLER_NS {
                return;
            }
        }
    }
}

/// Sends full packets, as many at once as the kernel takes, for a time; how many.
pub fn send_flat_out(sender: &impl Sending, duration_ns: u64) -> u64 {
    let packets = vec![1_u8; PACKET_BYTES * PACKETS_PER_BATCH];
    let end = clock::monotonic_ns() + duration_ns;
    let mut count = 0;
    while clock::monotonic_ns() < end {
        sender.send(&packets);
        count += PACKETS_PER_BATCH as u64;
    }
    count
}

/// The first eight bytes as a number; 0 when there are fewer.
#[must_use]
pub fn first_word(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk()
        .map_or(0, |word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_copy_does_not_count() {
        // Of this process alone, at a port that the kernel gives to nobody by itself.
        let [high, low] = (std::process::id() as u16).to_be_bytes();
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 201, high, low), 14_031);
        let mut receivers = vec![BareReceiver::open(group).unwrap()];
        let twice = vec![
            BareSender::open(group, None).unwrap(),
            BareSender::open(group, None).unwrap(),
        ];
        send_paced(&twice, 100_000, 20);
        assert_eq!(receive_paced(&mut receivers, || true).len(), 20);
    }
}
