//! A snapshot as Prometheus reads it.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::snapshot::{BOUNDS_NS, Line, Proven, Recovery, Refused, Snapshot, StageLatency};

/// What the text is, for the header of the reply.
pub(super) use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

/// What every name begins with.
const PREFIX: &str = "tickcast";

type Labels = Vec<(&'static str, String)>;

/// All metrics, in Prometheus' text format.
///
/// # Errors
/// Never: a `String` takes all that is written to it.
pub(super) fn text(snapshot: &Arc<Snapshot>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Metrics(Arc::clone(snapshot))));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Metrics(Arc<Snapshot>);

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (snapshot, mut to) = (&*self.0, To(encoder));
        about(&mut to, snapshot)?;
        stream(&mut to, snapshot)?;
        lines(&mut to, &snapshot.lines)?;
        recovery(&mut to, &snapshot.recovery)?;
        if let Some(proven) = &snapshot.proof {
            proof(&mut to, proven)?;
        }
        queues(&mut to, snapshot)?;
        latency(&mut to, &snapshot.stages)
    }
}

/// Writes one metric after the other: a name, what it means, and a row for each set of labels.
struct To<'a>(DescriptorEncoder<'a>);

impl To<'_> {
    fn counters<V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result {
        let mut metric = self.metric(name, help, None, MetricType::Counter)?;
        for (labels, value) in rows {
            let mut row = metric.encode_family(&labels)?;
            row.encode_counter::<Labels, _, f64>(&value, None)?;
        }
        Ok(())
    }

    fn gauges<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, V)>,
    ) -> fmt::Result {
        let mut metric = self.metric(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help, [(Labels::new(), value)])
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.gauges(name, help, [(Labels::new(), value)])
    }

    fn metric<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, unit, kind)
    }
}

fn label(name: &'static str, value: impl Into<String>) -> Labels {
    vec![(name, value.into())]
}

fn about(to: &mut To<'_>, snapshot: &Snapshot) -> fmt::Result {
    let build = label("version", env!("CARGO_PKG_VERSION"));
    to.gauges("build_info", "The version that runs.", [(build, 1_u64)])?;
    let session = label("session", snapshot.session.to_string());
    to.gauges(
        "session_info",
        "The session followed; 0 before the first packet.",
        [(session, 1_u64)],
    )?;
    to.counter("sessions", "Sessions seen.", snapshot.sessions)?;
    to.gauge(
        "running_seconds",
        "Time since the start, as of the last look at the counters.",
        snapshot.running_s,
    )?;
    to.gauge(
        "session_ended",
        "1 once the session followed has ended.",
        f64::from(u8::from(snapshot.ended)),
    )
}

fn stream(to: &mut To<'_>, snapshot: &Snapshot) -> fmt::Result {
    let stream = &snapshot.stream;
    to.gauge(
        "next_seq",
        "The next seq to be delivered or lost; 0 before the first packet.",
        snapshot.next_seq as f64,
    )?;
    to.counter("delivered_ticks", "Ticks delivered.", stream.delivered)?;
    let causes = || snapshot.causes.iter();
    to.counters(
        "lost_ticks",
        "Ticks lost by notice, by where they went missing.",
        causes().map(|row| (label("cause", row.cause), row.lost)),
    )?;
    to.counters(
        "recovered_ticks",
        "Ticks that recovery brought, by where they went missing.",
        causes().map(|row| (label("cause", row.cause), row.recovered)),
    )?;
    to.gauge(
        "held_ticks",
        "Ticks that wait for those before them.",
        stream.held as f64,
    )?;
    to.gauge("open_gaps", "Gaps that are open.", stream.open_gaps as f64)?;
    to.counter("gaps", "Gaps that both lines lost.", stream.gaps)?;
    to.counter(
        "healed_gaps",
        "Gaps that both lines lost and recovery closed.",
        stream.healed_gaps,
    )
}

/// A counter of each line: its name, what it means, and its value.
type LineCounter = (&'static str, &'static str, fn(&Line) -> u64);

