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
//! ```no_run
//! use tickcast_net::{Group, Interface, ReceiveConfig};
//! use tickcast_subscriber::{Origin, Strategy, SubscriberBuilder, SubscriberConfig};
//! use tickcast_wire::Tick;
//!
//! struct Print;
//!
//! impl Strategy for Print {
//!     fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
//!         println!("{tick:?}");
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let group: Group = "239.192.7.1:14001".parse()?;
//! let line_a = ReceiveConfig::new(group, Interface::loopback()?);
//! let mut builder = SubscriberBuilder::new(SubscriberConfig::new(line_a));
//! let print = builder.attach_inline(Print);
//! let subscriber = builder.start()?;
//! while !subscriber.has_ended() {
//!     std::thread::sleep(std::time::Duration::from_millis(10));
//! }
//! let mut stopped = subscriber.stop();
//! let account = stopped.take(&print).map(|outcome| outcome.account);
//! println!("{account:?}");
//! # Ok(())
//! # }
//! ```

mod error;
mod event;
mod faults;
mod flow;
mod mark;
mod reader;
mod receive;
mod recovery;
mod sessions;
mod stats;
mod strategy;
mod subscriber;

pub use error::StartError;
pub use event::{Event, Origin, SessionStart, Stamps};
pub use faults::LineFaults;
pub use reader::TickReader;
pub use stats::{ReceiveBuffers, Stats};
pub use strategy::{Account, Outcome, Strategy};
pub use subscriber::{
    Attached, Stopped, Subscriber, SubscriberBuilder, SubscriberConfig, ThreadConfig,
};
pub use tickcast_protocol::{
    Alarm, ArbiterConfig, Counters, Line, LineCounters, Loss, LossCause, Provenance, Start,
};
