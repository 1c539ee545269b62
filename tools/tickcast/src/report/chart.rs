//! Charts as SVG: in a page, in two widths, and as files that stand alone.

mod curves;
mod plane;
mod scale;
mod slowest;
mod stages;
mod steps;
mod timeline;
mod waterfall;

use maud::{Markup, PreEscaped, html};

pub use curves::{Curve, curves};
pub use slowest::slowest;
pub use stages::stages;
pub use timeline::timeline;
pub use waterfall::waterfall;

/// The colours of charts, light and dark, in the page and in every file.
pub const STYLE: &str = include_str!("chart.css");

/// How many series have a colour of their own.
pub const MOST_SERIES: usize = 6;

/// In units of the drawing, which are pixels where there is room.
const WIDE: f64 = 920.0;
const NARROW: f64 = 400.0;
/// The size of letters, and how wide they are on average.
const LETTER: f64 = 12.0;
const LETTER_WIDTH: f64 = 6.6;
/// From one row of text to the next.
const ROW: f64 = 20.0;

/// A figure with its words.
pub struct Chart<'a> {
    /// What its file is called, without `.svg`.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub explanation: String,
    draw: Box<dyn Fn(f64) -> Drawing + 'a>,
}

/// What is drawn, for a given width.
struct Drawing {
    height: f64,
    body: Markup,
}

impl Chart<'_> {
    /// For a page: a wide and a narrow drawing, of which its style shows one.
    pub fn figure(&self) -> Markup {
        let heading = format!("{}-heading", self.name);
        let reading = format!("{}-reading", self.name);
        let draw = |class: &str, width: f64| {
            let Drawing { height, body } = (self.draw)(width);
            html! {
                svg class=(class) viewBox=(view(width, height)) role="img" aria-labelledby=(heading) aria-describedby=(reading) {
                    (body)
                }
            }
        };
        html! {
            figure #(self.name) {
                h2 #(heading) { (self.title) }
                (draw("wide", WIDE))
                (draw("narrow", NARROW))
                figcaption #(reading) { (self.explanation) }
            }
        }
    }

    /// A file: with its title, `about` below it, and a background.
    pub fn file(&self, about: &str) -> String {
        const MARGIN: f64 = 24.0;
        const HEAD: f64 = 76.0;
        let Drawing { height, body } = (self.draw)(WIDE);
        let (width, height) = (WIDE + 2.0 * MARGIN, height + HEAD + MARGIN);
        let about = shortened(about, (WIDE / LETTER_WIDTH) as usize);
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox=(view(width, height)) width=(width) height=(height) role="img" aria-labelledby="title description" {
                title #title { (self.title) }
                desc #description { (self.explanation) " " (about) }
                style { (PreEscaped(STYLE)) }
                rect.card width=(width) height=(height) rx="8" {}
                text.title x=(MARGIN) y="36" { (self.title) }
                text.muted x=(MARGIN) y="57" { (about) }
                g transform=(format!("translate({MARGIN} {HEAD})")) { (body) }
            }
        };
        format!("{}\n", svg.into_string())
    }
}

fn view(width: f64, height: f64) -> String {
    format!("0 0 {width} {height:.0}")
}

/// What a series looks like in a legend.
struct Key {
    /// Its colour: `s1` to `s6`, `ink` or `grey`.
    class: String,
    /// `line`, `bar`, or the shape of a point.
    shape: &'static str,
    name: String,
}

/// The colour of a series, counted from 0: a class of the style.
pub fn colour(nth: usize) -> String {
    format!("s{}", nth % MOST_SERIES + 1)
}

/// A legend in as many rows as it needs, and how high it is.
fn legend(keys: &[Key], width: f64) -> (f64, Markup) {
    const SIGN: f64 = 28.0;
    const GAP: f64 = 20.0;
    let most = ((width - SIGN) / LETTER_WIDTH) as usize;
    let (mut left, mut row) = (0.0, 0.0);
    let mut placed = Vec::new();
    for key in keys {
        let name = shortened(&key.name, most);
        let room = SIGN + width_of(&name);
        if left > 0.0 && left + room > width {
            (left, row) = (0.0, row + ROW);
        }
        placed.push((key, name, left, row + 12.0));
        left += room + GAP;
    }
    let body = html! {
        @for (key, name, left, middle) in placed {
            g transform=(format!("translate({left:.1} {middle:.1})")) {
                @match key.shape {
                    "line" => { path.line.(key.class) d="M0 0H20" {} }
                    "bar" => { rect.bar.(key.class) x="2" y="-6" width="16" height="12" rx="2" {} }
                    shape => { g transform="translate(10 0)" { (point(shape, &key.class)) } }
                }
                text x=(SIGN) y="4" { (name) }
            }
        }
    };
    (row + ROW + 12.0, body)
}

/// A point of one of four shapes, around the origin.
fn point(shape: &str, class: &str) -> Markup {
    html! {
        @match shape {
            "disc" => { circle.bar.(class) r="4.5" {} }
            "square" => { rect.bar.(class) x="-4" y="-4" width="8" height="8" {} }
            "triangle" => { path.bar.(class) d="M0 -5.5L5.5 4.5H-5.5Z" {} }
            _ => { circle.ring.(class) r="4.5" {} }
        }
    }
}

fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER_WIDTH
}

/// A text of at most so many letters.
fn shortened(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    let kept = text.chars().take(letters.saturating_sub(1));
    kept.chain(['…']).collect()
}
