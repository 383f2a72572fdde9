//! [`BreakerConfig`]: when a breaker opens, and how it closes again.

use std::fmt;
use std::time::Duration;

use crate::failure::ErrorKind;

/// When a breaker opens, and how it closes again.
///
/// By default it opens after 5 failures within 30 s, stays open for 30 s, lets one probe go at a
/// time, needs 3 that succeed, and then lets ever more calls go over 30 s. Each time that a probe
/// fails it stays open twice as long, 5 min at most.
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
            kinds: down(),
        }
    }
}

/// Longer times are a mistake, and could not be counted with.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

fn sane(what: &str, time: Duration, shortest: Duration) -> Duration {
    assert!(time >= shortest, "{what} {time:?}: use at least {shortest:?}");
    assert!(time <= LONGEST, "{what} {time:?}: use at most 10 years");
    time
}

/// What says that the other side is down or overloaded, and not that the call was wrong.
fn down() -> Vec<ErrorKind> {
    let http = [500, 502, 503, 504].map(ErrorKind::http);
    [ErrorKind::CONNECTION, ErrorKind::TIMEOUT].into_iter().chain(http).collect()
}

impl BreakerConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens at so many failures within the window; 5 by default.
    ///
    /// # Panics
    /// When it is zero.
    pub fn failures(mut self, failures: u32) -> Self {
        assert!(failures > 0, "a breaker that opens at 0 failures is never closed");
        self.failures = Some(failures);
        self
    }

    /// Opens only by [`failure_ratio`](Self::failure_ratio), however many calls fail.
    pub fn any_number_of_failures(mut self) -> Self {
        self.failures = None;
        self
    }

    /// Opens, too, when this share of the calls within the window has failed, once there were at
    /// least `min_calls`. None by default.
    ///
    /// # Panics
    /// When the share is not above 0 and at most 1, or `min_calls` is zero.
    pub fn failure_ratio(mut self, share: f64, min_calls: u32) -> Self {
        assert!(share > 0.0 && share <= 1.0, "failure ratio {share}: use above 0 to 1");
        assert!(min_calls > 0, "a ratio of 0 calls is none");
        (self.ratio, self.min_calls) = (Some(share), min_calls);
        self
    }

    /// How long the counts of a ratio are gathered from its first failure on before it is judged:
    /// a worker whose calls all succeed says so only then. 500 ms by default; zero where one
    /// program counts alone.
    pub fn gather(mut self, gather: Duration) -> Self {
        self.gather = gather;
        self
    }

    /// How far back calls count; 30 s by default.
    ///
    /// # Panics
    /// When it is shorter than 10 ms, or longer than 10 years.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = sane("window", window, Duration::from_millis(10));
        self
    }

    /// How long it stays open before it is probed; 30 s by default.
    ///
    /// # Panics
    /// When it is shorter than 1 ms, or longer than 10 years.
    pub fn open_for(mut self, open_for: Duration) -> Self {
        self.open_for = sane("open for", open_for, Duration::from_millis(1));
        self.max_open_for = self.max_open_for.max(open_for);
        self
    }

    /// How many times longer it stays open each time that it opens before it was quite closed, and
    /// how long at most; 2 and 5 min by default.
    ///
    /// # Panics
    /// When `growth` is below 1 or not finite, or `max` is shorter than
    /// [`open_for`](Self::open_for).
    pub fn growth(mut self, growth: f64, max: Duration) -> Self {
        assert!(growth.is_finite() && growth >= 1.0, "growth {growth}: use at least 1");
        (self.growth, self.max_open_for) = (growth, sane("at most", max, self.open_for));
        self
    }

    /// How many probes may run at once; 1 by default.
    ///
    /// # Panics
    /// When it is zero.
    pub fn probes(mut self, probes: u32) -> Self {
        assert!(probes > 0, "without a probe a breaker never closes");
        self.probes = probes;
        self
    }

    /// How many probes must succeed before it recovers; 3 by default.
    ///
    /// # Panics
    /// When it is zero.
    pub fn successes(mut self, successes: u32) -> Self {
        assert!(successes > 0, "at least one probe has to succeed");
        self.successes = successes;
        self
    }

    /// Over how long the share of calls that may go grows from a tenth to all of them; 30 s by
    /// default. Zero lets all go at once.
    ///
    /// # Panics
    /// When it is longer than 10 years.
    pub fn recovery(mut self, recovery: Duration) -> Self {
        self.recovery = sane("recovery", recovery, Duration::ZERO);
        self
    }

    /// The kinds of errors that count as failures, each with everything below it. By default
    /// `ConnectionError`, `TimeoutError`, and `HTTPError` with 500, 502, 503 or 504.
    ///
    /// # Panics
    /// When one is no error kind.
    pub fn counts<K: Into<ErrorKind>>(mut self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.kinds = kinds.into_iter().map(Into::into).collect();
        self
    }

    /// What an error of this kind says of the other side: a failure (`Some(false)`), an answer all
    /// the same (`Some(true)`), or nothing, since the call was not made.
    pub fn verdict(&self, kind: &ErrorKind) -> Option<bool> {
        const NOT_MADE: [ErrorKind; 5] = [
            ErrorKind::PANIC,
            ErrorKind::CRASH,
            ErrorKind::DECODE,
            ErrorKind::UNKNOWN_TASK,
            ErrorKind::CANCELLED,
        ];
        let below = |kinds: &[ErrorKind]| kinds.iter().any(|of| kind.is(of));
        match below(&self.kinds) {
            true => Some(false),
            false if below(&NOT_MADE) => None,
            false => Some(true),
        }
    }

    /// Whether calls that succeed make a difference.
    pub fn counts_successes(&self) -> bool {
        self.ratio.is_some()
    }

    /// How long it stays open when it opens for the `round`th time in a row.
    pub(super) fn open_for_round(&self, round: u32) -> Duration {
        let times = i32::try_from(round.saturating_sub(1)).unwrap_or(i32::MAX);
        let secs = self.open_for.as_secs_f64() * self.growth.powi(times);
        let max = self.max_open_for.as_secs_f64();
        if secs < max { Duration::from_secs_f64(secs) } else { self.max_open_for }
    }
}

impl fmt::Display for BreakerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = humantime::format_duration;
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
    fn an_answer_that_says_no_is_an_answer() {
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
