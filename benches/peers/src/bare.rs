//! The floor: one `send` and one `recv` a message on multicast sockets, without control messages.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::{
    Failure, Latency, MESSAGE_BYTES, Progress, Received, encode, on_two_cores, paced, spin,
};

/// Asked for; the kernel gives at most `net.core.rmem_max`.
const BUFFER_BYTES: usize = 4 << 20;

/// One way over bare sockets, both threads spinning.
///
/// # Errors
/// When a socket cannot be opened or fails.
pub fn bare_latency(messages: u64) -> Result<Latency, Failure> {
    let receiver = receiver()?;
    let to = receiver.local_addr()?;
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    SockRef::from(&sender).set_multicast_if_v4(&Ipv4Addr::LOCALHOST)?;
    sender.connect(to)?;
    let send = |_: &Progress| {
        paced(messages, spin, |number, due| {
            sender.send(&encode(number, due))?;
            Ok(())
        })
    };
    let (sent, received) = on_two_cores(send, |progress| {
        let mut received = Received::new()?;
        let mut buffer = [0; MESSAGE_BYTES];
        progress.poll_until_done(|| {
            match receiver.recv(&mut buffer) {
                Ok(length) => received.take(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            Ok(received.count())
        })?;
        Ok(received)
    })?;
    received.finish(sent)
}

/// Bound to a group of this process's own and a free port.
fn receiver() -> Result<UdpSocket, Failure> {
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let group = Ipv4Addr::new(239, high, low, 251);
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    socket.bind(&SocketAddr::from((group, 0)).into())?;
    socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
