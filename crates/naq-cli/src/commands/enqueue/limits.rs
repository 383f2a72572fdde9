//! [`LimitArgs`]: a job's limits on the command line.

use clap::Args;
use naq_core::flow::{Limit, Rate};

use crate::text::parse_duration;

#[derive(Debug, Clone, Args)]
pub(crate) struct LimitArgs {
    /// At most N jobs of this key run at once, such as tenant:7=3; may be repeated
    #[arg(long = "concurrency-key", value_name = "KEY=N", value_parser = parse_concurrency)]
    concurrency: Vec<Limit>,
    /// At most COUNT jobs of this key start in each PERIOD, evenly spaced, such as api=100/1m; with
    /// api=100/1m/10 ten may start at once; may be repeated
    #[arg(long = "rate-limit", value_name = "KEY=COUNT/PERIOD", value_parser = parse_rate)]
    rates: Vec<Limit>,
}

impl LimitArgs {
    pub(crate) fn all(&self) -> impl Iterator<Item = Limit> {
        self.concurrency.iter().chain(&self.rates).cloned()
    }
}

/// Splits at the last `=`, because a key may contain one.
fn split(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once('=').filter(|(key, _)| !key.is_empty())
}

fn parse_concurrency(text: &str) -> Result<Limit, String> {
    let limit =
        split(text).and_then(|(key, jobs)| Some(Limit::concurrency(key, jobs.parse().ok()?)));
    let limit = limit.ok_or("use KEY=N, such as tenant:7=3")?;
    limit.check().map(|()| limit)
}

fn parse_rate(text: &str) -> Result<Limit, String> {
    const FORM: &str = "use KEY=COUNT/PERIOD or KEY=COUNT/PERIOD/BURST, such as api=100/1m";
    let (key, rate) = split(text).ok_or(FORM)?;
    let mut parts = rate.split('/');
    let count = parts.next().and_then(|count| count.parse().ok()).ok_or(FORM)?;
    let per = parse_duration(parts.next().ok_or(FORM)?)?;
    let burst = parts.next().map(|burst| burst.parse().map_err(|_| FORM)).transpose()?;
    if parts.next().is_some() {
        return Err(FORM.to_owned());
    }
    let rate = Rate { burst: burst.unwrap_or(1), ..Rate::new(count, per) };
    let limit = Limit { rate: Some(rate), ..Limit::rate(key, count, per) };
    limit.check().map(|()| limit)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn limits_are_parsed_and_other_text_is_refused() {
        assert_eq!(parse_concurrency("a=b=3"), Ok(Limit::concurrency("a=b", 3)));
        let minute = Duration::from_secs(60);
        assert_eq!(parse_rate("api=100/1m"), Ok(Limit::rate("api", 100, minute)));
        let burst = parse_rate("api=100/1m/10").expect("a limit").rate.map(|rate| rate.burst);
        assert_eq!(burst, Some(10));
        for bad in ["", "a", "=3", "a=", "a=0", "a=-1", "a=1001"] {
            assert!(parse_concurrency(bad).is_err(), "{bad}");
        }
        for bad in ["a=1", "a=1/", "a=0/1m", "a=1/1ms", "a=1/1m/2", "a=1/1m/1/1", "=1/1m"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }
}
