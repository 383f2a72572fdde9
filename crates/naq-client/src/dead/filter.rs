//! [`DeadFilter`], [`DeadSummary`]: which dead letters, and one dead letter in one line.

use naq_core::clock::Timestamp;
use naq_core::failure::ErrorKind;
use naq_core::names::{CHORES, JobId, QueueName, TaskName};
use naq_core::seal::shown_text;
use naq_core::stats::pattern;
use naq_core::transport::{DeadPage, Stored, TransportError};
use serde::{Deserialize, Serialize};

use crate::Client;

/// Selects dead letters. A letter must match every field that is set; an empty filter matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeadFilter {
    /// Letters of this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Letters whose error is of this kind or a kind below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<ErrorKind>,
    /// Letters of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
    /// Letters of the job with this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<JobId>,
    /// Letters whose message has this [pattern](naq_core::stats::pattern). With a pattern, the
    /// error kind must be equal; together with a task that is one error group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// A dead letter in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadSummary {
    /// The job's id.
    pub id: JobId,
    /// The job's queue.
    pub queue: QueueName,
    /// The job's task, if the body could be read.
    pub task: Option<TaskName>,
    /// The attempt after which it died.
    pub attempt: u32,
    /// The kind of the last error.
    pub error_kind: ErrorKind,
    /// The message of the last error.
    pub message: String,
    /// The rule that ended it.
    pub rule: String,
    /// The decision in one sentence.
    pub reason: String,
    /// When it died.
    pub died_at: Timestamp,
    /// Its sequence in the dead letter queue.
    pub seq: u64,
}

impl DeadFilter {
    /// True if this letter matches. A letter of NAQ's own jobs matches only a filter with its queue
    /// or its id.
    pub fn fits(&self, stored: &Stored) -> bool {
        let letter = stored.dead_letter();
        let queue_fits = match &self.queue {
            Some(queue) => *queue == stored.key.queue,
            None => self.id.is_some() || stored.key.queue.as_str() != CHORES,
        };
        queue_fits
            && self.id.as_ref().is_none_or(|id| *id == stored.key.id)
            && self.task.as_ref().is_none_or(|t| letter.task.as_ref() == Some(t))
            && self.error_kind.as_ref().is_none_or(|kind| match self.pattern {
                None => letter.error_kind.is(kind),
                Some(_) => letter.error_kind == *kind,
            })
            && self.pattern.as_ref().is_none_or(|p| pattern(&shown_text(&letter.message)) == *p)
    }
}

impl From<&Stored> for DeadSummary {
    fn from(stored: &Stored) -> Self {
        let letter = stored.dead_letter();
        Self {
            id: stored.key.id.clone(),
            queue: stored.key.queue.clone(),
            task: letter.task,
            attempt: letter.step.attempt,
            error_kind: letter.error_kind,
            message: shown_text(&letter.message).into_owned(),
            rule: letter.rule.as_str().to_owned(),
            reason: letter.reason,
            died_at: letter.died_at,
            seq: stored.seq,
        }
    }
}

impl Client {
    /// A page of the dead letters, from sequence `from` on. The filter is applied after the page is
    /// read, so a page may be empty without being the last.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn dead_letters(
        &self,
        filter: &DeadFilter,
        from: u64,
        limit: usize,
    ) -> Result<DeadPage, TransportError> {
        let mut page = self.transport.dead_letters(filter.queue.as_ref(), from, limit).await?;
        page.letters.retain(|letter| filter.fits(letter));
        Ok(page)
    }
}
