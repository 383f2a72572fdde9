//! [`Unique`]: a key that at most one job may hold.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::{QueueName, StateKey};

/// The longest unique key, in bytes.
pub const MAX_UNIQUE_KEY: usize = 128;

/// The unique key of a job, and how long the job holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unique {
    /// The key: at most one job holds it.
    pub key: String,
    /// How long the job holds the key.
    pub scope: UniqueScope,
    /// Among which jobs the key is unique. A stored job without this field comes from a version whose
    /// keys were [over all queues](UniqueWithin::AllQueues).
    #[serde(default, skip_serializing_if = "UniqueWithin::is_all_queues")]
    pub within: UniqueWithin,
}

/// Among which jobs a key is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UniqueWithin {
    /// The jobs of one queue. The constructors of [`Unique`] set this.
    Queue,
    /// The jobs of all queues. Each producer of any queue can then hold the key.
    #[default]
    AllQueues,
}

impl UniqueWithin {
    fn is_all_queues(&self) -> bool {
        *self == Self::AllQueues
    }
}

/// How long a job holds its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UniqueScope {
    /// Until the first attempt of the job starts.
    UntilStarted,
    /// Until the job has ended, retries included.
    UntilFinished,
    /// For this many milliseconds after its enqueue, even if the job ends before. Brokers round up to
    /// whole seconds.
    ForMillis(u64),
}

impl Unique {
    /// The job holds the key until it has ended. This is the default of the CLI and the clients.
    pub fn until_finished(key: impl Into<String>) -> Self {
        Self::in_queue(key, UniqueScope::UntilFinished)
    }

    /// The job holds the key until its first attempt starts. An enqueue while it runs stores another
    /// job.
    pub fn until_started(key: impl Into<String>) -> Self {
        Self::in_queue(key, UniqueScope::UntilStarted)
    }

    /// The job holds the key for this long, even if it ends before: at most one job in that time.
    pub fn for_time(key: impl Into<String>, time: Duration) -> Self {
        let scope = UniqueScope::ForMillis(crate::clock::millis_up(time));
        Self::in_queue(key, scope)
    }

    fn in_queue(key: impl Into<String>, scope: UniqueScope) -> Self {
        Self { key: key.into(), scope, within: UniqueWithin::Queue }
    }

    /// At most one job holds the key over all queues, and not only in the queue of the job. Choose this
    /// only if the producers of all queues trust each other.
    #[must_use]
    pub fn across_queues(self) -> Self {
        Self { within: UniqueWithin::AllQueues, ..self }
    }

    /// Checks that the key and the time are within bounds.
    ///
    /// # Errors
    /// A sentence that says what is invalid and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let Self { key, scope, .. } = self;
        if key.is_empty() || key.len() > MAX_UNIQUE_KEY {
            let start: String = key.chars().take(40).collect();
            return Err(format!("unique key {start:?}: use 1 to {MAX_UNIQUE_KEY} bytes"));
        }
        match scope {
            UniqueScope::ForMillis(0) => {
                Err(format!("unique key {key:?}: its time is 0 ms, use 1 ms or more"))
            }
            _ => Ok(()),
        }
    }

    /// The state-store key of the entry that names the holder, for a job of this queue. `None` if
    /// [`check`](Self::check) refuses the key.
    pub fn state_key(&self, queue: &QueueName) -> Option<StateKey> {
        match self.within {
            UniqueWithin::Queue => StateKey::new(["key", queue.as_str(), &self.key]).ok(),
            UniqueWithin::AllQueues => StateKey::new(["key", &self.key]).ok(),
        }
    }

    /// Where versions before 0.2 kept the entry: they had only keys over all queues. `None` for a key of one
    /// queue.
    pub fn old_state_key(&self) -> Option<StateKey> {
        (self.within == UniqueWithin::AllQueues)
            .then(|| StateKey::new(["unique", &self.key]).ok())
            .flatten()
    }

    /// How long the state store keeps the entry that names the holder. `None` if it stays until it is
    /// removed.
    pub fn ttl(&self) -> Option<Duration> {
        match self.scope {
            UniqueScope::ForMillis(millis) => Some(Duration::from_millis(millis)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_key_is_refused() {
        let long = "ä".repeat(65);
        for bad in [
            Unique::until_finished(""),
            Unique::until_started(long),
            Unique::for_time("a", Duration::ZERO),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        let longest = Unique::until_finished("ä".repeat(64));
        let queue = QueueName::default();
        assert!(longest.check().is_ok() && longest.state_key(&queue).is_some());
    }

    #[test]
    fn a_stored_key_without_a_queue_is_over_all_queues_as_it_was() {
        let old: Unique =
            serde_json::from_str(r#"{"key":"a","scope":"until_finished"}"#).expect("reads");
        assert_eq!(old, Unique::until_finished("a").across_queues());
        let text = |it: &Unique| serde_json::to_string(it).expect("writes");
        assert_eq!(text(&old), r#"{"key":"a","scope":"until_finished"}"#);
        let new = Unique::until_finished("a");
        assert!(text(&new).contains(r#""within":"queue""#));
        let mail = QueueName::new("mail").expect("a name");
        assert_eq!(new.state_key(&mail).expect("a key").as_str(), "key.mail.a");
        assert_eq!(old.state_key(&mail).expect("a key").as_str(), "key.a");
    }

    #[test]
    fn a_time_is_never_shorter_than_asked_for() {
        let unique = Unique::for_time("a", Duration::from_micros(1500));
        assert_eq!(unique.ttl(), Some(Duration::from_millis(2)));
    }
}
