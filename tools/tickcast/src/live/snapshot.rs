//! What a running subscriber shows: one value that all views draw.

use serde::{Serialize, Serializer};
use tickcast_latency::{Provenance, Row, Stage};

/// A running subscriber as of an instant. Rates are those of the interval before it; counts are
/// those since the start.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Snapshot {
    /// When it was taken, ns since the Unix epoch; 0 before the first one.
    pub at_ns: u64,
    /// Time since the start, s.
    pub running_s: f64,
    /// The length of the interval, s.
    pub interval_s: f64,
    /// The session followed; 0 before the first packet. As text: it has more digits than the
    /// numbers of a browser.
    #[serde(serialize_with = "as_text")]
    pub session: u64,
    /// Sessions seen.
    pub sessions: u64,
    /// The next seq to be delivered or lost; 0 before the first packet.
    pub next_seq: u64,
    /// The session followed has ended.
    pub ended: bool,
    /// The stream that both lines and recovery give.
    pub stream: Stream,
    /// Line A, and line B if there is one.
    pub lines: Vec<Line>,
    /// Ticks that had to be recovered or were lost, by where they went missing.
    pub causes: Vec<Cause>,
    /// The recovery channel.
    pub recovery: Recovery,
    /// How far what was delivered is known to be as published; none where nobody compares digests.
    pub proof: Option<Proven>,
    /// Latency, a stage each, in the order a tick passes them.
    pub stages: Vec<StageLatency>,
    /// The queue, for each strategy behind it.
    pub queues: Vec<Queue>,
    /// The instruments with the most ticks in the interval, the busiest first.
    pub instruments: Vec<Instrument>,
    /// Instruments that had ticks in the interval.
    pub active_instruments: u64,
}

/// The stream.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stream {
    /// Ticks delivered a second.
    pub ticks_per_s: f64,
    /// Ticks delivered.
    pub delivered: u64,
    /// Ticks lost by notice.
    pub lost: u64,
    /// Ticks that wait for those before them.
    pub held: u64,
    /// Gaps that are open.
    pub open_gaps: u64,
    /// Gaps that both lines lost.
    pub gaps: u64,
    /// Of those, how many recovery closed.
    pub healed_gaps: u64,
}

/// One line.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Line {
    /// `A` or `B`.
    pub name: &'static str,
    /// Nothing came for longer than the longest distance of heartbeats.
    pub silent: bool,
    /// Datagrams a second.
    pub packets_per_s: f64,
    /// Ticks a second.
    pub ticks_per_s: f64,
    /// Bytes of packets of this stream a second, without the network's headers.
    pub bytes_per_s: f64,
    /// Of the ticks of the interval that came by lines, the share that came here first, from 0 to 1.
    pub first_share: Option<f64>,
    /// By how much packets came here before the other line had them, ns: the mean of those of the
    /// interval.
    pub lead_ns: Option<f64>,
    /// Datagrams.
    pub datagrams: u64,
    /// Heartbeats and ends of session.
    pub heartbeats: u64,
    /// Ticks.
    pub ticks: u64,
    /// Ticks that came here first.
    pub first: u64,
    /// Ticks that had come before.
    pub duplicates: u64,
    /// Ticks of the stream since the start that this line has not brought: lost on it, or on
    /// their way.
    pub missing: u64,
    /// The same as a share of the stream, from 0 to 1.
    pub missing_share: Option<f64>,
    /// Ticks that came before one they follow, and were held.
    pub held: u64,
    /// Ticks too far ahead to be held.
    pub overflow: u64,
    /// Packets that came with other bytes than before.
    pub differing: u64,
    /// Packets that the other line had brought before.
    pub later_packets: u64,
    /// The sum of how much later they came, ns.
    pub later_ns: u64,
    /// Datagrams that were no packet of this stream.
    pub refused: u64,
    /// The same by reason.
    pub refused_by: Vec<Refused>,
    /// Datagrams that the kernel dropped because the receive buffer was full.
    pub kernel_dropped: u64,
    /// Receive calls that failed.
    pub receive_errors: u64,
    /// How often the line fell silent.
    pub downs: u64,
}

