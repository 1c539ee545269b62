//! Layouts of everything that leaves a tickcast process: the 64-byte tick, the 64-byte packet
//! header, and the 64-byte requests and replies of the recovery channel. All little-endian, all
//! with alignment 1, so received bytes are checked once and then borrowed. All but the tick carry a
//! checksum over themselves and the ticks that follow.
//!
//! This crate never allocates, reads a clock, or does input or output, and uses `unsafe` only to call
//! what needs AVX2 where the processor has it.
//!
//! ```
//! use tickcast_wire::{TickSum, Packet, PacketHeader, Quote, Tick, Venue};
//! use zerocopy::IntoBytes;
//!
//! let quote = Quote::new(148_900_000_000, 300, 148_920_000_000, 200);
//! let tick = Tick::new(quote, Venue::IEX, 17, 1_499_697_155_788_781_087).with_seq(1);
//! let header = PacketHeader::data(7, 0, 1, 1);
//! let checksum = header.checksum(TickSum::of(&[tick]));
//!
//! let mut bytes = Vec::from(header.as_bytes());
//! bytes.extend_from_slice(tick.as_bytes());
//! bytes.extend_from_slice(&checksum);
//!
//! let packet = Packet::parse(&bytes).unwrap();
//! assert_eq!(packet.ticks()[0].as_quote().unwrap().bid_size.get(), 300);
//! ```

mod body;
mod checksum;
mod digest;
mod packet;
mod recovery;
mod tick;
mod token;

pub use body::{
    Body, Clear, Definition, NANOS_PER_UNIT, Quote, Side, Status, Symbol, TickBody, Trade,
    TradeBreak, TradingState, UNDEFINED_PRICE,
};
pub use checksum::{Fingerprint, TickSum};
pub use digest::Digest;
pub use packet::{
    CHECKSUM_BYTES, EMPTY_PACKET_BYTES, HEADER_BYTES, MAX_TICKS_PER_PACKET, PACKET_MAGIC,
    PREVIOUS_LAST_SEQ_MAX, Packet, PacketError, PacketHeader, PacketKind, PreviousSession,
    TICKS_PER_PACKET, VERSION, carries_seqs,
};
pub use recovery::{
    BLOCK_MAGIC, BLOCK_ROWS, Block, RECOVERY_MAGIC, Reply, ReplyError, Request, RequestError,
    RequestKind, Status as ReplyStatus,
};
pub use tick::{Flags, Kind, TICK_BYTES, Tick, Venue};
pub use token::{TOKEN_BYTES, Token, TokenError};
