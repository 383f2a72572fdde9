//! Wait for a job's end. The broker notifies the client of the end. The wait also reads the job from
//! time to time, in case it missed the notification.

use std::time::Duration;

use naq_core::failure::ErrorKind;
use naq_core::names::{JobId, JobKey};
use naq_core::state::JobState;
use naq_core::transport::{Place, Stored, TransportError};
use naq_core::wire::{DecodeError, Nonce};
use serde::de::DeserializeOwned;

use crate::{Client, ClientError, JobHandle, JobReport};

/// The shortest time between two reads of the job. The time between two reads is a quarter of the
/// time that the wait has lasted so far.
const MIN_READ_INTERVAL: Duration = Duration::from_secs(2);
/// The longest time between two reads of the job.
const MAX_READ_INTERVAL: Duration = Duration::from_secs(30);
/// If a wait finds no message of the job, it reads once more after this time. A job that ends at this
/// moment may have left its queue while its record is not visible yet.
const REREAD_AFTER: Duration = Duration::from_millis(200);

/// A wait that ended without a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The job died.
    #[error("job {id} is dead: {kind}: {message}; requeue its dead letter to run it again")]
    Dead {
        /// The job's id.
        id: JobId,
        /// The kind of its last error.
        kind: ErrorKind,
        /// The message of its last error.
        message: String,
    },
    /// The job was cancelled.
    #[error("job {id} was cancelled: {reason}")]
    Cancelled {
        /// The job's id.
        id: JobId,
        /// Why.
        reason: String,
    },
    /// No attempt started before the job's deadline.
    #[error("job {id} expired: its deadline passed before an attempt could start")]
    Expired {
        /// The job's id.
        id: JobId,
    },
    /// The job has not ended within the time.
    #[error("job {id} is still {state} after {}: wait longer", naq_core::retry::BriefDuration(*.after))]
    TimedOut {
        /// The job's id.
        id: JobId,
        /// Its state.
        state: JobState,
        /// How long the caller waited.
        after: Duration,
    },
    /// The broker has no message of the job.
    #[error(
        "the broker has no message of job {id}: it was never enqueued, keeps no record, or its record has expired; `record_ttl` says how long a record is kept"
    )]
    NoRecord {
        /// The job's id.
        id: JobId,
    },
    /// The job completed, and its result is no longer stored.
    #[error(
        "job {id} has completed, and its result has expired: a longer `record_ttl` keeps it longer"
    )]
    NoResult {
        /// The job's id.
        id: JobId,
    },
    /// The job completed, and its result has another type than the caller expects.
    #[error("the result of job {id}: {source}")]
    Decode {
        /// The job's id.
        id: JobId,
        /// Why it cannot be decoded.
        source: DecodeError,
    },
    /// The job could not be read.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl From<TransportError> for WaitError {
    fn from(err: TransportError) -> Self {
        Self::Client(err.into())
    }
}

impl JobReport {
    /// The value that the handler of a completed job returned. Any other end is an error.
    ///
    /// # Errors
    /// [`WaitError`]; `TimedOut` for a job that has not ended.
    pub fn into_output<O: DeserializeOwned>(self) -> Result<O, WaitError> {
        let id = self.key.id.clone();
        let last = self.envelope.as_ref().and_then(|job| job.history.last());
        match self.state {
            JobState::Completed => match self.result {
                Some(result) => result.decode().map_err(|source| WaitError::Decode { id, source }),
                None => Err(WaitError::NoResult { id }),
            },
            JobState::Dead => {
                let letter = self.dead.map(|letter| (letter.error_kind, letter.message));
                let error = self.envelope.as_ref().and_then(|job| job.last_error());
                let error = error.map(|last| (last.error_kind.clone(), last.message.clone()));
                let (kind, message) = letter.unwrap_or_else(|| {
                    let (kind, message) = error.unwrap_or_default();
                    (kind.unwrap_or(ErrorKind::ERROR), message.unwrap_or_default())
                });
                Err(WaitError::Dead { id, kind, message })
            }
            JobState::Cancelled => {
                let why = last.and_then(|last| last.reason.clone().or(last.message.clone()));
                let reason = why.unwrap_or_else(|| "no reason was given".into());
                Err(WaitError::Cancelled { id, reason })
            }
            JobState::Expired => Err(WaitError::Expired { id }),
            state => Err(WaitError::TimedOut { id, state, after: Duration::ZERO }),
        }
    }
}

