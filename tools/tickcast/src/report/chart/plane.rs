//! The plane between two axes.

use maud::{Markup, html};

use super::scale::Scale;
use super::width_of;

/// A plane: from `x` to the right and from `y` upwards.
pub struct Plane {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub x: Scale,
    pub y: Scale,
}

/// Room for the labels of an upward axis, and of the last mark of the other.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 22.0;
/// Room below for labels and what the axis shows.
pub const BELOW: f64 = 46.0;

impl Plane {
    /// A plane that fills the width of a drawing, with room for its labels.
    pub fn new(width: f64, top: f64, height: f64, x: Scale, y: Scale) -> Plane {
        Plane {
            left: LEFT,
            top,
            width: width - LEFT - RIGHT,
            height,
            x,
            y,
        }
    }

    /// Where a value of the axis to the right is.
    pub fn across(&self, value: f64) -> f64 {
        self.left + self.x.at(value) * self.width
    }

    /// Where a value of the upward axis is.
    pub fn up(&self, value: f64) -> f64 {
        self.bottom() - self.y.at(value) * self.height
    }

    /// The lower end.
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// A line through these values, where the pen is lifted at each that is not there.
    pub fn path(&self, points: impl Iterator<Item = Option<(f64, f64)>>) -> String {
        let mut path = String::new();
        let mut pen = 'M';
        for point in points {
            let Some((x, y)) = point else {
                pen = 'M';
                continue;
            };
            path.push_str(&format!("{pen}{:.1} {:.1}", self.across(x), self.up(y)));
            pen = 'L';
        }
        path
    }

    /// Grid, labels, and what the axes show. `x_title` is nothing where another plane follows below.
    pub fn axes(&self, x_title: Option<&str>, y_title: &str) -> Markup {
        let (left, right) = (self.left, self.left + self.width);
        let (top, bottom) = (self.top, self.bottom());
        let x_labels = (self.width / 64.0) as usize;
        html! {
            @for mark in self.y.marks((self.height / 30.0) as usize) {
                @let y = bottom - mark.at * self.height;
                path.grid.minor[mark.label.is_none()] d=(format!("M{left} {y:.1}H{right}")) {}
                @if let Some(label) = mark.label {
                    text.end x=(left - 8.0) y=(format!("{:.1}", y + 4.0)) { (label) }
                }
            }
            @for mark in self.x.marks(x_labels) {
                @let x = format!("{:.1}", left + mark.at * self.width);
                path.grid.minor[mark.label.is_none()] d=(format!("M{x} {top}V{bottom}")) {}
                @if let Some(label) = mark.label.filter(|_| x_title.is_some()) {
                    // The last one ends before the drawing does.
                    @let last = right + RIGHT - width_of(&label) * 0.6;
                    @let x = format!("{:.1}", (left + mark.at * self.width).min(last));
                    text.middle x=(x) y=(bottom + 18.0) { (label) }
                }
            }
            path.axis d=(format!("M{left} {bottom}H{right}")) {}
            @if let Some(title) = x_title {
                text.muted.end x=(right) y=(bottom + 38.0) { (title) }
            }
            text.muted x="0" y=(top - 14.0) { (y_title) }
        }
    }

    /// What is read at a place: a strip that, pointed at, shows a rule and some lines of text.
    pub fn reading(&self, from: f64, to: f64, at: f64, lines: &[String]) -> Markup {
        let widest = lines.iter().map(|line| width_of(line)).fold(0.0, f64::max) + 16.0;
        let left_of_it = at - self.left > widest + 20.0;
        let left = if left_of_it {
            at - widest - 10.0
        } else {
            at + 10.0
        };
        let (top, bottom) = (self.top, self.bottom());
        html! {
            g.reading {
                rect.strip x=(format!("{from:.1}")) y=(top) width=(format!("{:.1}", to - from)) height=(self.height) {}
                g {
                    path.axis d=(format!("M{at:.1} {top}V{bottom}")) {}
                    rect.note x=(format!("{left:.1}")) y=(top + 6.0) width=(format!("{widest:.0}")) height=(lines.len() as f64 * 17.0 + 10.0) rx="4" {}
                    @for (nth, line) in lines.iter().enumerate() {
                        text x=(format!("{:.1}", left + 8.0)) y=(top + 23.0 + nth as f64 * 17.0) { (line) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_label_ends_before_the_drawing_does() {
        let plane = Plane::new(
            400.0,
            0.0,
            100.0,
            Scale::nines(1_000_000),
            Scale::Linear(1.0),
        );
        let drawn = plane.axes(Some("x"), "y").into_string();
        let (before, _) = drawn.split_once(">99.9999 %<").expect("its label");
        let (_, x) = before.rsplit_once("x=\"").expect("its place");
        let x: f64 = x.split('"').next().and_then(|x| x.parse().ok()).unwrap();
        // Fonts differ: with some room.
        let half = width_of("99.9999 %") / 2.0;
        assert!(x + 1.15 * half < 400.0, "{x}");
    }
}
