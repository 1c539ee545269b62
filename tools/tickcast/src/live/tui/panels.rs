//! What each panel says.

use std::cmp::Reverse;

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use tickcast_latency::{Row as Figures, Stage};

use super::theme::Theme;
use crate::live::snapshot::{Line as FeedLine, Proven, RecoveryState, Snapshot, StageLatency};
use crate::live::words::{bytes, per_second};
use crate::show::{count, duration, share};

/// A text and how it looks.
pub(super) type Cell = (String, Style);

/// A column of a table: its name, its width, and what stands in it. Left out on terminals that are
/// too narrow for it: the last ones first.
struct Column<T> {
    name: &'static str,
    width: u16,
    cell: fn(&T, Theme) -> Cell,
}

pub(super) fn plain(text: impl Into<String>) -> Cell {
    (text.into(), Style::new())
}

/// A row of names and a row for each line, as many columns as fit.
pub(super) fn lines(snapshot: &Snapshot, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let columns: [Column<FeedLine>; 11] = [
        Column {
            name: "line",
            width: 4,
            cell: |line, _| plain(line.name),
        },
        Column {
            name: "state",
            width: 7,
            cell: |line, theme| match line.silent {
                true => ("silent".into(), theme.bad()),
                false => ("up".into(), theme.good()),
            },
        },
        Column {
            name: "ticks/s",
            width: 10,
            cell: |line, _| plain(per_second(line.ticks_per_s)),
        },
        Column {
            name: "first",
            width: 8,
            cell: |line, _| plain(line.first_share.map_or_else(|| "-".into(), share)),
        },
        Column {
            name: "lead",
            width: 8,
            cell: |line, _| plain(duration(line.lead_ns.map(|ns| ns.round() as u64))),
        },
        Column {
            name: "missing",
            width: 8,
            cell: |line, theme| {
                (
                    line.missing_share.map_or_else(|| "-".into(), share),
                    theme.unless_zero(line.missing),
                )
            },
        },
        Column {
            name: "dropped",
            width: 8,
            cell: |line, theme| {
                (
                    count(line.kernel_dropped),
                    theme.unless_zero(line.kernel_dropped),
                )
            },
        },
        Column {
            name: "refused",
            width: 8,
            cell: |line, theme| (count(line.refused), theme.unless_zero(line.refused)),
        },
        Column {
            name: "packets/s",
            width: 10,
            cell: |line, _| plain(per_second(line.packets_per_s)),
        },
        Column {
            name: "bytes/s",
            width: 8,
            cell: |line, _| plain(bytes(line.bytes_per_s)),
        },
        Column {
            name: "duplicates",
            width: 14,
            cell: |line, _| plain(count(line.duplicates)),
        },
    ];
    let mut left = width;
    let fitting: Vec<_> = columns
        .iter()
        .take_while(|column| {
            let fits = column.width <= left;
            left = left.saturating_sub(column.width);
            fits
        })
        .collect();
    let names = fitting
        .iter()
        .map(|column| right(column.name, column.width, theme.name()));
    let mut rows = vec![Line::from(names.collect::<Vec<_>>())];
    for line in &snapshot.lines {
        let cells = fitting.iter().map(|column| {
            let (text, style) = (column.cell)(line, theme);
            right(&text, column.width, style)
        });
        rows.push(Line::from(cells.collect::<Vec<_>>()));
    }
    rows
}

