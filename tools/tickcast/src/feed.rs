//! What `publish`, `subscribe` and `demo` share on the command line: lines, threads, values.

use std::fmt;
use std::ops::RangeBounds;
use std::str::FromStr;

use anyhow::{Context, bail};
use bytesize::ByteSize;
use clap::Args;
use clap::builder::{RangedI64ValueParser, RangedU64ValueParser};
use clap::error::ErrorKind;
use tickcast_net::thread::available_cores;
use tickcast_net::{Group, Idle, Interface};
use tickcast_subscriber::{OverflowPolicy, ReaderConfig};

/// Where the recovery server of a publisher is by default.
pub const RECOVERY_ADDRESS: &str = "127.0.0.1:14000";

/// Group and port of lines A and B by default.
pub const LINE_A: &str = "239.192.7.1:14001";
/// See [`LINE_A`].
pub const LINE_B: &str = "239.192.7.2:14002";

/// A share, written `5%` or `0.05`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |n| (n, 100.0));
        match number.trim().parse::<f64>() {
            Ok(number) if (0.0..=unit).contains(&number) => Ok(Share(number / unit)),
            _ => Err("expected a share from 0% to 100%, as in 5% or 0.05".into()),
        }
    }
}

/// Line B: a group, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineB {
    /// There is no line B.
    None,
    /// This group.
    Group(Group),
}

impl LineB {
    /// The group, if there is one.
    pub const fn group(self) -> Option<Group> {
        match self {
            LineB::None => None,
            LineB::Group(group) => Some(group),
        }
    }
}

impl FromStr for LineB {
    type Err = String;

    fn from_str(text: &str) -> Result<LineB, String> {
        if text == "none" {
            return Ok(LineB::None);
        }
        text.parse()
            .map(LineB::Group)
            .map_err(|error| format!("{error}; or write none"))
    }
}

/// Lines A and B.
#[derive(Debug, Args)]
pub struct LineArgs {
    /// Group and port of line A, as 239.192.7.1:14001 or `[ff15::7:1]:14001`.
    #[arg(
        long,
        help_heading = "Lines",
        value_name = "GROUP:PORT",
        default_value = LINE_A
    )]
    pub line_a: Group,

    /// Group and port of line B, which carries the same packets; or none.
    #[arg(
        long,
        help_heading = "Lines",
        value_name = "GROUP:PORT|none",
        default_value = LINE_B
    )]
    pub line_b: LineB,

    /// Interface by name or address; the loopback interface by default, so that nothing leaves
    /// this host unless you say so.
    #[arg(long, help_heading = "Lines", value_name = "NAME")]
    pub interface: Option<String>,

    /// Interface of line B, if it is another one.
    #[arg(long, help_heading = "Lines", value_name = "NAME")]
    pub interface_b: Option<String>,

    /// The channel in every packet; packets of others are counted and dropped.
    #[arg(
        long,
        help_heading = "Lines",
        value_name = "N",
        allow_hyphen_values = true,
        default_value_t = 0
    )]
    pub channel: u16,
}

impl LineArgs {
    /// The interfaces of lines A and B.
    ///
    /// # Errors
    /// When there is no such interface (the message lists those there are), or both lines are one.
    pub fn interfaces(&self) -> anyhow::Result<(Interface, Interface)> {
        let a = interface(self.interface.as_deref())?;
        let b = match &self.interface_b {
            Some(name) => Interface::find(name).context("--interface-b")?,
            None => a.clone(),
        };
        if self.line_b.group() == Some(self.line_a) && a == b {
            bail!(
                "lines A and B are both {} on {}: give --line-b another group or port, or none",
                self.line_a,
                a.name()
            );
        }
        Ok((a, b))
    }
}

/// The interface of this name or address; by default the loopback interface.
///
/// # Errors
/// When there is no such interface.
pub fn interface(name: Option<&str>) -> anyhow::Result<Interface> {
    match name {
        Some(name) => Interface::find(name).context("--interface"),
        None => Interface::loopback()
            .context("loopback is not up: `ip link set lo up`, or choose an --interface"),
    }
}

/// Where the send loop runs.
#[derive(Debug, Args)]
pub struct SendThreadArgs {
    /// Core of the send loop.
    #[arg(
        long,
        value_name = "CORE",
        allow_hyphen_values = true,
        help_heading = "Threads"
    )]
    pub send_core: Option<usize>,

    /// Real-time priority of the send loop, from 1 to 99: nothing else runs on its core while
    /// it wants to. Needs CAP_SYS_NICE or a limit that permits it.
    #[arg(
        long,
        value_name = "PRIORITY",
        allow_hyphen_values = true,
        value_parser = priority(),
        help_heading = "Threads"
    )]
    pub send_priority: Option<u8>,
}

/// Where the receive thread runs.
#[derive(Debug, Args)]
pub struct ReceiveThreadArgs {
    /// Core of the receive thread.
    #[arg(
        long,
        value_name = "CORE",
        allow_hyphen_values = true,
        help_heading = "Threads"
    )]
    pub receive_core: Option<usize>,

    /// Real-time priority of the receive thread, from 1 to 99: nothing else runs on its core while
    /// it wants to. Needs CAP_SYS_NICE or a limit that permits it.
    #[arg(
        long,
        value_name = "PRIORITY",
        allow_hyphen_values = true,
        value_parser = priority(),
        help_heading = "Threads"
    )]
    pub receive_priority: Option<u8>,
}

