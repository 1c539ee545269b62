//! Placeholder until its room is built.

mod heartbeat;
mod image;
mod responder;
mod sequencer;
mod store;

pub use heartbeat::{FIRST_HEARTBEAT_NS, Heartbeat, LONGEST_HEARTBEAT_NS};
pub use image::{DEFAULT_MAX_INSTRUMENTS, Image};
pub use responder::{Responder, ResponderLimits, Response, Snapshot};
pub use sequencer::{Batch, PACKET_BYTES, PACKETS_PER_BATCH, Sequencer, TICKS_PER_BATCH};
pub use store::{DEFAULT_STORE_TICKS, NotContiguous, RangeError, Store};