/// Counts of the stream, what goes missing and what is done about it, how full queues are.
pub(super) fn stream(snapshot: &Snapshot, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let stream = &snapshot.stream;
    let mut rows = vec![
        row(
            "ticks",
            theme,
            vec![
                plain(format!("{} delivered", count(stream.delivered))),
                (
                    format!("{} lost", count(stream.lost)),
                    alarm(stream.lost, theme),
                ),
                plain(format!("{} held", count(stream.held))),
                plain(format!("next seq {}", count(snapshot.next_seq))),
            ],
        ),
        row(
            "gaps",
            theme,
            vec![
                (
                    format!("{} open", count(stream.open_gaps)),
                    theme.unless_zero(stream.open_gaps),
                ),
                plain(format!("{} on both lines", count(stream.gaps))),
                plain(format!("{} of them healed", count(stream.healed_gaps))),
            ],
        ),
        row("recovery", theme, recovery(snapshot, theme)),
    ];
    let missing: Vec<Cell> = causes(snapshot, theme);
    if !missing.is_empty() {
        rows.push(row("missing", theme, missing));
    }
    if let Some(proven) = &snapshot.proof {
        rows.push(row("proof", theme, vec![proof(proven, theme)]));
    }
    rows.extend(snapshot.queues.iter().map(|queue| {
        row(
            "queue",
            theme,
            vec![plain(format!(
                "{} {} full: {} of {} lines wait",
                queue.reader,
                share(queue.fill),
                count(queue.waiting),
                count(queue.capacity)
            ))],
        )
    }));
    rows.into_iter().map(|row| row.fit(width)).collect()
}

fn recovery(snapshot: &Snapshot, theme: Theme) -> Vec<Cell> {
    let recovery = &snapshot.recovery;
    let style = match recovery.state {
        RecoveryState::None => theme.notice(),
        RecoveryState::Idle => theme.good(),
        RecoveryState::Healing => theme.notice(),
        RecoveryState::Failing => theme.bad(),
    };
    let failed = recovery.failures + recovery.lies + recovery.connect_failures;
    vec![
        (recovery.state.name().into(), style),
        plain(format!("{} ticks", count(recovery.retransmitted))),
        plain(format!("{} requests", count(recovery.retransmit_requests))),
        (
            format!("{} failed", count(failed)),
            theme.unless_zero(failed),
        ),
        plain(format!("{} snapshots", count(recovery.snapshots))),
    ]
}

fn causes(snapshot: &Snapshot, theme: Theme) -> Vec<Cell> {
    let some = snapshot.causes.iter();
    let mut some: Vec<_> = some.filter(|row| row.recovered + row.lost > 0).collect();
    // What is lost first.
    some.sort_by_key(|row| Reverse((row.lost, row.recovered)));
    let cells = some.into_iter().map(|row| {
        let (recovered, name) = (count(row.recovered), row.cause);
        match row.lost {
            0 => (format!("{name} {recovered} recovered"), theme.notice()),
            lost => {
                let lost = count(lost);
                (
                    format!("{name} {lost} lost, {recovered} recovered"),
                    theme.bad(),
                )
            }
        }
    });
    cells.collect()
}

fn proof(proof: &Proven, theme: Theme) -> Cell {
    if proof.differs {
        return ("DIFFERS from what was published".into(), theme.bad());
    }
    match (proof.from_seq, proof.to_seq) {
        (Some(from), Some(to)) if to >= from => (
            format!("as published from seq {} to seq {}", count(from), count(to)),
            theme.good(),
        ),
        _ => ("no digest to compare with yet".into(), theme.notice()),
    }
}

fn alarm(lost: u64, theme: Theme) -> Style {
    if lost == 0 { Style::new() } else { theme.bad() }
}

/// A name, and texts with commas between them.
fn row(name: &'static str, theme: Theme, cells: Vec<Cell>) -> Row {
    Row {
        name: Some((format!("{name:<9}"), theme.name())),
        between: ", ",
        cells,
    }
}

/// Cells that are left out, the last ones first, where there is no room for them: half a number is
/// another number.
pub(super) struct Row {
    pub(super) name: Option<Cell>,
    pub(super) between: &'static str,
    pub(super) cells: Vec<Cell>,
}

impl Row {
    /// As many cells as fit; dots for the others.
    pub(super) fn fit(self, width: u16) -> Line<'static> {
        const DOTS: &str = " …";
        let mut spans: Vec<Span> = Vec::new();
        let mut left = usize::from(width);
        if let Some((text, style)) = self.name {
            left = left.saturating_sub(text.len());
            spans.push(Span::styled(text, style));
        }
        let last = self.cells.len().saturating_sub(1);
        for (at, (text, style)) in self.cells.into_iter().enumerate() {
            let between = if at == 0 { "" } else { self.between };
            let room = if at == last { 0 } else { 2 };
            let wanted = between.len() + text.chars().count();
            if wanted + room > left {
                spans.push(Span::raw(DOTS));
                break;
            }
            left -= wanted;
            spans.push(Span::raw(between));
            spans.push(Span::styled(text, style));
        }
        Line::from(spans)
    }
}

