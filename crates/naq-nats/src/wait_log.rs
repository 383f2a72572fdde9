//! [`WaitLog`]: says that the broker is waited for, and does not repeat it at every try.

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::retry::BriefDuration;
use naq_core::transport::TransportError;

/// How long the log is silent while the reason stays the same.
const REPEAT_EVERY: Duration = Duration::from_secs(60);

/// The wait for one broker.
#[derive(Debug, Default)]
pub(crate) struct WaitLog {
    first: Option<Timestamp>,
    last: Option<(Timestamp, String)>,
}

impl WaitLog {
    /// A try failed. Logs the first failure, each new reason, and once a minute how long it lasts.
    pub(crate) fn failed(&mut self, error: &TransportError, now: Timestamp) {
        let Some(lasted) = self.is_news(error.to_string(), now) else { return };
        if lasted.is_zero() {
            tracing::warn!(%error, "waiting for the broker");
        } else {
            tracing::warn!(%error, "waiting for the broker for {}", BriefDuration(lasted));
        }
    }

    /// For how long it has waited, if the log should say so now.
    fn is_news(&mut self, reason: String, now: Timestamp) -> Option<Duration> {
        let first = *self.first.get_or_insert(now);
        let is_same =
            |(at, said): &(Timestamp, String)| *said == reason && now.since(*at) < REPEAT_EVERY;
        if self.last.as_ref().is_some_and(is_same) {
            return None;
        }
        self.last = Some((now, reason));
        Some(now.since(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_away_is_logged_once_then_by_the_minute_and_with_each_new_reason() {
        let mut log = WaitLog::default();
        // Five tries a second, for 150 seconds.
        let said: Vec<_> = (0..750)
            .filter_map(|n| {
                let now = Timestamp::from_millis(1_000_000 + n * 200);
                let reason = if n < 700 { "refused" } else { "no quorum" };
                log.is_news(reason.to_owned(), now).map(|lasted| lasted.as_secs())
            })
            .collect();
        assert_eq!(said, [0, 60, 120, 140]);
    }
}
