//! Multicast sockets, clocks, pinned threads, idle strategies and locked memory for Linux.
//!
//! This crate moves bytes. It knows no tick, no packet and no sequence number, and it never
//! depends on the crates that do. After a socket is open, sending, receiving and reading a clock
//! allocate nothing and never block.
//!
//! ```
//! use std::time::Duration;
//! use tickcast_net::{Group, Interface, MulticastReceiver, MulticastSender};
//! use tickcast_net::{ReceiveConfig, SendConfig, wait};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let group: Group = "239.192.7.99:40999".parse()?;
//! let interface = Interface::loopback()?;
//! let mut receiver = MulticastReceiver::open(&ReceiveConfig::new(group, interface.clone()))?;
//! let sender = MulticastSender::open(&SendConfig::new(group, interface))?;
//!
//! // Three datagrams of at most five bytes each, in one system call.
//! sender.send(b"firstagainend", 5)?;
//!
//! let mut seen = Vec::new();
//! while seen.len() < 3 {
//!     wait(&[&receiver], Some(Duration::from_secs(1)))?;
//!     while let Some(datagrams) = receiver.receive()? {
//!         seen.extend(datagrams.iter().map(<[u8]>::to_vec));
//!     }
//! }
//! assert_eq!(seen, [&b"first"[..], b"again", b"end"]);
//! # Ok(())
//! # }
//! ```

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("tickcast-net is written for 64-bit Linux");

pub mod clock;
mod drops;
mod error;
mod files;
mod group;
mod hiccups;
mod idle;
mod interface;
mod memory;
mod receiver;
mod sender;
mod sys;
#[cfg(feature = "xdp")]
mod sys_xdp;
pub mod thread;
mod xdp;

pub use error::{
    GroupError, InterfaceError, LockError, NetError, OsError, ReceiveError, SendError, ThreadError,
};
pub use files::raise_open_files;
pub use group::Group;
pub use hiccups::{Hiccups, hiccups};
pub use idle::{Idle, IdleParseError, Idler};
pub use interface::Interface;
pub use memory::{lock_limit, lock_memory};
pub use receiver::{
    DEFAULT_RECEIVE_BUFFER, Datagrams, DropMeter, MAX_WAIT, MulticastReceiver, RECEIVE_BYTES,
    ReceiveConfig, wait,
};
pub use sender::{DEFAULT_SEND_BUFFER, MAX_SEGMENTS, MAX_SEND_BYTES, MulticastSender, SendConfig};
pub use xdp::{FrameError, XdpDrops, XdpError, XdpMode, XdpReceiver};

/// A socket buffer size: what was asked for and what the kernel gave, in bytes.
///
/// The kernel doubles what it is asked for, to have room for its own bookkeeping; `got` is halved
/// again, so that the two compare. A datagram takes more room than its bytes (a 128-byte datagram
/// about 800), so a buffer holds fewer of them than a division says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferSize {
    /// The size in the configuration.
    pub asked: usize,
    /// The size the socket has.
    pub got: usize,
}

impl BufferSize {
    /// Whether the kernel gave less than was asked for, because of `net.core.rmem_max` or
    /// `net.core.wmem_max` and a missing CAP_NET_ADMIN.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.got < self.asked
    }
}