/// How threads wait, and whether they may ever have to wait for memory.
#[derive(Debug, Args)]
pub struct ThreadArgs {
    /// How busy threads wait: spin (fastest, a core each), yield (spins, but lets others run) or
    /// park (sleeps). By default spin if this machine has cores to spare, otherwise yield.
    #[arg(long, help_heading = "Threads", value_name = "HOW")]
    pub idle: Option<Idle>,

    /// Keep all memory of this process in place, so that nothing ever waits for a page.
    #[arg(long, help_heading = "Threads")]
    pub lock_memory: bool,
}

impl ThreadArgs {
    /// The strategy for a process with so many busy threads.
    pub fn idle(&self, busy_threads: usize) -> Idle {
        let cores = available_cores().len();
        self.idle
            .unwrap_or_else(|| Idle::default_for(cores, busy_threads))
    }
}

/// An overflow policy, written `drop-oldest`, `lossless=N` or `latest=N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow(pub OverflowPolicy);

impl FromStr for Overflow {
    type Err = String;

    fn from_str(text: &str) -> Result<Overflow, String> {
        let number = |text: &str| text.parse().ok();
        let policy = match text.split_once('=') {
            None if text == "drop-oldest" => Some(OverflowPolicy::DropOldest),
            Some(("lossless", n)) => number(n).map(|ticks| OverflowPolicy::Lossless { ticks }),
            Some(("latest", n)) => number(n).map(|behind| OverflowPolicy::Latest { behind }),
            _ => None,
        };
        let expected = "expected drop-oldest, lossless=TICKS or latest=TICKS, as in latest=1000";
        policy.map(Overflow).ok_or_else(|| expected.into())
    }
}

/// What becomes of a strategy that does not keep up.
#[derive(Debug, Args)]
pub struct OverflowArgs {
    /// What a strategy is given that does not keep up: drop-oldest, what is left when the queue
    /// runs over; lossless=TICKS, everything until so many wait; latest=TICKS, when more wait only
    /// the latest of each instrument.
    #[arg(
        long,
        help_heading = "Threads",
        value_name = "POLICY",
        default_value = "drop-oldest",
        conflicts_with = "inline"
    )]
    pub overflow: Overflow,

    /// Give a strategy for which the queue ran over the state after what is lost, from an image
    /// that is kept here; with latest this is always so.
    #[arg(long, help_heading = "Threads", conflicts_with = "inline")]
    pub refill: bool,
}

impl OverflowArgs {
    /// How a strategy is treated.
    pub const fn reader(&self) -> ReaderConfig {
        ReaderConfig {
            overflow: self.overflow.0,
            refill: self.refill,
        }
    }
}

/// Parses a real-time priority.
pub fn priority() -> RangedI64ValueParser<u8> {
    RangedI64ValueParser::new().range(1..=99)
}

/// Says that the command line of a command makes no sense.
pub fn conflict<A: Args>(command: &'static str, why: impl fmt::Display) -> clap::Error {
    let mut command = A::augment_args(clap::Command::new(command));
    command.error(ErrorKind::ArgumentConflict, why)
}

/// Parses a number in this range.
pub fn number(range: impl RangeBounds<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(range)
}

/// A size of at least one byte, written `8MiB` or `8388608`.
pub fn bytes(text: &str) -> Result<usize, String> {
    match text.parse().map(|ByteSize(bytes)| usize::try_from(bytes)) {
        Ok(Ok(bytes)) if bytes > 0 => Ok(bytes),
        Ok(Err(_)) => Err("the size is too large for this machine".into()),
        _ => Err("expected a size of at least 1 byte, as in 8MiB or 65536".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_per_cent_or_fractions() {
        assert_eq!("5%".parse(), Ok(Share(0.05)));
        assert_eq!("0.05".parse(), Ok(Share(0.05)));
        assert_eq!("100%".parse(), Ok(Share(1.0)));
        for wrong in ["", "-1%", "101%", "1.5", "x", "NaN"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn policies_name_their_number() {
        let overflow = |text: &str| text.parse::<Overflow>().map(|Overflow(policy)| policy);
        assert_eq!(overflow("drop-oldest"), Ok(OverflowPolicy::DropOldest));
        let lossless = OverflowPolicy::Lossless { ticks: 5 };
        assert_eq!(overflow("lossless=5"), Ok(lossless));
        assert_eq!(
            overflow("latest=0"),
            Ok(OverflowPolicy::Latest { behind: 0 })
        );
        for wrong in [
            "",
            "latest",
            "latest=",
            "latest=-1",
            "lossless=x",
            "drop-oldest=1",
        ] {
            assert!(overflow(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn line_b_may_be_none() {
        assert_eq!("none".parse(), Ok(LineB::None));
        assert!("239.1.2.3:4".parse::<LineB>().is_ok());
        assert!("10.1.2.3:4".parse::<LineB>().is_err());
    }
}
