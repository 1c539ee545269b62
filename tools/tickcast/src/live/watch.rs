//! From what a subscriber counted to what it shows: rates, shares, who wins.

use std::time::Instant;

use tickcast_latency::{Histograms, Report, Stage, StageHistogram};
use tickcast_net::clock::realtime_ns;
use tickcast_subscriber::{Counters, LineCounters, QueueFill, Stats};
use tickcast_wire::{EMPTY_PACKET_BYTES, TICK_BYTES};

use super::activity::{Activity, Looker};
use super::snapshot::{
    BOUNDS_NS, Cause, Instrument, Line, Proven, Queue, Recovery, RecoveryState, Refused, Snapshot,
    Spread, StageLatency, Stream,
};
use crate::causes;

/// Time without a datagram after which a line is silent, s: three times the longest distance of
/// heartbeats.
const SILENCE_S: f64 = 3.0;
/// Instruments that are shown.
const INSTRUMENTS: usize = 20;

/// What is set up, and does not change while it runs.
#[derive(Debug, Clone, Copy)]
pub struct Watched {
    /// There is a line B.
    pub line_b: bool,
    /// There is a recovery server.
    pub recovery: bool,
    /// What is delivered is held against the publisher's digests.
    pub proof: bool,
}

/// What a subscriber tells at the end of an interval.
pub struct Seen<'a> {
    /// What it counted.
    pub stats: Stats,
    /// How full the queue is.
    pub queues: Vec<QueueFill>,
    /// Latency in the interval.
    pub now: &'a Histograms,
    /// Latency since the start.
    pub since: &'a Histograms,
}

/// Makes snapshots, each of the time since the last one.
pub(super) struct Watch {
    watched: Watched,
    started: Instant,
    looked: Instant,
    before: Stats,
    /// When each line was heard last.
    heard: [Instant; 2],
    looker: Looker,
}

impl Watch {
    /// Begins now.
    pub(super) fn start(watched: Watched, now: Instant) -> Watch {
        Watch {
            watched,
            started: now,
            looked: now,
            before: Stats::default(),
            heard: [now; 2],
            looker: Looker::default(),
        }
    }

