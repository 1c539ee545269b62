//! What two lines come to.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;
use tickcast_latency::Figures;
use tickcast_tickfile::{Datagrams, Feed};

use super::scoreboard::{Line, Numbers, Scoreboard, WINDOW};
use crate::show::{self, BOLD};

/// The scoreboard of a capture.
#[derive(Serialize)]
pub(super) struct Report {
    file: String,
    feed: Option<&'static str>,
    packets: u64,
    ties: u64,
    lost_by_both: Option<u64>,
    lines: [Row; 2],
    other_packets: u64,
    skipped: BTreeMap<&'static str, u64>,
    fell_out: u64,
    notices: Vec<String>,
}

/// One line.
#[derive(Serialize)]
struct Row {
    group: SocketAddr,
    packets: u64,
    bytes: u64,
    packets_per_s: Option<f64>,
    heartbeats: u64,
    first: u64,
    alone: u64,
    lead_ns: Figures,
    longest_run: u64,
    lost: Option<u64>,
    gaps: Option<u64>,
    absent: Option<u64>,
    duplicates: u64,
    reordered: Option<u64>,
}

impl Row {
    fn new(
        line: &Line,
        lead_ns: Figures,
        at: usize,
        group: SocketAddr,
        numbers: Option<Numbers>,
    ) -> Row {
        let seconds = line.seconds();
        Row {
            group,
            packets: line.packets,
            bytes: line.bytes,
            packets_per_s: (seconds > 0.0).then(|| line.packets as f64 / seconds),
            heartbeats: line.heartbeats,
            first: line.first,
            alone: line.alone,
            lead_ns,
            longest_run: line.longest_run,
            lost: numbers.map(|numbers| numbers.lost[at]),
            gaps: numbers.map(|numbers| numbers.gaps[at]),
            absent: numbers.map(|numbers| numbers.absent[at]),
            duplicates: line.duplicates,
            reordered: numbers.map(|_| line.reordered),
        }
    }
}

impl Report {
    pub(super) fn new(
        file: &Path,
        feed: Option<Feed>,
        groups: [SocketAddr; 2],
        board: &Scoreboard,
        leads: [Figures; 2],
        other_packets: u64,
        datagrams: &Datagrams,
    ) -> Report {
        let [a, b] = &board.lines;
        let [lead_a, lead_b] = leads;
        let numbers = board.numbers();
        let mut notices = notices(board, feed, numbers);
        notices.extend(datagrams.notice().map(ToString::to_string));
        if let Some(cut) = datagrams.skipped().get("cut_packet") {
            notices.push(format!(
                "{} packets were kept only in part and are left out: capture whole packets",
                show::count(*cut)
            ));
        }
        Report {
            file: file.display().to_string(),
            feed: feed.map(Feed::name),
            packets: a.first + b.first + a.alone + b.alone + board.ties,
            ties: board.ties,
            lost_by_both: numbers.map(|numbers| numbers.lost_by_both),
            lines: [
                Row::new(a, lead_a, 0, groups[0], numbers),
                Row::new(b, lead_b, 1, groups[1], numbers),
            ],
            other_packets,
            skipped: datagrams.skipped().clone(),
            fell_out: board.fell_out,
            notices,
        }
    }

    pub(super) fn notices(&self) -> &[String] {
        &self.notices
    }
}

/// What a reader must know before trusting a figure.
fn notices(board: &Scoreboard, feed: Option<Feed>, numbers: Option<Numbers>) -> Vec<String> {
    let mut notices = Vec::new();
    let mut say = |count: u64, text: &str| {
        if count > 0 {
            notices.push(format!("{} {text}", show::count(count)));
        }
    };
    let unplaced = board.lines.iter().map(|line| line.unplaced).sum();
    let not_compared = numbers.map_or(0, |numbers| numbers.not_compared);
    say(
        board.stamps_back,
        "stamps are before the one before them: the clock of the capture was set, or it was put \
         together from several; leads across that are wrong",
    );
    say(
        unplaced,
        "packets on the two lines are not of the feed, or damaged: they are told apart by their bytes",
    );
    say(
        board.more_streams,
        "packets are of further sessions or channels than are told apart: what those lost is not known",
    );
    say(
        not_compared,
        "lost numbers are in gaps too many to be kept: they count as lost, not as lost by both",
    );
    if board.is_coarse {
        notices.push(
            "the stamps are whole µs: packets that are less than that apart count as on both lines \
             at once; capture with stamps in ns"
                .into(),
        );
    }
    if board.fell_out > 0 {
        notices.push(format!(
            "{} packets waited for their copy until {} others had come, and count as alone",
            show::count(board.fell_out),
            show::count(WINDOW as u64)
        ));
    }
    if feed.is_none() {
        notices.push(format!(
            "the feed is not known: packets with the same bytes among {} are taken for the same; \
             what both lines lost, and what came out of order, cannot be told",
            show::count(WINDOW as u64)
        ));
    }
    notices
}

/// Prints it for people.
pub(super) fn print(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let feed = report.feed.unwrap_or("unknown feed");
    writeln!(out, "{BOLD}{}{BOLD:#}  {feed}", report.file)?;
    writeln!(
        out,
        "  packets {}, of them on both lines at once {}, lost by both lines {}",
        show::count(report.packets),
        show::count(report.ties),
        dash(report.lost_by_both)
    )?;
    writeln!(out, "  {:<16}{:>22}{:>22}", "", "line A", "line B")?;
    let [a, b] = &report.lines;
    let mut row = |what: &str, value: &dyn Fn(&Row) -> String| {
        writeln!(out, "  {what:<16}{:>22}{:>22}", value(a), value(b))
    };
    row("group", &|line| line.group.to_string())?;
    row("packets", &|line| show::count(line.packets))?;
    row("packets/s", &|line| {
        let rate = line.packets_per_s.map(|rate| rate.round() as u64);
        dash(rate)
    })?;
    row("first", &|line| show::count(line.first))?;
    row("alone", &|line| show::count(line.alone))?;
    for (at, percent) in ["p50", "p90", "p99", "p99.9"].into_iter().enumerate() {
        row(&format!("lead {percent}"), &|line| {
            show::duration(line.lead_ns.percentiles[at].ns)
        })?;
    }
    row("lead max", &|line| show::duration(line.lead_ns.max_ns))?;
    row("longest run", &|line| show::count(line.longest_run))?;
    row("lost", &|line| dash(line.lost))?;
    row("gaps", &|line| dash(line.gaps))?;
    row("absent", &|line| dash(line.absent))?;
    row("duplicates", &|line| show::count(line.duplicates))?;
    row("reordered", &|line| dash(line.reordered))?;
    row("heartbeats", &|line| show::count(line.heartbeats))?;
    if report.other_packets > 0 {
        let others = show::count(report.other_packets);
        writeln!(out, "  {others} packets went to other groups")?;
    }
    for (reason, packets) in &report.skipped {
        writeln!(out, "  passed over {}: {reason}", show::count(*packets))?;
    }
    Ok(())
}

fn dash(count: Option<u64>) -> String {
    count.map_or_else(|| "-".into(), show::count)
}
