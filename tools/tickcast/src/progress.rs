//! Progress of long work, on stderr; nothing is drawn when that is not a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const BYTES: &str =
    "{msg} [{bar:40}] {percent:>3} %  {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go";
const STEPS: &str = "{msg} [{bar:40}] {pos} of {len}, {eta} to go";
const TIME: &str = "{msg:10} [{bar:40}] {percent:>3} %  {eta} to go";
const TICKS: &str =
    "{msg} [{bar:40}] {percent:>3} %  {human_pos} of {human_len} ticks, {per_sec}, {eta} to go";

/// A bar over the bytes of a file.
pub fn over_bytes(what: &str, size: u64) -> ProgressBar {
    bar(what, size, BYTES)
}

/// A bar over a number of ticks.
pub fn over_ticks(what: &str, ticks: u64) -> ProgressBar {
    bar(what, ticks, TICKS)
}

/// A bar over a number of steps.
pub fn over_steps(what: &str, steps: u64) -> ProgressBar {
    bar(what, steps, STEPS)
}

/// A bar over a time, in ms.
pub fn over_time(what: &str, time: Duration) -> ProgressBar {
    bar(what, time.as_millis() as u64, TIME)
}

/// A counter of ticks whose number is not known.
pub fn counting_ticks(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {human_pos} ticks, {per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner()
        .with_style(style)
        .with_message(what.to_owned())
}

fn bar(what: &str, length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::new(length)
        .with_style(style)
        .with_message(what.to_owned())
}