    /// From now on it is another subscriber, whose counts begin with nothing.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.looked = now;
        self.before = Stats::default();
        self.heard = [now; 2];
    }

    /// The interval that ends now.
    pub(super) fn look(&mut self, seen: Seen<'_>, activity: &Activity, now: Instant) -> Snapshot {
        let interval_s = (now - self.looked).as_secs_f64();
        self.looked = now;
        let before = std::mem::replace(&mut self.before, seen.stats);
        let (stats, counters) = (&seen.stats, &seen.stats.counters);
        let delivered = counters.delivered.saturating_sub(before.counters.delivered);
        let (instruments, active_instruments) = self.instruments(activity, interval_s);
        Snapshot {
            at_ns: realtime_ns(),
            running_s: (now - self.started).as_secs_f64(),
            interval_s,
            session: stats.session,
            sessions: counters.sessions,
            next_seq: stats.next_seq,
            ended: stats.ended,
            stream: Stream {
                ticks_per_s: rate(delivered, interval_s),
                delivered: counters.delivered,
                lost: counters.lost,
                held: stats.held,
                open_gaps: stats.open_gaps,
                gaps: counters.gaps,
                healed_gaps: healed_gaps(seen.since),
            },
            lines: self.lines(stats, &before, now, interval_s),
            causes: causes_of(counters),
            recovery: self.recovery(stats, &before),
            proof: self.watched.proof.then(|| self.proof(activity)),
            stages: stages(seen.now, seen.since),
            queues: seen.queues.into_iter().map(queue).collect(),
            instruments,
            active_instruments,
        }
    }

    fn lines(&mut self, stats: &Stats, before: &Stats, now: Instant, interval_s: f64) -> Vec<Line> {
        let all = [("A", 0), ("B", 1)];
        let there = all.into_iter().take(1 + usize::from(self.watched.line_b));
        there
            .map(|(name, at)| {
                let mut line = line(name, at, &stats.counters, &before.counters, interval_s);
                if line.packets_per_s > 0.0 {
                    self.heard[at] = now;
                }
                line.silent = (now - self.heard[at]).as_secs_f64() > SILENCE_S;
                line.kernel_dropped = stats.kernel_dropped[at];
                line.receive_errors = stats.receive_errors[at];
                line
            })
            .collect()
    }

    fn recovery(&self, stats: &Stats, before: &Stats) -> Recovery {
        let counters = &stats.counters;
        let failed = |stats: &Stats| {
            stats.recovery_connect_failures
                + stats.counters.recovery_refusals
                + stats.counters.recovery_failures
                + stats.counters.recovery_lies
        };
        let state = if !self.watched.recovery {
            RecoveryState::None
        } else if failed(stats) > failed(before) {
            RecoveryState::Failing
        } else if stats.open_gaps > 0 {
            RecoveryState::Healing
        } else {
            RecoveryState::Idle
        };
        Recovery {
            state,
            connects: stats.recovery_connects,
            connect_failures: stats.recovery_connect_failures,
            retransmit_requests: counters.retransmit_requests,
            retransmitted: counters.retransmitted,
            snapshot_requests: counters.snapshot_requests,
            snapshots: counters.snapshots,
            snapshot_ticks: counters.snapshot_ticks,
            refusals: counters.recovery_refusals,
            failures: counters.recovery_failures,
            lies: counters.recovery_lies,
        }
    }

    fn proof(&mut self, activity: &Activity) -> Proven {
        let proof = self.looker.proof(activity);
        Proven {
            checked: proof.checked,
            from_seq: proof.from_seq,
            to_seq: proof.from_seq.map(|_| proof.proven_to),
            differs: proof.differs.is_some(),
        }
    }

    fn instruments(&mut self, activity: &Activity, interval_s: f64) -> (Vec<Instrument>, u64) {
        let busiest = self.looker.busiest(activity, INSTRUMENTS);
        let shown = busiest.rows.into_iter().map(|busy| Instrument {
            name: busy.name,
            ticks_per_s: rate(busy.now, interval_s),
            share: share(busy.now, busiest.ticks).unwrap_or_default(),
            ticks: busy.since,
        });
        (shown.collect(), busiest.instruments)
    }
}

/// So many a second.
fn rate(count: u64, interval_s: f64) -> f64 {
    if interval_s > 0.0 {
        count as f64 / interval_s
    } else {
        0.0
    }
}

/// A part of a whole that is not empty.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn line(
    name: &'static str,
    at: usize,
    counters: &Counters,
    before: &Counters,
    interval_s: f64,
) -> Line {
    let (own, other) = (&counters.lines[at], &counters.lines[1 - at]);
    let (own_before, other_before) = (&before.lines[at], &before.lines[1 - at]);
    let since = |field: fn(&LineCounters) -> u64| field(own).saturating_sub(field(own_before));
    let other_since =
        |field: fn(&LineCounters) -> u64| field(other).saturating_sub(field(other_before));
    let first = |line: &LineCounters| line.won;
    let later = other_since(|line| line.later_packets);
    let stream = stream_of_lines(counters);
    let missing = stream.saturating_sub(own.ticks);
    Line {
        name,
        silent: false,
        packets_per_s: rate(since(|line| line.datagrams), interval_s),
        ticks_per_s: rate(since(|line| line.ticks), interval_s),
        bytes_per_s: rate(since(bytes), interval_s),
        first_share: share(since(first), since(first) + other_since(first)),
        lead_ns: (later > 0).then(|| other_since(|line| line.later_ns) as f64 / later as f64),
        datagrams: own.datagrams,
        heartbeats: own.heartbeats,
        ticks: own.ticks,
        first: own.won,
        duplicates: own.duplicates,
        missing,
        missing_share: share(missing, stream),
        held: own.held,
        overflow: own.overflow,
        differing: own.differing,
        later_packets: own.later_packets,
        later_ns: own.later_ns,
        refused: own.refused(),
        refused_by: refused_by(own),
        kernel_dropped: 0,
        receive_errors: 0,
        downs: own.downs,
    }
}

/// Ticks that a line which lost nothing would have brought.
fn stream_of_lines(counters: &Counters) -> u64 {
    let before_join = tickcast_subscriber::Cause::BeforeJoin;
    let not_on_lines =
        counters.recovered.get(before_join) + counters.lost_by_cause.get(before_join);
    (counters.delivered + counters.lost).saturating_sub(not_on_lines)
}

