//! The history of a job: one [`AttemptRecord`] for each attempt.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::failure::ErrorKind;
use crate::names::WorkerId;
use crate::retry::Rule;

/// The most records in a history. When there are more, the oldest records after the first one are
/// removed.
pub const MAX_HISTORY: usize = 50;
/// The most bytes of a history. With this bound, a job that the broker accepted at its enqueue never
/// becomes too large through its failures.
pub const MAX_HISTORY_BYTES: usize = 32 * 1024;
/// The most bytes of an error message in a record.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024;
/// The most bytes of the reason of a decision in a record.
pub const MAX_REASON_BYTES: usize = 4 * 1024;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// The handler succeeded.
    Completed,
    /// The handler failed, panicked or exceeded its timeout.
    Failed,
    /// The handler asked to run again later. This does not count as an attempt.
    Snoozed,
    /// The handler, a client or an operator cancelled the job.
    Cancelled,
    /// The worker crashed or lost its lease while it ran the attempt. This does not count as an attempt.
    Crashed,
    /// The attempt was not run: the deadline had passed, the job had crashed `max_crashes` workers, or
    /// no worker knew the task.
    NotRun,
    /// The attempt was not run, because a gate such as a limit or a breaker holds the job back. This
    /// does not count as an attempt. Of several such records in a row only the last one stays.
    HeldBack,
    /// An operator requeued the dead job, and a new life began. This is not an attempt.
    Requeued,
    /// An outcome that a newer version of NAQ wrote.
    #[serde(other)]
    Unknown,
}

/// One attempt: when and where it ran, how it ended, what follows and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// The number of the attempt in this life, from 1.
    pub attempt: u32,
    /// How the attempt ended.
    pub outcome: AttemptOutcome,
    /// When the attempt was due. `None` if it was due at its enqueue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// When the handler started. `None` for a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the attempt ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The worker that ran the attempt. `None` for a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// The error kind of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<ErrorKind>,
    /// The message of the failure, cut to [`MAX_MESSAGE_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The action that was decided: `complete`, `retry`, `snooze`, `dead`, `cancel`, `expire`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// The reason in one sentence, cut to [`MAX_REASON_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The delay until the next attempt, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// What held the job back: the key of the breaker or of the limit, or the task or queue of the budget.
    /// `None` for an attempt that was not held back, and for what an earlier version wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// Since when it has been held back for the same reason without a break. `None` as in `held_by`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<Timestamp>,
    /// Fields that a newer version of NAQ wrote. NAQ writes them again unchanged.
    #[serde(flatten)]
    pub kept: BTreeMap<String, serde_json::Value>,
}

impl AttemptRecord {
    /// A record with the number of the attempt and how it ended, and no other data.
    pub fn new(attempt: u32, outcome: AttemptOutcome) -> Self {
        Self {
            attempt,
            outcome,
            due_at: None,
            started_at: None,
            ended_at: None,
            worker: None,
            error_kind: None,
            message: None,
            decision: None,
            rule: None,
            reason: None,
            delay_ms: None,
            held_by: None,
            held_since: None,
            kept: BTreeMap::new(),
        }
    }

    /// An upper bound for the bytes of the record on the wire: its texts, unknown fields, and a fixed
    /// size for all other fields.
    fn max_bytes(&self) -> usize {
        const FIXED: usize = 380;
        let text = |t: &Option<String>| t.as_deref().map_or(0, escaped);
        let unknown = |(name, value): (&String, &serde_json::Value)| {
            escaped(name) + serde_json::to_string(value).map_or(0, |json| json.len())
        };
        let unknown: usize = self.kept.iter().map(unknown).sum();
        FIXED + text(&self.message) + text(&self.reason) + text(&self.held_by) + unknown
    }
}

/// The number of bytes of a text in JSON, which writes some characters as `\n` and some as `\u001b`.
fn escaped(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    });
    bytes.sum()
}

/// Cuts a message at a character, so that it has at most [`MAX_MESSAGE_BYTES`] in JSON.
pub(crate) fn clip(message: String) -> String {
    clip_to(message, MAX_MESSAGE_BYTES)
}

fn clip_to(mut message: String, bytes: usize) -> String {
    if escaped(&message) > bytes {
        let mut room = bytes - '…'.len_utf8();
        let end = message.char_indices().find_map(|(at, c)| {
            let left = room.checked_sub(escaped(c.encode_utf8(&mut [0; 4])));
            room = left.unwrap_or(room);
            left.is_none().then_some(at)
        });
        message.truncate(end.unwrap_or(message.len()));
        message.push('…');
    }
    message
}