/// A figure of a stage.
type Figure = (&'static str, fn(&Figures) -> String);

const P50: Figure = ("p50", |row| duration(row.p50));
const P99: Figure = ("p99", |row| duration(row.p99));
const P99_9: Figure = ("p99.9", |row| duration(row.p99_9));
const MAX: Figure = ("max", |row| duration(row.max));

/// Room for the name of a stage, for a figure, for samples, and between now and since the start.
const STAGE: u16 = 8;
const FIGURE: u16 = 8;
const SAMPLES: u16 = 14;
const BETWEEN: u16 = 1;

/// A row for each stage, the whole way first: now on the left, since the start on the right.
pub(super) fn latency(snapshot: &Snapshot, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let fits = |figures: u16, samples: u16| {
        width >= STAGE + BETWEEN + 2 * (figures * FIGURE + samples * SAMPLES)
    };
    let figures: &[Figure] = if fits(4, 0) {
        &[P50, P99, P99_9, MAX]
    } else {
        &[P50, P99, MAX]
    };
    let samples = fits(4, 1);
    let of = |when: &str| {
        let mut names = figures.iter().map(|(name, _)| *name);
        let first = format!("{when} {}", names.next().unwrap_or_default());
        let names: String = [first.as_str()]
            .into_iter()
            .chain(names)
            .map(|name| format!("{name:>8}"))
            .collect();
        if samples {
            format!("{names}{:>14}", "samples")
        } else {
            names
        }
    };
    let names = format!("{:8}{} {}", "stage", of("now"), of("all"));
    let mut rows = vec![Line::styled(names, theme.name())];
    let (whole, parts): (Vec<_>, Vec<_>) = snapshot
        .stages
        .iter()
        .partition(|stage| stage.stage == Stage::Total);
    rows.extend(whole.into_iter().chain(parts).map(|stage| {
        let (now, since) = (
            half_of(&stage.now, figures, samples),
            half_of(&stage.since, figures, samples),
        );
        let text = format!("{:8}{now} {since}", stage.stage.name());
        Line::styled(text, disagreement(stage, theme))
    }));
    rows
}

fn half_of(row: &Figures, figures: &[Figure], samples: bool) -> String {
    let mut text: String = figures
        .iter()
        .map(|(_, of)| format!("{:>8}", of(row)))
        .collect();
    if samples {
        text.push_str(&format!("{:>14}", count(row.samples)));
    }
    text
}

/// Clocks that disagree make a stage doubtful.
fn disagreement(stage: &StageLatency, theme: Theme) -> Style {
    theme.unless_zero(stage.since.negative)
}

/// Room for one instrument.
const INSTRUMENT: u16 = 30;

/// The busiest instruments, in as many columns as fit.
pub(super) fn instruments(snapshot: &Snapshot, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let columns = usize::from(width / INSTRUMENT).max(1);
    let rows = snapshot.instruments.chunks(columns).map(|busy| {
        let cells = busy.iter().map(|instrument| {
            let (rate, share) = (per_second(instrument.ticks_per_s), share(instrument.share));
            Span::raw(format!("{:<10} {rate:>8}/s {share:>7} ", instrument.name))
        });
        Line::from(cells.collect::<Vec<_>>())
    });
    let active = format!(
        "{} had ticks, the busiest first",
        count(snapshot.active_instruments)
    );
    let mut lines = vec![Line::styled(active, theme.name())];
    lines.extend(rows);
    lines
}

fn right(text: &str, width: u16, style: Style) -> Span<'static> {
    let width = usize::from(width);
    Span::styled(format!("{text:>width$}"), style)
}
