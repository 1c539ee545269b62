//! A snapshot for tests: a feed that lost something on both lines.

use std::time::{Duration, Instant};

use tickcast_latency::{Histograms, Stage, stages};
use tickcast_subscriber::{Cause, Counters, Proof, Provenance, QueueFill, Stats};
use tickcast_wire::{Definition, Symbol, Tick, Venue};

use super::activity::Activity;
use super::snapshot::Snapshot;
use super::watch::{Seen, Watch, Watched};

/// What a subscriber counted after so many ticks.
pub(super) fn stats(ticks: u64) -> Stats {
    let mut counters = Counters {
        delivered: ticks - 3,
        lost: 3,
        sessions: 1,
        gaps: 2,
        gap_ticks: 45,
        retransmit_requests: 2,
        retransmitted: 42,
        ..Counters::default()
    };
    counters.recovered.add(Cause::BothLines, 42);
    counters.lost_by_cause.add(Cause::SocketOverflow, 3);
    let [a, b] = &mut counters.lines;
    (a.datagrams, a.ticks, a.won) = (ticks / 20, ticks - 100, ticks * 3 / 4);
    (b.datagrams, b.ticks, b.won) = (ticks / 20, ticks - 4_000, ticks / 4);
    (a.duplicates, b.duplicates) = (a.ticks - a.won, b.ticks - b.won);
    (a.later_packets, a.later_ns) = (ticks / 100, ticks * 17);
    (b.later_packets, b.later_ns) = (ticks / 40, ticks * 60);
    (b.foreign, b.damaged) = (5, 2);
    Stats {
        counters,
        session: 1_790_000_000_123_456_789,
        next_seq: ticks + 1,
        held: 12,
        open_gaps: 1,
        kernel_dropped: [0, 190],
        recovery_connects: 1,
        ..Stats::default()
    }
}

/// The stages that are measured without being asked for.
pub(super) const STAGES: [Stage; 8] = [
    Stage::Publish,
    Stage::Network,
    Stage::Kernel,
    Stage::Handle,
    Stage::Queue,
    Stage::Service,
    Stage::Total,
    Stage::Heal,
];

/// Latency of so many ticks, and of two gaps.
pub(super) fn latency(ticks: u64) -> Histograms {
    let (mut recorder, mut reporter) = stages(&STAGES);
    for (at, stage) in STAGES.into_iter().enumerate() {
        let samples = if stage == Stage::Heal { 2 } else { ticks };
        // Everything came by line A, but what was healed.
        let provenance = stage.provenances()[0];
        for sample in 0..samples {
            let ns = 100 * (at as u64 + 1) * (1 + sample % 97) + sample * sample % 10_007;
            recorder.record((stage, provenance), 0, ns, 1);
        }
    }
    drop(recorder);
    let mut histograms = Histograms::new(&STAGES);
    reporter.collect(&mut histograms);
    histograms
}

/// It looks the same every time.
pub(super) fn snapshot() -> Snapshot {
    let watched = Watched {
        line_b: true,
        recovery: true,
        proof: true,
    };
    let (started, activity) = (Instant::now(), Activity::default());
    let mut watch = Watch::start(watched, started);
    let (interval, since) = (latency(500), latency(50_000));
    let mut look = |ticks, seconds| {
        let seen = Seen {
            stats: stats(ticks),
            queues: vec![queue("tc-strategy", 812), queue("tc-record", 0)],
            now: &interval,
            since: &since,
        };
        watch.look(seen, &activity, started + Duration::from_secs(seconds))
    };
    look(1_214_567, 82);
    for (instrument, name) in [(7, "AAPL"), (8, "MSFT"), (9, "ZVZZT")] {
        let definition = Definition::new(Symbol::new(name.as_bytes()), 1, 1);
        let tick = Tick::new(definition, Venue::NONE, instrument, 0);
        for _ in 0..100 * instrument {
            activity.take(&[tick], Provenance::A);
        }
    }
    activity.prove(Proof {
        checked: 812,
        from_seq: Some(1),
        proven_to: 1_200_000,
        ..Proof::default()
    });
    look(1_234_567, 83)
}

fn queue(reader: &str, waiting: u64) -> QueueFill {
    QueueFill {
        reader: reader.to_owned(),
        waiting,
        capacity: 65_472,
    }
}