/// Adds a record, and removes old ones beyond the limits. The first and the newest record always stay.
pub(super) fn push(history: &mut Vec<AttemptRecord>, mut record: AttemptRecord) {
    record.message = record.message.map(clip);
    record.reason = record.reason.map(|reason| clip_to(reason, MAX_REASON_BYTES));
    let held_back = |r: &AttemptRecord| r.outcome == AttemptOutcome::HeldBack;
    if held_back(&record)
        && let Some(last) = history.pop_if(|last| held_back(last))
        && (last.rule, &last.held_by) == (record.rule, &record.held_by)
    {
        record.held_since = last.held_since.or(last.ended_at);
    }
    history.push(record);
    let mut bytes: usize = history.iter().map(AttemptRecord::max_bytes).sum();
    while history.len() > 2 && (history.len() > MAX_HISTORY || bytes > MAX_HISTORY_BYTES) {
        bytes -= history.remove(1).max_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_keeps_its_limits_its_first_and_its_newest_record() {
        let mut history = Vec::new();
        for attempt in 1..=200 {
            let mut record = AttemptRecord::new(attempt, AttemptOutcome::Failed);
            record.message = Some("é".repeat(10_000));
            record.reason = Some("x".repeat(1_000_000));
            push(&mut history, record);
        }
        let bytes: usize = history.iter().map(AttemptRecord::max_bytes).sum();
        assert!(history.len() <= MAX_HISTORY && bytes <= MAX_HISTORY_BYTES, "{bytes}");
        assert_eq!((history[0].attempt, history[history.len() - 1].attempt), (1, 200));
    }

    #[test]
    fn a_job_is_held_since_the_same_thing_first_held_it() {
        let at = Timestamp::from_millis;
        let held = |by: &str, ms| {
            let mut record = AttemptRecord::new(1, AttemptOutcome::HeldBack);
            record.rule = Some(Rule::Breaker);
            (record.held_by, record.held_since) = (Some(by.into()), Some(at(ms)));
            record
        };
        let mut history = Vec::new();
        for (by, ms, since) in
            [("stripe", 1, 1), ("stripe", 2, 1), ("mail", 3, 3), ("stripe", 4, 4), ("stripe", 5, 4)]
        {
            push(&mut history, held(by, ms));
            assert_eq!((history.len(), history[0].held_since), (1, Some(at(since))), "{by} {ms}");
        }
    }

    #[test]
    fn a_message_is_cut_where_json_would_be_too_long() {
        for (text, kept) in [("é", 4094), ("\0", 1364), ("\"", 4094), ("x", 8189)] {
            let cut = clip(text.repeat(10_000));
            assert_eq!(cut.chars().count(), kept + 1, "{text:?}");
            assert!(serde_json::to_string(&cut).expect("writes").len() <= MAX_MESSAGE_BYTES + 2);
        }
        assert_eq!(clip("x".repeat(MAX_MESSAGE_BYTES)).len(), MAX_MESSAGE_BYTES);
    }

    #[test]
    fn the_history_keeps_its_limit_in_bytes_as_they_are_written() {
        let mut history = Vec::new();
        for attempt in 1..=50 {
            let mut record = AttemptRecord::new(attempt, AttemptOutcome::Failed);
            record.message = Some("\u{1b}[31m\"\0\n".repeat(100));
            record.kept.insert("new".into(), "x".repeat(1000).into());
            push(&mut history, record);
        }
        let written = serde_json::to_string(&history).expect("writes").len();
        assert!(history.len() > 2 && written <= MAX_HISTORY_BYTES, "{written}");
    }

    #[test]
    fn fields_of_a_newer_version_are_kept_in_both_codecs() {
        let text = r#"{"attempt":1,"outcome":"failed","new":{"a":[1,2.5]}}"#;
        let record: AttemptRecord = serde_json::from_str(text).expect("reads");
        assert_eq!(serde_json::to_string(&record).expect("writes"), text);
        let packed = rmp_serde::to_vec_named(&record).expect("writes");
        assert_eq!(rmp_serde::from_slice::<AttemptRecord>(&packed).expect("reads"), record);
    }

    #[test]
    fn an_outcome_of_a_newer_version_is_read() {
        let record: AttemptRecord =
            serde_json::from_str(r#"{"attempt":1,"outcome":"teleported","new":1}"#).expect("reads");
        assert_eq!(record.outcome, AttemptOutcome::Unknown);
    }
}
