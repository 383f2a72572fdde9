//! [`TaskPause`]: an operator's pause of one task in one queue.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names::{QueueName, StateKey, StateKeyError, TaskName};
use crate::transport::StateEntry;

/// The longest wait before a held-back job checks the pause, while the pause is new.
const FIRST_CHECK: Duration = Duration::from_secs(15);
/// The longest wait before a held-back job checks the pause, when the pause has lasted long.
const SLOWEST_CHECK: Duration = Duration::from_secs(5 * 60);

/// An operator's pause of one task in one queue. Its jobs are held back. This counts as no attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPause {
    /// The queue.
    pub queue: QueueName,
    /// The task.
    pub task: TaskName,
    /// When the pause ends by itself. `None` if it lasts until an operator resumes the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When the pause started.
    pub since: Timestamp,
    /// The operator who paused the task.
    pub who: String,
    /// Why the operator paused it. Empty if no reason was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl TaskPause {
    /// The prefix of the state-store keys of all pauses.
    ///
    /// # Errors
    /// Never: the key is a constant.
    pub fn prefix() -> Result<StateKey, StateKeyError> {
        StateKey::new(["pause"])
    }

    /// The state-store key of a pause: `pause.<queue>.<task>`.
    ///
    /// # Errors
    /// Never: valid names always fit.
    pub fn key(queue: &QueueName, task: &TaskName) -> Result<StateKey, StateKeyError> {
        StateKey::new(["pause", queue.as_str(), task.as_str()])
    }

    /// The queue and the task in the key of a pause. `None` for any other key.
    pub fn of_key(key: &StateKey) -> Option<(QueueName, TaskName)> {
        let mut tokens = key.tokens().skip(1);
        Some((QueueName::new(tokens.next()?).ok()?, TaskName::new(tokens.next()?).ok()?))
    }

    /// Reads a state-store entry. `None` if it is not a pause that this version of NAQ can read.
    pub fn read(entry: &StateEntry) -> Option<Self> {
        serde_json::from_slice(&entry.value).ok()
    }

    /// The value of the state-store entry: JSON.
    pub fn value(&self) -> Bytes {
        // Names, texts and times can always be written as JSON.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Whether the pause is in force.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// When a held-back job checks the pause again. The wait grows with the time that the pause has
    /// lasted, from at most 15 s to at most 5 min, so that a long pause causes few checks. After the pause
    /// is lifted, a job runs within a tenth of the time that the pause has lasted. `share`, from 0 to
    /// 1, differs between jobs, so that not all jobs check at the same time.
    pub fn next_look(&self, now: Timestamp, share: f64) -> Timestamp {
        let lasted = now.since(self.since);
        let span = (lasted / 10).clamp(FIRST_CHECK, SLOWEST_CHECK);
        let look = now + span.mul_f64(0.5 + share.clamp(0.0, 1.0) / 2.0);
        match self.until {
            // The end is known. Jobs check within a twentieth of the pause's length after it.
            Some(until) if until <= look => {
                let spread = (until.since(self.since) / 20).min(FIRST_CHECK);
                until + spread.mul_f64(share.clamp(0.0, 1.0))
            }
            _ => look,
        }
    }

    /// Why the pause holds a job back, in one sentence.
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
    fn checks_are_near_at_first_and_later_with_the_length_of_the_pause() {
        let open = pause(None);
        for (now, share, expected) in
            [(0, 1.0, 15), (100, 1.0, 115), (100, 0.0, 107), (600, 1.0, 660), (90_000, 1.0, 90_300)]
        {
            let look = open.next_look(AT(now), share);
            assert_eq!(look.as_millis() / 1000, expected, "{now} {share}");
        }
    }

    #[test]
    fn no_job_comes_back_before_a_known_end() {
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
        let queue = QueueName::new("mail").expect("a name");
        let task = TaskName::new("a.b:c/d").expect("a name");
        let key = TaskPause::key(&queue, &task).expect("a key");
        assert!(TaskPause::prefix().expect("a key").covers(&key));
        assert_eq!(TaskPause::of_key(&key), Some((queue, task)));
        let value = pause(Some(3)).value();
        let entry = StateEntry { key, revision: 1, stored_at: AT(0), value };
        assert_eq!(TaskPause::read(&entry), Some(pause(Some(3))));
    }
}
