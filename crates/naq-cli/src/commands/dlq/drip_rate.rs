//! [`DripRate`]: how fast requeued jobs become due, such as `50/s`.

use std::str::FromStr;
use std::time::Duration;

/// Jobs per second, read from a count and a unit of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DripRate {
    per_second: f64,
}

impl DripRate {
    /// Jobs per second.
    pub(crate) fn per_second(self) -> f64 {
        self.per_second
    }

    /// How long after the first job, number 0, the job of this number is due.
    pub(crate) fn delay(self, number: u64) -> Duration {
        // With a rate above zero and a count below 2^53 the error is far below a millisecond.
        let seconds = number as f64 / self.per_second;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

impl FromStr for DripRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("use COUNT/UNIT with the unit s, m or h, such as 50/s, not {text:?}");
        let (count, unit) = text.split_once('/').ok_or_else(bad)?;
        let count: u32 = count.parse().ok().filter(|n| *n > 0).ok_or_else(bad)?;
        let seconds = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(bad()),
        };
        Ok(Self { per_second: f64::from(count) / seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_spreads_evenly() {
        let delay = |rate: &str, n| rate.parse::<DripRate>().expect("a rate").delay(n);
        assert_eq!(delay("50/s", 0), Duration::ZERO);
        assert_eq!(delay("50/s", 100), Duration::from_secs(2));
        assert_eq!(delay("10/m", 1), Duration::from_secs(6));
        assert_eq!(delay("1/h", 24), Duration::from_secs(86_400));
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in ["", "50", "0/s", "-1/s", "1/", "/s", "1/d", "1.5/s", "s/1"] {
            assert!(bad.parse::<DripRate>().is_err(), "{bad}");
        }
    }
}
