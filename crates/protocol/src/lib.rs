//! The rules of both ends of the feed, without sockets, clocks or threads: what the publisher
//! sends, keeps and answers, and how a subscriber makes one stream of what arrives.
//!
//! The promise to whoever reads the stream: every tick in order, exactly once, byte for byte as
//! published, or an explicit notice naming the lost sequence numbers.
//!
//! This crate never reads a clock (`now` is an argument, ns), opens a socket, starts a thread,
//! draws a random number or uses `unsafe`, and its memory is bounded from the start.
//!
//! ```
//! use tickcast_protocol::{Alarm, Arbiter, ArbiterConfig, Line, Loss, Provenance, Sink, Start};
//! use tickcast_wire::{Clear, TickSum, PacketHeader, PreviousSession, Tick, Venue};
//! use zerocopy::IntoBytes;
//!
//! struct Print;
//! impl Sink for Print {
//!     fn session(&mut self, session: u64, first_seq: u64, _: Option<PreviousSession>) {
//!         println!("session {session} from seq {first_seq}");
//!     }
//!     fn ticks(&mut self, ticks: &[Tick], from: Provenance, _held: bool) {
//!         println!("{} ticks from {from:?}", ticks.len());
//!     }
//!     fn lost(&mut self, loss: &Loss) {
//!         println!("lost: {loss:?}");
//!     }
//!     fn snapshot(&mut self, as_of: u64) {
//!         println!("state as of seq {as_of}");
//!     }
//!     fn end_of_session(&mut self, _session: u64, last_seq: u64) {
//!         println!("ended at seq {last_seq}");
//!     }
//!     fn alarm(&mut self, alarm: Alarm) {
//!         println!("{alarm:?}");
//!     }
//! }
//!
//! let mut arbiter = Arbiter::new(ArbiterConfig { start: Start::Seq(1), ..Default::default() });
//! let tick = Tick::new(Clear::default(), Venue::NONE, 1, 0).with_seq(1);
//! let header = PacketHeader::data(7, 0, 1, 1).with_ts_sent(8);
//! let checksum = header.checksum(TickSum::of(&[tick]));
//! let packet = [header.as_bytes(), tick.as_bytes(), &checksum].concat();
//!
//! arbiter.handle_datagram(Line::A, &packet, 0, &mut Print);
//! arbiter.handle_datagram(Line::B, &packet, 900, &mut Print);
//! assert_eq!(arbiter.counters().delivered, 1);
//! assert_eq!(arbiter.counters().lines[1].duplicates, 1);
//! ```

#[macro_use]
mod planted;

mod arbiter;

mod heartbeat;
mod image;
mod responder;
mod sequencer;
mod store;
mod verifier;

pub use arbiter::{
    Alarm, Arbiter, ArbiterConfig, Cause, CauseCounts, Checkpoint, Counters, Line, LineCounters,
    Loss, LossReason, Provenance, Recovered, Sink, Start,
};
pub use heartbeat::{FIRST_HEARTBEAT_NS, Heartbeat, LONGEST_HEARTBEAT_NS};
pub use image::{DEFAULT_MAX_INSTRUMENTS, Image};
#[cfg(feature = "planted")]
pub use planted::{Fault, plant};
pub use responder::{Responder, ResponderLimits, Response, Snapshot};
pub use sequencer::{Batch, PACKET_BYTES, PACKETS_PER_BATCH, Sequencer, TICKS_PER_BATCH};
pub use store::{DEFAULT_STORE_TICKS, NotContiguous, RangeError, Store};
pub use verifier::{Difference, Proof, Verdict, Verifier};
