//! By which way datagrams come in: UDP sockets or AF_XDP.

use std::str::FromStr;

use clap::Args;
use serde::Serialize;
use tickcast_net::XdpError;
use tickcast_subscriber::{ReceiveBy, ReceivedBy, ReceivedByLine};

/// By which way the lines are to come in.
#[derive(Debug, Args)]
pub(super) struct WayArgs {
    /// How to take datagrams in: by udp sockets; by xdp (AF_XDP, past the kernel's network stack;
    /// needs root), and where that cannot be had by udp, with a warning; or xdp-only. QUEUE is the
    /// device's queue, if it has several.
    #[arg(
        long,
        value_name = "udp|xdp[=QUEUE]|xdp-only[=QUEUE]",
        default_value = "udp",
        help_heading = "Lines"
    )]
    receive: Way,
}

impl WayArgs {
    /// As the subscriber is configured.
    pub(super) const fn receive_by(&self) -> ReceiveBy {
        self.receive.0
    }
}

#[derive(Debug, Clone, Copy)]
struct Way(ReceiveBy);

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Way, String> {
        let (way, queue) = match text.split_once('=') {
            None => (text, None),
            Some((way, queue)) => {
                let number = queue.parse().map_err(|_| {
                    format!("`{queue}` is not the number of a queue: expected 0, 1, 2, …")
                })?;
                (way, Some(number))
            }
        };
        match (way, queue) {
            ("udp", None) => Ok(Way(ReceiveBy::Udp)),
            ("xdp" | "xdp-only", queue) => Ok(Way(ReceiveBy::Xdp {
                queue,
                insist: way == "xdp-only",
            })),
            _ => Err("expected udp, xdp, xdp=QUEUE, xdp-only or xdp-only=QUEUE".into()),
        }
    }
}

/// By which way a line comes in, for programs.
#[derive(Serialize)]
pub(super) struct Shown {
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of_xdp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xdp: Option<ShownXdp>,
}

#[derive(Serialize)]
struct ShownXdp {
    mode: &'static str,
    zero_copy: bool,
    queue: u32,
}

impl From<&ReceivedBy> for Shown {
    fn from(by: &ReceivedBy) -> Shown {
        let shown = |by, instead_of_xdp, xdp| Shown {
            by,
            instead_of_xdp,
            xdp,
        };
        match by {
            ReceivedBy::Udp => shown("udp", None, None),
            ReceivedBy::UdpForWantOfXdp(why) => shown("udp", Some(why.to_string()), None),
            ReceivedBy::Xdp(mode) => {
                let xdp = ShownXdp {
                    mode: if mode.native { "native" } else { "generic" },
                    zero_copy: mode.zero_copy,
                    queue: mode.queue,
                };
                shown("xdp", None, Some(xdp))
            }
        }
    }
}

/// Says, once for each reason, why lines come in by UDP that were to come in by AF_XDP, and what
/// makes AF_XDP slower than it could be.
pub(super) fn warn(ways: &ReceivedByLine) {
    let whys: Vec<&XdpError> = ways.iter().flatten().filter_map(why).collect();
    for (at, why) in whys.iter().enumerate() {
        if !whys[..at].contains(why) {
            tracing::warn!("no AF_XDP, so UDP sockets take its place: {why}");
        }
    }
    let generic = |by: &ReceivedBy| matches!(by, ReceivedBy::Xdp(mode) if !mode.native);
    if ways.iter().flatten().any(generic) {
        tracing::warn!(
            "AF_XDP in generic mode, as the driver cannot run the program itself; a virtual \
             interface then drops what a sender on this host sends segmented: take --receive udp there"
        );
    }
}

fn why(by: &ReceivedBy) -> Option<&XdpError> {
    match by {
        ReceivedBy::UdpForWantOfXdp(why) => Some(why),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_read() {
        let xdp = |queue, insist| ReceiveBy::Xdp { queue, insist };
        for (text, way) in [
            ("udp", ReceiveBy::Udp),
            ("xdp", xdp(None, false)),
            ("xdp=0", xdp(Some(0), false)),
            ("xdp-only", xdp(None, true)),
            ("xdp-only=7", xdp(Some(7), true)),
        ] {
            assert_eq!(text.parse::<Way>().map(|way| way.0), Ok(way));
        }
        for text in ["", "udp=0", "xdp=", "xdp=-1", "xdp-only=x", "tcp"] {
            let why = text.parse::<Way>().unwrap_err();
            assert!(why.contains("expected"), "{why}");
        }
    }

    #[test]
    fn a_line_is_shown_with_why_it_is_by_udp() {
        let json = |by: &ReceivedBy| serde_json::to_value(Shown::from(by)).unwrap();
        let why = ReceivedBy::UdpForWantOfXdp(XdpError::NotBuilt);
        assert_eq!(json(&ReceivedBy::Udp), serde_json::json!({ "by": "udp" }));
        let instead = json(&why)["instead_of_xdp"].to_string();
        assert!(instead.contains("cargo feature `xdp`"), "{instead}");
    }
}
