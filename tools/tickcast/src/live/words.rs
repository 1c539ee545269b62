//! Figures as people read them, short enough for a cell.

use crate::show::count;

/// A rate, without decimals.
pub(super) fn per_second(rate: f64) -> String {
    count(rate.round() as u64)
}

/// Bytes a second.
pub(super) fn bytes(rate: f64) -> String {
    let (value, unit) = match rate {
        ..1e3 => (rate, "B"),
        ..1e6 => (rate / 1e3, "kB"),
        ..1e9 => (rate / 1e6, "MB"),
        _ => (rate / 1e9, "GB"),
    };
    format!("{} {unit}", three_digits(value, unit == "B"))
}

/// A share from 0 to 1 in per cent; what is not nothing is not shown as nothing.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".into(),
        ..0.01 => "<0.01 %".into(),
        percent @ ..10.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// Hours, minutes and seconds.
pub(super) fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

fn three_digits(value: f64, whole: bool) -> String {
    match value {
        _ if whole => format!("{value:.0}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_units() {
        assert_eq!(bytes(1_408_000.0), "1.41 MB");
        assert_eq!(per_second(20_000.4), "20,000");
        assert_eq!(clock(3_725.9), "01:02:05");
    }

    #[test]
    fn a_small_share_is_not_nothing() {
        for (share, text) in [
            (0.0, "0 %"),
            (0.000_01, "<0.01 %"),
            (0.012_3, "1.23 %"),
            (1.0, "100.0 %"),
        ] {
            assert_eq!(percent(share), text);
        }
    }
}
