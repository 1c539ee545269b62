//! What stands in for AF_XDP in a build without it.

use std::os::fd::{AsFd, BorrowedFd};

use super::{XdpDrops, XdpError, XdpMode};
use crate::{BufferSize, Datagrams, ReceiveConfig, ReceiveError};

/// An AF_XDP socket, of which there is none: this build is without the feature `xdp`.
#[derive(Debug)]
pub enum XdpReceiver {}

impl XdpReceiver {
    /// Says that there is none.
    ///
    /// # Errors
    /// [`XdpError::NotBuilt`].
    pub fn open(_lines: &[ReceiveConfig], _queue: Option<u32>) -> Result<XdpReceiver, XdpError> {
        Err(XdpError::NotBuilt)
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn receive(&mut self) -> Result<Option<(usize, Datagrams<'_>)>, ReceiveError> {
        match *self {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn drops(&mut self) -> Result<XdpDrops, ReceiveError> {
        match *self {}
    }

    /// Never called.
    #[must_use]
    pub fn mode(&self) -> XdpMode {
        match *self {}
    }

    /// Never called.
    #[must_use]
    pub fn receive_buffer(&self) -> BufferSize {
        match *self {}
    }
}

impl AsFd for XdpReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }
}
