//! [`FoundJobs`]: what a search has found, and what it has read.

use naq_core::transport::{JobSummary, Place};
use serde::Serialize;

/// The part of a job that has the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MatchedBy {
    /// Its id is the text.
    Id,
    /// Its id has the text in it.
    PartOfId,
    /// One of its tags has the text in it.
    Tag,
    /// The name of its task has the text in it.
    Task,
    /// The kind or the message of its last error has the text in it.
    Error,
}

impl MatchedBy {
    /// The part in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::PartOfId => "part of the id",
            Self::Tag => "tag",
            Self::Task => "task",
            Self::Error => "error",
        }
    }
}

/// A job that a search has found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FoundJob {
    /// The job.
    #[serde(flatten)]
    pub job: JobSummary,
    /// The part of it that has the text.
    pub matched_by: MatchedBy,
}

/// What a search has read of one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SearchedPlace {
    /// Which jobs are there: `queue` (pending and running), `schedule` (waiting), `dead`, or `record`
    /// (completed, cancelled and expired).
    pub place: &'static str,
    /// How many messages were read, the newest first.
    pub read: usize,
    /// Whether there are older ones, which were not read.
    pub has_more: bool,
    /// How many were read of each queue at most. None for a place that has the jobs of all queues in one
    /// list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_each_queue: Option<usize>,
}

impl SearchedPlace {
    /// `all 12 dead jobs`, `the newest 250 waiting jobs of each queue`.
    fn words(&self) -> String {
        let what = match self.place {
            "queue" => "pending and running",
            "schedule" => "waiting",
            "dead" => "dead",
            _ => "ended",
        };
        match (self.read, self.has_more, self.of_each_queue) {
            (0, false, _) => format!("no {what} jobs"),
            (1, false, _) => format!("the only {what} job"),
            (read, false, _) => format!("all {read} {what} jobs"),
            (_, true, Some(share)) => format!("the newest {share} {what} jobs of each queue"),
            (read, true, None) => format!("the newest {read} {what} jobs"),
        }
    }
}

/// What a search has found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FoundJobs {
    /// The jobs: the best match first, then the newest.
    pub jobs: Vec<FoundJob>,
    /// What was read. Empty if the text was empty.
    pub searched: Vec<SearchedPlace>,
}

impl FoundJobs {
    /// What was read, in words: `searched id, tags, task and last error of all 3 dead jobs, ...`.
    pub fn searched_text(&self) -> String {
        let parts: Vec<_> = self.searched.iter().map(SearchedPlace::words).collect();
        format!(
            "searched id, tags, task and last error of {}; arguments and results are not searched",
            parts.join(", ")
        )
    }
}

pub(super) fn place_name(place: Place) -> &'static str {
    match place {
        Place::Queue => "queue",
        Place::Schedule => "schedule",
        Place::Dead => "dead",
        Place::Record => "record",
    }
}

/// The part of the job that has `text`, which is in lower case. None if no part has it.
pub(super) fn matched_by(job: &JobSummary, text: &str) -> Option<MatchedBy> {
    let has = |part: &str| part.to_lowercase().contains(text);
    let id = job.key.id.as_str().to_lowercase();
    let kind = job.error_kind.as_ref().map(ToString::to_string).unwrap_or_default();
    let message = job.message.as_deref().unwrap_or_default();
    [
        (id == text || job.key.to_string().to_lowercase() == text, MatchedBy::Id),
        (id.contains(text), MatchedBy::PartOfId),
        (job.tags.iter().any(|tag| has(tag)), MatchedBy::Tag),
        (job.task.as_ref().is_some_and(|task| has(task.as_str())), MatchedBy::Task),
        (has(&kind) || has(message) || has(&format!("{kind}: {message}")), MatchedBy::Error),
    ]
    .into_iter()
    .find_map(|(is, by)| is.then_some(by))
}
