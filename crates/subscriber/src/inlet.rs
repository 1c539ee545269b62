//! Where datagrams come in: a UDP socket for a line, or an AF_XDP socket for the lines of an
//! interface.

use std::fmt;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use tickcast_net::{
    BufferSize, Datagrams, DropMeter, MulticastReceiver, NetError, ReceiveConfig, ReceiveError,
    XdpError, XdpMode, XdpReceiver,
};

use crate::error::StartError;

/// By which way datagrams are to come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReceiveBy {
    /// UDP sockets.
    #[default]
    Udp,
    /// AF_XDP, past the kernel's network stack.
    Xdp {
        /// The queue of the device on which the lines arrive; needed if it has more than one.
        queue: Option<u32>,
        /// Whether not to start when it cannot be had; otherwise UDP takes its place.
        insist: bool,
    },
}

/// By which way the datagrams of a line come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceivedBy {
    /// A UDP socket, as was asked for.
    Udp,
    /// A UDP socket, because AF_XDP cannot be had.
    UdpForWantOfXdp(XdpError),
    /// AF_XDP.
    Xdp(XdpMode),
}

/// `UDP`, or `AF_XDP (native mode, copied, queue 0)`.
impl fmt::Display for ReceivedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceivedBy::Udp => f.write_str("UDP"),
            ReceivedBy::UdpForWantOfXdp(_) => f.write_str("UDP in place of AF_XDP"),
            ReceivedBy::Xdp(mode) => write!(f, "AF_XDP ({mode})"),
        }
    }
}

/// One socket, and the lines that come in by it.
pub(crate) struct Inlet {
    socket: Socket,
    /// Its lines, by their index among all.
    pub(crate) lines: Range<usize>,
    pub(crate) received_by: ReceivedBy,
    /// What had been dropped before the last datagrams.
    pub(crate) dropped: u64,
}

enum Socket {
    Udp(Box<MulticastReceiver>),
    Xdp(Box<XdpReceiver>),
}

impl Inlet {
    /// Takes what waits, with the index of its line among all, or `None` when nothing does.
    #[inline]
    pub(crate) fn receive(&mut self) -> Result<Option<(usize, Datagrams<'_>)>, ReceiveError> {
        match &mut self.socket {
            Socket::Udp(socket) => {
                let datagrams = socket.receive()?;
                Ok(datagrams.map(|datagrams| (self.lines.start, datagrams)))
            }
            Socket::Xdp(socket) => {
                let datagrams = socket.receive()?;
                Ok(datagrams.map(|(nth, datagrams)| (self.lines.start + nth, datagrams)))
            }
        }
    }

    /// What is known to have been dropped. Of UDP the last datagram told; see
    /// [`Inlet::drop_meter`] for what was dropped after it. AF_XDP has to be asked.
    pub(crate) fn dropped(&mut self) -> u64 {
        match &mut self.socket {
            Socket::Udp(_) => self.dropped,
            Socket::Xdp(socket) => socket.drops().map_or(self.dropped, |it| it.datagrams()),
        }
    }

    /// The kernel's count of drops at a UDP socket, to be asked by another thread.
    pub(crate) fn drop_meter(&self) -> Option<DropMeter> {
        match &self.socket {
            Socket::Udp(socket) => socket.drop_meter().ok(),
            Socket::Xdp(_) => None,
        }
    }

    /// The room for what waits, of all its lines together.
    pub(crate) fn receive_buffer(&self) -> BufferSize {
        match &self.socket {
            Socket::Udp(socket) => socket.receive_buffer(),
            Socket::Xdp(socket) => socket.receive_buffer(),
        }
    }

    fn udp(line: &ReceiveConfig, at: usize, why: ReceivedBy) -> Result<Inlet, NetError> {
        Ok(Inlet {
            socket: Socket::Udp(Box::new(MulticastReceiver::open(line)?)),
            lines: at..at + 1,
            received_by: why,
            dropped: 0,
        })
    }
}

impl AsFd for Inlet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Udp(socket) => socket.as_fd(),
            Socket::Xdp(socket) => socket.as_fd(),
        }
    }
}

/// Opens what the lines come in by.
pub(crate) fn open_inlets(
    lines: &[ReceiveConfig],
    by: ReceiveBy,
) -> Result<Vec<Inlet>, StartError> {
    let mut inlets = Vec::with_capacity(lines.len());
    let mut first = 0;
    for lines in lines.chunk_by(|a, b| a.interface == b.interface) {
        match by {
            ReceiveBy::Udp => open_udp(lines, first, &ReceivedBy::Udp, &mut inlets)?,
            ReceiveBy::Xdp { queue, insist } => match XdpReceiver::open(lines, queue) {
                Ok(socket) => inlets.push(Inlet {
                    lines: first..first + lines.len(),
                    received_by: ReceivedBy::Xdp(socket.mode()),
                    socket: Socket::Xdp(Box::new(socket)),
                    dropped: 0,
                }),
                Err(why) if insist => return Err(why.into()),
                Err(why) => {
                    let why = ReceivedBy::UdpForWantOfXdp(why);
                    open_udp(lines, first, &why, &mut inlets)?;
                }
            },
        }
        first += lines.len();
    }
    Ok(inlets)
}

fn open_udp(
    lines: &[ReceiveConfig],
    first: usize,
    why: &ReceivedBy,
    inlets: &mut Vec<Inlet>,
) -> Result<(), NetError> {
    for (at, line) in lines.iter().enumerate() {
        inlets.push(Inlet::udp(line, first + at, why.clone())?);
    }
    Ok(())
}
