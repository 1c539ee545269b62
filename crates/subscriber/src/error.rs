//! Why a subscriber cannot start.

use std::io;
use std::net::SocketAddr;

use tickcast_net::{NetError, ThreadError, XdpError};
use tickcast_wire::ReplyStatus;

use crate::connection::reason;

/// Why a subscriber cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A line cannot be opened.
    #[error("cannot listen to a line: {0}")]
    Line(#[from] NetError),
    /// A line cannot be opened by AF_XDP, and that was insisted on.
    #[error("no AF_XDP: {0}")]
    Xdp(#[from] XdpError),
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
    #[error("the publisher at {server} refuses flow control: {}", reason(*status))]
    FlowControlRefused {
        /// The publisher's recovery address.
        server: SocketAddr,
        /// What it said.
        status: ReplyStatus,
    },
    /// The queue would be longer than it may be.
    #[error(
        "the queue would need {wanted} lines, at most {most} are allowed; configure fewer, or let a \
         reader fall behind less far before its overflow policy applies"
    )]
    QueueTooLong {
        /// The lines wanted.
        wanted: u64,
        /// The most there may be.
        most: usize,
    },
    /// Flow control goes over the recovery channel, and there is none.
    #[error("flow control needs the address of the publisher's recovery server")]
    FlowControlWithoutRecovery,
    /// The publisher's clock is asked for over the recovery channel, and there is none.
    #[error("the publisher's clock can only be asked for at its recovery server; give its address")]
    ClocksWithoutRecovery,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_in_plain_words() {
        let server = SocketAddr::from(([127, 0, 0, 1], 14_000));
        for (status, words) in [
            (ReplyStatus::FlowControlOff, "it was started without"),
            (ReplyStatus::Busy, "too many clients"),
            (ReplyStatus::Malformed, "same version"),
            (ReplyStatus::Denied, "its token"),
            (ReplyStatus::TlsRequired, "TLS only"),
        ] {
            let said = StartError::FlowControlRefused { server, status }.to_string();
            assert!(
                said.starts_with("the publisher at 127.0.0.1:14000 refuses"),
                "{said}"
            );
            assert!(said.contains(words), "{said}");
            assert!(!said.contains(&format!("{status:?}")), "{said}");
        }
    }
}