fn lines(to: &mut To<'_>, lines: &[Line]) -> fmt::Result {
    let counters: [LineCounter; 12] = [
        ("line_datagrams", "Datagrams received.", |l| l.datagrams),
        ("line_heartbeats", "Heartbeats and ends of session.", |l| {
            l.heartbeats
        }),
        ("line_ticks", "Ticks received.", |l| l.ticks),
        (
            "line_first_ticks",
            "Ticks that came on this line first.",
            |l| l.first,
        ),
        ("line_duplicate_ticks", "Ticks that had come before.", |l| {
            l.duplicates
        }),
        (
            "line_held_ticks",
            "Ticks that came before one they follow.",
            |l| l.held,
        ),
        (
            "line_overflow_ticks",
            "Ticks too far ahead to be held.",
            |l| l.overflow,
        ),
        (
            "line_differing_packets",
            "Packets that came with other bytes than before.",
            |l| l.differing,
        ),
        (
            "line_later_packets",
            "Packets that the other line had brought before.",
            |l| l.later_packets,
        ),
        (
            "line_kernel_dropped_datagrams",
            "Datagrams dropped by the kernel: the receive buffer was full.",
            |l| l.kernel_dropped,
        ),
        ("line_receive_errors", "Receive calls that failed.", |l| {
            l.receive_errors
        }),
        ("line_downs", "How often the line fell silent.", |l| l.downs),
    ];
    for (name, help, value) in counters {
        let rows = lines
            .iter()
            .map(|line| (label("line", line.name), value(line)));
        to.counters(name, help, rows)?;
    }
    let reasons = lines.iter().flat_map(|line| {
        let row = |refused: &Refused| {
            let labels = vec![
                ("line", line.name.into()),
                ("reason", refused.reason.into()),
            ];
            (labels, refused.datagrams)
        };
        line.refused_by.iter().map(row)
    });
    to.counters(
        "line_refused_datagrams",
        "Datagrams that were no packet of this stream, by reason.",
        reasons,
    )?;
    let later = lines
        .iter()
        .map(|line| (label("line", line.name), line.later_ns as f64 * 1e-9));
    to.counters(
        "line_later_seconds",
        "The sum of how much later packets came than on the other line.",
        later,
    )?;
    to.gauges(
        "line_missing_ticks",
        "Ticks of the stream that this line has not brought: lost on it, or on their way.",
        lines
            .iter()
            .map(|line| (label("line", line.name), line.missing)),
    )?;
    to.gauges(
        "line_up",
        "1 while the line is heard, 0 when it is silent.",
        lines
            .iter()
            .map(|line| (label("line", line.name), u64::from(!line.silent))),
    )
}

fn recovery(to: &mut To<'_>, recovery: &Recovery) -> fmt::Result {
    for (name, help, value) in [
        (
            "recovery_connects",
            "Connections made to the recovery server.",
            recovery.connects,
        ),
        (
            "recovery_connect_failures",
            "Connections to the recovery server that failed.",
            recovery.connect_failures,
        ),
        (
            "retransmit_requests",
            "Retransmit requests made.",
            recovery.retransmit_requests,
        ),
        (
            "snapshot_requests",
            "Snapshot requests made.",
            recovery.snapshot_requests,
        ),
        ("snapshots", "Snapshots delivered.", recovery.snapshots),
        (
            "snapshot_ticks",
            "Ticks of snapshots delivered.",
            recovery.snapshot_ticks,
        ),
        (
            "recovery_refusals",
            "Recovery requests that the publisher refused.",
            recovery.refusals,
        ),
        (
            "recovery_failures",
            "Recovery requests that failed.",
            recovery.failures,
        ),
        (
            "recovery_lies",
            "Replies that were not what was asked for.",
            recovery.lies,
        ),
    ] {
        to.counter(name, help, value)?;
    }
    Ok(())
}

fn proof(to: &mut To<'_>, proof: &Proven) -> fmt::Result {
    to.counter(
        "proof_digests",
        "Digests of the publisher that agreed with what was delivered.",
        proof.checked,
    )?;
    to.gauge(
        "proof_differs",
        "1 once something that was delivered is not as published.",
        f64::from(u8::from(proof.differs)),
    )?;
    to.gauge(
        "proof_proven_seq",
        "The last seq up to which all that was delivered is as published; 0 when nothing is proven.",
        proof.to_seq.unwrap_or(0) as f64,
    )
}

fn queues(to: &mut To<'_>, snapshot: &Snapshot) -> fmt::Result {
    let queues = || snapshot.queues.iter();
    to.gauges(
        "queue_waiting_lines",
        "Lines of 64 bytes that wait for a strategy.",
        queues().map(|queue| (label("reader", queue.reader.as_str()), queue.waiting)),
    )?;
    to.gauges(
        "queue_capacity_lines",
        "Lines of 64 bytes that may wait for a strategy.",
        queues().map(|queue| (label("reader", queue.reader.as_str()), queue.capacity)),
    )
}

fn latency(to: &mut To<'_>, stages: &[StageLatency]) -> fmt::Result {
    let help = "How long ticks took for each stage, a sample a tick; of heal, a gap.";
    let unit = Unit::Seconds;
    let mut metric = to.metric("latency", help, Some(&unit), MetricType::Histogram)?;
    for stage in stages {
        for (provenance, spread) in &stage.parts {
            let bounds = BOUNDS_NS.iter().zip(spread.counts);
            let buckets: Vec<_> = bounds.map(|(&ns, count)| (seconds(ns), count)).collect();
            let labels: Labels = vec![
                ("stage", stage.stage.name().into()),
                ("provenance", provenance.name().into()),
            ];
            let mut row = metric.encode_family(&labels)?;
            row.encode_histogram::<Labels>(spread.sum_s, spread.samples, &buckets, None)?;
        }
    }
    let row = |stage: &StageLatency, samples| (label("stage", stage.stage.name()), samples);
    to.counters(
        "latency_negative_samples",
        "Samples that ended before they began, by clocks that disagree: in no bucket.",
        stages.iter().map(|stage| row(stage, stage.since.negative)),
    )?;
    to.counters(
        "latency_saturated_samples",
        "Samples longer than 60 s, which count as 60 s.",
        stages.iter().map(|stage| row(stage, stage.since.saturated)),
    )
}

/// As a decimal: 1e-7, not 1.0000000000000001e-7.
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests;
