//! Why a subscriber cannot start.

use std::io;
use std::net::SocketAddr;

use tickcast_net::{NetError, ThreadError};
use tickcast_wire::ReplyStatus;

/// Why a subscriber cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A line cannot be opened.
    #[error("cannot listen to a line: {0}")]
    Line(#[from] NetError),
    /// A thread cannot be started or pinned.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] ThreadError),
    /// The publisher cannot be reached for flow control.
    #[error("cannot join flow control at {server}: {source}; is the publisher running there?")]
    FlowControl {
        /// The publisher's recovery address.
        server: SocketAddr,
        /// What went wrong.
        source: io::Error,
    },
    /// The publisher does not want to be held up.
    #[error(
        "{server} refuses flow control ({status:?}): start the publisher with flow control, or \
         subscribe without"
    )]
    FlowControlRefused {
        /// The publisher's recovery address.
        server: SocketAddr,
        /// What it said.
        status: ReplyStatus,
    },
    /// Flow control goes over the recovery channel, and there is none.
    #[error("flow control needs the address of the publisher's recovery server")]
    FlowControlWithoutRecovery,
}
