//! A purge of a queue frees the ids of its jobs, although the broker remembers them for two minutes.

use std::collections::HashMap;

use naq_core::QueueName;
use naq_core::transport::{
    Expect, Place, Receipt, StateKey, StateStore, Submission, TransportError,
};

use crate::api::Api;
use crate::error::ApiError;
use crate::topology::DUPLICATE_WINDOW;
use crate::transport::NatsTransport;

const PLACES: [Place; 4] = [Place::Queue, Place::Schedule, Place::Dead, Place::Record];

/// The note that a queue was purged, for as long as the broker remembers the ids.
#[derive(Debug, Clone, Copy)]
struct PurgeNote {
    /// The last sequence of the queue's stream after the purge.
    last_seq: u64,
    /// The revision of the note.
    revision: u64,
}

fn key_of(queue: &QueueName) -> Option<StateKey> {
    StateKey::new(["purged", queue.as_str()]).ok()
}

impl NatsTransport {
    /// Removes all jobs of the queue, and leaves the note.
    pub(crate) async fn purge_queue(&self, queue: &QueueName) -> Result<u64, TransportError> {
        let stream = self.api.subjects.queue_stream(queue);
        let purged = self.api.purge(&stream).await?;
        let fail = |e: ApiError| e.into_transport("look at the queue", self.api.url());
        // An id that is stored between the two requests has a message, so it does not count as free.
        let info = self.api.stream_info(&stream).await.map_err(fail)?;
        if let (Some(info), Some(key)) = (info.filter(|_| purged > 0), key_of(queue)) {
            let note = info.state.last_seq.to_string().into();
            let put = self.state_put(&key, note, Expect::Any, Some(DUPLICATE_WINDOW)).await;
            if let Err(error) = put {
                tracing::warn!(%queue, %error, "ids of purged jobs are refused for two minutes");
            }
        }
        Ok(purged)
    }
}

impl Api {
    async fn purge_note(&self, queue: &QueueName) -> Result<Option<PurgeNote>, TransportError> {
        let Some(key) = key_of(queue) else { return Ok(None) };
        let subject = self.subjects.state(&key);
        let found = self.last_of(&self.subjects.state_stream(), vec![subject]).await?;
        Ok(found.first().and_then(|message| {
            let last_seq = std::str::from_utf8(&message.body).ok()?.parse().ok()?;
            Some(PurgeNote { last_seq, revision: message.seq })
        }))
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
        let note = self.purge_note(&job.key.queue).await?;
        let Some(note) = note.filter(|note| seq <= note.last_seq) else { return Ok(None) };
        let is_gone = self.last_at(&job.key, &PLACES).await?.is_empty();
        Ok(is_gone.then(|| format!("{}/after-purge-{}", job.dedup, note.revision)))
    }

    /// The jobs, by index, whose id may be free because their queue was purged.
    pub(crate) async fn maybe_freed(
        &self,
        jobs: &[Submission],
        answers: &[Option<Result<Receipt, TransportError>>],
    ) -> Vec<usize> {
        let mut purged: HashMap<&QueueName, bool> = HashMap::new();
        let mut found = Vec::new();
        for (index, (job, answer)) in jobs.iter().zip(answers).enumerate() {
            if !job.unique || !matches!(answer, Some(Ok(Receipt::Duplicate))) {
                continue;
            }
            let queue = &job.key.queue;
            let was_purged = match purged.get(queue) {
                Some(was_purged) => *was_purged,
                None => {
                    let note = self.purge_note(queue).await;
                    *purged.entry(queue).or_insert(note.is_ok_and(|note| note.is_some()))
                }
            };
            if was_purged {
                found.push(index);
            }
        }
        found
    }
}
