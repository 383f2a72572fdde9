//! [`BreakerConfig`]: when a breaker opens, and how it closes again.

use std::fmt;
use std::time::Duration;

use crate::failure::ErrorKind;

/// When a breaker opens, and how it closes again.
///
/// By default it opens after 5 failures within 30 s, stays open for 30 s, lets one probe start at a
/// time, and needs 3 probes that succeed. Then it lets a growing share of the calls start over 30 s.
/// Each time that a probe fails it stays open twice as long, at most 5 min.
///
/// ```
/// use naq_core::flow::breaker::BreakerConfig;
/// use std::time::Duration;
///
/// let config = BreakerConfig::new()
///     .failures(20)
///     .failure_ratio(0.5, 50) // or half of at least 50 calls
///     .window(Duration::from_secs(60))
///     .open_for(Duration::from_secs(10))
///     .probes(2);
/// assert!(config.to_string().starts_with("opens at 20 failures, or 50% of 50 calls, in 1m;"));
/// ```
#[must_use]
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerConfig {
    pub(super) failures: Option<u32>,
    pub(super) ratio: Option<f64>,
    pub(super) min_calls: u32,
    pub(super) gather: Duration,
    pub(super) window: Duration,
    pub(super) open_for: Duration,
    pub(super) growth: f64,
    pub(super) max_open_for: Duration,
    pub(super) probes: u32,
    pub(super) successes: u32,
    pub(super) recovery: Duration,
    kinds: Vec<ErrorKind>,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failures: Some(5),
            ratio: None,
            min_calls: 10,
            gather: Duration::from_millis(500),
            window: Duration::from_secs(30),
            open_for: Duration::from_secs(30),
            growth: 2.0,
            max_open_for: Duration::from_secs(300),
            probes: 1,
            successes: 3,
            recovery: Duration::from_secs(30),
            kinds: service_down(),
        }
    }
}

/// The longest time of a setting. A longer one is a mistake, and sums of it could overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

fn checked(what: &str, time: Duration, shortest: Duration) -> Duration {
    assert!(time >= shortest, "{what} {time:?}: use at least {shortest:?}");
    assert!(time <= LONGEST, "{what} {time:?}: use at most 10 years");
    time
}

/// The error kinds which say that a service is down or overloaded, and not that the call was wrong.
fn service_down() -> Vec<ErrorKind> {
    let http = [500, 502, 503, 504].map(ErrorKind::http);
    [ErrorKind::CONNECTION, ErrorKind::TIMEOUT].into_iter().chain(http).collect()
}

impl BreakerConfig {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens at so many failures within the window; 5 by default.
    ///
    /// # Panics
    /// If `failures` is zero.
    pub fn failures(mut self, failures: u32) -> Self {
        assert!(failures > 0, "a breaker that opens at 0 failures is never closed");
        self.failures = Some(failures);
        self
    }

    /// Opens only by [`failure_ratio`](Self::failure_ratio), and not by a number of failures.
    pub fn any_number_of_failures(mut self) -> Self {
        self.failures = None;
        self
    }

    /// Also opens if this share of the calls within the window has failed, when there were at least
    /// `min_calls`. There is no such ratio by default.
    ///
    /// # Panics
    /// If `share` is not above 0 and at most 1, or `min_calls` is zero.
    pub fn failure_ratio(mut self, share: f64, min_calls: u32) -> Self {
        assert!(share > 0.0 && share <= 1.0, "failure ratio {share}: use above 0 to 1");
        assert!(min_calls > 0, "min_calls 0: use at least 1");
        self.ratio = Some(share);
        self.min_calls = min_calls;
        self
    }

    /// How long after the first failure the breaker waits before it compares the ratio; 500 ms by
    /// default. A worker whose calls all succeed sends its counts within that time. Use zero if one
    /// program counts alone.
    pub fn gather(mut self, gather: Duration) -> Self {
        self.gather = gather;
        self
    }

