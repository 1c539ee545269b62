//! AF_XDP: datagrams taken from the device before the kernel's network stack sees them.
//!
//! The feature `xdp` builds it in. Without it, [`XdpReceiver::open`] says so.

#[cfg(not(feature = "xdp"))]
mod absent;
mod error;
#[cfg(feature = "xdp")]
mod frame;
#[cfg(feature = "xdp")]
mod program;
#[cfg(feature = "xdp")]
mod receiver;

use std::fmt;

#[cfg(not(feature = "xdp"))]
pub use absent::XdpReceiver;
pub use error::{FrameError, XdpError};
#[cfg(feature = "xdp")]
pub use receiver::XdpReceiver;

/// How an [`XdpReceiver`] sits on its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpMode {
    /// Whether the driver itself runs the program; otherwise the kernel does, later and slower
    /// (generic mode), because the driver cannot.
    pub native: bool,
    /// Whether the device writes frames where they are read; otherwise the kernel copies each.
    pub zero_copy: bool,
    /// The queue of the device.
    pub queue: u32,
}

/// `native mode, copied, queue 0`
impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.native { "native" } else { "generic" };
        let copy = if self.zero_copy {
            "zero copy"
        } else {
            "copied"
        };
        write!(f, "{mode} mode, {copy}, queue {}", self.queue)
    }
}

/// What did not come through, since an [`XdpReceiver`] was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpDrops {
    /// Datagrams dropped because no frame was free, or longer than a frame: one of those may be
    /// several that a sender on this host sent in one piece, in generic mode.
    pub no_frame: u64,
    /// Datagrams dropped because the receive ring was full.
    pub ring_full: u64,
    /// How often the kernel looked for a free frame and found none. When frames are copied, each
    /// is one of `no_frame` too; with zero copy the device counts what it then drops.
    pub fill_ring_empty: u64,
    /// Datagrams of the groups that came the kernel's way and were dropped: in fragments, with IP
    /// options, from this host itself, or on another queue.
    pub by_kernel: u64,
}

impl XdpDrops {
    /// All datagrams known to be dropped.
    #[must_use]
    pub fn datagrams(&self) -> u64 {
        self.no_frame + self.ring_full + self.by_kernel
    }
}
