//! What the arbiter counts.

use tickcast_wire::PacketError;

use super::CauseCounts;

/// What happened on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineCounters {
    /// Datagrams received, of any kind and worth.
    pub datagrams: u64,
    /// Heartbeats and ends of session of the current session.
    pub heartbeats: u64,
    /// Ticks in valid data packets of the current session.
    pub ticks: u64,
    /// Ticks that arrived here first.
    pub won: u64,
    /// Ticks that had arrived before, or were lost by notice before they arrived.
    pub duplicates: u64,
    /// Ticks that arrived before one they follow, and were held.
    pub held: u64,
    /// Ticks too far ahead for the hold window: left out now, recovered later.
    pub overflow: u64,
    /// Packets whose seqs had been seen with other bytes: an alarm each, never a delivery.
    pub differing: u64,
    /// Packets seen on the other line before: how many, and by how much they came later.
    pub later_packets: u64,
    /// Sum of the delays of [`LineCounters::later_packets`], ns.
    pub later_ns: u64,
    /// Datagrams shorter than a header.
    pub truncated: u64,
    /// Datagrams of another application.
    pub foreign: u64,
    /// Packets of a later version of the layout.
    pub newer_version: u64,
    /// Packets of a kind this version does not know.
    pub unknown_kind: u64,
    /// Packets whose count does not agree with their length.
    pub wrong_length: u64,
    /// Packets whose checksum does not fit: damaged on the way.
    pub damaged: u64,
    /// Packets whose seqs are zero or past the largest number.
    pub seq_out_of_range: u64,
    /// Packets whose ticks do not carry the seqs that the header names.
    pub wrong_tick_seq: u64,
    /// Packets of another channel.
    pub other_channel: u64,
    /// Packets of a session that is over.
    pub stale_session: u64,
    /// Packets of a session that claims to start after it was sent.
    pub future_session: u64,
    /// Packets so far ahead that a second one had to confirm them first.
    pub unconfirmed: u64,
    /// How often the line fell silent.
    pub downs: u64,
}

impl LineCounters {
    pub(super) fn refuse(&mut self, error: PacketError) {
        let counter = match error {
            PacketError::Truncated { .. } => &mut self.truncated,
            PacketError::Foreign { .. } => &mut self.foreign,
            PacketError::NewerVersion { .. } => &mut self.newer_version,
            PacketError::UnknownKind { .. } => &mut self.unknown_kind,
            PacketError::WrongLength { .. } => &mut self.wrong_length,
            PacketError::Damaged => &mut self.damaged,
            PacketError::SeqOutOfRange { .. } => &mut self.seq_out_of_range,
            PacketError::WrongTickSeq { .. } => &mut self.wrong_tick_seq,
        };
        *counter += 1;
    }

    /// Datagrams that were not a packet of this stream.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.truncated
            + self.foreign
            + self.newer_version
            + self.unknown_kind
            + self.wrong_length
            + self.damaged
            + self.seq_out_of_range
            + self.wrong_tick_seq
            + self.other_channel
            + self.stale_session
            + self.future_session
    }
}

/// What the arbiter did, over all sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Lines A and B.
    pub lines: [LineCounters; 2],
    /// Ticks delivered, those of snapshots not counted.
    pub delivered: u64,
    /// Ticks lost by notice.
    pub lost: u64,
    /// Notices of loss.
    pub losses: u64,
    /// [`Counters::lost`] by where the ticks went missing.
    pub lost_by_cause: CauseCounts,
    /// Sessions seen.
    pub sessions: u64,
    /// Gaps that no line was expected to fill any more.
    pub gaps: u64,
    /// Ticks missing in those gaps when they were declared.
    pub gap_ticks: u64,
    /// Retransmit requests made.
    pub retransmit_requests: u64,
    /// Ticks that came by retransmit and were new.
    pub retransmitted: u64,
    /// [`Counters::retransmitted`] by where the ticks went missing.
    pub recovered: CauseCounts,
    /// Ticks that came by retransmit and had arrived meanwhile, or before and lay between gaps that
    /// were asked for together.
    pub retransmit_duplicates: u64,
    /// Snapshot requests made.
    pub snapshot_requests: u64,
    /// Snapshots delivered.
    pub snapshots: u64,
    /// Ticks of snapshots delivered: state, not part of the stream.
    pub snapshot_ticks: u64,
    /// Requests that the server refused: too old, not yet, busy and so on.
    pub recovery_refusals: u64,
    /// Requests that failed: no connection, broken off, timed out, not an answer.
    pub recovery_failures: u64,
    /// Replies that were not what was asked for.
    pub recovery_lies: u64,
    /// Longest time from seeing a gap to closing it, ns.
    pub heal_ns_max: u64,
}