    /// How long a call counts after its end; 30 s by default.
    ///
    /// # Panics
    /// If `window` is shorter than 10 ms or longer than 10 years.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = checked("window", window, Duration::from_millis(10));
        self
    }

    /// How long the breaker stays open before the first probe; 30 s by default.
    ///
    /// # Panics
    /// If `open_for` is shorter than 1 ms or longer than 10 years.
    pub fn open_for(mut self, open_for: Duration) -> Self {
        self.open_for = checked("open for", open_for, Duration::from_millis(1));
        self.max_open_for = self.max_open_for.max(open_for);
        self
    }

    /// The factor by which the breaker stays open longer each time that it opens again before it was
    /// closed, and the longest such time; 2 and 5 min by default.
    ///
    /// # Panics
    /// If `growth` is below 1 or not finite, or `max` is shorter than [`open_for`](Self::open_for) or
    /// longer than 10 years.
    pub fn growth(mut self, growth: f64, max: Duration) -> Self {
        assert!(growth.is_finite() && growth >= 1.0, "growth {growth}: use at least 1");
        self.growth = growth;
        self.max_open_for = checked("at most", max, self.open_for);
        self
    }

    /// How many probes may run at once; 1 by default.
    ///
    /// # Panics
    /// If `probes` is zero.
    pub fn probes(mut self, probes: u32) -> Self {
        assert!(probes > 0, "without a probe a breaker never closes");
        self.probes = probes;
        self
    }

    /// How many probes must succeed before the breaker recovers; 3 by default.
    ///
    /// # Panics
    /// If `successes` is zero.
    pub fn successes(mut self, successes: u32) -> Self {
        assert!(successes > 0, "successes 0: use at least 1");
        self.successes = successes;
        self
    }

    /// The time in which the share of calls that may start grows from a tenth to all; 30 s by default.
    /// With zero, all calls may start at once.
    ///
    /// # Panics
    /// If `recovery` is longer than 10 years.
    pub fn recovery(mut self, recovery: Duration) -> Self {
        self.recovery = checked("recovery", recovery, Duration::ZERO);
        self
    }

    /// The error kinds that count as failures, each with the kinds below it. The default is
    /// `ConnectionError`, `TimeoutError`, and `HTTPError` with 500, 502, 503 or 504.
    ///
    /// # Panics
    /// If a text is not an error kind.
    pub fn counts<K: Into<ErrorKind>>(mut self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.kinds = kinds.into_iter().map(Into::into).collect();
        self
    }

    /// What an error of this kind says about the service: that it is down (`Some(false)`), that it
    /// answered (`Some(true)`), or nothing, because the call was not made (`None`).
    pub fn verdict(&self, kind: &ErrorKind) -> Option<bool> {
        const NOT_MADE: [ErrorKind; 5] = [
            ErrorKind::PANIC,
            ErrorKind::CRASH,
            ErrorKind::DECODE,
            ErrorKind::UNKNOWN_TASK,
            ErrorKind::CANCELLED,
        ];
        let is_any = |kinds: &[ErrorKind]| kinds.iter().any(|listed| kind.is(listed));
        match is_any(&self.kinds) {
            true => Some(false),
            false if is_any(&NOT_MADE) => None,
            false => Some(true),
        }
    }

    /// Whether the settings need the number of calls that succeed, which only a ratio does.
    pub fn counts_successes(&self) -> bool {
        self.ratio.is_some()
    }

    /// How long the breaker stays open when it opens for the `round`th time in a row:
    /// `open_for * growth ^ (round - 1)`, at most the longest time.
    pub(super) fn open_for_round(&self, round: u32) -> Duration {
        let times = i32::try_from(round.saturating_sub(1)).unwrap_or(i32::MAX);
        let secs = self.open_for.as_secs_f64() * self.growth.powi(times);
        let max = self.max_open_for.as_secs_f64();
        if secs < max { Duration::from_secs_f64(secs) } else { self.max_open_for }
    }
}

impl fmt::Display for BreakerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = crate::retry::BriefDuration;
        let failures = self.failures.map(|n| format!("{n} failures"));
        let ratio = self.ratio.map(|r| format!("{:.0}% of {} calls", r * 100.0, self.min_calls));
        let at: Vec<_> = failures.into_iter().chain(ratio).collect();
        let at = if at.is_empty() { "no number of failures".into() } else { at.join(", or ") };
        write!(f, "opens at {at}, in {}; ", time(self.window))?;
        write!(f, "for {} to {}; ", time(self.open_for), time(self.max_open_for))?;
        write!(f, "{} at once, {} to close; ", plural(self.probes, "probe"), self.successes)?;
        write!(f, "recovers over {}", time(self.recovery))
    }
}

fn plural(n: u32, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_open_longer_each_time_up_to_a_limit() {
        let config = BreakerConfig::new();
        let secs: Vec<_> = [0, 1, 2, 3, 4, 5, 6, u32::MAX]
            .map(|round| config.open_for_round(round).as_secs())
            .to_vec();
        assert_eq!(secs, [30, 30, 60, 120, 240, 300, 300, 300]);
        let even = config.growth(1.0, Duration::from_secs(30));
        assert_eq!(even.open_for_round(u32::MAX), Duration::from_secs(30));
    }

    #[test]
    fn an_error_that_a_service_answers_is_an_answer() {
        let config = BreakerConfig::new();
        for (kind, verdict) in [
            ("ConnectionError.refused", Some(false)),
            ("TimeoutError", Some(false)),
            ("HTTPError.503", Some(false)),
            ("HTTPError.404", Some(true)),
            ("ValueError", Some(true)),
            ("Panic", None),
            ("DecodeError", None),
        ] {
            let kind = ErrorKind::new(kind).expect("a kind");
            assert_eq!(config.verdict(&kind), verdict, "{kind}");
        }
        assert_eq!(config.counts(["Panic"]).verdict(&ErrorKind::PANIC), Some(false));
    }
}
