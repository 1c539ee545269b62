//! The subscribing end alone: the publisher is on another host.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::{Args, Error};
use tickcast_latency::StallBoard;
use tickcast_net::{Group, ReceiveConfig};
use tickcast_subscriber::{InstrumentGroups, SubscriberConfig, ThreadConfig};

use super::LatencyArgs;
use super::load::LoadArgs;
use super::turn::Ends;
use crate::feed::{LINE_A, LINE_B, LineB, conflict, interface};
use crate::live::{Activity, Watched};
use crate::security::ClientArgs;

/// Where the feed comes from.
#[derive(Debug, Args)]
pub(super) struct RemoteArgs {
    /// Only subscribe: `tickcast publish` on another host, or in another process, has the schedule.
    #[arg(long, help_heading = "Two hosts", conflicts_with_all = ["file", "rate", "send_core", "send_priority"])]
    pub(super) subscribe: bool,

    /// Group and port of line A.
    #[arg(
        long,
        help_heading = "Two hosts",
        value_name = "GROUP:PORT",
        default_value = LINE_A,
        requires = "subscribe"
    )]
    line_a: Group,

    /// Group and port of line B; or none.
    #[arg(
        long,
        help_heading = "Two hosts",
        value_name = "GROUP:PORT|none",
        default_value = LINE_B,
        requires = "subscribe"
    )]
    line_b: LineB,

    /// The channel in every packet.
    #[arg(
        long,
        help_heading = "Two hosts",
        value_name = "N",
        allow_hyphen_values = true,
        default_value_t = 0,
        requires = "subscribe"
    )]
    channel: u16,

    /// The publisher's recovery server; without one, what both lines lose is lost.
    #[arg(
        long,
        help_heading = "Two hosts",
        value_name = "ADDRESS:PORT",
        requires = "subscribe"
    )]
    recovery: Option<SocketAddr>,

    #[command(flatten)]
    security: ClientArgs,
}

impl fmt::Display for RemoteArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line A {}", self.line_a)?;
        self.line_b
            .group()
            .map_or(Ok(()), |b| write!(f, " and line B {b}"))
    }
}

impl RemoteArgs {
    /// Checks what the parser of one argument cannot.
    ///
    /// # Errors
    /// When TLS is asked for and there is nobody to speak it to.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.security.is_given() && self.recovery.is_none() {
            let why = "--recovery-ca is for a recovery server elsewhere: give its address with \
                       --subscribe --recovery";
            return Err(conflict::<LatencyArgs>("tickcast latency", why));
        }
        Ok(())
    }

    /// What there is to be watched.
    pub(super) fn watched(&self) -> Watched {
        Watched {
            line_b: !self.subscribe || self.line_b.group().is_some(),
            recovery: !self.subscribe || self.recovery.is_some(),
            // A digest of all that comes would be measured, too.
            proof: false,
        }
    }

    /// Lines A and B.
    pub(super) fn lines(&self) -> [Option<Group>; 2] {
        [Some(self.line_a), self.line_b.group()]
    }

    /// Starts the subscribing end, from live on.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn start(
        &self,
        args: &LoadArgs,
        groups: InstrumentGroups,
        activity: Option<Arc<Activity>>,
    ) -> anyhow::Result<Ends> {
        let interface = interface(args.interface.as_deref())?;
        let line = |group| ReceiveConfig::new(group, interface.clone());
        let mut config = SubscriberConfig::new(line(self.line_a));
        config.line_b = self.line_b.group().map(line);
        config.recovery = self.recovery;
        config.clocks = self.recovery.is_some();
        config.recovery_tls = self.security.tls()?;
        config.arbiter.channel = self.channel;
        config.core = args.placement.receive.receive_core;
        config.priority = args.placement.receive.receive_priority;
        config.idle = args.idle();
        config.faults = args.faults.lines();
        config.seed = args.seed;
        config.groups = groups;
        let thread = (!args.inline).then(|| ThreadConfig {
            name: "tc-strategy-1".into(),
            core: args.placement.strategy_core,
            priority: args.placement.strategy_priority,
            idle: args.idle(),
            measured: true,
        });
        let ends = Ends::start(config, thread, activity, StallBoard::new(), None)?;
        args.lock_memory()?;
        Ok(ends)
    }
}