impl<O: DeserializeOwned> JobHandle<O> {
    /// Waits until the job has ended, and returns what its handler returned. A job that failed and
    /// waits for a retry has not ended.
    ///
    /// The broker notifies of the end, so many callers can wait at the same time. If a job
    /// keeps no record (`record_ttl` of zero), the wait ends with [`WaitError::NoRecord`].
    ///
    /// ```no_run
    /// # use naq_client::{Client, WaitError};
    /// # use naq_core::Job;
    /// # use std::time::Duration;
    /// # async fn f<J: Job>(client: &Client, job: J) -> Result<(), Box<dyn std::error::Error>> {
    /// let handle = client.enqueue(job).await?;
    /// match handle.wait(Duration::from_secs(60)).await {
    ///     Ok(output) => drop(output),
    ///     Err(WaitError::TimedOut { state, .. }) => println!("still {state}"),
    ///     Err(err) => return Err(err.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`WaitError`] for any end but completed, or if the job has not ended after `timeout`.
    pub async fn wait(&self, timeout: Duration) -> Result<O, WaitError> {
        self.client.wait_for(&self.key, self.life.as_ref(), timeout).await?.into_output()
    }
}

impl Client {
    /// Waits until the job has ended in any way.
    ///
    /// # Errors
    /// [`WaitError::TimedOut`] if it has not ended after `timeout`, [`WaitError::NoRecord`] if the
    /// broker has no message of it, [`WaitError::Client`].
    pub async fn wait(&self, key: &JobKey, timeout: Duration) -> Result<JobReport, WaitError> {
        self.wait_for(key, None, timeout).await
    }

    async fn wait_for(
        &self,
        key: &JobKey,
        life: Option<&Nonce>,
        timeout: Duration,
    ) -> Result<JobReport, WaitError> {
        let began = self.now();
        let id = || key.id.clone();
        let until = began + timeout;
        // Watches before the first read, so that no end is missed between the two.
        let mut watch = self.transport.watch_end(key).await?;
        let mut last_state = None;
        let mut not_found = false;
        loop {
            match self.read_life(key, life).await {
                Ok(Some(mut report)) if report.state.is_final() => {
                    self.add_large_result(&mut report).await?;
                    return Ok(report);
                }
                Ok(Some(report)) => {
                    last_state = Some(report.state);
                    not_found = false;
                }
                Ok(None) if not_found => return Err(WaitError::NoRecord { id: id() }),
                Ok(None) => not_found = true,
                Err(ClientError::Transport(err)) if err.is_transient() && self.now() < until => {}
                Err(err) => return Err(err.into()),
            }
            let now = self.now();
            if now >= until && !not_found {
                let state = last_state.unwrap_or(JobState::Pending);
                return Err(WaitError::TimedOut { id: id(), state, after: timeout });
            }
            let interval = (now.since(began) / 4).clamp(MIN_READ_INTERVAL, MAX_READ_INTERVAL);
            let pause = if not_found { REREAD_AFTER } else { interval.min(until.since(now)) };
            watch.changed(pause).await;
        }
    }

    /// All that the broker knows of a job, or of one life of it.
    pub(crate) async fn read_life(
        &self,
        key: &JobKey,
        life: Option<&Nonce>,
    ) -> Result<Option<JobReport>, ClientError> {
        let mut messages = self.transport.locate(key).await?;
        if let Some(life) = life {
            messages.retain(|message| is_of_life(message, life));
        }
        Ok(JobReport::resolve(&messages))
    }
}

/// True if a message belongs to this life of its job, or to a life that a requeue of it started.
fn is_of_life(message: &Stored, life: &Nonce) -> bool {
    if message.step().nonce == *life {
        return true;
    }
    let origin = match message.place {
        Place::Record => message.record().ok().and_then(|record| record.envelope.origin),
        _ => message.envelope().ok().and_then(|job| job.origin),
    };
    origin.as_ref() == Some(life)
}