/// Bytes of the packets of this stream.
fn bytes(line: &LineCounters) -> u64 {
    let packets = line.datagrams.saturating_sub(line.refused());
    packets * EMPTY_PACKET_BYTES as u64 + line.ticks * TICK_BYTES as u64
}

fn refused_by(line: &LineCounters) -> Vec<Refused> {
    [
        ("truncated", line.truncated),
        ("foreign", line.foreign),
        ("newer_version", line.newer_version),
        ("unknown_kind", line.unknown_kind),
        ("wrong_length", line.wrong_length),
        ("damaged", line.damaged),
        ("seq_out_of_range", line.seq_out_of_range),
        ("wrong_tick_seq", line.wrong_tick_seq),
        ("other_channel", line.other_channel),
        ("stale_session", line.stale_session),
        ("future_session", line.future_session),
    ]
    .map(|(reason, datagrams)| Refused { reason, datagrams })
    .into()
}

fn causes_of(counters: &Counters) -> Vec<Cause> {
    let both = counters.recovered.iter().zip(counters.lost_by_cause.iter());
    both.map(|((cause, recovered), (_, lost))| Cause {
        cause: causes::code(cause),
        recovered,
        lost,
    })
    .collect()
}

/// A sample of the stage `heal` is a gap that was closed.
fn healed_gaps(since: &Histograms) -> u64 {
    since
        .sum(Stage::Heal)
        .map_or(0, |heal| heal.histogram().len())
}

/// Every stage, but for those that are only measured when they are asked for and were not.
fn stages(now: &Histograms, since: &Histograms) -> Vec<StageLatency> {
    let (now_report, report) = (Report::new(now), Report::new(since));
    let rows = report.stages().iter().filter_map(|(stage, rows)| {
        let asked_for = matches!(stage, Stage::Strategy | Stage::Stalled);
        if asked_for && rows.all.samples == 0 {
            return None;
        }
        let parts = since
            .parts(*stage)
            .filter(|(of, part)| of.is_summed() && !part.is_empty());
        Some(StageLatency {
            stage: *stage,
            now: *now_report.row(*stage)?,
            since: rows.all,
            parts: parts.map(|(of, part)| (of, spread(part))).collect(),
        })
    });
    rows.collect()
}

fn spread(histogram: &StageHistogram) -> Spread {
    let mut spread = Spread::default();
    let histogram = histogram.histogram();
    for step in histogram.iter_recorded() {
        let (ns, count) = (step.value_iterated_to(), step.count_since_last_iteration());
        if let Some(place) = BOUNDS_NS.iter().position(|bound| ns <= *bound) {
            spread.counts[place] += count;
        }
        spread.samples += count;
        spread.sum_s += histogram.median_equivalent(ns) as f64 * 1e-9 * count as f64;
    }
    spread
}

