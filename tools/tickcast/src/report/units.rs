//! Times, percentiles and changes as reports have them.

/// A time with three significant digits, in the largest unit that leaves it at least 1: `-8.28 µs`.
pub fn duration(ns: f64) -> String {
    let sign = if ns <= -0.5 { "-" } else { "" };
    format!(
        "{sign}{}",
        tickcast_latency::duration(ns.abs().round() as u64)
    )
}

/// A standard error: `± 8 ns`.
pub fn error(ns: f64) -> String {
    if ns < 1.0 {
        return "± < 1 ns".into();
    }
    format!("± {}", duration(ns))
}

/// A time at a mark of an axis, with no more digits than it needs: `2.5 ms`, `0`.
pub fn mark(ns: f64) -> String {
    if ns == 0.0 {
        return "0".into();
    }
    let (value, unit) = match ns.abs() {
        ..999.5 => (ns, "ns"),
        ..999_500.0 => (ns / 1e3, "µs"),
        ..999_500_000.0 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{} {unit}", trimmed(format!("{value:.3}")))
}

/// A percentile, given as a number from 0 to 100: `99.9 %`.
pub fn percent(percent: f64) -> String {
    format!("{} %", trimmed(format!("{percent:.7}")))
}

/// The same as a word: `p99.9`.
pub fn percentile(percent: f64) -> String {
    format!("p{}", trimmed(format!("{percent:.7}")))
}

/// A change of one value into another, as a share of the first: `+3.1 %`, `−12 %`; from a doubling
/// or a halving on `× 4.2`, `÷ 4.2`.
pub fn change(share: f64) -> String {
    if share >= 1.0 {
        return format!("× {:.1}", share + 1.0);
    }
    if share <= -0.5 {
        return format!("÷ {:.1}", 1.0 / (share + 1.0).max(f64::EPSILON));
    }
    let percent = share * 100.0;
    let decimals = usize::from(percent.abs() < 9.95);
    let sign = if percent < 0.0 { '−' } else { '+' };
    format!("{sign}{:.decimals$} %", percent.abs())
}

fn trimmed(text: String) -> String {
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_be_parts_and_negative() {
        let times = [
            (0.0, "0 ns"),
            (-0.4, "0 ns"),
            (999.4, "999 ns"),
            (999.6, "1.00 µs"),
            (8_281.0, "8.28 µs"),
            (-18_240.0, "-18.2 µs"),
            (60e9, "60.0 s"),
        ];
        for (ns, text) in times {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn marks_have_no_more_digits_than_they_need() {
        for (ns, text) in [
            (0.0, "0"),
            (500.0, "500 ns"),
            (1e6, "1 ms"),
            (2.5e6, "2.5 ms"),
            (120e9, "120 s"),
        ] {
            assert_eq!(mark(ns), text);
        }
    }

    #[test]
    fn percentiles_are_short() {
        assert_eq!(percent(99.999), "99.999 %");
        assert_eq!(percent(50.0), "50 %");
        assert_eq!(percentile(99.9), "p99.9");
    }

    #[test]
    fn changes_have_a_sign() {
        let changes = [
            (0.031, "+3.1 %"),
            (-0.12, "−12 %"),
            (0.0, "+0.0 %"),
            (3.2, "× 4.2"),
            (-0.75, "÷ 4.0"),
        ];
        for (share, text) in changes {
            assert_eq!(change(share), text);
        }
    }
}
