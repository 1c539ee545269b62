//! Publishes ticks: gives each its place and its due time, sends them by multicast on one or two
//! lines, and keeps them for subscribers that missed some.
//!
//! Two threads: `tc-send` sends and never waits for a client, and after its start allocates and
//! locks nothing; `tc-serve` keeps the store and the image and answers subscribers over TCP. This
//! crate never sends anything by UDP to an address that asked for it, and never compares sequence
//! numbers itself: the rules are in `tickcast-protocol`.
//!
//! ```
//! use std::time::Duration;
//! use tickcast_net::{Interface, SendConfig};
//! use tickcast_publisher::{InMemory, Publisher, PublisherConfig, Speed};
//! use tickcast_wire::{Quote, Tick, Venue};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let quote = Quote::new(99_000_000_000, 5, 101_000_000_000, 7);
//! let ticks: Vec<Tick> = (0..1000)
//!     .map(|i| Tick::new(quote, Venue::SYNTHETIC, 1, i))
//!     .collect();
//!
//! let line_a = SendConfig::new("239.192.7.90:40990".parse()?, Interface::loopback()?);
//! let mut config = PublisherConfig::new(line_a);
//! config.speed = Speed::Max;
//! config.linger = Duration::ZERO;
//!
//! let publisher = Publisher::start(config, InMemory::new(ticks))?;
//! println!("recovery at {:?}", publisher.recovery_addr());
//! let summary = publisher.join()?;
//! assert_eq!(summary.published, 1000);
//! # Ok(())
//! # }
//! ```

mod config;
mod counters;
mod flow;
mod handover;
mod lines;
mod publisher;
mod send;
mod server;
mod source;
mod speed;
mod tls;

pub use config::{ClientLimits, PublisherConfig, RecoveryConfig};
pub use counters::{Counter, Counters};
pub use flow::FlowControl;
pub use publisher::{PublishError, Publisher, PublisherHandle, Summary};
pub use server::ServeError;
pub use source::{InMemory, Prefetched, ReaderPanicked, Source, SourceError, Supply};
pub use speed::{MOST_PER_SECOND, MULTIPLIER_RANGE, Speed, SpeedError};
pub use tls::{ServerTls, TlsError};
