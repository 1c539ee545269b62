//! The subscribing end: a receive thread that makes one stream of lines A and B, a thread that
//! heals gaps over TCP, and strategies that are called with every tick in order, exactly once, or
//! with a notice of what is lost.
//!
//! A strategy is attached inline (the receive thread calls it: the shortest way) or through the
//! queue (its own thread, core and pace). Code that would rather ask than be called takes a
//! [`TickReader`].
//!
//! After its start, the receive thread never allocates, locks, logs or waits for a strategy or for
//! TCP. Latency is counted from the instant at which the publisher's schedule said that a tick
//! leaves.
//!
//! ```
//! use tickcast_net::{Group, Interface, ReceiveConfig};
//! use tickcast_subscriber::{Origin, Start, Strategy, SubscriberBuilder, SubscriberConfig};
//! use tickcast_wire::Tick;
//!
//! /// Counts quotes.
//! struct Quotes(u64);
//!
//! impl Strategy for Quotes {
//!     fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
//!         self.0 += u64::from(tick.as_quote().is_some());
//!     }
//! }
//!
//! # use tickcast_net::SendConfig;
//! # use tickcast_publisher::{FlowControl, InMemory, Publisher, PublisherConfig, Speed};
//! # use tickcast_wire::{Quote, Venue};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let group: Group = "239.192.7.1:14001".parse()?;
//! # let [_, b, c, d] = std::process::id().to_be_bytes();
//! # let group: Group = format!("239.{}.{c}.{d}:14001", 128 + b % 64).parse()?;
//! # let mut publish = PublisherConfig::new(SendConfig::new(group, Interface::loopback()?));
//! # publish.flow_control = Some(FlowControl::default());
//! # publish.speed = Speed::Max;
//! # let quote = Tick::new(Quote::new(1, 2, 3, 4), Venue::SYNTHETIC, 1, 0);
//! # let publisher = Publisher::start(publish, InMemory::new(vec![quote; 1_000]))?;
//! # let recovery_server = publisher.recovery_addr();
//! let mut config = SubscriberConfig::new(ReceiveConfig::new(group, Interface::loopback()?));
//! config.recovery = recovery_server;
//! config.arbiter.start = Start::Seq(1);
//! # config.flow_control = true;
//! let mut builder = SubscriberBuilder::new(config);
//! let quotes = builder.attach_inline(Quotes(0));
//! let subscriber = builder.start()?;
//! while !subscriber.has_ended() {
//!     std::thread::sleep(std::time::Duration::from_millis(1));
//! }
//! let outcome = subscriber.stop().take(&quotes).unwrap();
//! assert_eq!(outcome.strategy.0, 1_000);
//! assert_eq!((outcome.account.delivered, outcome.account.lost), (1_000, 0));
//! # Ok(())
//! # }
//! ```

mod clock;
mod clock_exchange;
mod conflation;
mod connection;
mod error;
mod event;
mod faults;
mod flow;
mod groups;
mod hand_fed;
mod image;
mod inlet;
mod mark;
mod measuring;
mod overflow;
mod pending;
mod reader;
mod receive;
mod recovery;
mod sessions;
mod stats;
mod store_reader;
mod strategy;
mod subscriber;
mod tls;

pub use connection::ConnectionError;
pub use error::StartError;
pub use event::{Conflated, Event, Incomplete, Origin, SessionStart, Stamps};
pub use faults::{FaultCounters, LineFaults};
pub use groups::{GroupsError, InstrumentGroups, MAX_GROUP_SYMBOLS, MAX_GROUPS};
pub use hand_fed::HandFed;
pub use image::{ImageStats, NoImage};
pub use inlet::{ReceiveBy, ReceivedBy};
pub use overflow::{MAX_QUEUE_LINES, OverflowPolicy, ReaderConfig};
pub use reader::TickReader;
pub use stats::{QueueFill, ReceiveBuffers, ReceivedByLine, Stats};
pub use store_reader::{StoreReader, Stored};
pub use strategy::{Account, Outcome, Strategy};
pub use subscriber::{
    Attached, Stopped, Subscriber, SubscriberBuilder, SubscriberConfig, ThreadConfig,
};
pub use tls::{ClientTls, TlsError};

pub use tickcast_protocol::{
    Alarm, ArbiterConfig, Cause, CauseCounts, Checkpoint, Counters, Difference, Line, LineCounters,
    Loss, LossReason, Proof, Provenance, Start, Verdict, Verifier,
};

/// The code in the document stays true.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/subscriber.md")]
struct Document;
