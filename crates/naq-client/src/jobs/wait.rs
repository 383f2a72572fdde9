//! Waiting for a job's end: told by the broker, with a look now and then in case it was missed.

use std::time::Duration;

use naq_core::failure::ErrorKind;
use naq_core::names::JobId;
use naq_core::state::JobState;
use naq_core::transport::{JobKey, Place, Stored, TransportError};
use naq_core::wire::{DecodeError, Nonce};
use serde::de::DeserializeOwned;

use crate::{Client, ClientError, JobHandle, JobReport};

/// A wait looks by itself, too, after a quarter of the time that it has lasted; no sooner ...
const SOONEST: Duration = Duration::from_secs(2);
/// ... and no later than this.
const LATEST: Duration = Duration::from_secs(30);
/// Where nothing is found it looks once more: a job that ends in this moment may be seen neither in
/// its queue any more, nor among the records yet.
const ONCE_MORE: Duration = Duration::from_millis(200);

/// A wait that ended without a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The job died.
    #[error(
        "job {id} is dead: {kind}: {message}; see `naq dlq show {id}`, requeue it with `naq dlq requeue {id}`"
    )]
    Dead {
        /// Which job.
        id: JobId,
        /// The kind of the last error.
        kind: ErrorKind,
        /// Its message.
        message: String,
    },
    /// It was cancelled.
    #[error("job {id} was cancelled: {reason}")]
    Cancelled {
        /// Which job.
        id: JobId,
        /// Why.
        reason: String,
    },
    /// No attempt began before its deadline.
    #[error("job {id} expired: its deadline passed before an attempt could begin")]
    Expired {
        /// Which job.
        id: JobId,
    },
    /// It has not ended yet.
    #[error("job {id} is still {state} after {}: wait longer, or see `naq job show {id}`", humantime::format_duration(*.after))]
    TimedOut {
        /// Which job.
        id: JobId,
        /// Where it stands.
        state: JobState,
        /// How long it was waited for.
        after: Duration,
    },
    /// Nothing is held of it.
    #[error(
        "nothing is known of job {id}: it was never enqueued, asked for no record, or its record has expired; ask for one with `record_ttl`"
    )]
    NoRecord {
        /// Which job.
        id: JobId,
    },
    /// It completed, and what it returned is not kept any longer.
    #[error(
        "job {id} has completed, and its result is gone: have it kept longer with `record_ttl`"
    )]
    NoResult {
        /// Which job.
        id: JobId,
    },
    /// It completed, and what it returned is of another type than is asked for.
    #[error("the result of job {id}: {source}")]
    Decode {
        /// Which job.
        id: JobId,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The look at it went wrong.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl From<TransportError> for WaitError {
    fn from(err: TransportError) -> Self {
        Self::Client(err.into())
    }
}

impl JobReport {
    /// What the handler returned, of a job that has completed; else how it ended.
    ///
    /// # Errors
    /// [`WaitError`]; of a job that has not ended, `TimedOut`.
    pub fn into_output<O: DeserializeOwned>(self) -> Result<O, WaitError> {
        let id = self.key.id.clone();
        let last = self.envelope.as_ref().and_then(|job| job.history.last());
        match self.state {
            JobState::Completed => match self.result {
                Some(result) => result.decode().map_err(|source| WaitError::Decode { id, source }),
                None => Err(WaitError::NoResult { id }),
            },
            JobState::Dead => {
                let told = self.dead.map(|letter| (letter.error_kind, letter.message));
                let error = self.envelope.as_ref().and_then(|job| job.last_error());
                let error = error.map(|last| (last.error_kind.clone(), last.message.clone()));
                let (kind, message) = told.unwrap_or_else(|| {
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
    /// Waits until the job has ended, and gives what its handler returned. A handler that fails and
    /// is retried has not ended yet.
    ///
    /// The broker tells of the end, so that many can wait at once; a job that keeps no record
    /// (`record_ttl` of zero) is only seen to be gone.
    ///
    /// ```no_run
    /// # use naq_client::{Client, WaitError};
    /// # use naq_core::Job;
    /// # use std::time::Duration;
    /// # async fn f<J: Job>(client: &Client, job: J) -> Result<(), Box<dyn std::error::Error>> {
    /// let report = client.enqueue(job).await?;
    /// match report.wait(Duration::from_secs(60)).await {
    ///     Ok(output) => drop(output),
    ///     Err(WaitError::TimedOut { state, .. }) => println!("still {state}"),
    ///     Err(err) => return Err(err.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`WaitError`], which says how else it ended, or that it has not after `timeout`.
    pub async fn wait(&self, timeout: Duration) -> Result<O, WaitError> {
        self.client.wait_for(&self.key, self.life.as_ref(), timeout).await?.into_output()
    }
}

impl Client {
    /// Waits until the job has ended, however it does.
    ///
    /// # Errors
    /// [`WaitError::TimedOut`] when it has not after `timeout`, [`WaitError::NoRecord`] when nothing
    /// is held of it, [`WaitError::Client`].
    pub async fn wait(&self, key: &JobKey, timeout: Duration) -> Result<JobReport, WaitError> {
        self.wait_for(key, None, timeout).await
    }

    async fn wait_for(
        &self,
        key: &JobKey,
        life: Option<&Nonce>,
        timeout: Duration,
    ) -> Result<JobReport, WaitError> {
        let (began, id) = (self.now(), || key.id.clone());
        let until = began + timeout;
        // Listens before it looks, so that nothing falls between.
        let mut watch = self.transport.watch_end(key).await?;
        let mut known = None;
        let mut nothing = false;
        loop {
            match self.look(key, life).await {
                Ok(Some(mut report)) if report.state.is_final() => {
                    self.add_result(&mut report).await?;
                    return Ok(report);
                }
                Ok(Some(report)) => (known, nothing) = (Some(report.state), false),
                Ok(None) if nothing => return Err(WaitError::NoRecord { id: id() }),
                Ok(None) => nothing = true,
                Err(ClientError::Transport(err)) if err.is_transient() && self.now() < until => {}
                Err(err) => return Err(err.into()),
            }
            let now = self.now();
            if now >= until && !nothing {
                let state = known.unwrap_or(JobState::Pending);
                return Err(WaitError::TimedOut { id: id(), state, after: timeout });
            }
            let look = (now.since(began) / 4).clamp(SOONEST, LATEST);
            watch.changed(if nothing { ONCE_MORE } else { look.min(until.since(now)) }).await;
        }
    }

    /// What is known of a job; of this life of it, if one is named.
    pub(crate) async fn look(
        &self,
        key: &JobKey,
        life: Option<&Nonce>,
    ) -> Result<Option<JobReport>, ClientError> {
        let mut messages = self.transport.locate(key).await?;
        if let Some(life) = life {
            messages.retain(|message| is_of(message, life));
        }
        Ok(JobReport::resolve(&messages))
    }
}

/// Whether a message is of this life of its job, or of one that a requeue has made of it.
fn is_of(message: &Stored, life: &Nonce) -> bool {
    if message.step().nonce == *life {
        return true;
    }
    let origin = match message.place {
        Place::Record => message.record().ok().and_then(|record| record.envelope.origin),
        _ => message.envelope().ok().and_then(|job| job.origin),
    };
    origin.as_ref() == Some(life)
}
