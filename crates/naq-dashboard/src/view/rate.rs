//! Rates and sizes as text.

use std::time::Duration;

use naq_core::Timestamp;

/// The time that the counts of the last `window` cover. Counts are kept by the whole minute, and the
/// minute in which the window starts is left out.
pub(crate) fn covered(window: Duration, now: Timestamp) -> Duration {
    const MINUTE: u64 = 60_000;
    let from = now.saturating_sub(window).as_millis().div_ceil(MINUTE) * MINUTE;
    now.since(Timestamp::from_millis(from))
}

/// `n` in this time, as a number a second: `0`, `0.04`, `3.2`, `1,204`.
pub(crate) fn rate(n: u64, over: Duration) -> String {
    let per_second = n as f64 / over.as_secs_f64().max(1.0);
    match per_second {
        0.0 => "0".to_owned(),
        r if r < 0.095 => format!("{r:.2}"),
        r if r < 99.95 => format!("{r:.1}"),
        r => super::count(r.round() as u64),
    }
}

/// A size: `512 B`, `1.5 kB`, `20.0 MB`.
pub(crate) fn bytes(n: u64) -> String {
    let mut size = n as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 999.5 {
            let digits = usize::from(unit != "B");
            return format!("{size:.digits$} {unit}");
        }
        size /= 1_000.0;
    }
    format!("{size:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_divides_by_the_minutes_that_were_counted() {
        let at = |s: u64| Timestamp::from_millis(s * 1_000);
        let five = Duration::from_secs(300);
        assert_eq!(covered(five, at(3_600)), five);
        assert_eq!(covered(five, at(3_630)), Duration::from_secs(270));
        let of = |n| rate(n, Duration::from_secs(100));
        assert_eq!([0, 4, 320, 120_400].map(of), ["0", "0.04", "3.2", "1,204"].map(str::to_owned));
    }

    #[test]
    fn a_size_is_shown_in_the_unit_that_fits() {
        let words = [0, 999, 1_500, 20_000_000, u64::MAX].map(bytes);
        assert_eq!(
            words,
            ["0 B", "999 B", "1.5 kB", "20.0 MB", "18446744.1 TB"].map(str::to_owned)
        );
    }
}
