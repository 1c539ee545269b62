//! Where everything goes on a terminal of any size.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

use super::history::History;
use super::panels::{self, Row, plain};
use super::theme::Theme;
use crate::live::snapshot::Snapshot;
use crate::live::words::{clock, per_second};
use crate::show::count;

/// Rows below which headings are left out.
const SPACIOUS: u16 = 30;
/// Lines of the log.
pub(super) const LOG_LINES: usize = 3;
/// Rows of the curve, with its heading.
const CURVE: u16 = 5;

/// What is drawn.
pub(super) struct View<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) history: &'a History,
    /// The last lines of the log, [`LOG_LINES`] at most.
    pub(super) log: &'a [String],
    pub(super) theme: Theme,
    pub(super) paused: bool,
}

impl View<'_> {
    /// Draws from the top down what matters most; the last row says what there was no room for.
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let (snapshot, theme) = (self.snapshot, self.theme);
        let mut page = Page::new(frame, theme);
        let width = page.width();
        page.text("", vec![self.headline(width)]);
        if snapshot.at_ns == 0 {
            page.text("", vec!["waiting for the first second to pass".into()]);
        } else {
            page.text("lines", panels::lines(snapshot, theme, width));
            page.text("stream", panels::stream(snapshot, theme, width));
            page.text("latency", panels::latency(snapshot, theme, width));
            page.whole("log", self.log());
            page.curve(self.history);
            page.text("instruments", panels::instruments(snapshot, theme, width));
        }
        page.finish(self.paused);
    }

    fn headline(&self, width: u16) -> Line<'static> {
        let (snapshot, theme) = (self.snapshot, self.theme);
        let state = match snapshot.session {
            0 => ("nothing heard yet".into(), theme.notice()),
            _ if snapshot.ended => ("ended".into(), theme.notice()),
            _ => ("live".into(), theme.good()),
        };
        let row = Row {
            name: Some(("tickcast ".into(), theme.title())),
            between: "  ",
            cells: vec![
                state,
                plain(format!(
                    "{} ticks/s",
                    per_second(snapshot.stream.ticks_per_s)
                )),
                plain(format!("up {}", clock(snapshot.running_s))),
                plain(format!("session {}", snapshot.session)),
            ],
        };
        row.fit(width)
    }

    fn log(&self) -> Vec<Line<'static>> {
        self.log.iter().cloned().map(Line::from).collect()
    }
}

/// A terminal that is filled from the top.
struct Page<'a, 'b> {
    frame: &'a mut Frame<'b>,
    theme: Theme,
    /// What is left, without the last row.
    left: Rect,
    spacious: bool,
    without: Vec<&'static str>,
}

impl<'a, 'b> Page<'a, 'b> {
    fn new(frame: &'a mut Frame<'b>, theme: Theme) -> Page<'a, 'b> {
        let area = frame.area();
        let height = area.height.saturating_sub(1);
        Page {
            frame,
            theme,
            left: Rect { height, ..area },
            spacious: area.height >= SPACIOUS,
            without: Vec::new(),
        }
    }

    fn width(&self) -> u16 {
        self.left.width
    }

    /// Takes so many rows from the top.
    fn take(&mut self, height: u16) -> Rect {
        let taken = Rect {
            height: height.min(self.left.height),
            ..self.left
        };
        self.left.y += taken.height;
        self.left.height -= taken.height;
        taken
    }

    /// As many lines as fit, under a heading if there is room for one.
    fn text(&mut self, heading: &'static str, lines: Vec<Line<'static>>) {
        let title = u16::from(self.spacious && !heading.is_empty());
        let wanted = lines.len() as u16 + title;
        if wanted == title {
            return;
        }
        if self.left.height < wanted {
            self.without.push(heading);
        }
        if self.left.height <= title + u16::from(lines.len() > 1) {
            return;
        }
        if title > 0 {
            self.heading(heading);
        }
        let area = self.take(wanted - title);
        self.frame.render_widget(Paragraph::new(lines), area);
    }

    /// The same, but only if all of it fits.
    fn whole(&mut self, heading: &'static str, lines: Vec<Line<'static>>) {
        let height = lines.len() as u16;
        if height == 0 || self.left.height > height {
            self.text(heading, lines);
        } else {
            self.without.push(heading);
        }
    }

    fn heading(&mut self, text: &str) {
        let area = self.take(1);
        let rule = "─".repeat(usize::from(area.width).saturating_sub(text.len() + 1));
        let line = Line::from(vec![
            Span::styled(text.to_owned(), self.theme.title()),
            Span::raw(" "),
            Span::styled(rule, self.theme.name()),
        ]);
        self.frame.render_widget(Paragraph::new(line), area);
    }

    /// The rate over time, when there is room to spare.
    fn curve(&mut self, history: &History) {
        if !self.spacious || self.left.height < 2 * CURVE {
            return;
        }
        let rates = history.last(usize::from(self.width()));
        let most = count(rates.iter().copied().max().unwrap_or(0));
        self.heading(&format!(
            "ticks a second, at most {most}, a column an interval"
        ));
        let area = self.take(CURVE - 1);
        let curve = Sparkline::default().data(&rates).style(self.theme.good());
        self.frame.render_widget(curve, area);
    }

    /// The last row: keys, and what is not on the screen.
    fn finish(self, paused: bool) {
        let area = self.frame.area();
        let last = Rect {
            y: area.bottom().saturating_sub(1),
            height: area.height.min(1),
            ..area
        };
        let mut words = vec![Span::raw("q quit  space ")];
        words.push(if paused {
            Span::styled("goes on, paused", self.theme.notice())
        } else {
            Span::raw("pause")
        });
        if !self.without.is_empty() {
            let missing = self.without.join(", ");
            words.push(Span::styled(
                format!("  (more rows: {missing})"),
                self.theme.name(),
            ));
        }
        self.frame
            .render_widget(Paragraph::new(Line::from(words)), last);
    }
}
