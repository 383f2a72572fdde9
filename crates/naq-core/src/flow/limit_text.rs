//! Limits as text: `tenant:7=3` for a concurrency, `api=100/1m` or `api=100/1m/10` for a rate.

use super::{Limit, Rate};
use crate::retry::read_duration;

impl Limit {
    /// Reads `KEY=N`: at most N jobs of this key run at once.
    ///
    /// ```
    /// # use naq_core::flow::Limit;
    /// assert_eq!(Limit::read_concurrency("tenant:7=3"), Ok(Limit::concurrency("tenant:7", 3)));
    /// ```
    ///
    /// # Errors
    /// A sentence that says the form, or which number is out of range.
    pub fn read_concurrency(text: &str) -> Result<Self, String> {
        let limit =
            split(text).and_then(|(key, jobs)| Some(Self::concurrency(key, jobs.parse().ok()?)));
        let limit = limit.ok_or("use KEY=N, such as tenant:7=3")?;
        limit.check().map(|()| limit)
    }

    /// Reads `KEY=COUNT/PERIOD` or `KEY=COUNT/PERIOD/BURST`: at most COUNT jobs of this key start in each
    /// period, BURST of them at once.
    ///
    /// # Errors
    /// A sentence that says the form, or which number is out of range.
    pub fn read_rate(text: &str) -> Result<Self, String> {
        const FORM: &str = "use KEY=COUNT/PERIOD or KEY=COUNT/PERIOD/BURST, such as api=100/1m";
        let (key, rate) = split(text).ok_or(FORM)?;
        let mut parts = rate.split('/');
        let count = parts.next().and_then(|count| count.parse().ok()).ok_or(FORM)?;
        let per = parts.next().and_then(read_duration).ok_or(FORM)?;
        let burst = parts.next().map(|burst| burst.parse().map_err(|_| FORM)).transpose()?;
        if parts.next().is_some() {
            return Err(FORM.to_owned());
        }
        let rate = Rate { burst: burst.unwrap_or(1), ..Rate::new(count, per) };
        let limit = Self { rate: Some(rate), ..Self::rate(key, count, per) };
        limit.check().map(|()| limit)
    }
}

/// Splits at the last `=`, because a key may contain one.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once('=').filter(|(key, _)| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn limits_are_parsed_and_other_text_is_refused() {
        assert_eq!(Limit::read_concurrency("a=b=3"), Ok(Limit::concurrency("a=b", 3)));
        let minute = Duration::from_secs(60);
        assert_eq!(Limit::read_rate("api=100/1m"), Ok(Limit::rate("api", 100, minute)));
        let burst = Limit::read_rate("api=100/1m/10").expect("a limit").rate.map(|rate| rate.burst);
        assert_eq!(burst, Some(10));
        for bad in ["", "a", "=3", "a=", "a=0", "a=-1", "a=1001"] {
            assert!(Limit::read_concurrency(bad).is_err(), "{bad}");
        }
        for bad in ["a=1", "a=1/", "a=0/1m", "a=1/1ms", "a=1/1m/2", "a=1/1m/1/1", "=1/1m"] {
            assert!(Limit::read_rate(bad).is_err(), "{bad}");
        }
    }
}
