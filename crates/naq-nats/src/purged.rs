//! A purge of a queue, of a job or of a dead letter frees the ids of its jobs, although the broker remembers
//! them for two minutes. A worker that holds a purged job learns it here.

use std::collections::{HashMap, HashSet};

use naq_core::transport::{
    Expect, JobKey, Place, Receipt, StateKey, StateStore, Submission, TransportError,
};
use naq_core::{QueueName, Timestamp};

use crate::api::Api;
use crate::direct::StreamMessage;
use crate::error::ApiError;
use crate::stream_config::DUPLICATE_WINDOW;
use crate::subjects::StatePart;
use crate::transport::NatsTransport;

/// The note that a queue or one job was purged, for as long as the broker remembers the ids.
#[derive(Debug, Clone, Copy)]
struct PurgeNote {
    /// The last sequence of the queue's stream after the purge.
    last_seq: u64,
    /// The revision of the note.
    revision: u64,
    /// The note is about this job alone, whose record stays.
    of_job: bool,
}

fn key_of(queue: &QueueName) -> Option<StateKey> {
    StateKey::new(["purged", queue.as_str()]).ok()
}

fn job_key_of(job: &JobKey) -> Option<StateKey> {
    StateKey::new(["purged", job.queue.as_str(), job.id.as_str()]).ok()
}

impl NatsTransport {
    /// Removes all jobs of the queue, and leaves the note.
    pub(crate) async fn purge_queue(&self, queue: &QueueName) -> Result<u64, TransportError> {
        let stream = self.api.subjects.queue_stream(queue);
        let purged = self.api.purge(&stream).await?;
        if let Some(key) = key_of(queue).filter(|_| purged > 0)
            && let Err(error) = self.leave_note(queue, &key).await
        {
            tracing::warn!(%queue, %error, "ids of purged jobs are refused for two minutes");
        }
        Ok(purged)
    }

    /// When the newest note about each job was left; `None` if it was not purged lately.
    pub(crate) async fn purge_times(
        &self,
        jobs: &[JobKey],
    ) -> Result<Vec<Option<Timestamp>>, TransportError> {
        let notes = |job: &JobKey| [key_of(&job.queue), job_key_of(job)].into_iter().flatten();
        let wanted: HashSet<StateKey> = jobs.iter().flat_map(notes).collect();
        let wanted: Vec<StateKey> = wanted.into_iter().collect();
        let found = self.state_get(&wanted).await?;
        let left_at: HashMap<StateKey, Timestamp> =
            found.into_iter().flatten().map(|note| (note.key, note.stored_at)).collect();
        let newest = |job| notes(job).filter_map(|key| left_at.get(&key).copied()).max();
        Ok(jobs.iter().map(newest).collect())
    }

    /// Leaves the note that this job was purged.
    pub(crate) async fn note_job_purge(&self, job: &JobKey) -> Result<(), TransportError> {
        match job_key_of(job) {
            Some(key) => self.leave_note(&job.queue, &key).await,
            None => Ok(()),
        }
    }

    async fn leave_note(&self, queue: &QueueName, key: &StateKey) -> Result<(), TransportError> {
        let stream = self.api.subjects.queue_stream(queue);
        let fail = |e: ApiError| e.into_transport("look at the queue", self.api.url());
        // An id that is stored after the purge has a message, so it does not count as free.
        let Some(info) = self.api.stream_info(&stream).await.map_err(fail)? else { return Ok(()) };
        let note = info.state.last_seq.to_string().into();
        self.state_put(key, note, Expect::Any, Some(DUPLICATE_WINDOW)).await.map(drop)
    }
}

impl Api {
    /// The notes that may be about this job.
    async fn purge_notes(&self, job: &JobKey) -> Result<Vec<PurgeNote>, TransportError> {
        let subject = |key: Option<StateKey>| key.map(|key| self.subjects.state(&key));
        let of_job = subject(job_key_of(job));
        let subjects = [subject(key_of(&job.queue)), of_job.clone()].into_iter().flatten();
        let found = self
            .last_of(&self.subjects.state_stream(StatePart::Shared), subjects.collect())
            .await?;
        let note = |message: &StreamMessage| {
            let last_seq = std::str::from_utf8(&message.body).ok()?.parse().ok()?;
            let of_job = of_job.as_ref() == Some(&message.subject);
            Some(PurgeNote { last_seq, revision: message.seq, of_job })
        };
        Ok(found.iter().filter_map(note).collect())
    }

    /// The broker reports that it stored a job of this id at `seq`. Returns another deduplication key if
    /// that job was purged and nothing is left of it. A repetition gets the same one.
    pub(crate) async fn freed_by_purge(
        &self,
        job: &Submission,
        seq: u64,
    ) -> Result<Option<String>, TransportError> {
        if !job.unique {
            return Ok(None);
        }
        let mut notes = self.purge_notes(&job.key).await?;
        notes.retain(|note| seq <= note.last_seq);
        if notes.is_empty() {
            return Ok(None);
        }
        let left = self.last_at(&job.key, &Place::ALL).await?;
        // The record of a death stays when its letter is purged.
        let is_gone = |note: &PurgeNote| {
            left.iter().all(|stored| note.of_job && stored.place == Place::Record)
        };
        let note = notes.iter().find(|note| is_gone(note));
        Ok(note.map(|note| format!("{}/after-purge-{}", job.dedup, note.revision)))
    }

    /// The jobs, by index, whose id may be free because their queue was purged.
    pub(crate) async fn maybe_freed(
        &self,
        jobs: &[Submission],
        answers: &[Option<Result<Receipt, TransportError>>],
    ) -> Vec<usize> {
        let refused = jobs.iter().zip(answers).enumerate().filter(|(_, (job, answer))| {
            job.unique && matches!(answer, Some(Ok(Receipt::Duplicate)))
        });
        let notes_of = |job: &Submission| {
            let keys = [key_of(&job.key.queue), job_key_of(&job.key)].into_iter().flatten();
            keys.map(|key| self.subjects.state(&key)).collect::<Vec<_>>()
        };
        let refused: Vec<_> = refused.map(|(index, (job, _))| (index, notes_of(job))).collect();
        let all: HashSet<&String> = refused.iter().flat_map(|(_, notes)| notes).collect();
        if all.is_empty() {
            return Vec::new();
        }
        let subjects = all.into_iter().cloned().collect();
        let found = self.last_of(&self.subjects.state_stream(StatePart::Shared), subjects).await;
        let found: HashSet<String> =
            found.unwrap_or_default().into_iter().map(|message| message.subject).collect();
        let has_note = |notes: &[String]| notes.iter().any(|note| found.contains(note));
        refused.into_iter().filter(|(_, notes)| has_note(notes)).map(|(index, _)| index).collect()
    }
}
