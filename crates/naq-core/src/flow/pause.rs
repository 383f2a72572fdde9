//! [`TaskPause`]: a task of a queue whose jobs do not start for a while.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names::{QueueName, StateKey, StateKeyError, TaskName};
use crate::transport::StateEntry;

/// The longest that a job sleeps at first before it looks whether the pause is over.
const SOONEST_LOOK: Duration = Duration::from_secs(15);
/// The longest that it ever sleeps.
const LATEST_LOOK: Duration = Duration::from_secs(5 * 60);

/// An operator's pause of one task in one queue. Its jobs wait; they lose no attempt by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPause {
    /// The queue.
    pub queue: QueueName,
    /// The task.
    pub task: TaskName,
    /// Until when; none for until it is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Since when.
    pub since: Timestamp,
    /// Who said so.
    pub who: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl TaskPause {
    /// What all of them stand under.
    ///
    /// # Errors
    /// Never; a key has an error type.
    pub fn prefix() -> Result<StateKey, StateKeyError> {
        StateKey::new(["pause"])
    }

    /// `pause.<queue>.<task>`.
    ///
    /// # Errors
    /// Never for names that are names; a key has an error type.
    pub fn key(queue: &QueueName, task: &TaskName) -> Result<StateKey, StateKeyError> {
        StateKey::new(["pause", queue.as_str(), task.as_str()])
    }

    /// Which task of which queue an entry of this key pauses.
    pub fn of_key(key: &StateKey) -> Option<(QueueName, TaskName)> {
        let mut tokens = key.tokens().skip(1);
        Some((QueueName::new(tokens.next()?).ok()?, TaskName::new(tokens.next()?).ok()?))
    }

    /// What an entry says; none when another version of NAQ has written it.
    pub fn read(entry: &StateEntry) -> Option<Self> {
        serde_json::from_slice(&entry.value).ok()
    }

    /// The entry's value.
    pub fn value(&self) -> Bytes {
        // Names, texts and times: there is nothing in it that has no JSON.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Whether it is in force.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// When a job that is held back looks again. Within 15 seconds at first; the longer the pause has
    /// lasted the later, so that a long one costs little, and no later than 5 minutes: so a job comes
    /// back within a tenth of the time that it was held after the pause was lifted. `share`, 0 to 1,
    /// is its own, and keeps many jobs from coming back at once; also after an end that was known.
    pub fn next_look(&self, now: Timestamp, share: f64) -> Timestamp {
        let lasted = now.since(self.since);
        let span = (lasted / 10).clamp(SOONEST_LOOK, LATEST_LOOK);
        let look = now + span.mul_f64(0.5 + share.clamp(0.0, 1.0) / 2.0);
        match self.until {
            // A twentieth more of what it lasted: those who came meanwhile come over that.
            Some(until) if until <= look => {
                let spread = (until.since(self.since) / 20).min(SOONEST_LOOK);
                until + spread.mul_f64(share.clamp(0.0, 1.0))
            }
            _ => look,
        }
    }

    /// Why a job is held back, in one sentence.
    pub fn sentence(&self) -> String {
        let Self { queue, task, who, reason, .. } = self;
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        format!("task {task} of queue {queue} is paused by {who}{why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Timestamp = |seconds| Timestamp::from_millis(seconds * 1000);

    fn pause(until: Option<u64>) -> TaskPause {
        TaskPause {
            queue: QueueName::default(),
            task: TaskName::new("email.send").expect("a name"),
            until: until.map(AT),
            since: AT(0),
            who: "ann".into(),
            reason: String::new(),
        }
    }

    #[test]
    fn looks_are_near_at_first_and_grow_with_the_pause() {
        let open = pause(None);
        for (now, share, expected) in
            [(0, 1.0, 15), (100, 1.0, 115), (100, 0.0, 107), (600, 1.0, 660), (90_000, 1.0, 90_300)]
        {
            let look = open.next_look(AT(now), share);
            assert_eq!(look.as_millis() / 1000, expected, "{now} {share}");
        }
    }

    #[test]
    fn an_end_that_is_known_is_waited_for_and_never_come_before() {
        let until = pause(Some(10));
        assert_eq!(until.next_look(AT(9), 0.0), AT(10));
        assert!(until.next_look(AT(9), 1.0) > AT(10));
        assert!(until.next_look(AT(9), 1.0) <= AT(25));
        assert!(
            until.holds(AT(9)) && !until.holds(AT(10)) && pause(None).holds(AT(u64::MAX / 2000))
        );
    }

    #[test]
    fn an_entry_is_found_by_its_names() {
        let (queue, task) =
            (QueueName::new("mail").expect("a name"), TaskName::new("a.b:c/d").expect("a name"));
        let key = TaskPause::key(&queue, &task).expect("a key");
        assert!(TaskPause::prefix().expect("a key").covers(&key));
        assert_eq!(TaskPause::of_key(&key), Some((queue, task)));
        let value = pause(Some(3)).value();
        let entry = StateEntry { key, revision: 1, stored_at: AT(0), value };
        assert_eq!(TaskPause::read(&entry), Some(pause(Some(3))));
    }
}