fn queue(fill: QueueFill) -> Queue {
    Queue {
        fill: share(fill.waiting, fill.capacity).unwrap_or_default(),
        reader: fill.reader,
        waiting: fill.waiting,
        capacity: fill.capacity,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::live::sample;

    const WATCHED: Watched = Watched {
        line_b: true,
        recovery: true,
        proof: true,
    };

    fn seen<'a>(stats: Stats, latency: &'a Histograms) -> Seen<'a> {
        Seen {
            stats,
            queues: Vec::new(),
            now: latency,
            since: latency,
        }
    }

    #[test]
    fn rates_are_those_of_the_interval_and_counts_those_since_the_start() {
        let (start, activity, latency) =
            (Instant::now(), Activity::default(), sample::latency(1_000));
        let mut watch = Watch::start(WATCHED, start);
        let second = |number| start + Duration::from_secs(number);
        watch.look(seen(sample::stats(100_000), &latency), &activity, second(1));
        let shown = watch.look(seen(sample::stats(140_000), &latency), &activity, second(3));
        assert_eq!(shown.stream.ticks_per_s, 20_000.0);
        assert_eq!(shown.stream.delivered, 139_997);
        let [a, b] = &shown.lines[..] else {
            panic!("two lines")
        };
        assert_eq!((a.ticks_per_s, a.packets_per_s), (20_000.0, 1_000.0));
        assert_eq!(a.bytes_per_s, 1_000.0 * 72.0 + 20_000.0 * 64.0);
        assert_eq!((a.first_share, b.first_share), (Some(0.75), Some(0.25)));
        // What came later on B came first on A: 1,000 packets by 2,400,000 ns.
        assert_eq!(a.lead_ns, Some(2_400.0));
        assert_eq!((a.missing, b.missing), (100, 4_000));
        assert_eq!(shown.recovery.state, RecoveryState::Healing);
    }

    #[test]
    fn another_subscriber_counts_from_when_it_begins() {
        let (start, activity, latency) = (Instant::now(), Activity::default(), sample::latency(0));
        let mut watch = Watch::start(WATCHED, start);
        let second = |number| start + Duration::from_secs(number);
        watch.look(seen(sample::stats(100_000), &latency), &activity, second(1));
        watch.begin_anew(second(5));
        let shown = watch.look(seen(sample::stats(40_000), &latency), &activity, second(7));
        assert_eq!((shown.interval_s, shown.running_s), (2.0, 7.0));
        assert_eq!(shown.stream.ticks_per_s, 39_997.0 / 2.0);
        assert_eq!(shown.lines[0].packets_per_s, 1_000.0);
        assert!(!shown.lines[0].silent);
    }

    #[test]
    fn what_was_sent_before_the_join_is_not_missing_on_a_line() {
        let mut counters = Counters {
            delivered: 1_000,
            ..Counters::default()
        };
        counters
            .recovered
            .add(tickcast_subscriber::Cause::BeforeJoin, 400);
        assert_eq!(stream_of_lines(&counters), 600);
    }

    #[test]
    fn a_line_is_silent_when_nothing_comes_for_seconds() {
        let (start, activity, latency) = (Instant::now(), Activity::default(), sample::latency(0));
        let mut watch = Watch::start(WATCHED, start);
        let mut look = |stats, seconds| {
            let now = start + Duration::from_secs(seconds);
            let shown = watch.look(seen(stats, &latency), &activity, now);
            [shown.lines[0].silent, shown.lines[1].silent]
        };
        let mut stats = sample::stats(1_000_000);
        assert_eq!(look(stats, 1), [false; 2]);
        stats.counters.lines[0].datagrams += 1;
        assert_eq!(look(stats, 4), [false; 2]);
        assert_eq!(look(stats, 5), [false, true]);
    }

    #[test]
    fn where_nobody_compares_digests_there_is_no_proof() {
        for proof in [true, false] {
            let (start, latency) = (Instant::now(), sample::latency(0));
            let watched = Watched { proof, ..WATCHED };
            let mut watch = Watch::start(watched, start);
            let seen = seen(sample::stats(100_000), &latency);
            let shown = watch.look(seen, &Activity::default(), start);
            assert_eq!(shown.proof.is_some(), proof);
        }
    }

    #[test]
    fn recovery_fails_while_it_does() {
        let (start, activity, latency) = (Instant::now(), Activity::default(), sample::latency(0));
        let mut watch = Watch::start(WATCHED, start);
        let mut stats = Stats::default();
        let mut state = |stats| {
            watch
                .look(seen(stats, &latency), &activity, start)
                .recovery
                .state
        };
        assert_eq!(state(stats), RecoveryState::Idle);
        stats.recovery_connect_failures = 1;
        assert_eq!(state(stats), RecoveryState::Failing);
        assert_eq!(state(stats), RecoveryState::Idle);
    }

    #[test]
    fn samples_are_spread_over_bounds() {
        let latency = sample::latency(1_000);
        let publish = latency.sum(Stage::Publish).unwrap();
        let spread = spread(&publish);
        assert_eq!(spread.samples, 1_000);
        assert_eq!(spread.counts.iter().sum::<u64>(), 1_000);
        let mean = publish.histogram().mean() * 1e-9;
        assert!((spread.sum_s / 1_000.0 / mean - 1.0).abs() < 1e-3);
        let below = |ns: u64| publish.histogram().count_between(0, ns);
        assert_eq!(spread.counts[..4].iter().sum::<u64>(), below(1_000));
    }
}