/// Datagrams that were refused for one reason.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Refused {
    /// The reason.
    pub reason: &'static str,
    /// How many.
    pub datagrams: u64,
}

/// Ticks that went missing for one cause.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cause {
    /// The cause, as in `causes` of `--json`.
    pub cause: &'static str,
    /// Ticks that recovery brought.
    pub recovered: u64,
    /// Ticks lost by notice.
    pub lost: u64,
}

/// The recovery channel.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Recovery {
    /// What it does now.
    pub state: RecoveryState,
    /// Connections made.
    pub connects: u64,
    /// Connections that failed.
    pub connect_failures: u64,
    /// Retransmit requests.
    pub retransmit_requests: u64,
    /// Ticks that came by retransmit and were new.
    pub retransmitted: u64,
    /// Snapshot requests.
    pub snapshot_requests: u64,
    /// Snapshots delivered.
    pub snapshots: u64,
    /// Ticks of snapshots.
    pub snapshot_ticks: u64,
    /// Requests that the server refused.
    pub refusals: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Replies that were not what was asked for.
    pub lies: u64,
}

/// What the recovery channel does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecoveryState {
    /// There is no recovery server.
    #[default]
    None,
    /// Nothing is missing.
    Idle,
    /// A gap is open.
    Healing,
    /// Requests or connections failed in the interval.
    Failing,
}

impl RecoveryState {
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            RecoveryState::None => "none",
            RecoveryState::Idle => "idle",
            RecoveryState::Healing => "healing",
            RecoveryState::Failing => "failing",
        }
    }
}

/// How far what was delivered is known to be as published.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Proven {
    /// Digests of the publisher that agreed.
    pub checked: u64,
    /// The first seq that is compared; `None` after a loss until the next digest.
    pub from_seq: Option<u64>,
    /// The last seq up to which all is as published; `None` with `from_seq`.
    pub to_seq: Option<u64>,
    /// Something is not as published.
    pub differs: bool,
}

/// The latency of one stage.
#[derive(Debug, Clone, Serialize)]
pub struct StageLatency {
    /// The stage.
    #[serde(serialize_with = "as_name")]
    pub stage: Stage,
    /// In the interval.
    pub now: Row,
    /// Since the start.
    pub since: Row,
    /// The samples since the start by what brought the ticks, for histograms.
    #[serde(skip)]
    pub parts: Vec<(Provenance, Spread)>,
}

/// Samples by how long they took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spread {
    /// Samples longer than the bound before and at most as long as this one, a bound of
    /// [`BOUNDS_NS`] each.
    pub counts: [u64; BOUNDS_NS.len()],
    /// All samples, longer ones included.
    pub samples: u64,
    /// Their sum, s.
    pub sum_s: f64,
}

/// 1, 2 and 5 of each power of ten, from 100 ns to 10 s.
pub const BOUNDS_NS: [u64; 25] = bounds();

const fn bounds() -> [u64; 25] {
    let mut bounds = [0; 25];
    let (mut at, mut power) = (0, 100);
    while at < bounds.len() {
        bounds[at] = [1, 2, 5][at % 3] * power;
        if at % 3 == 2 {
            power *= 10;
        }
        at += 1;
    }
    bounds
}

/// The queue to one strategy.
#[derive(Debug, Clone, Serialize)]
pub struct Queue {
    /// The strategy's thread.
    pub reader: String,
    /// Lines of 64 bytes that wait.
    pub waiting: u64,
    /// The most that may wait.
    pub capacity: u64,
    /// The share of it that is filled, from 0 to 1.
    pub fill: f64,
}

/// A busy instrument.
#[derive(Debug, Clone, Serialize)]
pub struct Instrument {
    /// Its symbol, or its number.
    pub name: String,
    /// Ticks a second.
    pub ticks_per_s: f64,
    /// Its share of the ticks of the interval, from 0 to 1.
    pub share: f64,
    /// Ticks.
    pub ticks: u64,
}

fn as_text<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

fn as_name<S: Serializer>(stage: &Stage, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(stage.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_go_from_100_ns_to_10_s() {
        assert_eq!(BOUNDS_NS[..4], [100, 200, 500, 1_000]);
        assert_eq!(BOUNDS_NS[24], 10_000_000_000);
    }
}
