//! [`Holding`]: what stands under a key that a job holds.

use bytes::Bytes;
use naq_core::clock::Timestamp;
use naq_core::flow::{Unique, UniqueScope};
use naq_core::transport::{JobKey, StateEntry, Submission, TransportError};
use naq_core::wire::{Nonce, WireMessage};
use serde::{Deserialize, Serialize};

/// A line of JSON; and behind it, until the job is known to be stored, the job's body as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Holding {
    pub(super) holder: JobKey,
    /// Which life of the holder.
    nonce: String,
    pub(super) scope: UniqueScope,
    taken_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<Sending>,
    #[serde(skip)]
    body: Bytes,
}

/// A job on its way, but for its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sending {
    dedup: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    #[serde(default)]
    only_of_its_id: bool,
    headers: Vec<(String, String)>,
}

impl Holding {
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

    /// With all that it takes to store the job.
    pub(super) fn with_job(mut self, submission: &Submission) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        self.job = Some(Sending {
            dedup: submission.dedup.clone(),
            due_at: submission.due_at,
            only_of_its_id: submission.unique,
            headers: submission.message.headers().map(owned).collect(),
        });
        self.body = submission.message.body.clone();
        self
    }

    pub(super) fn to_value(&self) -> Bytes {
        // Names, texts and numbers: there is nothing in it that has no JSON.
        let mut value = serde_json::to_vec(self).unwrap_or_default();
        value.push(b'\n');
        value.extend_from_slice(&self.body);
        value.into()
    }

    /// What stands in this entry.
    ///
    /// # Errors
    /// [`TransportError::Rejected`] when it is something else.
    pub(super) fn read(entry: &StateEntry) -> Result<Self, TransportError> {
        let line = entry.value.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut holding: Self = serde_json::from_slice(line).map_err(|e| unreadable(entry, &e))?;
        holding.body = entry.value.slice((line.len() + 1).min(entry.value.len())..);
        Ok(holding)
    }

    /// Whether this life of this job holds the key.
    pub(super) fn is_of(&self, job: &JobKey, life: &Nonce) -> bool {
        self.holder == *job && self.nonce == life.to_string()
    }

    pub(super) fn life(&self, entry: &StateEntry) -> Result<Nonce, TransportError> {
        Nonce::parse(&self.nonce).map_err(|e| unreadable(entry, &e))
    }

    /// Whether its job is known to be stored.
    pub(super) fn is_sent(&self) -> bool {
        self.job.is_none()
    }

    /// The job, to be sent by whoever finds that nobody has.
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
    let what = format!("look who holds {}", entry.key);
    TransportError::Rejected { what, reason: format!("its entry cannot be read: {why}") }
}
