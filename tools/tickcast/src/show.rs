//! Results on stdout, for people or as JSON; numbers, prices and times as people read them.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use tickcast_latency::three_digits;
use tickcast_net::BufferSize;
use tickcast_subscriber::Alarm;
use tickcast_wire::{NANOS_PER_UNIT, UNDEFINED_PRICE};

/// For headings.
pub const BOLD: Style = Style::new().bold();
/// For errors.
pub const RED: Style = AnsiColor::Red.on_default().bold();
/// For notices.
pub const YELLOW: Style = AnsiColor::Yellow.on_default().bold();

const NANOS_PER_DAY: u64 = 86_400 * 1_000_000_000;

/// Prints the result of a command to stdout: one line of JSON, or what `people` writes.
///
/// # Errors
/// When stdout cannot be written to, see [`to_stdout`].
pub fn result<R: Serialize>(
    report: &R,
    json: bool,
    people: impl FnOnce(&mut dyn Write, &R) -> io::Result<()>,
) -> io::Result<()> {
    to_stdout(|out| {
        if json {
            serde_json::to_writer(&mut *out, report)?;
            writeln!(out)
        } else {
            people(out, report)
        }
    })
}

/// Lets `write` write to stdout, without colours where that is not a terminal. A reader that has
/// seen enough and closed the pipe, as `head` does, is no failure.
///
/// # Errors
/// When stdout cannot be written to for another reason, a full disk for example.
pub fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// `1234567` as `1,234,567`.
pub use tickcast_latency::grouped as count;

/// What there is, or a dash.
pub fn or_dash<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(|| "-".into(), T::to_string)
}

/// Prints the socket buffers of lines A and B, of the kind `send` or `receive`: what was asked for
/// and what there is.
///
/// # Errors
/// When it cannot be written.
pub fn buffers(
    out: &mut dyn Write,
    kind: &str,
    buffers: [Option<BufferSize>; 2],
) -> io::Result<()> {
    for (line, buffer) in ["A", "B"].into_iter().zip(buffers) {
        let Some(buffer) = buffer else { continue };
        let (asked, got) = (count(buffer.asked as u64), count(buffer.got as u64));
        let advice = match kind {
            _ if !buffer.is_short() => "",
            "send" => "; raise net.core.wmem_max",
            _ => "; raise net.core.rmem_max",
        };
        writeln!(
            out,
            "  line {line}: {kind} buffer {got} bytes of {asked} asked for{advice}"
        )?;
    }
    Ok(())
}

/// Ticks that were conflated, as a part of a sum; nothing if there are none.
pub fn conflated(ticks: u64) -> String {
    if ticks == 0 {
        return String::new();
    }
    format!(" + {} conflated", count(ticks))
}

/// A price in units of `1e-9`: at least two decimals, no more than it needs; `-` if undefined.
pub fn price(price: i64) -> String {
    if price == UNDEFINED_PRICE {
        return "-".into();
    }
    let sign = if price < 0 { "-" } else { "" };
    let nanos = NANOS_PER_UNIT.unsigned_abs();
    let (units, fraction) = (price.unsigned_abs() / nanos, price.unsigned_abs() % nanos);
    let decimals = format!("{fraction:09}");
    let (always, rest) = decimals.split_at(2);
    format!("{sign}{units}.{always}{}", rest.trim_end_matches('0'))
}

/// How long something takes, in ns: three digits and a unit, or a dash.
pub fn duration(ns: Option<u64>) -> String {
    ns.map_or_else(|| "-".into(), tickcast_latency::duration)
}

/// A share from 0 to 1 in per cent: three digits, at most two of them decimals. What is not nothing is
/// not shown as nothing.
pub fn share(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".into(),
        ..0.01 => "<0.01 %".into(),
        percent => format!("{} %", three_digits(percent)),
    }
}

/// A time in ns since the Unix epoch, in UTC. Times within the first day are those of venues that
/// count from midnight, and shown so.
pub fn time(nanos: u64) -> String {
    let text =
        humantime::format_rfc3339_nanos(UNIX_EPOCH + Duration::from_nanos(nanos)).to_string();
    if nanos >= NANOS_PER_DAY {
        return text;
    }
    let (_, of_day) = text.split_once('T').unwrap_or(("", &text));
    format!("{} after midnight", of_day.trim_end_matches('Z'))
}

/// Prints what is to be said about a file beside its ticks, to stderr.
pub fn notices(notices: &[String]) {
    for notice in notices {
        anstream::eprintln!("{YELLOW}notice:{YELLOW:#} {notice}");
    }
}

/// What an operator should know, in words.
pub fn alarm(alarm: Alarm) -> String {
    match alarm {
        Alarm::LineDown(line) => format!("line {line:?} is silent: no packet, no heartbeat"),
        Alarm::LineUp(line) => format!("line {line:?} is back"),
        Alarm::DuplicateDiffers { line, first_seq } => format!(
            "the packet from seq {first_seq} came again on line {line:?} with other bytes: the first was delivered"
        ),
        Alarm::OlderSession { session } => format!(
            "another publisher sends on this group, session {session}: only the newest session is \
             followed; give one of them a group of its own"
        ),
        Alarm::JoinedWithoutSnapshot { first_seq } => format!(
            "no snapshot came in time: the stream goes on from seq {first_seq} without the state before"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (57_674, "57,674")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn a_small_share_is_not_nothing() {
        for (part, text) in [
            (0.0, "0 %"),
            (0.000_01, "<0.01 %"),
            (0.003_1, "0.31 %"),
            (0.012_3, "1.23 %"),
            (0.42, "42.0 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(share(part), text);
        }
    }

    #[test]
    fn prices_keep_every_decimal() {
        assert_eq!(price(148_910_000_000), "148.91");
        assert_eq!(price(1_000_000_000), "1.00");
        assert_eq!(price(-1_500_000_001), "-1.500000001");
        assert_eq!(price(0), "0.00");
        assert_eq!(price(UNDEFINED_PRICE), "-");
        assert_eq!(price(i64::MIN), "-9223372036.854775808");
    }

    #[test]
    fn times_are_utc_or_after_midnight() {
        assert_eq!(
            time(1_499_697_155_788_781_087),
            "2017-07-10T14:32:35.788781087Z"
        );
        assert_eq!(
            time(34_200_000_000_000),
            "09:30:00.000000000 after midnight"
        );
        assert_eq!(time(u64::MAX), "2554-07-21T23:34:33.709551615Z");
    }
}
