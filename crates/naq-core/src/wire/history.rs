//! What happened to a job, one record an attempt.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::failure::ErrorKind;
use crate::names::WorkerId;
use crate::retry::Rule;

/// Records kept with a job; the first ones are the most telling, so the oldest after the first go.
pub const MAX_HISTORY: usize = 50;
/// Bytes that the history may add to a job, so that a job accepted at enqueue can always be written
/// again after it failed.
pub const MAX_HISTORY_BYTES: usize = 32 * 1024;
/// Bytes of an error message that are kept.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024;
/// Bytes of a decision's sentence that are kept.
pub const MAX_REASON_BYTES: usize = 4 * 1024;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// The handler succeeded.
    Completed,
    /// The handler failed, panicked or ran out of time.
    Failed,
    /// The handler asked to run again later; not counted.
    Snoozed,
    /// The handler, or somebody from outside, cancelled the job.
    Cancelled,
    /// The worker died or lost its lease while it ran the attempt; not counted.
    Crashed,
    /// It was not run: the deadline had passed, the crash budget was spent, or nobody could.
    NotRun,
    /// It was not run, and waits: a limit, a breaker or a budget holds the job back; not counted.
    /// However often, one record a row of them stays: the last.
    HeldBack,
    /// No attempt: an operator put the dead job back, and a new life began.
    Requeued,
    /// Written by a newer NAQ.
    #[serde(other)]
    Unknown,
}

/// One attempt: when, where, how it ended, what was decided and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Which attempt of this life, 1-based.
    pub attempt: u32,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// When it was due; none for a job that was due at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// When the handler began; unknown for a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// On which worker; unknown for a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<ErrorKind>,
    /// The error's message, cut to [`MAX_MESSAGE_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What was decided: `complete`, `retry`, `snooze`, `dead`, `cancel`, `expire`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// The decision in one sentence, cut to [`MAX_REASON_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The delay until the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// What a newer NAQ wrote beside these, kept for it.
    #[serde(flatten)]
    pub kept: BTreeMap<String, serde_json::Value>,
}

impl AttemptRecord {
    /// A record that says no more than which attempt and how it ended.
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
            kept: BTreeMap::new(),
        }
    }

    /// About what it takes on the wire at most: its texts, the names and times around them, and
    /// what a newer NAQ put beside them.
    fn weight(&self) -> usize {
        const FIXED: usize = 320;
        let text = |t: &Option<String>| t.as_deref().map_or(0, escaped);
        let kept = |(name, value): (&String, &serde_json::Value)| {
            escaped(name) + serde_json::to_string(value).map_or(0, |json| json.len())
        };
        let kept: usize = self.kept.iter().map(kept).sum();
        FIXED + text(&self.message) + text(&self.reason) + kept
    }
}

/// The bytes of a text in JSON, which writes some characters as `\n` and some as `\u001b`.
fn escaped(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    });
    bytes.sum()
}

/// Cuts a message to [`MAX_MESSAGE_BYTES`] as JSON writes them, at a character.
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

/// Adds a record and keeps the limits. The first and the newest always stay.
pub(super) fn push(history: &mut Vec<AttemptRecord>, mut record: AttemptRecord) {
    record.message = record.message.map(clip);
    record.reason = record.reason.map(|reason| clip_to(reason, MAX_REASON_BYTES));
    let held_back = |r: &AttemptRecord| r.outcome == AttemptOutcome::HeldBack;
    if held_back(&record) && history.last().is_some_and(held_back) {
        history.pop();
    }
    history.push(record);
    let mut bytes: usize = history.iter().map(AttemptRecord::weight).sum();
    while history.len() > 2 && (history.len() > MAX_HISTORY || bytes > MAX_HISTORY_BYTES) {
        bytes -= history.remove(1).weight();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_keeps_its_limits_and_its_ends() {
        let mut history = Vec::new();
        for attempt in 1..=200 {
            let mut record = AttemptRecord::new(attempt, AttemptOutcome::Failed);
            record.message = Some("é".repeat(10_000));
            record.reason = Some("x".repeat(1_000_000));
            push(&mut history, record);
        }
        let bytes: usize = history.iter().map(AttemptRecord::weight).sum();
        assert!(history.len() <= MAX_HISTORY && bytes <= MAX_HISTORY_BYTES, "{bytes}");
        assert_eq!((history[0].attempt, history[history.len() - 1].attempt), (1, 200));
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
