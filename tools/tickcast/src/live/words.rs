//! Figures as people read them, short enough for a cell.

use tickcast_latency::three_digits;

use crate::show::count;

/// A rate, without decimals.
pub(super) fn per_second(rate: f64) -> String {
    count(rate.round() as u64)
}

/// Bytes a second.
pub(super) fn bytes(rate: f64) -> String {
    let (value, unit) = match rate {
        ..999.5 => return format!("{rate:.0} B"),
        ..999.5e3 => (rate / 1e3, "kB"),
        ..999.5e6 => (rate / 1e6, "MB"),
        _ => (rate / 1e9, "GB"),
    };
    format!("{} {unit}", three_digits(value))
}

/// Hours, minutes and seconds.
pub(super) fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_units() {
        assert_eq!(bytes(12.0), "12 B");
        assert_eq!(bytes(999_900.0), "1.00 MB");
        assert_eq!(bytes(1_408_000.0), "1.41 MB");
        assert_eq!(per_second(20_000.4), "20,000");
        assert_eq!(clock(3_725.9), "01:02:05");
    }
}
