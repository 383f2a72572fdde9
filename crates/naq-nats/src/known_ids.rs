//! What the broker knows of a job's id, before the job is sent, or sent again.
//!
//! The broker refuses an id by itself only for two minutes, and a restart forgets the ids of jobs that
//! have ended. So a chosen id is looked for before its job is sent, and every id before its job is sent
//! again.

use naq_core::transport::{JobKey, Place, Receipt, Stored, Submission, TransportError};

use crate::api::Api;

const LIVE: [Place; 2] = [Place::Queue, Place::Schedule];
const ENDED: [Place; 2] = [Place::Dead, Place::Record];

impl Api {
    /// The receipt for a job that needs no request: its id is taken, or an earlier request whose answer
    /// was lost has stored it. `unclear` is the number of such requests. A first send of a random id
    /// costs no look-up.
    pub(crate) async fn receipt_of_known(
        &self,
        job: &Submission,
        unclear: u32,
    ) -> Result<Option<Receipt>, TransportError> {
        if unclear == 0 && !job.unique {
            return Ok(None);
        }
        let found = match self.messages_of(std::slice::from_ref(&job.key)).await {
            Ok(mut found) => found.pop().unwrap_or_default(),
            // A producer of random ids needs no right to read. Its job says that it is sent again, and
            // the worker looks.
            Err(TransportError::Permission { .. }) if !job.unique => return Ok(None),
            Err(error) => return Err(error),
        };
        let own = found.iter().find(|stored| unclear > 0 && is_own(job, stored));
        Ok(match own {
            Some(own) if LIVE.contains(&own.place) => Some(Receipt::Stored(own.seq)),
            // It has ended. Its sequence in the queue is not known any more.
            Some(_) => Some(Receipt::Stored(0)),
            None => is_refused(job, &found).then_some(Receipt::Duplicate),
        })
    }

    /// Whether the id is taken, for each of the jobs that are sent for the first time.
    pub(crate) async fn are_refused(
        &self,
        jobs: &[Submission],
    ) -> Result<Vec<bool>, TransportError> {
        let chosen = jobs.iter().filter(|job| job.unique);
        let keys: Vec<_> = chosen.map(|job| job.key.clone()).collect();
        if keys.is_empty() {
            return Ok(vec![false; jobs.len()]);
        }
        let mut found = self.messages_of(&keys).await?.into_iter();
        let mut refused =
            |job: &Submission| found.next().is_some_and(|found| is_refused(job, &found));
        Ok(jobs.iter().map(|job| job.unique && refused(job)).collect())
    }

    /// The last message on each of the four subjects, for each job.
    async fn messages_of(&self, keys: &[JobKey]) -> Result<Vec<Vec<Stored>>, TransportError> {
        let mut found = self.last_of_each(keys, &LIVE).await?;
        // These places must be read second. A job that ends now is stored there before it leaves the
        // queue.
        for (found, ended) in found.iter_mut().zip(self.last_of_each(keys, &ENDED).await?) {
            found.extend(ended);
        }
        Ok(found)
    }
}

/// Whether `stored` is a message of the life that `job` begins.
fn is_own(job: &Submission, stored: &Stored) -> bool {
    job.message.step().is_some_and(|step| step.nonce == stored.step().nonce)
}

fn is_refused(job: &Submission, found: &[Stored]) -> bool {
    found.iter().any(|stored| job.is_refused_by(stored))
}
