//! [`KeyEntry`]: the state-store entry of a unique key that a job holds.

use bytes::Bytes;
use naq_core::clock::Timestamp;
use naq_core::flow::{Unique, UniqueScope};
use naq_core::names::JobKey;
use naq_core::transport::{StateEntry, Submission, TransportError};
use naq_core::wire::{Nonce, WireMessage};
use serde::{Deserialize, Serialize};

/// The stored form is one line of JSON. Until the client knows that the job is stored, the raw body of
/// the job follows that line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeyEntry {
    pub(super) holder: JobKey,
    /// The life of the holder.
    nonce: String,
    pub(super) scope: UniqueScope,
    taken_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<StoredSubmission>,
    #[serde(skip)]
    body: Bytes,
}

/// A submission without its body and its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StoredSubmission {
    dedup: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    #[serde(default)]
    only_of_its_id: bool,
    headers: Vec<(String, String)>,
}

impl KeyEntry {
    pub(super) fn new(holder: &JobKey, life: &Nonce, unique: &Unique, now: Timestamp) -> Self {
        Self {
            holder: holder.clone(),
            nonce: life.to_string(),
            scope: unique.scope,
            taken_at: now,
            job: None,
            body: Bytes::new(),
        }
    }

    /// Adds the whole job, so that another client can store it.
    pub(super) fn with_job(mut self, submission: &Submission) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        self.job = Some(StoredSubmission {
            dedup: submission.dedup.clone(),
            due_at: submission.due_at,
            only_of_its_id: submission.unique,
            headers: submission.message.headers().map(owned).collect(),
        });
        self.body = submission.message.body.clone();
        self
    }

    pub(super) fn to_value(&self) -> Bytes {
        // Names, texts and numbers can always be written as JSON.
        let mut value = serde_json::to_vec(self).unwrap_or_default();
        value.push(b'\n');
        value.extend_from_slice(&self.body);
        value.into()
    }

    /// Reads a state-store entry.
    ///
    /// # Errors
    /// [`TransportError::Rejected`] when it is not the entry of a unique key.
    pub(super) fn read(entry: &StateEntry) -> Result<Self, TransportError> {
        let line = entry.value.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut read: Self = serde_json::from_slice(line).map_err(|e| unreadable(entry, &e))?;
        read.body = entry.value.slice((line.len() + 1).min(entry.value.len())..);
        Ok(read)
    }

    /// True if this life of this job holds the key.
    pub(super) fn is_of(&self, job: &JobKey, life: &Nonce) -> bool {
        self.holder == *job && self.nonce == life.to_string()
    }

    pub(super) fn life(&self, entry: &StateEntry) -> Result<Nonce, TransportError> {
        Nonce::parse(&self.nonce).map_err(|e| unreadable(entry, &e))
    }

    /// True if the job is known to be stored.
    pub(super) fn is_sent(&self) -> bool {
        self.job.is_none()
    }

    /// The job, for a client that finds that it is not stored.
    pub(super) fn submission(&self) -> Option<Submission> {
        let job = self.job.as_ref()?;
        let message = job
            .headers
            .iter()
            .fold(WireMessage::new(self.body.clone()), |m, (name, value)| m.with(name, value));
        Some(Submission {
            key: self.holder.clone(),
            due_at: job.due_at,
            dedup: job.dedup.clone(),
            unique: job.only_of_its_id,
            message,
        })
    }
}

fn unreadable(entry: &StateEntry, why: &dyn std::fmt::Display) -> TransportError {
    TransportError::Rejected {
        what: format!("read the holder of {}", entry.key),
        reason: format!("its entry cannot be read: {why}"),
    }
}
