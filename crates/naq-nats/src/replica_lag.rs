//! [`ReplicaLag`]: whether replicas lag, as far as this process has asked.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use naq_core::sync::lock;
use tokio::time::Instant;

/// How long an answer about the replicas holds. It is short beside a lease and beside the time until a
/// request is sent again, which are the ages of what is looked for.
const HOLDS: Duration = Duration::from_millis(100);

/// What this process knows about the replicas of the streams.
#[derive(Debug, Default)]
pub(crate) struct ReplicaLag {
    /// When the leader of a stream was asked, and whether a replica lagged.
    known: Mutex<HashMap<String, (Instant, bool)>>,
    /// The streams whose description or messages this user may not read from the leader. It goes by
    /// direct gets there.
    refused: Mutex<HashSet<String>>,
}

impl ReplicaLag {
    /// Whether a replica of the stream lags; `None` if the leader must be asked.
    pub(crate) fn known(&self, stream: &str, now: Instant) -> Option<bool> {
        let (at, lags) = lock(&self.known).get(stream).copied()?;
        (now.duration_since(at) < HOLDS).then_some(lags)
    }

    /// Stores the leader's answer.
    pub(crate) fn note(&self, stream: &str, lags: bool, now: Instant) {
        lock(&self.known).insert(stream.to_owned(), (now, lags));
    }

    pub(crate) fn is_refused(&self, stream: &str) -> bool {
        lock(&self.refused).contains(stream)
    }

    pub(crate) fn refuse(&self, stream: &str) {
        lock(&self.refused).insert(stream.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_a_tenth_of_a_second() {
        let (lag, now) = (ReplicaLag::default(), Instant::now());
        assert_eq!(lag.known("S", now), None);
        lag.note("S", true, now);
        assert_eq!(lag.known("S", now + HOLDS / 2), Some(true));
        assert_eq!(lag.known("T", now), None);
        assert_eq!(lag.known("S", now + HOLDS), None);
        lag.note("S", false, now + HOLDS);
        assert_eq!(lag.known("S", now + HOLDS), Some(false));
    }
}
